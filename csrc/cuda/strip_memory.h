#ifndef GRADOPS_CUDA_STRIP_MEMORY_H_
#define GRADOPS_CUDA_STRIP_MEMORY_H_

#include "cuda/shared_rows.h"
#include "cuda/strip_layout.h"

namespace gradops::cuda {

/// The rows that a block's threads share, each a tile with `far` numbers beside it that may be read
/// but mean nothing: of each source (image) and, for each output, the two rows of the vertical
/// adjoint. Of everything two, for even and odd steps.
template <class T, int kSources, int kOutputs>
class StripMemory {
 public:
  /// How many numbers these are.
  GRADOPS_FN static int Numbers(const StripLayout& layout) {
    return 2 * (kSources + 2 * kOutputs) * (layout.size + 2 * layout.far);
  }
  /// `at`: the thread's first number in its tile.
  GRADOPS_FN StripMemory(const StripLayout& layout, T* memory, int at)
      : width_(layout.size + 2 * layout.far), memory_(memory + layout.far + at) {}

  /// The thread's numbers in step r's row of a source.
  GRADOPS_FN T* Source(int64_t r, int source) const { return Row(r, source); }
  /// The same of the vertical adjoint of the residuals down the rows (.y), along the columns (.x).
  GRADOPS_FN T* AdjointY(int64_t r, int output) const { return Row(r, kSources + 2 * output); }
  GRADOPS_FN T* AdjointX(int64_t r, int output) const { return Row(r, kSources + 2 * output + 1); }

 private:
  GRADOPS_FN T* Row(int64_t r, int row) const {
    const int parity = static_cast<int>(r & 1);
    return memory_ + (parity * (kSources + 2 * kOutputs) + row) * width_;
  }
  const int width_;
  T* const memory_;
};

}  // namespace gradops::cuda

#endif  // GRADOPS_CUDA_STRIP_MEMORY_H_
