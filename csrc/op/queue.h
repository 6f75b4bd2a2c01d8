#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

// What the launchers take to run an op with: a pool of threads, or a stream of a CUDA device. Needs
// no CUDA header.

namespace gradops {

/// parallel_for(count, unit) calls unit(0) .. unit(count - 1), each once, in any order and possibly
/// at the same time, and returns when all are done. Work is cut into units by shape alone, so
/// results do not depend on how many threads run them.
using ParallelFor =
    std::function<void(int64_t count, const std::function<void(int64_t unit)>& run_unit)>;

namespace cuda {

/// Where work is enqueued, and what gives it scratch memory: aligned to 16 bytes, of the device,
/// and not reused before the work that was enqueued up to then is done. Null if there is none.
struct Queue {
  void* stream;  // cudaStream_t
  std::function<void*(size_t bytes)> allocate;
};

/// Scratch memory for callers that have no allocator of their own: of the stream's pool, and given
/// back to it in the stream's order.
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

/// "" or why this process cannot run the kernels: there is no driver, or it is older than the
/// toolkit that they were built with needs. Asks the driver once.
std::string CheckDriver();

/// Launches an empty kernel: the least that a launch costs.
std::string LaunchNothing(const Queue& queue);

/// Messages that begin so are CUDA's, of a launch that failed.
inline constexpr const char* kCudaError = "CUDA: ";
/// The error for several levels: gradops/_scales.py composes such losses where there is a GPU.
inline constexpr const char* kNoLevels =
    "scale_weights, pixel_weight: the CUDA kernels take one scale of weight 1 and no pixels";

}  // namespace cuda
}  // namespace gradops
