#pragma once

#include "cuda/programs/plans.h"
#include "op/launch.h"
#ifdef __CUDACC__
#include "cuda/device/stream.cuh"
#else
#include "cuda/launch/emulate.h"
#endif

// What the launchers share. They are compiled for a device (with the Device of device/stream.cuh)
// and for the emulation on the host (with that of emulate.h).

namespace gradops::cuda {

inline bool IsEmpty(const ImageShape& shape) { return shape.batch * shape.ExampleSize() == 0; }

/// Finds what each example's sum is divided by from weights and mask, in scratch memory.
template <class S>
const double* LaunchDenominators(const KernelParams& params, const LossInputs<S>& inputs,
                                 Device* device) {
  const CountArgs<S> args = MakeCountArgs(params, inputs, CountedFor(params.normalizer));
  const AxisSums* const counts = device->Count(args);
  double* const denominators = device->template Take<double>(params.shape.batch);
  device->Denominators(params, counts, denominators);
  return denominators;
}

/// Launches a sweep with the counting before and the sums after it. `losses` may be null.
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

/// Calls launch(args, device) with the arguments of a sweep over the images of a call.
template <class S, class Run>
std::string WithSweepArgs(const OpCall& call, const Queue& queue, Run&& launch) {
  const KernelParams params = call.Params();
  if (!params.levels.IsSingleTerm()) return kNoLevels;
  Device device(queue);
  return launch(MakeStripArgs(params, call.Inputs<S>(), device.Processors()), &device);
}

}  // namespace gradops::cuda
