#include "cpu/denominators.h"

#include <atomic>

#include "core/counts.h"
#include "cpu/targets.h"
#include "cpu/units.h"

namespace gradops::cpu {
namespace {

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
                             Counted counted, const ParallelFor& parallel_for,
                             std::vector<double>* denominators) {
  std::vector<AxisSums> counts;
  const std::string error = CountExamples(params, inputs, counted, parallel_for, &counts);
  if (!error.empty()) return error;
  denominators->resize(params.shape.batch);
  WriteDenominators(params, counts.data(), denominators->data());
  return "";
}

#define GRADOPS_INSTANTIATE(S)                                                                 \
  template std::string FindDenominators<S>(const KernelParams&, const LossInputs<S>&, Counted, \
                                           const ParallelFor&, std::vector<double>*);
GRADOPS_FOR_EACH_DTYPE(GRADOPS_INSTANTIATE)
#undef GRADOPS_INSTANTIATE

}  // namespace gradops::cpu

namespace gradops {

template <class S>
std::string LaunchCounts(const KernelParams& params, const LossInputs<S>& inputs,
                         ComputeType<S>* counts, const ParallelFor& parallel_for) {
  const int axes = ResidualsOf(params.response);
  std::vector<AxisSums> sums;
  const std::string error =
      cpu::CountExamples(params, inputs, Counted::kResiduals, parallel_for, &sums);
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
