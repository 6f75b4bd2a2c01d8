#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <string>

#include "cuda/device/kernels.cuh"
#include "cuda/device/roofline.cuh"
#include "math/int_math.h"
#include "op/op.h"
#include "op/queue.h"

namespace gradops::cuda {

/// The error message for an error that CUDA reports.
std::string CudaMessage(cudaError_t error);

/// Scratch memory and launches of one call. After an error nothing more is done.
class Device {
 public:
  explicit Device(const Queue& queue)
      : queue_(queue), stream_(static_cast<cudaStream_t>(queue.stream)) {
    cudaGetLastError();  // clears errors of others
  }

  /// The multiprocessors of the current device.
  static int Processors();

  template <class M>
  M* Take(int64_t count) {
    if (!error_.empty()) return nullptr;
    void* const memory =
        queue_.allocate(static_cast<size_t>(math::Max<int64_t>(count, 1)) * sizeof(M));
    if (memory == nullptr)
      Fail(std::string(kCudaError) + "no memory of the device for the sums of a gradient loss");
    return static_cast<M*>(memory);
  }
  template <class M>
  void Zero(M* elements, int64_t count) {
    if (!error_.empty() || count == 0) return;
    const cudaError_t error =
        cudaMemsetAsync(elements, 0, static_cast<size_t>(count) * sizeof(M), stream_);
    if (error != cudaSuccess) Fail(CudaMessage(error));
  }
  void Fail(const std::string& error) {
    if (error_.empty()) error_ = error;
  }
  const std::string& Error() const { return error_; }

  /// Finds the counts of each example, in scratch memory.
  template <class S>
  const AxisSums* Count(const CountArgs<S>& args) {
    const int64_t batch = args.params.shape.batch;
    AxisSums* const parts = Take<AxisSums>(batch * kCountBlocks);
    AxisSums* const counts = Take<AxisSums>(batch);
    Launch(CountKernel<S>, batch * kCountBlocks, kSumThreads, 0, args, parts);
    Launch(AddCountsKernel<AxisSums>, batch, kSumThreads, 0, parts, counts);
    return counts;
  }
  template <class Task>
  void Run(const Task& task) {
    if (task.IsOfAll()) {
      Launch(TaskKernel<Task>, 1, 1, 0, task, task.Batch());
    } else {
      Launch(TaskKernel<Task>, math::CeilDiv<int64_t>(task.Batch(), kTaskThreads), kTaskThreads, 0,
             task, int64_t{1});
    }
  }
  template <class Thread, class S>
  void Sweep(const StripArgs<S>& args) {
    Launch(SweepKernel<S, Thread>, args.layout.Blocks(), args.layout.threads,
           SharedBytes<Thread, S>(args.layout), args);
  }
  /// Adds up the sums of a sweep's blocks, and divides.
  template <class S>
  void Losses(const StripArgs<S>& args, ComputeType<S>* losses) {
    Launch(LossKernel<ComputeType<S>>, args.params.shape.batch, kSumThreads, 0, args.sums,
           args.layout.BlocksPerExample(), args.denominators, args.denominator, AxesOf(args.params),
           losses);
  }
  template <class Op, class S>
  void Images(const ImageArgs<S>& args) {
    const ImageThreads<S> threads(args);
    Launch(ImageKernel<Op, S>, threads.Blocks(), kImageThreads, 0, args, threads);
  }
  template <class Function, class Args>
  void Pixels(const Args& args) {
    const auto blocks_per_row = static_cast<unsigned>(math::Min(args.grid.BlocksPerRow(), 65535));
    LaunchRows(PixelKernel<Args, Function>, args.grid.Rows(), blocks_per_row, kPixelThreads, 0,
               args, Function());
  }
  template <class S>
  void Triad(const S* a, const S* b, S* out, int64_t size) {
    constexpr int64_t kBlocks = 16384;
    Launch(TriadKernel<S>, kBlocks, kRooflineThreads, 0, a, b, out, size);
  }
  template <class S>
  void SumAbsoluteDifference(const S* a, const S* b, ComputeType<S>* sums, int64_t size) {
    Launch(SumKernel<S>, kSums, kRooflineThreads, 0, a, b, sums, size);
  }

 private:
  /// `shared`: bytes of shared memory.
  template <class... Parameters, class... Arguments>
  void Launch(void (*kernel)(Parameters...), int64_t blocks, int threads, size_t shared,
              const Arguments&... arguments) {
    LaunchRows(kernel, blocks, 1, threads, shared, arguments...);
  }
  /// A grid of rows, which may be 2^31 - 1, and blocks_per_row, which may be 65535.
  template <class... Parameters, class... Arguments>
  void LaunchRows(void (*kernel)(Parameters...), int64_t rows, unsigned blocks_per_row, int threads,
                  size_t shared, const Arguments&... arguments) {
    if (!error_.empty() || rows == 0) return;
    if (rows > INT32_MAX) return Fail("the images are too large for one launch");
    if (shared > 48 * 1024) {
      const cudaError_t error = cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                                     cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                     static_cast<int>(shared));
      if (error != cudaSuccess) return Fail(CudaMessage(error));
    }
    const dim3 grid(static_cast<unsigned>(rows), blocks_per_row);
    kernel<<<grid, threads, shared, stream_>>>(arguments...);
    const cudaError_t error = cudaGetLastError();
    if (error != cudaSuccess) Fail(CudaMessage(error));
  }

  const Queue& queue_;
  const cudaStream_t stream_;
  std::string error_;
};

}  // namespace gradops::cuda
