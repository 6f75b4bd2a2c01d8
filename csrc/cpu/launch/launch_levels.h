#pragma once

#include <string>
#include <vector>

#include "cpu/launch/denominators.h"
#include "cpu/launch/level_rows.h"
#include "cpu/launch/level_unit.h"
#include "cpu/launch/targets.h"
#include "cpu/launch/weight_maps.h"
#include "family/counts.h"

// A loss of several terms (family/levels.h): each unit of work goes through all levels.

namespace gradops::cpu {

/// What a sweep over all examples finds; null where it is not wanted.
template <class S>
struct SweepOutputs {
  ComputeType<S>* losses = nullptr;
  S* by_pred = nullptr;
  S* by_true = nullptr;
  ComputeType<S>* by_weights = nullptr;
};

/// What the sums of each level and of the pixel term are divided by, each [B].
struct Denominators {
  std::vector<std::vector<double>> levels;
  std::vector<double> pixels;  // empty without a pixel term
};

/// Returns "" or what is wrong with the weights.
template <class S>
std::string FindLevelDenominators(const std::vector<KernelParams>& params, LossInputs<S> inputs,
                                  const ParallelFor& parallel_for, Denominators* denominators) {
  using T = ComputeType<S>;
  const int64_t batch = params[0].shape.batch;
  const size_t levels = params.size();
  const Counted counted = CountedFor(params[0].normalizer);
  const std::string wrong = KeepWeightsThatCount(params[0], parallel_for, &inputs);
  if (!wrong.empty()) return wrong;
  std::vector<std::vector<AxisSums>> counts(levels);
  const bool has_maps = inputs.weights.data != nullptr || inputs.mask.data != nullptr;
  for (size_t s = 0; s < levels; ++s) {
    counts[s].assign(batch, has_maps ? AxisSums{0, 0} : CountByShape(params[s], counted));
  }
  if (has_maps) {
    const Units units = UnitsOfLevels(params[0]);
    std::vector<Counts> by_unit(units.count * levels);
    parallel_for(units.count, [&](int64_t unit) {
      LossInputs<S> of_unit = InputsOfUnit(inputs, params[0].shape, units, unit);
      of_unit.y_pred = of_unit.y_true = nullptr;
      const LevelUnit<S> level(params, of_unit, nullptr, units.Rows(unit), /*gradients=*/0);
      Counts* const found = by_unit.data() + unit * levels;
      found[0] = ActiveTarget().Of<S>().counts(params[0], of_unit, level[0].own, counted);
      for (size_t s = 1; s < levels; ++s) {
        found[s] = ActiveTarget().Of<T>().counts(params[s], level[s].inputs, level[s].own, counted);
      }
    });
    for (size_t s = 0; s < levels; ++s) {
      const std::string error = AddCounts<T>(units, by_unit.data() + s, levels, 1, &counts[s]);
      if (!error.empty()) return error;
    }
  }
  denominators->levels.assign(levels, std::vector<double>(batch));
  for (size_t s = 0; s < levels; ++s) {
    WriteDenominators(params[s], counts[s].data(), denominators->levels[s].data());
  }
  if (params[0].levels.pixel_weight == 0) return "";
  return FindDenominators(params[0], inputs, Counted::kPixels, parallel_for, &denominators->pixels);
}

/// A unit's parts of the means of each level, times the level's weight, and of the pixel term.
struct LevelParts {
  double levels[Levels::kMax] = {};
  double pixels = 0;
};

/// Runs a unit at every level, the coarsest first, and returns its part of the example's loss.
template <class S>
class LevelsOfUnit {
 public:
  using T = ComputeType<S>;

  LevelsOfUnit(const std::vector<KernelParams>& params, const Denominators& denominators,
               const WeightMaps<S>& weight_maps, int64_t example, int64_t unit,
               PerExample<T> upstream)
      : params_(params),
        denominators_(denominators),
        weight_maps_(weight_maps),
        example_(example),
        unit_(unit),
        upstream_(upstream) {}

