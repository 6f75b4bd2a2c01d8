#include <cstring>
#include <vector>

#include "core/counts.h"
#include "core/launch.h"
#include "core/memo.h"
#include "cpu/denominators.h"
#include "cpu/launch_levels.h"
#include "cpu/targets.h"
#include "cpu/units.h"

namespace gradops {
namespace {

using cpu::ActiveTarget;
using cpu::GradientOutputs;
using cpu::RowRange;
using cpu::Units;

template <class S>
GradientOutputs<S> Outputs(const KernelParams& params, int64_t example, double denominator,
                           PerExample<ComputeType<S>> upstream, S* by_pred, S* by_true) {
  const int last_axis = AxesOf(params) - 1;
  return {by_pred,
          by_true,
          GradientScale(params, upstream.At(example, 0), denominator),
          GradientScale(params, upstream.At(example, last_axis), denominator),
          {},
          {},
          false,
          0};
}

/// Writes zeros: the gradient of an example of which nothing counts, whatever its images hold.
template <class S>
void WriteZeros(const KernelParams& params, RowRange rows, S* plane) {
  const int64_t row_size = params.shape.RowSize();
  std::memset(static_cast<void*>(plane + rows.begin * row_size), 0,
              (rows.end - rows.begin) * row_size * sizeof(S));
}

/// Adds up units and divides; 0 where nothing counts.
template <class T>
void WriteLosses(const KernelParams& params, const Units& units, const std::vector<AxisSums>& sums,
                 const std::vector<double>& denominators, T* losses) {
  const int axes = AxesOf(params);
  for (int64_t example = 0; example < params.shape.batch; ++example) {
    AxisSums sum{0, 0};
    for (int64_t i = 0; i < units.per_example && units.count > 0; ++i) {
      sum.y += sums[example * units.per_example + i].y;
      sum.x += sums[example * units.per_example + i].x;
    }
    WriteLoss(sum, denominators[example], axes, losses + example * axes);
  }
}

}  // namespace

template <class S>
std::string LaunchLoss(const KernelParams& params, const LossInputs<S>& inputs,
                       ComputeType<S>* loss, PerExample<ComputeType<S>> upstream, S* gradient,
                       const ParallelFor& parallel_for) {
  if (!params.levels.AreOne()) {
    return cpu::LaunchLevels(params, inputs, loss, upstream, gradient, parallel_for);
  }
  std::vector<double> denominators;
  const std::string error = cpu::FindDenominators(params, inputs, CountedFor(params.normalizer),
                                                  parallel_for, &denominators);
  if (!error.empty()) return error;
  const Units units(params.shape);
  std::vector<AxisSums> sums(units.count, AxisSums{0, 0});
  parallel_for(units.count, [&](int64_t unit) {
    const int64_t example = units.Example(unit);
    const RowRange rows = units.Rows(unit);
    S* const plane = gradient == nullptr ? nullptr : gradient + units.Offset(unit);
    if (!(denominators[example] > 0)) {
      if (plane != nullptr) WriteZeros(params, rows, plane);
      return;
    }
    const GradientOutputs<S> outputs =
        plane == nullptr
            ? GradientOutputs<S>()
            : Outputs<S>(params, example, denominators[example], upstream, plane, nullptr);
    sums[unit] = ActiveTarget()
                     .Of(inputs.y_pred)
                     .loss(params, InputsOfUnit(inputs, params.shape, units, unit), rows, outputs)
                     .residuals;
  });
  if (loss != nullptr) WriteLosses(params, units, sums, denominators, loss);
  return "";
}

template <class S>
std::string LaunchLossGradient(const KernelParams& params, const LossInputs<S>& inputs,
                               const S* memo, PerExample<ComputeType<S>> expected,
                               PerExample<ComputeType<S>> upstream, S* gradient,
                               const ParallelFor& parallel_for) {
  using T = ComputeType<S>;
  const auto use_of = [&](int64_t example) {
    return memo == nullptr ? MemoUse::kRecompute
                           : HowToUseMemo<S>(AxesOf(params), example, expected, upstream);
  };
  bool recomputes = false;
  for (int64_t example = 0; example < params.shape.batch; ++example) {
    recomputes = recomputes || use_of(example) == MemoUse::kRecompute;
  }
  if (recomputes && !params.levels.AreOne()) {
    ComputeType<S>* const no_loss = nullptr;
    return cpu::LaunchLevels(params, inputs, no_loss, upstream, gradient, parallel_for);
  }
  std::vector<double> denominators;
  if (recomputes) {
    const std::string error = cpu::FindDenominators(params, inputs, CountedFor(params.normalizer),
                                                    parallel_for, &denominators);
    if (!error.empty()) return error;
  }
  const Units units(params.shape);
  const int64_t row_size = params.shape.RowSize();
  parallel_for(units.count, [&](int64_t unit) {
    const int64_t example = units.Example(unit), offset = units.Offset(unit);
    const RowRange rows = units.Rows(unit);
    const MemoUse use = use_of(example);
    if (use == MemoUse::kRecompute) {
      if (!(denominators[example] > 0)) return WriteZeros(params, rows, gradient + offset);
      ActiveTarget()
          .Of(inputs.y_pred)
          .loss(params, InputsOfUnit(inputs, params.shape, units, unit), rows,
                Outputs<S>(params, example, denominators[example], upstream, gradient + offset,
                           nullptr));
      return;
    }
    if (use == MemoUse::kCopy && memo == gradient) return;
    const T factor = MemoFactor(use, example, expected, upstream);
    const int64_t begin = offset + rows.begin * row_size;
    ActiveTarget()
        .Of(inputs.y_pred)
        .scale(memo + begin, factor, gradient + begin, (rows.end - rows.begin) * row_size);
  });
  return "";
}

template <class T>
bool MemoIsGradient(int64_t batch, int axes, PerExample<T> expected, PerExample<T> upstream) {
  for (int64_t example = 0; example < batch; ++example) {
    for (int axis = 0; axis < axes; ++axis) {
      if (expected.At(example, axis) != upstream.At(example, axis)) return false;
    }
  }
  return true;
}

template <class S>
std::string LaunchLossSecond(const KernelParams& params, const LossInputs<S>& inputs,
                             const S* vector, PerExample<ComputeType<S>> upstream,
                             ComputeType<S>* by_upstream, S* by_pred, S* by_true,
                             const ParallelFor& parallel_for) {
  if (!params.levels.AreOne()) {
    return cpu::LaunchLevelsSecond(params, inputs, vector, upstream, by_upstream, by_pred, by_true,
                                   parallel_for);
  }
  std::vector<double> denominators;
  const std::string error = cpu::FindDenominators(params, inputs, CountedFor(params.normalizer),
                                                  parallel_for, &denominators);
  if (!error.empty()) return error;
  const Units units(params.shape);
  std::vector<AxisSums> sums(units.count, AxisSums{0, 0});
  parallel_for(units.count, [&](int64_t unit) {
    const int64_t example = units.Example(unit), offset = units.Offset(unit);
    const RowRange rows = units.Rows(unit);
    S* const true_plane = by_true == nullptr ? nullptr : by_true + offset;
    if (!(denominators[example] > 0)) {
      WriteZeros(params, rows, by_pred + offset);
      if (true_plane != nullptr) WriteZeros(params, rows, true_plane);
      return;
    }
    sums[unit] =
        ActiveTarget()
            .Of(inputs.y_pred)
            .second(params, InputsOfUnit(inputs, params.shape, units, unit), vector + offset, rows,
                    Outputs<S>(params, example, denominators[example], upstream, by_pred + offset,
                               true_plane))
            .residuals;
  });
  WriteLosses(params, units, sums, denominators, by_upstream);
  return "";
}

#define GRADOPS_INSTANTIATE(S)                                                                    \
  template std::string LaunchLoss<S>(const KernelParams&, const LossInputs<S>&, ComputeType<S>*,  \
                                     PerExample<ComputeType<S>>, S*, const ParallelFor&);         \
  template std::string LaunchLossGradient<S>(const KernelParams&, const LossInputs<S>&, const S*, \
                                             PerExample<ComputeType<S>>,                          \
                                             PerExample<ComputeType<S>>, S*, const ParallelFor&); \
  template std::string LaunchLossSecond<S>(const KernelParams&, const LossInputs<S>&, const S*,   \
                                           PerExample<ComputeType<S>>, ComputeType<S>*, S*, S*,   \
                                           const ParallelFor&);
GRADOPS_FOR_EACH_DTYPE(GRADOPS_INSTANTIATE)
#undef GRADOPS_INSTANTIATE
template bool MemoIsGradient<float>(int64_t, int, PerExample<float>, PerExample<float>);
template bool MemoIsGradient<double>(int64_t, int, PerExample<double>, PerExample<double>);

}  // namespace gradops
