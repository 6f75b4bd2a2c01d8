// The launchers of the image ops and of the memory benchmarks.

#include <algorithm>

#include "cpu/launch/units.h"
#include "op/launch.h"

namespace gradops::cpu {
namespace {

/// Calls run(params, offset of the unit's plane, rows) for each unit.
template <class Run>
void ForEachUnit(const OpCall& call, const ParallelFor& parallel_for, Run&& run) {
  const KernelParams params = call.Params();
  const Units units(params.shape);
  parallel_for(units.count,
               [&](int64_t unit) { run(params, units.Offset(unit), units.Rows(unit)); });
}

template <class S>
std::string ImageGradientsOf(const OpCall& call, const ParallelFor& parallel_for) {
  const S* const images = call.Input<S>("images");
  S* const gradients = call.Output<S>("gradients");
  ForEachUnit(call, parallel_for, [=](const KernelParams& params, int64_t offset, RowRange rows) {
    ActiveTarget().Of<S>().image_gradients(params, images + offset, rows, gradients + 2 * offset);
  });
  return "";
}

template <class S>
std::string ImageGradientsAdjointOf(const OpCall& call, const ParallelFor& parallel_for) {
  const S* const upstream = call.Input<S>("upstream");
  S* const images = call.Output<S>("images");
  ForEachUnit(call, parallel_for, [=](const KernelParams& params, int64_t offset, RowRange rows) {
    ActiveTarget().Of<S>().image_gradients_adjoint(params, upstream + 2 * offset, rows,
                                                   images + offset);
  });
  return "";
}

template <class S>
std::string GradientMagnitudeOf(const OpCall& call, const ParallelFor& parallel_for) {
  const S* const images = call.Input<S>("images");
  S* const magnitudes = call.Output<S>("magnitudes");
  ForEachUnit(call, parallel_for, [=](const KernelParams& params, int64_t offset, RowRange rows) {
    ActiveTarget().Of<S>().magnitude(params, images + offset, rows, magnitudes + offset);
  });
  return "";
}

template <class S>
std::string GradientMagnitudeGradOf(const OpCall& call, const ParallelFor& parallel_for) {
  const S *const images = call.Input<S>("images"), *const upstream = call.Input<S>("upstream");
  S* const gradient = call.Output<S>("gradient");
  ForEachUnit(call, parallel_for, [=](const KernelParams& params, int64_t offset, RowRange rows) {
    ActiveTarget().Of<S>().magnitude_gradient(params, images + offset, upstream + offset, rows,
                                              gradient + offset);
  });
  return "";
}

/// Calls run(index, begin, size) for at most kSums runs that cover the elements of all images.
template <class Run>
void ForEachRun(const OpCall& call, const ParallelFor& parallel_for, Run&& run) {
  constexpr int64_t kMinRun = 1 << 18;
  const ImageShape shape = call.Shape();
  const int64_t size = shape.batch * shape.ExampleSize();
  const int64_t run_size = math::Max(kMinRun, math::CeilDiv(size, kSums));
  parallel_for(math::CeilDiv(size, run_size),
               [&](int64_t i) { run(i, i * run_size, math::Min(run_size, size - i * run_size)); });
}

template <class S, bool kStreaming = false>
std::string TriadOf(const OpCall& call, const ParallelFor& parallel_for) {
  const S *const a = call.Input<S>("a"), *const b = call.Input<S>("b");
  S* const out = call.Output<S>("out");
  ForEachRun(call, parallel_for, [=](int64_t, int64_t begin, int64_t size) {
    ActiveTarget().Of<S>().triad(a + begin, b + begin, out + begin, size, kStreaming);
  });
  return "";
}

template <class S>
std::string StreamingTriadOf(const OpCall& call, const ParallelFor& parallel_for) {
  return TriadOf<S, true>(call, parallel_for);
}

template <class S>
std::string SumAbsoluteDifferenceOf(const OpCall& call, const ParallelFor& parallel_for) {
  using T = ComputeType<S>;
  const S *const a = call.Input<S>("a"), *const b = call.Input<S>("b");
  T* const sums = call.Output<T>("sums");
  std::fill_n(sums, kSums, T(0));
  ForEachRun(call, parallel_for, [=](int64_t i, int64_t begin, int64_t size) {
    sums[i] =
        static_cast<T>(ActiveTarget().Of<S>().sum_absolute_difference(a + begin, b + begin, size));
  });
  return "";
}

GRADOPS_DEFINE_LAUNCHER(ImageGradients, ParallelFor)
GRADOPS_DEFINE_LAUNCHER(ImageGradientsAdjoint, ParallelFor)
GRADOPS_DEFINE_LAUNCHER(GradientMagnitude, ParallelFor)
GRADOPS_DEFINE_LAUNCHER(GradientMagnitudeGrad, ParallelFor)
GRADOPS_DEFINE_LAUNCHER(Triad, ParallelFor)
GRADOPS_DEFINE_LAUNCHER(StreamingTriad, ParallelFor)
GRADOPS_DEFINE_LAUNCHER(SumAbsoluteDifference, ParallelFor)

}  // namespace
}  // namespace gradops::cpu
