#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bindings/tf/compat.h"
#include "bindings/tf/status.h"
#include "cpu/launch/huge_pages.h"
#include "op/launch.h"
#include "tensorflow/core/framework/op_kernel.h"
#ifdef GRADOPS_CUDA
#include "xla/stream_executor/stream.h"
#endif

// Where a kernel runs, and what it reads of its node.

namespace gradops::tf_ops {

using ::absl::Status;
using ::tensorflow::OpKernel;
using ::tensorflow::OpKernelConstruction;
using ::tensorflow::OpKernelContext;
using ::tensorflow::Tensor;
using ::tensorflow::TensorShape;

class Cpu {
 public:
  static constexpr const char* kName = "CPU";
  /// Whether the kernel may look at its tensors' numbers.
  static constexpr bool kIsHost = true;

  explicit Cpu(OpKernelContext* context)
      : pool_(context->device()->tensorflow_cpu_worker_threads()->workers) {}

  static Status Check() { return absl::OkStatus(); }

  /// On TensorFlow's intra-op pool, one unit at a time.
  std::string Launch(const OpCall& call) const {
    AdviseHugePages(call);
    const ParallelFor parallel_for = [pool = pool_](int64_t count,
                                                    const std::function<void(int64_t)>& run_unit) {
      if (count == 0) return;
      pool->ParallelFor(count, GRADOPS_ONE_BY_ONE(Pool), [&](int64_t begin, int64_t end) {
        for (int64_t unit = begin; unit < end; ++unit) run_unit(unit);
      });
    };
    return gradops::Launch(call, parallel_for);
  }

 private:
  using Pool = ::tensorflow::thread::ThreadPool;
  Pool* const pool_;
};

/// OK, or that this build or this machine cannot run the CUDA kernels.
inline Status CheckGpu() {
#ifdef GRADOPS_CUDA
  const std::string message = cuda::CheckDriver();
  return message.empty() ? absl::OkStatus() : absl::FailedPreconditionError(message);
#else
  return absl::FailedPreconditionError(
      "this gradops was built without CUDA kernels: build it with a CUDA toolkit "
      "(docs/wheels.md), or place the loss on the CPU");
#endif
}

#ifdef GRADOPS_CUDA
class Gpu {
 public:
  static constexpr const char* kName = "GPU";
  static constexpr bool kIsHost = false;

  explicit Gpu(OpKernelContext* context) : context_(context) {}

  static Status Check() { return CheckGpu(); }

  /// On TensorFlow's stream, with scratch memory of its allocator: that is given back when the
  /// kernel returns, and reused by what is enqueued on this stream later.
  std::string Launch(const OpCall& call) {
    const cuda::Queue queue = {
        context_->op_device_context()->stream()->platform_specific_handle().stream,
        [this](size_t bytes) -> void* {
          Tensor memory;
          const TensorShape shape({static_cast<int64_t>(bytes)});
          if (!context_->allocate_temp(::tensorflow::DT_UINT8, shape, &memory).ok()) {
            return nullptr;
          }
          scratch_.push_back(memory);
          return scratch_.back().data();
        }};
    return gradops::Launch(call, queue);
  }

 private:
  OpKernelContext* const context_;
  std::vector<Tensor> scratch_;
};
#endif

}  // namespace gradops::tf_ops
