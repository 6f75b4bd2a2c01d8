#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "cpu/launch/denominators.h"
#include "cpu/launch/launch_levels.h"
#include "cpu/launch/targets.h"
#include "cpu/launch/units.h"
#include "cpu/launch/weight_maps.h"
#include "family/counts.h"

// A sweep over all examples: losses and their derivatives, by images and by weights.

namespace gradops::cpu {

template <class S>
GradientOutputs<S> Outputs(const KernelParams& params, int64_t example, double denominator,
                           PerExample<ComputeType<S>> upstream, S* by_pred, S* by_true) {
  GradientOutputs<S> outputs;
  outputs.by_pred = by_pred;
  outputs.by_true = by_true;
  const int last_axis = AxesOf(params) - 1;
  outputs.scale_y = GradientScale(params, upstream.At(example, 0), denominator);
  outputs.scale_x = GradientScale(params, upstream.At(example, last_axis), denominator);
  return outputs;
}

/// Writes rows of zeros: the gradient of an example in which nothing counts. Does nothing if
/// `plane` is null.
template <class S>
void WriteZeros(const KernelParams& params, RowRange rows, S* plane) {
  if (plane == nullptr) return;
  const int64_t row_size = params.shape.RowSize();
  std::memset(static_cast<void*>(plane + rows.begin * row_size), 0,
              (rows.end - rows.begin) * row_size * sizeof(S));
}

/// Adds up the units of each example and divides. Where nothing counts the loss is 0.
template <class T>
void WriteLosses(const KernelParams& params, const Units& units, const std::vector<AxisSums>& sums,
                 const std::vector<double>& denominators, T* losses) {
  const int axes = AxesOf(params);
  for (int64_t example = 0; example < params.shape.batch; ++example) {
    const AxisSums sum = {SumOverUnits(units, example, [&](int64_t unit) { return sums[unit].y; }),
                          SumOverUnits(units, example, [&](int64_t unit) { return sums[unit].x; })};
    WriteLoss(sum, denominators[example], axes, losses + example * axes);
  }
}

/// The factors of the counts in the derivatives by the weights (weight_maps.h).
template <class T>
CountFactors CountFactorsOf(const KernelParams& params, const Units& units,
                            const std::vector<AxisSums>& sums,
                            const std::vector<double>& denominators, PerExample<T> upstream) {
  CountFactors factors(1, params.shape.batch);
  const auto loss_of = [&](int64_t example) {
    const double sum =
        SumOverUnits(units, example, [&](int64_t unit) { return sums[unit].y + sums[unit].x; });
    return sum / denominators[example] * static_cast<double>(upstream.At(example, 0));
  };
  WriteCountFactors(params.normalizer, params.shape.batch, loss_of, denominators.data(),
                    factors.levels[0].data());
  return factors;
}

/// Finds losses and, where they are wanted, upstream_b * dloss_b / dy_pred and / dweights in the
/// same sweep. With a vector, the losses are <vector_b, dloss_b / dy_pred>, and the outputs are
/// their derivatives times upstream_b.
template <class S>
std::string LaunchSweep(const KernelParams& params, const LossInputs<S>& inputs, const S* vector,
                        PerExample<ComputeType<S>> upstream, const SweepOutputs<S>& outputs,
                        const ParallelFor& parallel_for) {
  using T = ComputeType<S>;
  if (!params.levels.IsSingleTerm()) {
    return LaunchLevels(params, inputs, vector, upstream, outputs, parallel_for);
  }
  std::vector<double> denominators;
  const std::string error =
      FindDenominators(params, inputs, CountedFor(params.normalizer), parallel_for, &denominators);
  if (!error.empty()) return error;
  const KernelTable<S>& kernels = ActiveTarget().Of<S>();
  const Units units(params.shape);
  const std::vector<KernelParams> one_level = {params};
  const WeightMaps<S> weight_maps(one_level, inputs, units, outputs.by_weights);
  const bool finishes_later = weight_maps.AreWanted() && DividesByWeights(params.normalizer);
  std::vector<AxisSums> sums(units.count, AxisSums{0, 0});
  ForEachUnit(units, weight_maps.PlanesInTurn(), parallel_for, [&](int64_t unit) {
    const int64_t example = units.Example(unit), offset = units.Offset(unit);
    const RowRange rows = units.Rows(unit);
    S* const pred_plane = OffsetIfGiven(outputs.by_pred, offset);
    S* const true_plane = OffsetIfGiven(outputs.by_true, offset);
    if (!(denominators[example] > 0)) {
      WriteZeros(params, rows, pred_plane);
      WriteZeros(params, rows, true_plane);
      weight_maps.Clear(0, unit, rows);
      return;
    }
    const LossInputs<S> of_unit = InputsOfUnit(inputs, params.shape, units, unit);
    GradientOutputs<S> gradients;
    if (pred_plane != nullptr) {
      gradients = Outputs(params, example, denominators[example], upstream, pred_plane, true_plane);
    }
    if (weight_maps.AreWanted()) {
      const auto scale_of = [&](int axis) {
        return static_cast<T>(static_cast<double>(upstream.At(example, axis)) /
                              denominators[example]);
      };
      gradients.by_weights = weight_maps.Output(0, unit, scale_of(0), scale_of(AxesOf(params) - 1),
                                                /*is_final=*/!finishes_later);
    }
    sums[unit] =
        (vector == nullptr ? kernels.loss(params, of_unit, rows, gradients)
                           : kernels.second(params, of_unit, vector + offset, rows, gradients))
            .residuals;
  });
  if (finishes_later) {
    const CountFactors factors = CountFactorsOf(params, units, sums, denominators, upstream);
    parallel_for(units.count, [&](int64_t unit) { weight_maps.Finish(unit, factors); });
  }
  if (outputs.losses != nullptr) WriteLosses(params, units, sums, denominators, outputs.losses);
  return "";
}

}  // namespace gradops::cpu
