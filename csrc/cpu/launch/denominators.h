#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "cpu/launch/targets.h"
#include "cpu/launch/units.h"
#include "family/counts.h"
#include "op/queue.h"

namespace gradops::cpu {

/// "" or what is wrong with the weights of an example; `bits`: WeightBits of the largest.
template <class T>
std::string CheckLargestWeight(int64_t bits) {
  using Range = WeightRange<T>;
  if (bits == 0 || (bits >= WeightBits(Range::kMin) && bits <= WeightBits(Range::kMax))) {
    return "";
  }
  // A subnormal float might become 0 when it is converted, so it is found as a multiple of 2^-149.
  const double largest =
      sizeof(T) == 4 && bits < WeightBits(std::numeric_limits<float>::min())
          ? std::ldexp(static_cast<double>(bits), -149)
          : static_cast<double>(sizeof(T) == 4 ? math::BitCast<float>(static_cast<int32_t>(bits))
                                               : math::BitCast<double>(bits));
  char text[160];
  std::snprintf(text, sizeof(text),
                "weights must have a largest value of 0 or from %g to %g in each example, got %g",
                static_cast<double>(Range::kMin), static_cast<double>(Range::kMax), largest);
  return text;
}

/// Adds `times` the counts of each example's units to its sums, in the order of the units. The
/// counts of unit u are by_unit[u * step]. Returns "" or what is wrong with the weights.
template <class T>
std::string AddCounts(const Units& units, const Counts* by_unit, size_t step, double times,
                      std::vector<AxisSums>* by_example) {
  std::vector<int64_t> largest(by_example->size());
  for (int64_t unit = 0; unit < units.count; ++unit) {
    const Counts& counts = by_unit[unit * step];
    if (counts.negative_weight) return "weights must be non-negative, got a negative number or NaN";
    const int64_t example = units.Example(unit);
    AxisSums& sums = (*by_example)[example];
    sums.y += times * counts.sums.y;
    sums.x += times * counts.sums.x;
    largest[example] = std::max(largest[example], counts.largest_weight);
  }
  for (int64_t bits : largest) {
    const std::string error = CheckLargestWeight<T>(bits);
    if (!error.empty()) return error;
  }
  return "";
}

template <class S>
std::string CountUnits(KernelParams params, const LossInputs<S>& inputs, Counted counted,
                       const ParallelFor& parallel_for, std::vector<AxisSums>* by_example) {
  // If the maps are the same for all channels, one channel is counted.
  double times = 1;
  if (!inputs.weights.per_channel && !inputs.mask.per_channel) {
    times = static_cast<double>(params.shape.planes * params.shape.channels);
    params.shape.planes = params.shape.channels = 1;
  }
  const Units units(params.shape);
  std::vector<Counts> by_unit(units.count);
  parallel_for(units.count, [&](int64_t unit) {
    by_unit[unit] = ActiveTarget().Of<S>().counts(
        params, InputsOfUnit(inputs, params.shape, units, unit), units.Rows(unit), counted);
  });
  return AddCounts<ComputeType<S>>(units, by_unit.data(), 1, times, by_example);
}

/// Takes weights that counts do not add up away from the inputs, once they have been checked.
/// Returns "" or what is wrong with them.
template <class S>
std::string KeepWeightsThatCount(const KernelParams& params, const ParallelFor& parallel_for,
                                 LossInputs<S>* inputs) {
  if (SumsWeights(params.normalizer) || inputs->weights.data == nullptr) return "";
  LossInputs<S> weights_alone = *inputs;
  weights_alone.mask = {};
  inputs->weights = {};
  std::vector<AxisSums> sums(params.shape.batch, AxisSums{0, 0});
  return CountUnits(params, weights_alone, Counted::kPixels, parallel_for, &sums);
}

/// What counts in each example, by axis: the weights or, if the normalizer does not add them up,
/// the number. Returns "" or what is wrong with the weights.
template <class S>
std::string CountExamples(const KernelParams& params, LossInputs<S> inputs, Counted counted,
                          const ParallelFor& parallel_for, std::vector<AxisSums>* by_example) {
  const std::string error = KeepWeightsThatCount(params, parallel_for, &inputs);
  if (!error.empty()) return error;
  const bool has_maps = inputs.weights.data != nullptr || inputs.mask.data != nullptr;
  by_example->assign(params.shape.batch, has_maps ? AxisSums{0, 0} : CountByShape(params, counted));
  return has_maps ? CountUnits(params, inputs, counted, parallel_for, by_example) : "";
}

/// What each example's sum is divided by, [B]; 1 for normalizer "none". Reads weights and mask
/// once. Returns "" or what is wrong with the weights.
template <class S>
std::string FindDenominators(const KernelParams& params, const LossInputs<S>& inputs,
                             Counted counted, const ParallelFor& parallel_for,
                             std::vector<double>* denominators) {
  std::vector<AxisSums> counts;
  const std::string error = CountExamples(params, inputs, counted, parallel_for, &counts);
  if (!error.empty()) return error;
  denominators->resize(params.shape.batch);
  WriteDenominators(params, counts.data(), denominators->data());
  return "";
}

}  // namespace gradops::cpu
