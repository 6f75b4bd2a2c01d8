#pragma once

#include "cuda/launch/launch.h"
#include "cuda/programs/plans.h"
#ifdef __CUDACC__
#include "cuda/device/stream.cuh"
#else
#include "cuda/launch/emulate.h"
#endif

// The launchers of the ops, for a device (Device in stream.cuh) and for its emulation on the host
// (Device in emulate.h): value.cu and its neighbours are compiled for both.

namespace gradops::cuda {

inline bool IsEmpty(const ImageShape& shape) { return shape.batch * shape.ExampleSize() == 0; }

/// What each example's sum is divided by, in scratch memory; by weights and mask.
template <class S>
const double* LaunchDenominators(const KernelParams& params, const LossInputs<S>& inputs,
                                 Device* device) {
  const CountArgs<S> args = MakeCountArgs(params, inputs, CountedFor(params.normalizer));
  const AxisSums* const counts = device->Count(args);
  double* const denominators = device->template Take<double>(params.shape.batch);
  device->Denominators(params, counts, denominators);
  return denominators;
}

/// A sweep with what comes before and after it; `losses` may be null.
template <Order kOrder, class S>
std::string LaunchSweep(StripArgs<S> args, ComputeType<S>* losses, Device* device) {
  const KernelParams& params = args.params;
  if (IsEmpty(params.shape)) {
    if (losses != nullptr) device->Zero(losses, params.shape.batch * AxesOf(params));
    return device->Error();
  }
  device->Fail(CheckRows(params.shape));
  if (!SetDenominatorByShape(&args)) {
    args.denominators = LaunchDenominators(params, args.inputs, device);
  }
  SetAccess(&args);
  if (losses != nullptr) args.sums = device->template Take<AxisSums>(args.layout.Blocks());
  VisitStripThread<S, kOrder>(
      args, [&](auto tag) { device->template Sweep<typename decltype(tag)::Type>(args); });
  if (losses != nullptr) device->Losses(args, losses);
  return device->Error();
}

/// Calls launch(args, device) with the arguments of a sweep of the images of a call.
template <class S, class Run>
std::string LaunchLoss(const OpCall& call, const Queue& queue, Run&& launch) {
  const KernelParams params = call.Params();
  if (!params.levels.IsSingleTerm()) return kNoLevels;
  Device device(queue);
  return launch(MakeStripArgs(params, call.Inputs<S>(), device.Processors()), &device);
}

template <class S>
std::string LossOf(const OpCall& call, const Queue& queue) {
  return LaunchLoss<S>(call, queue, [&](StripArgs<S> args, Device* device) {
    return LaunchSweep<Order::kValue>(args, call.Output<ComputeType<S>>("loss"), device);
  });
}

template <class S>
std::string LossMemoOf(const OpCall& call, const Queue& queue) {
  using T = ComputeType<S>;
  return LaunchLoss<S>(call, queue, [&](StripArgs<S> args, Device* device) {
    T* const losses = call.Output<T>("loss");
    args.upstream = call.PerLoss<T>("expected");
    args.by_pred = call.Output<S>("memo");
    if (args.by_pred == nullptr) return Loss(call, queue);  // a memo that nobody reads
    return LaunchSweep<Order::kSlope>(args, losses, device);
  });
}

/// How the memo serves is decided on the device.
template <class S>
std::string LossGradOf(const OpCall& call, const Queue& queue) {
  using T = ComputeType<S>;
  return LaunchLoss<S>(call, queue, [&](StripArgs<S> args, Device* device) {
    T* const no_losses = nullptr;
    args.memo = call.Input<S>("memo");
    args.memo_axes = AxesOf(args.params);
    args.expected = call.PerLoss<T>("expected");
    args.upstream = call.PerLoss<T>("upstream");
    args.by_pred = call.Output<S>("gradient");
    return LaunchSweep<Order::kSlope>(args, no_losses, device);
  });
}

template <class S>
std::string LossGradGradOf(const OpCall& call, const Queue& queue) {
  using T = ComputeType<S>;
  return LaunchLoss<S>(call, queue, [&](StripArgs<S> args, Device* device) {
    args.vector = call.Input<S>("vector");
    args.upstream = call.PerLoss<T>("upstream");
    args.by_pred = call.Output<S>("by_pred");
    args.by_true = call.Output<S>("by_true");
    return LaunchSweep<Order::kSecond>(args, call.Output<T>("by_upstream"), device);
  });
}

template <class S>
std::string LossCountsOf(const OpCall& call, const Queue& queue) {
  using T = ComputeType<S>;
  const KernelParams params = call.Params();
  const int residuals = ResidualsOf(params.response);
  T* const counts = call.Output<T>("counts");
  Device device(queue);
  if (IsEmpty(params.shape)) {
    device.Zero(counts, params.shape.batch * residuals);
  } else {
    const CountArgs<S> args = MakeCountArgs(params, call.Inputs<S>(), Counted::kResiduals);
    device.WriteCounts(params.shape.batch, residuals, device.Count(args), counts);
  }
  return device.Error();
}

template <class Function, class S>
std::string LaunchPixels(const OpCall& call, const S* in, S* out, const Queue& queue) {
  const KernelParams params = call.Params();
  if (IsEmpty(params.shape)) return "";
  Device device(queue);
  device.Fail(CheckRows(params.shape));
  device.template Pixels<Function>(MakeImageArgs(params, in, out));
  return device.Error();
}

template <class S>
std::string ImageGradientsOf(const OpCall& call, const Queue& queue) {
  return LaunchPixels<GradientFunction>(call, call.Input<S>("images"), call.Output<S>("gradients"),
                                        queue);
}

template <class S>
std::string ImageGradientsAdjointOf(const OpCall& call, const Queue& queue) {
  return LaunchPixels<AdjointFunction>(call, call.Input<S>("upstream"), call.Output<S>("images"),
                                       queue);
}

template <class S>
std::string GradientMagnitudeOf(const OpCall& call, const Queue& queue) {
  return LaunchPixels<MagnitudeFunction>(call, call.Input<S>("images"),
                                         call.Output<S>("magnitudes"), queue);
}

template <class S>
std::string GradientMagnitudeGradOf(const OpCall& call, const Queue& queue) {
  const KernelParams params = call.Params();
  if (IsEmpty(params.shape)) return "";
  Device device(queue);
  device.Fail(CheckRows(params.shape));
  device.template Sweep<MagnitudeThread<S>>(
      MakeMagnitudeArgs(params, call.Input<S>("images"), call.Input<S>("upstream"),
                        call.Output<S>("gradient"), device.Processors()));
  return device.Error();
}

template <class S>
std::string TriadOf(const OpCall& call, const Queue& queue) {
  Device device(queue);
  const ImageShape shape = call.Shape();
  device.Triad(call.Input<S>("a"), call.Input<S>("b"), call.Output<S>("out"),
               shape.batch * shape.ExampleSize());
  return device.Error();
}

template <class S>
std::string StreamingTriadOf(const OpCall& call, const Queue& queue) {
  return TriadOf<S>(call, queue);
}

template <class S>
std::string SumAbsoluteDifferenceOf(const OpCall& call, const Queue& queue) {
  Device device(queue);
  const ImageShape shape = call.Shape();
  device.SumAbsoluteDifference(call.Input<S>("a"), call.Input<S>("b"),
                               call.Output<ComputeType<S>>("sums"),
                               shape.batch * shape.ExampleSize());
  return device.Error();
}

}  // namespace gradops::cuda
