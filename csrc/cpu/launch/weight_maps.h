#pragma once

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "cpu/launch/level_unit.h"
#include "cpu/launch/targets.h"
#include "cpu/launch/units.h"
#include "family/counts.h"

// The derivatives by the weights, for levels with sums S_s and denominators D_s and with upstream
// u:
//     u dL/dw_i = sum_s u (v_i / D_s - (S_s / D_s) n_i / D_s)
// where v_i are the values of the residuals of weight w_i, and n_i is dD_s/dw_i, their number. The
// sweep writes the first part. Finish subtracts the second, for which the sums must be known, and
// adds the levels, from the coarsest to the images.

namespace gradops::cpu {

/// What n_i is multiplied by in each example, by level and for the pixel term; 0 if D does not
/// depend on the weights.
struct CountFactors {
  std::vector<std::vector<double>> levels;
  std::vector<double> pixels;

  CountFactors(size_t level_count, int64_t batch)
      : levels(level_count, std::vector<double>(batch, 0)), pixels(batch, 0) {}
};

/// Those of one denominator per example, given u_b times the loss that was divided by it.
inline void SetCountFactors(NormalizerId normalizer, const std::vector<double>& losses,
                            const std::vector<double>& denominators, std::vector<double>* factors) {
  const size_t batch = losses.size();
  double total = 0;
  for (size_t b = 0; b < batch; ++b) {
    (*factors)[b] = denominators[b] == 0 ? 0 : losses[b] / denominators[b];
    total += (*factors)[b];
  }
  if (normalizer == NormalizerId::kBatch) {  // all examples have their mean as denominator
    factors->assign(batch, total / static_cast<double>(batch));
  }
}

template <class S>
class WeightMaps {
 public:
  using T = ComputeType<S>;

  /// For the levels of a loss, or one. `by_weights` has the shape of the weights, or is null.
  WeightMaps(const std::vector<KernelParams>& params, const LossInputs<S>& inputs,
             const Units& units, T* by_weights)
      : params_(params), inputs_(inputs), units_(units) {
    inputs_.y_pred = inputs_.y_true = nullptr;
    maps_.push_back(by_weights);
    if (by_weights == nullptr) return;
    if (units.count == 0) {  // no channels, perhaps
      const int64_t size = ExampleSize(inputs.weights, params[0].shape);
      std::fill(by_weights, by_weights + params[0].shape.batch * size, T(0));
    }
    for (size_t s = 1; s < params.size(); ++s) {
      const int64_t planes = inputs.weights.per_channel
                                 ? params[s].shape.planes * params[s].shape.batch
                                 : params[s].shape.batch;
      coarser_.emplace_back(new T[planes * PlaneSize(s)]);
      maps_.push_back(coarser_.back().get());
    }
  }

  bool AreWanted() const { return maps_[0] != nullptr; }
  /// Whether the units of an example's planes add to the same rows, so that they run in turn.
  bool PlanesInTurn() const { return AreWanted() && !inputs_.weights.per_channel; }

  /// Where the sweep of a unit writes. `is_final`: Finish will not run.
  WeightsOutput<T> Output(size_t level, int64_t unit, T scale_y, T scale_x,
                          bool is_final = false) const {
    WeightsOutput<T> output;
    if (!AreWanted()) return output;
    output.plane = Plane(level, unit);
    output.per_channel = inputs_.weights.per_channel;
    output.adds = PlanesInTurn() && units_.PlaneInExample(unit) > 0;
    output.read_soon = !is_final;
    output.scale_y = scale_y;
    output.scale_x = scale_x;
    if (is_final && IsLastPlane(unit)) {
      output.weights = MapOfUnit(inputs_.weights, params_[0].shape, units_, unit).data;
    }
    return output;
  }
  /// Writes 0 where nothing counts.
  void Clear(size_t level, int64_t unit, RowRange rows) const {
    if (!AreWanted() || (PlanesInTurn() && units_.PlaneInExample(unit) > 0)) return;
    const int64_t row_size = RowSize(level);
    T* const plane = Plane(level, unit);
    std::fill(plane + rows.begin * row_size, plane + rows.end * row_size, T(0));
  }

