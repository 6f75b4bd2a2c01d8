#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "cpu/launch/level_unit.h"
#include "cpu/launch/units.h"
#include "family/counts.h"

// The derivatives by the weights, for levels with sums S_s and denominators D_s and with upstream
// u:
//     u dL/dw_i = sum_s u (v_i / D_s - (S_s / D_s) n_i / D_s)
// where v_i are the values of the residuals of weight w_i, and n_i is dD_s/dw_i, their number. The
// sweep writes the first part. Finish subtracts the second, for which the sums must be known, and
// adds the levels, from the coarsest to the images.

namespace gradops::cpu {

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
    const bool has_pixels = params[0].levels.pixel_weight > 0;
    for (size_t map = 1; map < params.size() + (has_pixels ? 1 : 0); ++map) {
      const ImageShape& shape = params[0].shape;
      const int64_t planes = shape.batch * (inputs.weights.per_channel ? shape.planes : 1);
      others_.emplace_back(new T[planes * PlaneSize(map)]);
      maps_.push_back(others_.back().get());
    }
  }

  bool AreWanted() const { return maps_[0] != nullptr; }
  /// Whether the units of an example's planes add to the same rows, so that they run in turn.
  bool PlanesInTurn() const { return AreWanted() && !inputs_.weights.per_channel; }

  /// The maps are numbered as the levels are. The one after them is that of the pixel term.
  size_t PixelMap() const { return params_.size(); }

  /// Where the sweep of a unit writes. `is_final`: Finish will not run.
  WeightsOutput<T> Output(size_t map, int64_t unit, T scale_y, T scale_x,
                          bool is_final = false) const {
    WeightsOutput<T> output;
    if (!AreWanted()) return output;
    output.plane = Plane(map, unit);
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
  void Clear(size_t map, int64_t unit, RowRange rows) const {
    if (!AreWanted() || (PlanesInTurn() && units_.PlaneInExample(unit) > 0)) return;
    const int64_t row_size = RowSize(map);
    T* const plane = Plane(map, unit);
    std::fill(plane + rows.begin * row_size, plane + rows.end * row_size, T(0));
  }

  /// Completes the rows of a unit, or those of the units of all planes of its example if they run
  /// in turn and this is the last one: subtracts the counts, replaces what is not finite by 0 where
  /// a weight is 0, and adds the maps up. `factors`: what the numbers n_i are multiplied by.
  void Finish(int64_t unit, const ByTerm& factors) const {
    if (!AreWanted() || !IsLastPlane(unit)) return;
    const int64_t planes = PlanesInTurn() ? units_.PlanesPerExample() : 1;
    std::vector<std::vector<T>> numbers(maps_.size());
    for (int64_t plane = planes - 1; plane >= 0; --plane) {
      const int64_t of_plane = unit - plane * units_.per_plane, example = units_.Example(unit);
      const LossInputs<S> of_unit = InputsOfUnit(inputs_, params_[0].shape, units_, of_plane);
      const LossInputs<T> maps = {nullptr, nullptr, of_unit.weights, of_unit.mask};
      const auto finish = [&](size_t map, RowRange rows, const LossInputs<T>& of_level,
                              double factor) {
        FinishMap(map, of_plane, plane == 0, rows, of_level, factor, &numbers[map]);
      };
      const RowRange rows = units_.Rows(of_plane);
      if (params_.size() > 1) {
        const LevelUnit<S> levels(params_, of_unit, nullptr, rows, /*gradients=*/0);
        for (size_t s = params_.size() - 1; s > 0; --s) {
          finish(s, levels[s].own, levels[s].inputs, factors[s][example]);
          if (plane == 0) AddCoarser(s + 1, of_plane, levels[s].own);
        }
      }
      finish(0, rows, maps, factors[0][example]);
      if (plane == 0) AddCoarser(1, of_plane, rows);
      if (maps_.size() == params_.size()) continue;
      finish(PixelMap(), rows, maps, factors[PixelMap()][example]);
      if (plane == 0) AddPixels(of_plane, rows);
    }
  }

 private:
  const ImageShape& Shape(size_t map) const { return params_[map == PixelMap() ? 0 : map].shape; }
  int64_t RowSize(size_t map) const { return Shape(map).MapRowSize(inputs_.weights.per_channel); }
  int64_t PlaneSize(size_t map) const { return Shape(map).height * RowSize(map); }
  T* Plane(size_t map, int64_t unit) const {
    const int64_t plane = inputs_.weights.per_channel ? units_.Plane(unit) : units_.Example(unit);
    return maps_[map] + plane * PlaneSize(map);
  }
  bool IsLastPlane(int64_t unit) const {
    return !PlanesInTurn() || units_.PlaneInExample(unit) == units_.PlanesPerExample() - 1;
  }

  /// Subtracts `factor` times the numbers of what counts in one plane. `numbers` adds them up over
  /// the planes if their product with the factor may not be a number, which must not hide whether
  /// what was in the map is.
  void FinishMap(size_t map, int64_t unit, bool is_last, RowRange rows, const LossInputs<T>& inputs,
                 double factor, std::vector<T>* numbers) const {
    const bool of_pixels = map == PixelMap();
    const KernelParams& params = params_[of_pixels ? 0 : map];
    const Counted counted = of_pixels ? Counted::kPixels : CountedFor(params.normalizer);
    const int64_t begin = rows.begin * RowSize(map), size = rows.end * RowSize(map) - begin;
    const bool is_number = std::isfinite(factor);
    WeightsOutput<T> output;
    output.plane = Plane(map, unit);
    if (!is_number) {
      numbers->resize(size);
      output.plane = numbers->data() - begin;
    }
    output.weights = is_number && is_last ? inputs.weights.data : nullptr;
    output.per_channel = inputs_.weights.per_channel;
    output.adds = output.read_soon = true;
    output.scale_y = is_number ? static_cast<T>(-factor) : T(1);
    const bool two_axes = counted == Counted::kResiduals && ResidualsOf(params.response) == 2;
    output.scale_x = two_axes ? output.scale_y : T(0);
    ActiveTarget().Of<T>().add_counted(params, inputs, rows, counted, output);
    if (is_number || !is_last) return;
    T* const out = Plane(map, unit) + begin;
    for (int64_t x = 0; x < size; ++x) {
      const bool is_kept = inputs.weights.data[begin + x] > 0 || std::isfinite(out[x]);
      const T subtracted = (*numbers)[x] == 0 ? T(0) : static_cast<T>(factor) * (*numbers)[x];
      out[x] = is_kept ? out[x] - subtracted : T(0);
    }
  }

  /// Adds the map of level `coarser`, if there is one, to rows of the level before it.
  void AddCoarser(size_t coarser, int64_t unit, RowRange rows) const {
    if (coarser == params_.size()) return;
    const ImageShape& shape = params_[coarser].shape;
    const bool stride = params_[coarser].levels.downsample == DownsampleId::kStride;
    const int64_t channels = inputs_.weights.per_channel ? shape.channels : 1;
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      if (stride ? row % 2 != 0 : row / 2 >= shape.height) continue;
      const T* const from = Plane(coarser, unit) + row / 2 * RowSize(coarser);
      T* const out = Plane(coarser - 1, unit) + row * RowSize(coarser - 1);
      for (int64_t x = 0; x < shape.width; ++x) {
        for (int64_t c = 0; c < channels; ++c) {
          const T value = from[x * channels + c];
          out[2 * x * channels + c] += stride ? value : T(0.25) * value;
          if (!stride) out[(2 * x + 1) * channels + c] += T(0.25) * value;
        }
      }
    }
  }
  void AddPixels(int64_t unit, RowRange rows) const {
    const T* const from = Plane(PixelMap(), unit);
    T* const out = Plane(0, unit);
    for (int64_t x = rows.begin * RowSize(0); x < rows.end * RowSize(0); ++x) out[x] += from[x];
  }

  const std::vector<KernelParams>& params_;
  LossInputs<S> inputs_;  // the maps alone
  const Units& units_;
  std::vector<std::unique_ptr<T[]>> others_;  // all but the first map
  std::vector<T*> maps_;
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
