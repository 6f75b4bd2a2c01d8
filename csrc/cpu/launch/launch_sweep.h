#pragma once

#include <string>
#include <vector>

#include "cpu/launch/denominators.h"
#include "cpu/launch/unit_sums.h"
#include "cpu/launch/unit_sweep.h"
#include "cpu/launch/weight_maps.h"

namespace gradops::cpu {

/// What a sweep over all examples finds; null where it is not wanted.
template <class S>
struct SweepOutputs {
  ComputeType<S>* losses = nullptr;
  S* by_pred = nullptr;
  S* by_true = nullptr;
  ComputeType<S>* by_weights = nullptr;
  const std::vector<char>* examples = nullptr;  // those that are swept; all if it is null
};

/// Finds losses and, where they are wanted, upstream_b * dloss_b / dy_pred and / dweights in the
/// same sweep. With a vector, the losses are <vector_b, dloss_b / dy_pred>, and the outputs are
/// their derivatives times upstream_b. Returns "" or what is wrong with the weights.
template <class S>
std::string LaunchSweep(const KernelParams& params, const LossInputs<S>& inputs, const S* vector,
                        PerExample<ComputeType<S>> upstream, const SweepOutputs<S>& outputs,
                        const ParallelFor& parallel_for) {
  const std::vector<KernelParams> levels = ParamsOfLevels(params);
  ByTerm denominators;
  const std::string error = FindDenominators(levels, inputs, parallel_for, &denominators);
  if (!error.empty()) return error;
  const Units units = UnitsOfLevels(params);
  const WeightMaps<S> weight_maps(levels, inputs, units, outputs.by_weights);
  const bool subtracts_counts = weight_maps.AreWanted() && DividesByWeights(params.normalizer);
  const bool maps_are_final = params.levels.IsSingleTerm() && !subtracts_counts;
  const ByTerm no_factors(denominators.size(), std::vector<double>(params.shape.batch));
  UnitSums sums(levels, units, denominators);
  ForEachUnit(units, weight_maps.PlanesInTurn(), parallel_for, [&](int64_t unit) {
    const int64_t example = units.Example(unit), offset = units.Offset(unit);
    if (outputs.examples != nullptr && !(*outputs.examples)[example]) return;
    UnitSweep<S>{levels,   denominators, weight_maps, maps_are_final,
                 upstream, example,      unit,        sums.OfUnit(unit)}
        .Run(InputsOfUnit(inputs, params.shape, units, unit), OffsetIfGiven(vector, offset),
             units.Rows(unit), OffsetIfGiven(outputs.by_pred, offset),
             OffsetIfGiven(outputs.by_true, offset));
    if (!subtracts_counts && !maps_are_final) weight_maps.Finish(unit, no_factors);
  });
  if (subtracts_counts) {
    const ByTerm factors = sums.Factors(upstream);
    parallel_for(units.count, [&](int64_t unit) { weight_maps.Finish(unit, factors); });
  }
  if (outputs.losses != nullptr) sums.WriteLosses(outputs.losses);
  return "";
}

}  // namespace gradops::cpu
