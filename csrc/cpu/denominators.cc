#include "cpu/denominators.h"

#include <atomic>

#include "cpu/targets.h"
#include "cpu/units.h"

namespace gradops::cpu {
namespace {

/// How many positions along an axis count.
struct AxisCounts {
  int64_t derivative = 0, smoothing = 0;
  int64_t both = 0;
};

AxisCounts CountAxis(const KernelParams& params, int64_t size) {
  // Away from the border all count; the first and last position are looked at.
  AxisCounts counts;
  const bool wraps = math::Wraps(params.stencil, params.border, size);
  const auto add = [&](int64_t index, int64_t times) {
    const math::AxisTaps taps =
        wraps ? math::AxisTaps() : ForwardTaps(params.stencil, params.border, index, size);
    counts.derivative += taps.derivative_counts ? times : 0;
    counts.smoothing += taps.smoothing_counts ? times : 0;
    counts.both += taps.derivative_counts && taps.smoothing_counts ? times : 0;
  };
  if (size > 0) add(0, 1);
  if (size > 1) add(size - 1, 1);
  if (size > 2) add(1, size - 2);
  return counts;
}

/// What counts of an example without weights and mask, from its shape alone.
AxisSums CountByShape(const KernelParams& params, Counted counted) {
  const ImageShape& shape = params.shape;
  if (counted == Counted::kPixels) return {static_cast<double>(shape.ExampleSize()), 0};
  const AxisCounts rows = CountAxis(params, shape.height), columns = CountAxis(params, shape.width);
  const double per_position = static_cast<double>(shape.planes * shape.channels);
  if (ResidualsOf(params.response) == 1) {
    return {per_position * static_cast<double>(rows.both * columns.both), 0};
  }
  return {per_position * static_cast<double>(rows.derivative * columns.smoothing),
          per_position * static_cast<double>(rows.smoothing * columns.derivative)};
}

/// Adds the counts of each example's units to its sums, in the order of the units.
template <class S>
std::string CountUnits(KernelParams params, const LossInputs<S>& inputs, Counted counted,
                       const ParallelFor& parallel_for, std::vector<AxisSums>* by_example) {
  // Where all channels have the same maps, one of them is counted.
  double times = 1;
  if (!inputs.weights.per_channel && !inputs.mask.per_channel) {
    times = static_cast<double>(params.shape.planes * params.shape.channels);
    params.shape.planes = params.shape.channels = 1;
  }
  const Units units(params.shape);
  std::vector<AxisSums> by_unit(units.count);
  std::atomic<bool> negative{false};
  parallel_for(units.count, [&](int64_t unit) {
    const Counts counts = ActiveTarget()
                              .Of(inputs.y_pred)
                              .counts(params, InputsOfUnit(inputs, params.shape, units, unit),
                                      units.Rows(unit), counted);
    by_unit[unit] = counts.sums;
    if (counts.negative_weight) negative = true;
  });
  for (int64_t unit = 0; unit < units.count; ++unit) {
    AxisSums& sums = (*by_example)[units.Example(unit)];
    sums.y += times * by_unit[unit].y;
    sums.x += times * by_unit[unit].x;
  }
  return negative ? "weights must be non-negative, got a negative number or NaN" : "";
}

/// Of each example.
template <class S>
std::string CountExamples(const KernelParams& params, const LossInputs<S>& inputs, Counted counted,
                          const ParallelFor& parallel_for, std::vector<AxisSums>* by_example) {
  const bool has_maps = inputs.weights.data != nullptr || inputs.mask.data != nullptr;
  by_example->assign(params.shape.batch, has_maps ? AxisSums{0, 0} : CountByShape(params, counted));
  return has_maps ? CountUnits(params, inputs, counted, parallel_for, by_example) : "";
}

}  // namespace

template <class S>
std::string FindDenominators(const KernelParams& params, const LossInputs<S>& inputs,
                             const ParallelFor& parallel_for, std::vector<double>* denominators) {
  const int64_t batch = params.shape.batch;
  const bool pixels = params.normalizer == NormalizerId::kPixels;
  std::vector<AxisSums> counts;
  const std::string error = CountExamples(
      params, inputs, pixels ? Counted::kPixels : Counted::kResiduals, parallel_for, &counts);
  if (!error.empty()) return error;
  denominators->resize(batch);
  double total = 0;
  for (int64_t example = 0; example < batch; ++example) {
    (*denominators)[example] = counts[example].y + counts[example].x;
    total += (*denominators)[example];
  }
  if (params.normalizer == NormalizerId::kBatch) {
    denominators->assign(batch, total / static_cast<double>(batch));
  } else if (params.normalizer == NormalizerId::kNone) {
    denominators->assign(batch, 1);
  }
  return "";
}

#define GRADOPS_INSTANTIATE(S)                                                        \
  template std::string FindDenominators<S>(const KernelParams&, const LossInputs<S>&, \
                                           const ParallelFor&, std::vector<double>*);
GRADOPS_FOR_EACH_DTYPE(GRADOPS_INSTANTIATE)
#undef GRADOPS_INSTANTIATE

}  // namespace gradops::cpu

namespace gradops {

template <class S>
std::string LaunchCounts(const KernelParams& params, const LossInputs<S>& inputs,
                         ComputeType<S>* counts, const ParallelFor& parallel_for) {
  const int axes = ResidualsOf(params.response);
  std::vector<cpu::AxisSums> sums;
  const std::string error =
      cpu::CountExamples(params, inputs, cpu::Counted::kResiduals, parallel_for, &sums);
  if (!error.empty()) return error;
  for (int64_t example = 0; example < params.shape.batch; ++example) {
    counts[example * axes] = static_cast<ComputeType<S>>(sums[example].y);
    if (axes == 2) counts[example * axes + 1] = static_cast<ComputeType<S>>(sums[example].x);
  }
  return "";
}

#define GRADOPS_INSTANTIATE(S)                                                                     \
  template std::string LaunchCounts<S>(const KernelParams&, const LossInputs<S>&, ComputeType<S>*, \
                                       const ParallelFor&);
GRADOPS_FOR_EACH_DTYPE(GRADOPS_INSTANTIATE)
#undef GRADOPS_INSTANTIATE

}  // namespace gradops