  double Run(const LossInputs<S>& inputs, const S* vector, RowRange rows, S* by_pred, S* by_true) {
    const int gradients = (by_pred != nullptr ? 1 : 0) + (by_true != nullptr ? 1 : 0);
    const LevelUnit<S> levels(params_, inputs, vector, rows, gradients);
    CoarserGradient<T> coarser_by_pred, coarser_by_true;
    double sum = 0;
    for (size_t s = params_.size() - 1; s > 0; --s) {
      const auto& level = levels[s];
      GradientOutputs<T> outputs;
      outputs.by_pred = level.by_pred;
      outputs.by_true = level.by_true;
      outputs.coarser_by_pred = coarser_by_pred;
      outputs.coarser_by_true = coarser_by_true;
      outputs.read_soon = true;
      sum += RunLevel(s, level.inputs, level.vector, level.own, outputs);
      const ImageShape& shape = params_[s].shape;
      const DownsampleId downsample = params_[s].levels.downsample;
      if (by_pred != nullptr) {
        coarser_by_pred = {level.by_pred, shape.height, shape.width, downsample};
      }
      if (by_true != nullptr) {
        coarser_by_true = {level.by_true, shape.height, shape.width, downsample};
      }
    }
    GradientOutputs<S> outputs;
    outputs.by_pred = by_pred;
    outputs.by_true = by_true;
    outputs.coarser_by_pred = coarser_by_pred;
    outputs.coarser_by_true = coarser_by_true;
    return sum + RunLevel(0, inputs, vector, rows, outputs);
  }
  const LevelParts& Parts() const { return parts_; }

 private:
  template <class R>
  double RunLevel(size_t s, const LossInputs<R>& inputs, const R* vector, RowRange rows,
                  GradientOutputs<R> outputs) {
    const KernelParams& params = params_[s];
    const double weight = params.levels.weights[s], denominator = denominators_.levels[s][example_];
    if (rows.begin >= rows.end) return 0;
    const bool has_pixels = params.levels.pixel_weight > 0 && denominators_.pixels[example_] > 0;
    const double pixel_factor =
        has_pixels ? params.levels.pixel_weight / denominators_.pixels[example_] : 0;
    const bool has_upstream = outputs.by_pred != nullptr || weight_maps_.AreWanted();
    const T upstream = has_upstream ? upstream_.At(example_, 0) : T(0);
    outputs.pixel_scale = static_cast<T>(static_cast<double>(upstream) * pixel_factor);
    const bool has_pixel_map = s == 0 && params.levels.pixel_weight > 0;
    if (has_pixel_map && !has_pixels) weight_maps_.Clear(weight_maps_.PixelMap(), unit_, rows);
    if (!(denominator > 0) || weight == 0) {
      weight_maps_.Clear(s, unit_, rows);
      const double pixels = has_pixels ? SumPixels(params, inputs, vector, rows) : 0;
      const LossInputs<R>* const to_pred = has_pixels && vector == nullptr ? &inputs : nullptr;
      WriteWithoutResiduals(params, rows, outputs.coarser_by_pred, to_pred, outputs.pixel_scale,
                            outputs.by_pred);
      WriteWithoutResiduals<R>(params, rows, outputs.coarser_by_true, nullptr, 0, outputs.by_true);
      if (has_pixels) {
        weight_maps_.Clear(weight_maps_.PixelMap(), unit_, rows);
        AddPixelsByWeight(params, inputs, vector, rows, outputs.pixel_scale,
                          weight_maps_.Output(weight_maps_.PixelMap(), unit_, 0, 0));
      }
      parts_.pixels = pixel_factor * pixels;
      return denominator == 0 || weight == 0 ? parts_.pixels : denominator;  // NaN
    }
    if (has_upstream) {
      outputs.scale_y = outputs.scale_x = GradientScale(params, upstream, denominator / weight);
      const T scale = static_cast<T>(static_cast<double>(upstream) * weight / denominator);
      outputs.by_weights = weight_maps_.Output(s, unit_, scale, scale);
      if (has_pixels) {
        outputs.by_weights_of_pixels = weight_maps_.Output(weight_maps_.PixelMap(), unit_, 0, 0);
      }
    }
    const KernelTable<R>& kernels = ActiveTarget().Of<R>();
    const LossSums sums = vector == nullptr ? kernels.loss(params, inputs, rows, outputs)
                                            : kernels.second(params, inputs, vector, rows, outputs);
    parts_.levels[s] = (sums.residuals.y + sums.residuals.x) / (denominator / weight);
    const double pixels = pixel_factor * sums.pixels;
    if (s == 0) parts_.pixels = pixels;
    return parts_.levels[s] + pixels;
  }

