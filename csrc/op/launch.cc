#include "op/launch.h"

#include <vector>

namespace gradops {
namespace {

/// The launchers in the order of the table of ops; null for ops without one.
template <class Queue>
std::vector<Launcher<Queue>>& Launchers() {
  static auto* const launchers = new std::vector<Launcher<Queue>>(Ops().size());
  return *launchers;
}

}  // namespace

template <class Queue>
bool SetLauncher(const char* op, Launcher<Queue> launcher) {
  Launchers<Queue>()[FindOp(op) - Ops().data()] = launcher;
  return true;
}

template <class Queue>
std::string Launch(const OpCall& call, const Queue& queue) {
  const Launcher<Queue> launcher = Launchers<Queue>()[call.op - Ops().data()];
  if (launcher != nullptr) return launcher(call, queue);
  return std::string("this build of gradops cannot run ") + call.op->name + " on this device";
}

template std::string Launch(const OpCall&, const ParallelFor&);
template std::string Launch(const OpCall&, const cuda::Queue&);
template bool SetLauncher(const char*, Launcher<ParallelFor>);
template bool SetLauncher(const char*, Launcher<cuda::Queue>);

bool MemoIsGradient(const OpCall& call) {
  return VisitDtype(call.dtype, [&](auto tag) {
    using T = ComputeType<typename decltype(tag)::Type>;
    const KernelParams params = call.Params();
    const PerExample<T> expected = call.PerLoss<T>("expected"),
                        upstream = call.PerLoss<T>("upstream");
    for (int64_t example = 0; example < params.shape.batch; ++example) {
      for (int axis = 0; axis < AxesOf(params); ++axis) {
        if (expected.At(example, axis) != upstream.At(example, axis)) return false;
      }
    }
    return true;
  });
}

}  // namespace gradops
