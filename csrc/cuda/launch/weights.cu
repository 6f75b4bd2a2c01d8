#include "cuda/launch/sweep.h"

// The derivatives by the weights. One program for all dtypes of images that are computed in T.

namespace gradops::cuda {

template <class T>
void LaunchByWeights(const WeightArgs<T>& args, ResponseId response, Device* device) {
  VisitResponse(response, [&](auto tag) {
    device->template Pixels<ByWeightsFunction<typename decltype(tag)::Type>>(args);
  });
}
template void LaunchByWeights(const WeightArgs<float>&, ResponseId, Device*);
template void LaunchByWeights(const WeightArgs<double>&, ResponseId, Device*);

template <class S>
std::string LossCountsGradOf(const OpCall& call, const Queue& queue) {
  using T = ComputeType<S>;
  const KernelParams params = call.Params();
  const LossInputs<S> inputs = call.Inputs<S>();
  const int residuals = ResidualsOf(params.response);
  T* const by_weights = call.Output<T>("by_weights");
  Device device(queue);
  if (IsEmpty(params.shape)) {
    device.Zero(by_weights, params.shape.batch * ExampleSize(inputs.weights, params.shape));
    return device.Error();
  }
  device.Fail(CheckRows(params.shape));
  const PerExample<T> upstream = {call.Input<T>("upstream"), residuals, 1};
  WeightArgs<T> args =
      MakeWeightArgs(params, inputs.weights, inputs.mask, upstream, residuals, by_weights);
  args.are_ones = true;
  LaunchByWeights(args, params.response, &device);
  return device.Error();
}

GRADOPS_DEFINE_LAUNCHER(LossCountsGrad, Queue)

}  // namespace gradops::cuda