  /// Completes the rows of a unit, or those of the units of all planes of its example if they run
  /// in turn and this is the last one: subtracts the counts, replaces what is not finite by 0 where
  /// a weight is 0, and adds the coarser levels.
  void Finish(int64_t unit, const CountFactors& factors) const {
    if (!AreWanted() || !IsLastPlane(unit)) return;
    const int64_t planes = PlanesInTurn() ? units_.PlanesPerExample() : 1;
    for (int64_t plane = planes - 1; plane >= 0; --plane) {
      const int64_t of_plane = unit - plane * units_.per_plane;
      const RowRange rows = units_.Rows(of_plane);
      const LossInputs<S> of_unit = InputsOfUnit(inputs_, params_[0].shape, units_, of_plane);
      const LossInputs<T> maps = {nullptr, nullptr, of_unit.weights, of_unit.mask};
      if (params_.size() == 1) {
        FinishLevel(0, of_plane, plane == 0, rows, maps, factors);
        continue;
      }
      const LevelUnit<S> levels(params_, of_unit, nullptr, rows, /*gradients=*/0);
      for (size_t s = params_.size() - 1; s > 0; --s) {
        FinishLevel(s, of_plane, plane == 0, levels[s].own, levels[s].inputs, factors);
      }
      FinishLevel(0, of_plane, plane == 0, rows, maps, factors);
    }
  }

 private:
  int64_t RowSize(size_t level) const {
    const ImageShape& shape = params_[level].shape;
    return inputs_.weights.per_channel ? shape.RowSize() : shape.width;
  }
  int64_t PlaneSize(size_t level) const { return params_[level].shape.height * RowSize(level); }
  T* Plane(size_t level, int64_t unit) const {
    const int64_t plane = inputs_.weights.per_channel ? units_.Plane(unit) : units_.Example(unit);
    return maps_[level] + plane * PlaneSize(level);
  }

  bool IsLastPlane(int64_t unit) const {
    return !PlanesInTurn() || units_.PlaneInExample(unit) == units_.PlanesPerExample() - 1;
  }

  void FinishLevel(size_t level, int64_t unit, bool is_last, RowRange rows,
                   const LossInputs<T>& maps, const CountFactors& factors) const {
    const KernelParams& params = params_[level];
    const auto subtract = [&](Counted counted, double factor, const T* weights) {
      const bool two_axes = counted == Counted::kResiduals && ResidualsOf(params.response) == 2;
      WeightsOutput<T> output;
      output.plane = Plane(level, unit);
      output.weights = weights;
      output.per_channel = inputs_.weights.per_channel;
      output.adds = output.read_soon = true;
      output.scale_y = static_cast<T>(-factor);
      output.scale_x = two_axes ? output.scale_y : T(0);
      ActiveTarget().Of<T>().add_counted(params, maps, rows, counted, output);
    };
    const int64_t example = units_.Example(unit);
    const bool has_pixels = level == 0 && factors.pixels[example] != 0;
    if (has_pixels) subtract(Counted::kPixels, factors.pixels[example], nullptr);
    subtract(CountedFor(params.normalizer), factors.levels[level][example],
             is_last ? maps.weights.data : nullptr);
    if (!is_last || level + 1 == params_.size()) return;
    for (int64_t row = rows.begin; row < rows.end; ++row) AddCoarserRow(level, unit, row);
  }

  void AddCoarserRow(size_t level, int64_t unit, int64_t row) const {
    const ImageShape& coarser = params_[level + 1].shape;
    const bool stride = params_[level].levels.downsample == DownsampleId::kStride;
    if (stride ? row % 2 != 0 : row / 2 >= coarser.height) return;
    const int64_t channels = inputs_.weights.per_channel ? coarser.channels : 1;
    const T* const from = Plane(level + 1, unit) + row / 2 * RowSize(level + 1);
    T* const out = Plane(level, unit) + row * RowSize(level);
    for (int64_t x = 0; x < coarser.width; ++x) {
      for (int64_t c = 0; c < channels; ++c) {
        const T value = from[x * channels + c];
        out[2 * x * channels + c] += stride ? value : T(0.25) * value;
        if (!stride) out[(2 * x + 1) * channels + c] += T(0.25) * value;
      }
    }
  }

  const std::vector<KernelParams>& params_;
  LossInputs<S> inputs_;  // the maps alone
  const Units& units_;
  std::vector<std::unique_ptr<T[]>> coarser_;
  std::vector<T*> maps_;  // by level
};

/// Calls run(unit) for each unit; for units that run in turn, on one thread in the order of planes.
template <class Run>
void ForEachUnit(const Units& units, bool planes_in_turn, const ParallelFor& parallel_for,
                 Run&& run) {
  if (!planes_in_turn || units.count == 0) return parallel_for(units.count, run);
  const int64_t planes = units.PlanesPerExample();
  parallel_for(units.count / planes, [&](int64_t job) {
    const int64_t example = job / units.per_plane, strip = job % units.per_plane;
    for (int64_t plane = 0; plane < planes; ++plane) {
      run((example * planes + plane) * units.per_plane + strip);
    }
  });
}

}  // namespace gradops::cpu
