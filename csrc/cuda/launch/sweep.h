#pragma once

#include "cuda/programs/plans.h"
#include "cuda/programs/weight_pixels.h"
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
  const CountArgs<S> args =
      MakeCountArgs(params, inputs, CountedFor(params.normalizer), SumsWeights(params.normalizer));
  const AxisSums* const counts = device->Count(args);
  double* const denominators = device->template Take<double>(params.shape.batch);
  device->Run(FindDenominators{params, counts, denominators});
  return denominators;
}

/// Writes the derivatives by the weights (weights.cu).
template <class T>
void LaunchByWeights(const WeightArgs<T>& args, ResponseId response, Device* device);

/// The same after a sweep that found the losses, if they are needed.
template <class S>
void LaunchByWeights(const StripArgs<S>& args, const ComputeType<S>* losses, Device* device) {
  const NormalizerId normalizer = args.params.normalizer;
  const int64_t batch = args.params.shape.batch;
  double* factors = nullptr;
  if (DividesByWeights(normalizer)) {
    factors = device->template Take<double>(batch);
    device->Run(FindCountFactors<ComputeType<S>>{batch, normalizer, losses, args.denominators,
                                                 args.upstream, factors});
  }
  LaunchByWeights(MakeWeightArgs(args, factors), args.params.response, device);
}

/// Launches a sweep with the counting before, and the sums and the derivatives by the weights after
/// it. Outputs may be null; a sweep without any is left out.
template <Order kOrder, class S>
std::string LaunchSweep(StripArgs<S> args, ComputeType<S>* losses, Device* device) {
  const KernelParams& params = args.params;
  const int64_t batch = params.shape.batch;
  if (IsEmpty(params.shape)) {
    if (losses != nullptr) device->Zero(losses, batch * AxesOf(params));
    if (args.by_weights != nullptr) {
      device->Zero(args.by_weights, batch * ExampleSize(args.inputs.weights, params.shape));
    }
    return device->Error();
  }
  device->Fail(CheckRows(params.shape));
  if (!SetDenominatorByShape(&args)) {
    args.denominators = LaunchDenominators(params, args.inputs, device);
  }
  if (losses != nullptr || args.by_pred != nullptr) {
    SetAccess(&args);
    if (losses != nullptr) args.sums = device->template Take<AxisSums>(args.layout.Blocks());
    VisitStripThread<S, kOrder>(
        args, [&](auto tag) { device->template Sweep<typename decltype(tag)::Type>(args); });
  }
  if (losses != nullptr) device->Losses(args, losses);
  if (args.by_weights != nullptr) LaunchByWeights(args, losses, device);
  return device->Error();
}

/// LaunchSweep of the values alone (value.cu).
template <class S>
std::string LaunchValues(const StripArgs<S>& args, ComputeType<S>* losses, Device* device);

/// Calls launch(args, device) with the arguments of a sweep over the images of a call.
template <class S, class Run>
std::string WithSweepArgs(const OpCall& call, const Queue& queue, Run&& launch) {
  const KernelParams params = call.Params();
  if (!params.levels.IsSingleTerm()) return kNoLevels;
  Device device(queue);
  return launch(MakeStripArgs(params, call.Inputs<S>(), device.Processors()), &device);
}

}  // namespace gradops::cuda
