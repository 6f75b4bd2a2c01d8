#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

// What launchers run an op with: a pool of threads, or a stream of a CUDA device. Needs no CUDA
// headers.

namespace gradops {

/// parallel_for(count, run_unit) calls run_unit(0) .. run_unit(count - 1), each once, in any order
/// and possibly at the same time, and returns when all are done. Work is cut into units by shape
/// alone, so results do not depend on the number of threads.
using ParallelFor =
    std::function<void(int64_t count, const std::function<void(int64_t unit)>& run_unit)>;

namespace cuda {

/// A stream to enqueue work on, with an allocator of scratch memory.
struct Queue {
  void* stream;  // cudaStream_t
  /// Returns memory of the device, aligned to 16 bytes, or null if there is none left. It must not
  /// be reused before the work that is enqueued during the call has run.
  std::function<void*(size_t bytes)> allocate;
};

/// Scratch memory for callers without an allocator. It comes from the memory pool of the stream's
/// device, and goes back to it in stream order on destruction.
class StreamMemory {
 public:
  explicit StreamMemory(void* stream) : stream_(stream) {}
  StreamMemory(const StreamMemory&) = delete;
  StreamMemory& operator=(const StreamMemory&) = delete;
  ~StreamMemory();
  void* Allocate(size_t bytes);

 private:
  void* const stream_;
  std::vector<void*> blocks_;
};

/// "" or why this process cannot run the kernels: there is no driver, or it is too old for the
/// toolkit that they were built with. Asks the driver once.
std::string CheckDriver();

/// Launches an empty kernel, to measure what a launch costs.
std::string LaunchNothing(const Queue& queue);

/// The beginning of errors that CUDA reports.
inline constexpr const char* kCudaError = "CUDA: ";
/// The error for several levels: gradops/_scales.py composes such losses where there is a GPU.
inline constexpr const char* kNoLevels =
    "scale_weights, pixel_weight: the CUDA kernels take one scale of weight 1 and no pixels";

}  // namespace cuda
}  // namespace gradops
