#pragma once

#include <string>
#include <vector>

#include "cpu/launch/denominators.h"
#include "cpu/launch/level_rows.h"
#include "cpu/launch/level_unit.h"
#include "cpu/launch/targets.h"
#include "family/counts.h"

// A loss of several terms (family/levels.h): each unit of work goes through all levels.

namespace gradops::cpu {

/// What the sums of each level and of the pixel term are divided by, each [B].
struct Denominators {
  std::vector<std::vector<double>> levels;
  std::vector<double> pixels;  // empty without a pixel term
};

/// Returns "" or what is wrong with the weights.
template <class S>
std::string FindLevelDenominators(const std::vector<KernelParams>& params,
                                  const LossInputs<S>& inputs, const ParallelFor& parallel_for,
                                  Denominators* denominators) {
  using T = ComputeType<S>;
  const int64_t batch = params[0].shape.batch;
  const size_t levels = params.size();
  const Counted counted = CountedFor(params[0].normalizer);
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

/// Runs a unit at every level, the coarsest first, and returns its part of the example's loss.
template <class S>
class LevelsOfUnit {
 public:
  using T = ComputeType<S>;

  LevelsOfUnit(const std::vector<KernelParams>& params, const Denominators& denominators,
               int64_t example, PerExample<T> upstream)
      : params_(params), denominators_(denominators), example_(example), upstream_(upstream) {}

  double Run(const LossInputs<S>& inputs, const S* vector, RowRange rows, S* by_pred, S* by_true) {
    const int gradients = (by_pred != nullptr ? 1 : 0) + (by_true != nullptr ? 1 : 0);
    const LevelUnit<S> levels(params_, inputs, vector, rows, gradients);
    CoarserGradient<T> coarser_by_pred, coarser_by_true;
    double sum = 0;
    for (size_t s = params_.size() - 1; s > 0; --s) {
      const auto& level = levels[s];
      sum += RunLevel(s, level.inputs, level.vector, level.own,
                      GradientOutputs<T>{level.by_pred, level.by_true, 0, 0, coarser_by_pred,
                                         coarser_by_true, /*read_soon=*/true, 0});
      const ImageShape& shape = params_[s].shape;
      const DownsampleId downsample = params_[s].levels.downsample;
      if (by_pred != nullptr) {
        coarser_by_pred = {level.by_pred, shape.height, shape.width, downsample};
      }
      if (by_true != nullptr) {
        coarser_by_true = {level.by_true, shape.height, shape.width, downsample};
      }
    }
    return sum + RunLevel(0, inputs, vector, rows,
                          GradientOutputs<S>{by_pred, by_true, 0, 0, coarser_by_pred,
                                             coarser_by_true, /*read_soon=*/false, 0});
  }

 private:
  template <class R>
  double RunLevel(size_t s, const LossInputs<R>& inputs, const R* vector, RowRange rows,
                  GradientOutputs<R> outputs) const {
    const KernelParams& params = params_[s];
    const double weight = params.levels.weights[s], denominator = denominators_.levels[s][example_];
    if (rows.begin >= rows.end) return 0;
    const bool has_pixels = params.levels.pixel_weight > 0 && denominators_.pixels[example_] > 0;
    const double pixel_factor =
        has_pixels ? params.levels.pixel_weight / denominators_.pixels[example_] : 0;
    const T upstream = outputs.by_pred == nullptr ? T(0) : upstream_.At(example_, 0);
    outputs.pixel_scale = static_cast<T>(static_cast<double>(upstream) * pixel_factor);
    if (!(denominator > 0) || weight == 0) {
      const double pixels = has_pixels ? SumPixels(params, inputs, vector, rows) : 0;
      const LossInputs<R>* const to_pred = has_pixels && vector == nullptr ? &inputs : nullptr;
      WriteWithoutResiduals(params, rows, outputs.coarser_by_pred, to_pred, outputs.pixel_scale,
                            outputs.by_pred);
      WriteWithoutResiduals<R>(params, rows, outputs.coarser_by_true, nullptr, 0, outputs.by_true);
      const double others = pixel_factor * pixels;
      return denominator == 0 || weight == 0 ? others : denominator;  // NaN
    }
    if (outputs.by_pred != nullptr) {
      outputs.scale_y = outputs.scale_x = GradientScale(params, upstream, denominator / weight);
    }
    const KernelTable<R>& kernels = ActiveTarget().Of<R>();
    const LossSums sums = vector == nullptr ? kernels.loss(params, inputs, rows, outputs)
                                            : kernels.second(params, inputs, vector, rows, outputs);
    return (sums.residuals.y + sums.residuals.x) / (denominator / weight) +
           pixel_factor * sums.pixels;
  }

  const std::vector<KernelParams>& params_;
  const Denominators& denominators_;
  const int64_t example_;
  const PerExample<T> upstream_;
};

/// LaunchSweep (launch_loss.cc) for a loss of several terms.
template <class S>
std::string LaunchLevels(const KernelParams& params, const LossInputs<S>& inputs, const S* vector,
                         PerExample<ComputeType<S>> upstream, ComputeType<S>* loss, S* by_pred,
                         S* by_true, const ParallelFor& parallel_for) {
  const std::vector<KernelParams> levels = ParamsOfLevels(params);
  Denominators denominators;
  const std::string error = FindLevelDenominators(levels, inputs, parallel_for, &denominators);
  if (!error.empty()) return error;
  const Units units = UnitsOfLevels(params);
  std::vector<double> sums(units.count, 0);
  parallel_for(units.count, [&](int64_t unit) {
    const int64_t offset = units.Offset(unit);
    LevelsOfUnit<S> of_unit(levels, denominators, units.Example(unit), upstream);
    sums[unit] = of_unit.Run(InputsOfUnit(inputs, params.shape, units, unit),
                             OffsetIfGiven(vector, offset), units.Rows(unit),
                             OffsetIfGiven(by_pred, offset), OffsetIfGiven(by_true, offset));
  });
  if (loss == nullptr) return "";
  for (int64_t example = 0; example < params.shape.batch; ++example) {
    double sum = 0;
    for (int64_t i = 0; i < units.per_example && units.count > 0; ++i) {
      sum += sums[example * units.per_example + i];
    }
    loss[example] = static_cast<ComputeType<S>>(sum);
  }
  return "";
}

}  // namespace gradops::cpu
