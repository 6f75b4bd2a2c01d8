#ifndef GRADOPS_TF_DEVICES_H_
#define GRADOPS_TF_DEVICES_H_

#include <functional>
#include <memory>
#include <vector>

#include "core/huge_pages.h"
#include "tf/launchers.h"
#include "tf/op_inputs.h"
#ifdef GRADOPS_CUDA
#include "xla/stream_executor/stream.h"
#endif

// Where a kernel runs: what the launchers take as their last argument, and what differs in how the
// kernel treats its tensors.

namespace gradops::tf_ops {

class Cpu {
 public:
  static constexpr const char* kName = "CPU";
  /// Whether the kernel may look at its tensors' numbers.
  static constexpr bool kIsHost = true;

  explicit Cpu(OpKernelContext* context)
      : pool_(context->device()->tensorflow_cpu_worker_threads()->workers) {}

  static Status Check() { return absl::OkStatus(); }

  /// TensorFlow's intra-op pool, one unit at a time.
  ParallelFor Queue() const {
    return [pool = pool_](int64_t count, const std::function<void(int64_t)>& run_unit) {
      if (count == 0) return;
      pool->ParallelFor(count, Pool::SchedulingParams::Fixed(1), [&](int64_t begin, int64_t end) {
        for (int64_t unit = begin; unit < end; ++unit) run_unit(unit);
      });
    };
  }
  /// The data of an output that is about to be written.
  template <class S>
  S* Fresh(Tensor* output) const {
    S* const data = MutableImageData<S>(output);
    AdviseHugePages(data, output->TotalBytes());
    return data;
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

  /// TensorFlow's stream, with scratch memory of its allocator: that is given back when the kernel
  /// returns, and reused by what is enqueued on this stream later.
  cuda::Queue Queue() {
    return {context_->op_device_context()->stream()->platform_specific_handle().stream,
            [this](size_t bytes) -> void* {
              Tensor memory;
              const TensorShape shape({static_cast<int64_t>(bytes)});
              if (!context_->allocate_temp(::tensorflow::DT_UINT8, shape, &memory).ok()) {
                return nullptr;
              }
              scratch_.push_back(memory);
              return scratch_.back().data();
            }};
  }
  template <class S>
  S* Fresh(Tensor* output) const {
    return MutableImageData<S>(output);
  }

 private:
  OpKernelContext* const context_;
  std::vector<Tensor> scratch_;
};
#endif

/// Calls REGISTER(Device, S) for every device and dtype.
#ifdef GRADOPS_CUDA
#define GRADOPS_FOR_EACH_DEVICE(DO, S) DO(Cpu, S) DO(Gpu, S)
#else
#define GRADOPS_FOR_EACH_DEVICE(DO, S) DO(Cpu, S)
#endif

/// A kernel with options.
template <class Device>
class GradopsKernel : public OpKernel {
 public:
  explicit GradopsKernel(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, ReadOptions(context, &options_));
    OP_REQUIRES_OK(context, Device::Check());
  }

 protected:
  LossOptions options_;
};

}  // namespace gradops::tf_ops

#endif  // GRADOPS_TF_DEVICES_H_
