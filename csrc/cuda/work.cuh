#ifndef GRADOPS_CUDA_WORK_CUH_
#define GRADOPS_CUDA_WORK_CUH_

#include <cuda_runtime.h>

#include <cstdint>
#include <string>

#include "core/launch_cuda.h"
#include "math/int_math.h"

namespace gradops::cuda {

/// Multiprocessors of the current device.
int Processors();

/// What CUDA says of an error of a launch.
std::string CudaMessage(cudaError_t error);

/// Scratch memory and launches of one call. What fails is remembered; after that nothing is done.
class Work {
 public:
  explicit Work(const Queue& queue)
      : queue_(queue), stream_(static_cast<cudaStream_t>(queue.stream)) {
    cudaGetLastError();  // what others left there is not ours to report
  }

  template <class M>
  M* Take(int64_t count) {
    if (!error_.empty()) return nullptr;
    void* const memory =
        queue_.allocate(static_cast<size_t>(math::Max<int64_t>(count, 1)) * sizeof(M));
    if (memory == nullptr)
      Fail(std::string(kCudaError) + "no memory of the device for the sums of a gradient loss");
    return static_cast<M*>(memory);
  }
  /// `shared`: bytes of dynamic shared memory.
  template <class... Parameters, class... Arguments>
  void Launch(void (*kernel)(Parameters...), int64_t blocks, int threads, size_t shared,
              const Arguments&... arguments) {
    if (!error_.empty() || blocks == 0) return;
    if (blocks > INT32_MAX) return Fail("the images are too large for one launch");
    if (shared > 48 * 1024) {
      const cudaError_t error = cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                                     cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                     static_cast<int>(shared));
      if (error != cudaSuccess) return Fail(CudaMessage(error));
    }
    kernel<<<static_cast<unsigned>(blocks), threads, shared, stream_>>>(arguments...);
    const cudaError_t error = cudaGetLastError();
    if (error != cudaSuccess) Fail(CudaMessage(error));
  }
  template <class M>
  void Zero(M* numbers, int64_t count) {
    if (!error_.empty() || count == 0) return;
    const cudaError_t error =
        cudaMemsetAsync(numbers, 0, static_cast<size_t>(count) * sizeof(M), stream_);
    if (error != cudaSuccess) Fail(CudaMessage(error));
  }
  void Fail(const std::string& error) {
    if (error_.empty()) error_ = error;
  }
  const std::string& Error() const { return error_; }

 private:
  const Queue& queue_;
  const cudaStream_t stream_;
  std::string error_;
};

}  // namespace gradops::cuda

#endif  // GRADOPS_CUDA_WORK_CUH_
