#pragma once

#include "cuda/programs/shared_rows.h"
#include "cuda/programs/strip_layout.h"

namespace gradops::cuda {

/// The rows that a block's threads share, each a tile with `far` numbers beside it that may be read
/// but mean nothing: of each source (image) and, for each output, the two rows of the vertical
/// adjoint. Of everything two, for even and odd steps.
/// kFar: 0, or what `far` is at most; then rows are as wide as those of the most threads, so that
/// the distances between them are known when a program is compiled.
template <class T, int kSources, int kOutputs, int kFar>
class StripMemory {
 public:
  /// How many numbers these are.
  GRADOPS_FN static int Numbers(const StripLayout& layout) { return 2 * kRows * Width(layout); }
  /// `at`: the thread's first number in its tile.
  GRADOPS_FN StripMemory(const StripLayout& layout, T* memory, int at)
      : width_(Width(layout)), memory_(memory + layout.far + at) {}

  /// The thread's numbers in step r's row of a source.
  GRADOPS_FN SharedAt<T> Source(int r, int source) const { return Row(r, source); }
  /// The same of the vertical adjoint of the residuals down the rows (.y), along the columns (.x).
  GRADOPS_FN SharedAt<T> AdjointY(int r, int output) const { return Row(r, kSources + 2 * output); }
  GRADOPS_FN SharedAt<T> AdjointX(int r, int output) const {
    return Row(r, kSources + 2 * output + 1);
  }

 private:
  static constexpr int kRows = kSources + 2 * kOutputs;
  static constexpr int kNumbers = 16 / static_cast<int>(sizeof(T));  // of a thread

  GRADOPS_FN static int Width(const StripLayout& layout) {
    return kFar > 0 ? kMaxThreads * kNumbers + 2 * kFar : layout.size + 2 * layout.far;
  }
  GRADOPS_FN SharedAt<T> Row(int r, int row) const {
    if constexpr (kFar > 0) {
      constexpr int kWidth = kMaxThreads * kNumbers + 2 * kFar;
      return memory_ + (r & 1) * (kRows * kWidth) + row * kWidth;
    }
    return memory_ + ((r & 1) * kRows + row) * width_;
  }
  const int width_;
  const SharedAt<T> memory_;
};

}  // namespace gradops::cuda
