// The launchers of the loss ops.

#include <cstring>
#include <vector>

#include "cpu/launch/denominators.h"
#include "cpu/launch/launch_levels.h"
#include "cpu/launch/targets.h"
#include "cpu/launch/units.h"
#include "family/counts.h"
#include "family/memo.h"
#include "op/launch.h"

namespace gradops::cpu {
namespace {

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
    AxisSums sum{0, 0};
    for (int64_t i = 0; i < units.per_example && units.count > 0; ++i) {
      sum.y += sums[example * units.per_example + i].y;
      sum.x += sums[example * units.per_example + i].x;
    }
    WriteLoss(sum, denominators[example], axes, losses + example * axes);
  }
}

/// Finds losses and, if `by_pred` is not null, upstream_b * dloss_b / dy_pred in the same sweep.
/// With a vector, the losses are <vector_b, dloss_b / dy_pred>, and by_pred and by_true are their
/// derivatives times upstream_b. `losses` and `by_true` may be null.
template <class S>
std::string LaunchSweep(const KernelParams& params, const LossInputs<S>& inputs, const S* vector,
                        PerExample<ComputeType<S>> upstream, ComputeType<S>* losses, S* by_pred,
                        S* by_true, const ParallelFor& parallel_for) {
  if (!params.levels.IsSingleTerm()) {
    return LaunchLevels(params, inputs, vector, upstream, losses, by_pred, by_true, parallel_for);
  }
  std::vector<double> denominators;
  const std::string error =
      FindDenominators(params, inputs, CountedFor(params.normalizer), parallel_for, &denominators);
  if (!error.empty()) return error;
  const KernelTable<S>& kernels = ActiveTarget().Of<S>();
  const Units units(params.shape);
  std::vector<AxisSums> sums(units.count, AxisSums{0, 0});
  parallel_for(units.count, [&](int64_t unit) {
    const int64_t example = units.Example(unit), offset = units.Offset(unit);
    const RowRange rows = units.Rows(unit);
    S* const pred_plane = OffsetIfGiven(by_pred, offset);
    S* const true_plane = OffsetIfGiven(by_true, offset);
    if (!(denominators[example] > 0)) {
      WriteZeros(params, rows, pred_plane);
      WriteZeros(params, rows, true_plane);
      return;
    }
    const LossInputs<S> of_unit = InputsOfUnit(inputs, params.shape, units, unit);
    const GradientOutputs<S> outputs =
        by_pred == nullptr
            ? GradientOutputs<S>()
            : Outputs(params, example, denominators[example], upstream, pred_plane, true_plane);
    sums[unit] =
        (vector == nullptr ? kernels.loss(params, of_unit, rows, outputs)
                           : kernels.second(params, of_unit, vector + offset, rows, outputs))
            .residuals;
  });
  if (losses != nullptr) WriteLosses(params, units, sums, denominators, losses);
  return "";
}

template <class S>
std::string LossOf(const OpCall& call, const ParallelFor& parallel_for) {
  const S* const no_vector = nullptr;
  S* const no_gradient = nullptr;
  return LaunchSweep(call.Params(), call.Inputs<S>(), no_vector, {},
                     call.Output<ComputeType<S>>("loss"), no_gradient, no_gradient, parallel_for);
}

template <class S>
std::string LossMemoOf(const OpCall& call, const ParallelFor& parallel_for) {
  using T = ComputeType<S>;
  const S* const no_vector = nullptr;
  S* const no_gradient = nullptr;
  return LaunchSweep(call.Params(), call.Inputs<S>(), no_vector, call.PerLoss<T>("expected"),
                     call.Output<T>("loss"), call.Output<S>("memo"), no_gradient, parallel_for);
}

template <class S>
std::string LossGradGradOf(const OpCall& call, const ParallelFor& parallel_for) {
  using T = ComputeType<S>;
  return LaunchSweep(call.Params(), call.Inputs<S>(), call.Input<S>("vector"),
                     call.PerLoss<T>("upstream"), call.Output<T>("by_upstream"),
                     call.Output<S>("by_pred"), call.Output<S>("by_true"), parallel_for);
}

