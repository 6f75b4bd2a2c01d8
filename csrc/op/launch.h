#pragma once

#include <string>

#include "op/call.h"
#include "op/queue.h"

// Running an op. A call has been checked (op/check.h).

namespace gradops {

namespace cpu {

/// Runs an op on the CPU. Returns "" or what is wrong with its inputs, which only their numbers
/// tell.
std::string Launch(const OpCall& call, const ParallelFor& parallel_for);

}  // namespace cpu

/// Whether LossGrad would return its memo unchanged: an op of host memory then need not run.
bool MemoIsGradient(const OpCall& call);

namespace cuda {

/// Enqueues an op on a stream and returns: nothing waits for the device, and no value is read back.
/// Returns "" or what is wrong, with the inputs or by CUDA's word. Nobody is told about weights
/// that are negative or NaN: the losses and gradients of their examples become NaN.
std::string Launch(const OpCall& call, const Queue& queue);

}  // namespace cuda
}  // namespace gradops

// For a backend, in whose namespace Queue is what runs its work:

/// Declares the launcher of an op.
#define GRADOPS_DECLARE_LAUNCHER(op) std::string op(const OpCall& call, const Queue& queue);

/// Defines the launcher of an op: op##Of<S>, for images of the dtype of the call.
#define GRADOPS_DEFINE_LAUNCHER(op)                                                               \
  std::string op(const OpCall& call, const Queue& queue) {                                        \
    return VisitDtype(                                                                            \
        call.dtype, [&](auto tag) { return op##Of<typename decltype(tag)::Type>(call, queue); }); \
  }

/// Defines Launch, which finds the launcher by the position of the op.
#define GRADOPS_LAUNCHER(op) &op,
#define GRADOPS_DEFINE_LAUNCH                                                                     \
  std::string Launch(const OpCall& call, const Queue& queue) {                                    \
    static constexpr std::string (*kLaunchers[])(const OpCall&,                                   \
                                                 const Queue&) = {GRADOPS_OPS(GRADOPS_LAUNCHER)}; \
    return kLaunchers[call.op - Ops().data()](call, queue);                                       \
  }
