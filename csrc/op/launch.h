#pragma once

#include <string>
#include <vector>

#include "op/call.h"
#include "op/queue.h"

namespace gradops {

/// Runs an op on the threads of a ParallelFor, or enqueues it on the stream of a cuda::Queue
/// without waiting for the device or reading values back. The call must have been checked
/// (op/check.h).
///
/// Returns "" or what is wrong: with the values of the inputs, that there is no memory left, or
/// what CUDA reports. On a device, weights that are negative or NaN are not reported: losses and
/// gradients of their examples are NaN.
template <class Queue>
std::string Launch(const OpCall& call, const Queue& queue);

/// What a message of Launch is about.
enum class Failure { kInputs, kMemory, kDevice };
Failure FailureOf(const std::string& message);

template <class Queue>
using Launcher = std::string (*)(const OpCall& call, const Queue& queue);

/// Makes Launch run `launcher` for the op of that name.
template <class Queue>
bool SetLauncher(const char* op, Launcher<Queue> launcher);

/// An input with one value per loss, example by example. Reads host memory.
std::vector<double> ValuesPerLoss(const OpCall& call, const char* input);

/// Whether the caller of LossMemo predicts nothing: if it has a site and expects 0. Then no
/// gradient is found. Reads host memory.
bool ExpectsNothing(const OpCall& call);

/// Whether LossGrad would return its memo unchanged, so that it need not run. Reads host memory.
bool MemoIsGradient(const OpCall& call);

}  // namespace gradops

/// Makes op##Of<S>(call, queue), where S is the type of the images, the launcher of an op.
#define GRADOPS_DEFINE_LAUNCHER(op, Queue)                                                        \
  std::string Launch##op(const OpCall& call, const Queue& queue) {                                \
    return VisitDtype(                                                                            \
        call.dtype, [&](auto tag) { return op##Of<typename decltype(tag)::Type>(call, queue); }); \
  }                                                                                               \
  [[maybe_unused]] const bool kHas##op = SetLauncher<Queue>(#op, &Launch##op);