/// Finds the gradient in the cheapest way that is right for each example (family/memo.h): copies
/// the memo, scales it, or computes the gradient again.
template <class S>
std::string LossGradOf(const OpCall& call, const ParallelFor& parallel_for) {
  using T = ComputeType<S>;
  const KernelParams params = call.Params();
  const LossInputs<S> inputs = call.Inputs<S>();
  const S* const memo = call.Input<S>("memo");
  S* const gradient = call.Output<S>("gradient");
  const PerExample<T> expected = call.PerLoss<T>("expected"),
                      upstream = call.PerLoss<T>("upstream");
  const auto use_of = [&](int64_t example) {
    return memo == nullptr ? MemoUse::kRecompute
                           : HowToUseMemo<S>(AxesOf(params), example, expected, upstream);
  };
  bool recomputes = false;
  for (int64_t example = 0; example < params.shape.batch; ++example) {
    recomputes = recomputes || use_of(example) == MemoUse::kRecompute;
  }
  if (recomputes && !params.levels.IsSingleTerm()) {
    const S* const no_vector = nullptr;
    T* const no_losses = nullptr;
    S* const no_gradient = nullptr;
    return LaunchLevels(params, inputs, no_vector, upstream, no_losses, gradient, no_gradient,
                        parallel_for);
  }
  std::vector<double> denominators;
  if (recomputes) {
    const std::string error = FindDenominators(params, inputs, CountedFor(params.normalizer),
                                               parallel_for, &denominators);
    if (!error.empty()) return error;
  }
  const KernelTable<S>& kernels = ActiveTarget().Of<S>();
  const Units units(params.shape);
  const int64_t row_size = params.shape.RowSize();
  parallel_for(units.count, [&](int64_t unit) {
    const int64_t example = units.Example(unit), offset = units.Offset(unit);
    const RowRange rows = units.Rows(unit);
    const MemoUse use = use_of(example);
    if (use == MemoUse::kRecompute) {
      S* const no_plane = nullptr;
      if (!(denominators[example] > 0)) return WriteZeros(params, rows, gradient + offset);
      kernels.loss(params, InputsOfUnit(inputs, params.shape, units, unit), rows,
                   Outputs<S>(params, example, denominators[example], upstream, gradient + offset,
                              no_plane));
      return;
    }
    if (use == MemoUse::kCopy && memo == gradient) return;
    const T factor = MemoFactor(use, example, expected, upstream);
    const int64_t begin = offset + rows.begin * row_size;
    kernels.scale(memo + begin, factor, gradient + begin, (rows.end - rows.begin) * row_size);
  });
  return "";
}

template <class S>
std::string LossCountsOf(const OpCall& call, const ParallelFor& parallel_for) {
  using T = ComputeType<S>;
  const KernelParams params = call.Params();
  const int residuals = ResidualsOf(params.response);
  T* const counts = call.Output<T>("counts");
  std::vector<AxisSums> sums;
  const std::string error =
      CountExamples(params, call.Inputs<S>(), Counted::kResiduals, parallel_for, &sums);
  if (!error.empty()) return error;
  for (int64_t example = 0; example < params.shape.batch; ++example) {
    counts[example * residuals] = static_cast<T>(sums[example].y);
    if (residuals == 2) counts[example * residuals + 1] = static_cast<T>(sums[example].x);
  }
  return "";
}

GRADOPS_DEFINE_LAUNCHER(Loss, ParallelFor)
GRADOPS_DEFINE_LAUNCHER(LossMemo, ParallelFor)
GRADOPS_DEFINE_LAUNCHER(LossGrad, ParallelFor)
GRADOPS_DEFINE_LAUNCHER(LossGradGrad, ParallelFor)
GRADOPS_DEFINE_LAUNCHER(LossCounts, ParallelFor)

}  // namespace
}  // namespace gradops::cpu
