#include "cuda/launch/sweep.h"

namespace gradops::cuda {

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

GRADOPS_DEFINE_LAUNCHER(Triad, Queue)
GRADOPS_DEFINE_LAUNCHER(StreamingTriad, Queue)
GRADOPS_DEFINE_LAUNCHER(SumAbsoluteDifference, Queue)

}  // namespace gradops::cuda
