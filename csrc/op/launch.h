#pragma once

#include <string>

#include "op/call.h"
#include "op/queue.h"

namespace gradops {

/// Runs an op: on the threads of a ParallelFor, or enqueues it on the stream of a cuda::Queue,
/// where nothing waits for the device and no value is read back. The call has been checked
/// (op/check.h).
///
/// Returns "" or what is wrong: with the numbers of the inputs, or by CUDA's word. On a device
/// nobody is told about weights that are negative or NaN: the losses and gradients of their
/// examples become NaN.
template <class Queue>
std::string Launch(const OpCall& call, const Queue& queue);

/// What runs an op for images of any dtype.
template <class Queue>
using Launcher = std::string (*)(const OpCall& call, const Queue& queue);

/// Makes it what Launch runs for the op of that name.
template <class Queue>
bool SetLauncher(const char* op, Launcher<Queue> launcher);

/// Whether LossGrad would return its memo unchanged: an op of host memory then need not run.
bool MemoIsGradient(const OpCall& call);

}  // namespace gradops

/// Defines the launcher of an op as op##Of<S>(call, queue), S the type of the images.
#define GRADOPS_DEFINE_LAUNCHER(op, Queue)                                                        \
  std::string Launch##op(const OpCall& call, const Queue& queue) {                                \
    return VisitDtype(                                                                            \
        call.dtype, [&](auto tag) { return op##Of<typename decltype(tag)::Type>(call, queue); }); \
  }                                                                                               \
  [[maybe_unused]] const bool kHas##op = SetLauncher<Queue>(#op, &Launch##op);
