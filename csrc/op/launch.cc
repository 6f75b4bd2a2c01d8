#include "op/launch.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <vector>

#include "family/memo.h"

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

std::vector<double> ValuesPerLoss(const OpCall& call, const char* input) {
  return VisitDtype(call.dtype, [&](auto tag) {
    const KernelParams params = call.Params();
    const auto values = call.PerLoss<ComputeType<typename decltype(tag)::Type>>(input);
    std::vector<double> all;
    for (int64_t example = 0; example < params.shape.batch; ++example) {
      for (int axis = 0; axis < AxesOf(params); ++axis) {
        all.push_back(static_cast<double>(values.At(example, axis)));
      }
    }
    return all;
  });
}

bool ExpectsNothing(const OpCall& call) {
  if (call.options.site.empty()) return false;
  const std::vector<double> expected = ValuesPerLoss(call, "expected");
  return std::all_of(expected.begin(), expected.end(), [](double value) { return value == 0; });
}

bool MemoIsGradient(const OpCall& call) {
  return VisitDtype(call.dtype, [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const KernelParams params = call.Params();
    const auto expected = call.PerLoss<ComputeType<S>>("expected"),
               upstream = call.PerLoss<ComputeType<S>>("upstream");
    for (int64_t example = 0; example < params.shape.batch; ++example) {
      const MemoUse use = HowToUseMemo<S>(AxesOf(params), example, expected, upstream);
      if (use != MemoUse::kCopy) return false;
    }
    return true;
  });
}

}  // namespace gradops
