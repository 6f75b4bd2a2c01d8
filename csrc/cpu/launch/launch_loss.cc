// The launchers of the loss ops.

#include <algorithm>
#include <vector>

#include "cpu/launch/launch_sweep.h"
#include "family/counts.h"
#include "family/memo.h"
#include "op/launch.h"
#include "op/upstream_history.h"

namespace gradops::cpu {
namespace {

template <class S>
std::string LossOf(const OpCall& call, const ParallelFor& parallel_for) {
  SweepOutputs<S> outputs;
  outputs.losses = call.Output<ComputeType<S>>("loss");
  return LaunchSweep<S>(call.Params(), call.Inputs<S>(), nullptr, {}, outputs, parallel_for);
}

template <class S>
std::string LaunchMemo(const OpCall& call, ComputeType<S>* by_weights,
                       const ParallelFor& parallel_for) {
  using T = ComputeType<S>;
  SweepOutputs<S> outputs;
  outputs.losses = call.Output<T>("loss");
  outputs.by_pred = ExpectsNothing(call) ? nullptr : call.Output<S>("memo");
  outputs.by_weights = by_weights;
  return LaunchSweep<S>(call.Params(), call.Inputs<S>(), nullptr, call.PerLoss<T>("expected"),
                        outputs, parallel_for);
}

template <class S>
std::string LossMemoOf(const OpCall& call, const ParallelFor& parallel_for) {
  return LaunchMemo<S>(call, nullptr, parallel_for);
}

template <class S>
std::string ExpectedUpstreamOf(const OpCall& call, const ParallelFor&) {
  using T = ComputeType<S>;
  const std::vector<double> upstream = PredictUpstream(call, ValuesPerLoss(call, "expected"));
  std::transform(upstream.begin(), upstream.end(), call.Output<T>("upstream"),
                 [](double value) { return static_cast<T>(value); });
  return "";
}

template <class S>
std::string LossWeightsMemoOf(const OpCall& call, const ParallelFor& parallel_for) {
  return LaunchMemo<S>(call, call.Output<ComputeType<S>>("weights_memo"), parallel_for);
}

template <class S>
std::string LossGradGradOf(const OpCall& call, const ParallelFor& parallel_for) {
  using T = ComputeType<S>;
  SweepOutputs<S> outputs;
  outputs.losses = call.Output<T>("by_upstream");
  outputs.by_pred = call.Output<S>("by_pred");
  outputs.by_true = call.Output<S>("by_true");
  return LaunchSweep(call.Params(), call.Inputs<S>(), call.Input<S>("vector"),
                     call.PerLoss<T>("upstream"), outputs, parallel_for);
}

template <class S>
std::string LossWeightsGradGradOf(const OpCall& call, const ParallelFor& parallel_for) {
  using T = ComputeType<S>;
  SweepOutputs<S> outputs;
  outputs.by_weights = call.Output<T>("by_weights");
  return LaunchSweep(call.Params(), call.Inputs<S>(), call.Input<S>("vector"),
                     call.PerLoss<T>("upstream"), outputs, parallel_for);
}

/// Copies or scales a memo of the derivatives by the weights if that is right for all examples;
/// otherwise finds them again.
template <class S>
std::string LossWeightsGradOf(const OpCall& call, const ParallelFor& parallel_for) {
  using T = ComputeType<S>;
  const KernelParams params = call.Params();
  const T* const memo = call.Input<T>("weights_memo");
  T* const by_weights = call.Output<T>("by_weights");
  const PerExample<T> expected = call.PerLoss<T>("expected"),
                      upstream = call.PerLoss<T>("upstream");
  const auto use_of = [&](int64_t example) {
    return HowToUseMemo<T>(AxesOf(params), example, expected, upstream);
  };
  bool recomputes = memo == nullptr;
  for (int64_t example = 0; example < params.shape.batch && !recomputes; ++example) {
    const MemoUse use = use_of(example);
    // With normalizer "batch" the upstream gradient of each example is in the memo of all.
    recomputes = use == MemoUse::kRecompute ||
                 (use == MemoUse::kScale && params.normalizer == NormalizerId::kBatch);
  }
  if (recomputes) {
    SweepOutputs<S> outputs;
    outputs.by_weights = by_weights;
    return LaunchSweep<S>(params, call.Inputs<S>(), nullptr, upstream, outputs, parallel_for);
  }
  const int64_t size = ExampleSize(call.Inputs<S>().weights, params.shape);
  parallel_for(params.shape.batch, [&](int64_t example) {
    const MemoUse use = use_of(example);
    if (use == MemoUse::kCopy && memo == by_weights) return;
    ActiveTarget().Of<T>().scale(memo + example * size,
                                 MemoFactor(use, example, expected, upstream),
                                 by_weights + example * size, size);
  });
  return "";
}

/// Finds the gradient in the cheapest way that is right for each example (family/memo.h): copies
/// the memo, scales it, or computes the gradient again.
template <class S>
std::string LossGradOf(const OpCall& call, const ParallelFor& parallel_for) {
  using T = ComputeType<S>;
  const KernelParams params = call.Params();
  const S* const memo = call.Input<S>("memo");
  S* const gradient = call.Output<S>("gradient");
  const PerExample<T> expected = call.PerLoss<T>("expected"),
                      upstream = call.PerLoss<T>("upstream");
  const auto use_of = [&](int64_t example) {
    return HowToUseMemo<S>(AxesOf(params), example, expected, upstream);
  };
  std::vector<char> recomputed(params.shape.batch, memo == nullptr);
  for (int64_t example = 0; example < params.shape.batch && memo != nullptr; ++example) {
    recomputed[example] = use_of(example) == MemoUse::kRecompute;
  }
  const bool recomputes = std::count(recomputed.begin(), recomputed.end(), true) > 0;
  // A loss of several terms computes the gradients of all examples or of none.
  const bool all = recomputes && (memo == nullptr || !params.levels.IsSingleTerm());
  if (!all) {
    const Units units(params.shape);
    const int64_t row_size = params.shape.RowSize();
    parallel_for(units.count, [&](int64_t unit) {
      const int64_t example = units.Example(unit);
      if (recomputed[example]) return;
      const MemoUse use = use_of(example);
      if (use == MemoUse::kCopy && memo == gradient) return;
      const RowRange rows = units.Rows(unit);
      const int64_t begin = units.Offset(unit) + rows.begin * row_size;
      ActiveTarget().Of<S>().scale(memo + begin, MemoFactor(use, example, expected, upstream),
                                   gradient + begin, (rows.end - rows.begin) * row_size);
    });
  }
  if (!recomputes) return "";
  if (memo != nullptr) RememberUpstream(call, ValuesPerLoss(call, "upstream"));
  SweepOutputs<S> outputs;
  outputs.by_pred = gradient;
  outputs.examples = all ? nullptr : &recomputed;
  return LaunchSweep<S>(params, call.Inputs<S>(), nullptr, upstream, outputs, parallel_for);
}

template <class S>
std::string LossCountsOf(const OpCall& call, const ParallelFor& parallel_for) {
  using T = ComputeType<S>;
  const KernelParams params = call.Params();
  const int residuals = ResidualsOf(params.response);
  T* const counts = call.Output<T>("counts");
  std::vector<std::vector<AxisSums>> sums;
  const std::string error =
      CountLevels(OneTerm(params), call.Inputs<S>(), Counted::kResiduals, parallel_for, &sums);
  if (!error.empty()) return error;
  for (int64_t example = 0; example < params.shape.batch; ++example) {
    counts[example * residuals] = static_cast<T>(sums[0][example].y);
    if (residuals == 2) counts[example * residuals + 1] = static_cast<T>(sums[0][example].x);
  }
  return "";
}

template <class S>
std::string LossCountsGradOf(const OpCall& call, const ParallelFor& parallel_for) {
  using T = ComputeType<S>;
  const KernelParams params = call.Params();
  const std::vector<KernelParams> one_level = {params};
  const LossInputs<S> inputs = call.Inputs<S>();
  const int residuals = ResidualsOf(params.response);
  const T* const upstream = call.Input<T>("upstream");
  T* const by_weights = call.Output<T>("by_weights");
  const Units units(params.shape);
  const WeightMaps<S> weight_maps(one_level, inputs, units, by_weights);
  ForEachUnit(units, weight_maps.PlanesInTurn(), parallel_for, [&](int64_t unit) {
    const RowRange rows = units.Rows(unit);
    const T* const of_example = upstream + units.Example(unit) * residuals;
    ActiveTarget().Of<S>().add_counted(
        params, InputsOfUnit(inputs, params.shape, units, unit), rows, Counted::kResiduals,
        weight_maps.Output(0, unit, of_example[0], residuals == 1 ? T(0) : of_example[1]));
  });
  return "";
}

GRADOPS_DEFINE_LAUNCHER(Loss, ParallelFor)
GRADOPS_DEFINE_LAUNCHER(LossMemo, ParallelFor)
GRADOPS_DEFINE_LAUNCHER(ExpectedUpstream, ParallelFor)
GRADOPS_DEFINE_LAUNCHER(LossGrad, ParallelFor)
GRADOPS_DEFINE_LAUNCHER(LossWeightsGrad, ParallelFor)
GRADOPS_DEFINE_LAUNCHER(LossWeightsMemo, ParallelFor)
GRADOPS_DEFINE_LAUNCHER(LossGradGrad, ParallelFor)
GRADOPS_DEFINE_LAUNCHER(LossWeightsGradGrad, ParallelFor)
GRADOPS_DEFINE_LAUNCHER(LossCounts, ParallelFor)
GRADOPS_DEFINE_LAUNCHER(LossCountsGrad, ParallelFor)

}  // namespace
}  // namespace gradops::cpu
