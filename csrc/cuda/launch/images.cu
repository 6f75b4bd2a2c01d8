#include "cuda/launch/sweep.h"

namespace gradops::cuda {

template <class Op, class S>
std::string LaunchImages(const OpCall& call, const S* in, S* out, const Queue& queue) {
  const KernelParams params = call.Params();
  if (IsEmpty(params.shape)) return "";
  const std::string error = CheckRows(params.shape);
  if (!error.empty()) return error;
  Device device(queue);
  device.template Images<Op>(MakeImageArgs(params, in, out));
  return device.Error();
}

template <class S>
std::string ImageGradientsOf(const OpCall& call, const Queue& queue) {
  return LaunchImages<ImageGradientsOp>(call, call.Input<S>("images"), call.Output<S>("gradients"),
                                        queue);
}

template <class S>
std::string ImageGradientsAdjointOf(const OpCall& call, const Queue& queue) {
  return LaunchImages<ImageGradientsAdjointOp>(call, call.Input<S>("upstream"),
                                               call.Output<S>("images"), queue);
}

template <class S>
std::string GradientMagnitudeOf(const OpCall& call, const Queue& queue) {
  return LaunchImages<GradientMagnitudeOp>(call, call.Input<S>("images"),
                                           call.Output<S>("magnitudes"), queue);
}

template <class S>
std::string GradientMagnitudeGradOf(const OpCall& call, const Queue& queue) {
  const KernelParams params = call.Params();
  if (IsEmpty(params.shape)) return "";
  Device device(queue);
  device.Fail(CheckRows(params.shape));
  const StripArgs<S> args =
      MakeMagnitudeArgs(params, call.Input<S>("images"), call.Input<S>("upstream"),
                        call.Output<S>("gradient"), device.Processors());
  VisitMagnitudeThread(
      args, [&](auto tag) { device.template Sweep<typename decltype(tag)::Type>(args); });
  return device.Error();
}

GRADOPS_DEFINE_LAUNCHER(ImageGradients, Queue)
GRADOPS_DEFINE_LAUNCHER(ImageGradientsAdjoint, Queue)
GRADOPS_DEFINE_LAUNCHER(GradientMagnitude, Queue)
GRADOPS_DEFINE_LAUNCHER(GradientMagnitudeGrad, Queue)

}  // namespace gradops::cuda
