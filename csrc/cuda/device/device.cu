// Queries of the driver and the device, and memory of the device.

#include <atomic>

#include "cuda/device/stream.cuh"

// The architectures that this is compiled for.
#ifndef GRADOPS_CUDA_ARCHITECTURES
#define GRADOPS_CUDA_ARCHITECTURES "unknown"
#endif

namespace gradops::cuda {
namespace device {  // named: see kernels.cuh

/// "13.0" for 13000.
std::string VersionText(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string AskDriver() {
  int driver = 0;
  cudaGetLastError();
  const cudaError_t error = cudaDriverGetVersion(&driver);
  const std::string built = "the CUDA kernels of gradops were built with toolkit " +
                            VersionText(CUDART_VERSION) + ", whose code needs an NVIDIA driver " +
                            (CUDART_VERSION / 1000 >= 13 ? "of release 580" : "of release 525") +
                            " or later";
  if (error != cudaSuccess || driver == 0) return built + "; no driver is loaded";
  // Within a major version, code built with a newer toolkit runs on an older driver.
  if (driver / 1000 >= CUDART_VERSION / 1000) return "";
  return built + "; the driver of this machine supports CUDA " + VersionText(driver) +
         ". Update the driver, or build gradops with a CUDA " + std::to_string(driver / 1000) +
         " toolkit (docs/wheels.md)";
}

template <class = void>
__global__ void NothingKernel() {}

}  // namespace device

using namespace device;

std::string LaunchNothing(const Queue& queue) {
  NothingKernel<><<<1, 1, 0, static_cast<cudaStream_t>(queue.stream)>>>();
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? "" : CudaMessage(error);
}

std::string CheckDriver() {
  static const std::string message = AskDriver();
  return message;
}

int Device::Processors() {
  int device = 0, processors = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
  return math::Max(processors, 1);  // if there is no device, the launch reports it
}

std::string CudaMessage(cudaError_t error) {
  std::string message = std::string(kCudaError) + cudaGetErrorString(error);
  if (error != cudaErrorNoKernelImageForDevice) return message;
  int device = 0, major = 0, minor = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
  return message + ". The GPU is of architecture " + std::to_string(major) + std::to_string(minor) +
         " and gradops was built for " GRADOPS_CUDA_ARCHITECTURES
         ": build it for this one (docs/wheels.md)";
}

namespace device {

/// Lets the pool keep freed memory: getting it from the driver again takes longer than a loss.
void KeepMemory() {
  int device = 0;
  cudaMemPool_t pool;
  if (cudaGetDevice(&device) != cudaSuccess) return;
  if (cudaDeviceGetDefaultMemPool(&pool, device) != cudaSuccess) return;
  static std::atomic<uint64_t> devices_done{0};
  const uint64_t bit = uint64_t{1} << device % 64;
  if ((devices_done.fetch_or(bit) & bit) != 0) return;
  uint64_t threshold = UINT64_MAX;
  cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold);
}

}  // namespace device

void* StreamMemory::Allocate(size_t bytes) {
  if (blocks_.empty()) device::KeepMemory();
  void* block = nullptr;
  const auto stream = static_cast<cudaStream_t>(stream_);
  if (cudaMallocAsync(&block, bytes, stream) != cudaSuccess) {
    cudaGetLastError();  // clears it: the caller reports the missing memory
    return nullptr;
  }
  blocks_.push_back(block);
  return block;
}

StreamMemory::~StreamMemory() {
  for (void* const block : blocks_) cudaFreeAsync(block, static_cast<cudaStream_t>(stream_));
}

}  // namespace gradops::cuda
