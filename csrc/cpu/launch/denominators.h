#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "cpu/launch/level_unit.h"
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

/// Appends what counts at each level, by example and axis: the weights or, without them, the
/// number. Returns "" or what is wrong with the weights.
template <class S>
std::string CountLevels(std::vector<KernelParams> params, const LossInputs<S>& inputs,
                        Counted counted, const ParallelFor& parallel_for,
                        std::vector<std::vector<AxisSums>>* by_level) {
  using T = ComputeType<S>;
  const size_t levels = params.size(), first = by_level->size();
  const bool has_maps = inputs.weights.data != nullptr || inputs.mask.data != nullptr;
  for (const KernelParams& level : params) {
    by_level->emplace_back(level.shape.batch,
                           has_maps ? AxisSums{0, 0} : CountByShape(level, counted));
  }
  if (!has_maps) return "";
  // If the maps of one level are the same for all channels, one channel is counted.
  double times = 1;
  ImageShape& shape = params[0].shape;
  if (params[0].levels.IsSingleTerm() && !inputs.weights.per_channel && !inputs.mask.per_channel) {
    times = static_cast<double>(shape.planes * shape.channels);
    shape.planes = shape.channels = 1;
  }
  const Units units = UnitsOfLevels(params[0]);
  std::vector<Counts> by_unit(units.count * levels);
  parallel_for(units.count, [&](int64_t unit) {
    LossInputs<S> maps = InputsOfUnit(inputs, shape, units, unit);
    maps.y_pred = maps.y_true = nullptr;
    const LevelUnit<S> level(params, maps, nullptr, units.Rows(unit), /*gradients=*/0);
    Counts* const found = by_unit.data() + unit * levels;
    found[0] = ActiveTarget().Of<S>().counts(params[0], maps, level[0].own, counted);
    for (size_t s = 1; s < levels; ++s) {
      found[s] = ActiveTarget().Of<T>().counts(params[s], level[s].inputs, level[s].own, counted);
    }
  });
  for (size_t s = 0; s < levels; ++s) {
    const std::string error =
        AddCounts<T>(units, by_unit.data() + s, levels, times, &(*by_level)[first + s]);
    if (!error.empty()) return error;
  }
  return "";
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
  std::vector<std::vector<AxisSums>> sums;
  return CountLevels(OneTerm(params), weights_alone, Counted::kPixels, parallel_for, &sums);
}

/// What the pixel term of an example is multiplied by; 0 if there is none or no pixel counts.
inline double PixelFactor(const KernelParams& params, const ByTerm& denominators, int64_t example) {
  if (params.levels.pixel_weight == 0) return 0;
  const double pixels = denominators.back()[example];
  return pixels > 0 ? params.levels.pixel_weight / pixels : 0;
}

/// Finds what the sums of each term are divided by; 1 for normalizer "none". Reads weights and mask
/// once, or twice if there is a pixel term. Returns "" or what is wrong with the weights.
template <class S>
std::string FindDenominators(const std::vector<KernelParams>& params, LossInputs<S> inputs,
                             const ParallelFor& parallel_for, ByTerm* denominators) {
  const KernelParams& images = params[0];
  std::vector<std::vector<AxisSums>> counts;
  std::string error = KeepWeightsThatCount(images, parallel_for, &inputs);
  if (error.empty()) {
    error = CountLevels(params, inputs, CountedFor(images.normalizer), parallel_for, &counts);
  }
  if (error.empty() && images.levels.pixel_weight > 0) {
    error = CountLevels(OneTerm(images), inputs, Counted::kPixels, parallel_for, &counts);
  }
  if (!error.empty()) return error;
  for (const std::vector<AxisSums>& of_term : counts) {
    denominators->emplace_back(of_term.size());
    WriteDenominators(images, of_term.data(), denominators->back().data());
  }
  return "";
}

}  // namespace gradops::cpu