  const std::vector<KernelParams>& params_;
  const Denominators& denominators_;
  const WeightMaps<S>& weight_maps_;
  const int64_t example_, unit_;
  const PerExample<T> upstream_;
  LevelParts parts_;
};

/// The factors of the counts in the derivatives by the weights, from the parts of all units.
template <class T>
CountFactors CountFactorsOfLevels(const std::vector<KernelParams>& params, const Units& units,
                                  const std::vector<LevelParts>& parts,
                                  const Denominators& denominators, PerExample<T> upstream) {
  const int64_t batch = params[0].shape.batch;
  CountFactors factors(params.size(), batch);
  const auto write = [&](auto part_of, const std::vector<double>& of, std::vector<double>* to) {
    const auto loss_of = [&](int64_t example) {
      const double sum =
          SumOverUnits(units, example, [&](int64_t unit) { return part_of(parts[unit]); });
      return sum * static_cast<double>(upstream.At(example, 0));
    };
    WriteCountFactors(params[0].normalizer, batch, loss_of, of.data(), to->data());
  };
  for (size_t s = 0; s < params.size(); ++s) {
    write([s](const LevelParts& part) { return part.levels[s]; }, denominators.levels[s],
          &factors.levels[s]);
  }
  if (!denominators.pixels.empty()) {
    write([](const LevelParts& part) { return part.pixels; }, denominators.pixels, &factors.pixels);
  }
  return factors;
}

/// LaunchSweep (launch_sweep.h) for a loss of several terms.
template <class S>
std::string LaunchLevels(const KernelParams& params, const LossInputs<S>& inputs, const S* vector,
                         PerExample<ComputeType<S>> upstream, const SweepOutputs<S>& outputs,
                         const ParallelFor& parallel_for) {
  const std::vector<KernelParams> levels = ParamsOfLevels(params);
  Denominators denominators;
  const std::string error = FindLevelDenominators(levels, inputs, parallel_for, &denominators);
  if (!error.empty()) return error;
  const Units units = UnitsOfLevels(params);
  const WeightMaps<S> weight_maps(levels, inputs, units, outputs.by_weights);
  const bool finishes_later = weight_maps.AreWanted() && DividesByWeights(params.normalizer);
  const CountFactors no_factors(levels.size(), params.shape.batch);
  std::vector<double> sums(units.count, 0);
  std::vector<LevelParts> parts(finishes_later ? units.count : 0);
  ForEachUnit(units, weight_maps.PlanesInTurn(), parallel_for, [&](int64_t unit) {
    const int64_t offset = units.Offset(unit);
    LevelsOfUnit<S> of_unit(levels, denominators, weight_maps, units.Example(unit), unit, upstream);
    sums[unit] =
        of_unit.Run(InputsOfUnit(inputs, params.shape, units, unit), OffsetIfGiven(vector, offset),
                    units.Rows(unit), OffsetIfGiven(outputs.by_pred, offset),
                    OffsetIfGiven(outputs.by_true, offset));
    if (finishes_later) {
      parts[unit] = of_unit.Parts();
    } else {
      weight_maps.Finish(unit, no_factors);
    }
  });
  if (finishes_later) {
    const CountFactors factors = CountFactorsOfLevels(levels, units, parts, denominators, upstream);
    parallel_for(units.count, [&](int64_t unit) { weight_maps.Finish(unit, factors); });
  }
  if (outputs.losses == nullptr) return "";
  for (int64_t example = 0; example < params.shape.batch; ++example) {
    const double sum = SumOverUnits(units, example, [&](int64_t unit) { return sums[unit]; });
    outputs.losses[example] = static_cast<ComputeType<S>>(sum);
  }
  return "";
}

}  // namespace gradops::cpu
