#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "cpu/launch/level_unit.h"
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

/// What counts in each example, by axis: the weights or, without them, the number. Returns "" or
/// what is wrong with the weights.
template <class S>
std::string CountExamples(const KernelParams& params, const LossInputs<S>& inputs, Counted counted,
                          const ParallelFor& parallel_for, std::vector<AxisSums>* by_example) {
  const bool has_maps = inputs.weights.data != nullptr || inputs.mask.data != nullptr;
  by_example->assign(params.shape.batch, has_maps ? AxisSums{0, 0} : CountByShape(params, counted));
  return has_maps ? CountUnits(params, inputs, counted, parallel_for, by_example) : "";
}

/// What counts at each level, by example, as CountExamples has it for the images alone.
template <class S>
std::string CountLevels(const std::vector<KernelParams>& params, const LossInputs<S>& inputs,
                        Counted counted, const ParallelFor& parallel_for,
                        std::vector<std::vector<AxisSums>>* by_level) {
  using T = ComputeType<S>;
  const size_t levels = params.size();
  const bool has_maps = inputs.weights.data != nullptr || inputs.mask.data != nullptr;
  for (size_t s = 0; s < levels; ++s) {
    (*by_level)[s].assign(params[s].shape.batch,
                          has_maps ? AxisSums{0, 0} : CountByShape(params[s], counted));
  }
  if (!has_maps) return "";
  const Units units = UnitsOfLevels(params[0]);
  std::vector<Counts> by_unit(units.count * levels);
  parallel_for(units.count, [&](int64_t unit) {
    LossInputs<S> maps = InputsOfUnit(inputs, params[0].shape, units, unit);
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
        AddCounts<T>(units, by_unit.data() + s, levels, /*times=*/1, &(*by_level)[s]);
    if (!error.empty()) return error;
  }
  return "";
}

/// What the sums of each level and of the pixel term are divided by, each [B]; 1 for normalizer
/// "none".
struct Denominators {
  std::vector<std::vector<double>> levels;
  std::vector<double> pixels;  // empty without a pixel term

  /// What the pixel term of an example is multiplied by; 0 if no pixel counts.
  double PixelFactor(const KernelParams& params, int64_t example) const {
    return pixels[example] > 0 ? params.levels.pixel_weight / pixels[example] : 0;
  }
};

/// Reads weights and mask once, or twice if there is a pixel term. Returns "" or what is wrong with
/// the weights.
template <class S>
std::string FindDenominators(const std::vector<KernelParams>& params, LossInputs<S> inputs,
                             const ParallelFor& parallel_for, Denominators* denominators) {
  const KernelParams& images = params[0];
  const Counted counted = CountedFor(images.normalizer);
  std::vector<std::vector<AxisSums>> counts(params.size());
  std::vector<AxisSums> pixels;
  std::string error = KeepWeightsThatCount(images, parallel_for, &inputs);
  if (error.empty()) {
    error = images.levels.IsSingleTerm()
                ? CountExamples(images, inputs, counted, parallel_for, &counts[0])
                : CountLevels(params, inputs, counted, parallel_for, &counts);
  }
  if (error.empty() && images.levels.pixel_weight > 0) {
    error = CountExamples(images, inputs, Counted::kPixels, parallel_for, &pixels);
  }
  if (!error.empty()) return error;
  const auto write = [](const KernelParams& level, const std::vector<AxisSums>& from,
                        std::vector<double>* to) {
    to->resize(from.size());
    WriteDenominators(level, from.data(), to->data());
  };
  denominators->levels.resize(params.size());
  for (size_t s = 0; s < params.size(); ++s) write(params[s], counts[s], &denominators->levels[s]);
  if (images.levels.pixel_weight > 0) write(images, pixels, &denominators->pixels);
  return "";
}

}  // namespace gradops::cpu
