#include "op/launch.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <vector>

namespace gradops {
namespace {

/// The launchers in the order of the table of ops; null for ops without one.
template <class Queue>
std::vector<Launcher<Queue>>& Launchers() {
  static auto* const launchers = new std::vector<Launcher<Queue>>(Ops().size());
  return *launchers;
}

constexpr const char* kNoMemory =
    "out of memory, of which gradops takes a little besides its outputs";

/// Units run on threads of others, which no exception may leave. The caller's raises it again.
ParallelFor WithinThreads(const ParallelFor& parallel_for) {
  return [&parallel_for](int64_t count, const std::function<void(int64_t)>& run_unit) {
    std::atomic<bool> has_memory{true};
    parallel_for(count, [&](int64_t unit) {
      if (!has_memory) return;
      try {
        run_unit(unit);
      } catch (const std::bad_alloc&) {
        has_memory = false;
      }
    });
    if (!has_memory) throw std::bad_alloc();
  };
}
const cuda::Queue& WithinThreads(const cuda::Queue& queue) { return queue; }

template <class Predicate>
bool ForAllLosses(const OpCall& call, Predicate&& is_true) {
  const KernelParams params = call.Params();
  for (int64_t example = 0; example < params.shape.batch; ++example) {
    for (int axis = 0; axis < AxesOf(params); ++axis) {
      if (!is_true(example, axis)) return false;
    }
  }
  return true;
}

bool BeginsWith(const std::string& message, const char* begin) {
  return message.rfind(begin, 0) == 0;
}

}  // namespace

Failure FailureOf(const std::string& message) {
  if (BeginsWith(message, kNoMemory)) return Failure::kMemory;
  return BeginsWith(message, cuda::kCudaError) ? Failure::kDevice : Failure::kInputs;
}

template <class Queue>
bool SetLauncher(const char* op, Launcher<Queue> launcher) {
  Launchers<Queue>()[FindOp(op) - Ops().data()] = launcher;
  return true;
}

template <class Queue>
std::string Launch(const OpCall& call, const Queue& queue) {
  const Launcher<Queue> launcher = Launchers<Queue>()[call.op - Ops().data()];
  if (launcher == nullptr) {
    return std::string("this build of gradops cannot run ") + call.op->name + " on this device";
  }
  // Of images without elements there may be more than a loop over them could end with.
  const auto has_elements = [](const Buffer& output) { return output.HasElements(); };
  if (std::none_of(call.outputs.begin(), call.outputs.end(), has_elements)) return "";
  try {
    return launcher(call, WithinThreads(queue));
  } catch (const std::bad_alloc&) {
    return kNoMemory;
  }
}

template std::string Launch(const OpCall&, const ParallelFor&);
template std::string Launch(const OpCall&, const cuda::Queue&);
template bool SetLauncher(const char*, Launcher<ParallelFor>);
template bool SetLauncher(const char*, Launcher<cuda::Queue>);

bool ExpectsNothing(const OpCall& call) {
  return !call.options.site.empty() && VisitDtype(call.dtype, [&](auto tag) {
    const auto expected = call.PerLoss<ComputeType<typename decltype(tag)::Type>>("expected");
    return ForAllLosses(call,
                        [&](int64_t example, int axis) { return expected.At(example, axis) == 0; });
  });
}

bool MemoIsGradient(const OpCall& call) {
  return !ExpectsNothing(call) && VisitDtype(call.dtype, [&](auto tag) {
    using T = ComputeType<typename decltype(tag)::Type>;
    const PerExample<T> expected = call.PerLoss<T>("expected"),
                        upstream = call.PerLoss<T>("upstream");
    return ForAllLosses(call, [&](int64_t example, int axis) {
      return expected.At(example, axis) == upstream.At(example, axis);
    });
  });
}

}  // namespace gradops
