#pragma once

#include "cuda/programs/shared_rows.h"
#include "cuda/programs/strip_layout.h"

namespace gradops::cuda {

/// The rows that a block's threads share: one for each source (image) and two for each output (the
/// vertical adjoint), twice, for even and odd steps. Each is a tile with `far` elements on either
/// side that may be read but mean nothing. kFar: 0, or the most that `far` can be. Rows are then as
/// wide as those of kMaxThreads threads, so that the distances between them are known at compile
/// time.
template <class T, int kSources, int kOutputs, int kFar>
class StripMemory {
 public:
  /// How many elements the rows have together.
  GRADOPS_FN static int Elements(const StripLayout& layout) { return 2 * kRows * Width(layout); }
  /// `at`: the index of the thread's first element in its tile.
  GRADOPS_FN StripMemory(const StripLayout& layout, T* memory, int at)
      : width_(Width(layout)), memory_(memory + layout.far + at) {}

  /// The thread's elements in a source's row of step r.
  GRADOPS_FN SharedAt<T> Source(int r, int source) const { return Row(r, source); }
  /// The same for the vertical adjoint of the slopes down the rows (y) and along the columns (x).
  GRADOPS_FN SharedAt<T> AdjointY(int r, int output) const { return Row(r, kSources + 2 * output); }
  GRADOPS_FN SharedAt<T> AdjointX(int r, int output) const {
    return Row(r, kSources + 2 * output + 1);
  }

 private:
  static constexpr int kRows = kSources + 2 * kOutputs;
  static constexpr int kElements = 16 / static_cast<int>(sizeof(T));  // those of a thread

  GRADOPS_FN static int Width(const StripLayout& layout) {
    return kFar > 0 ? kMaxThreads * kElements + 2 * kFar : layout.size + 2 * layout.far;
  }
  GRADOPS_FN SharedAt<T> Row(int r, int row) const {
    if constexpr (kFar > 0) {
      constexpr int kWidth = kMaxThreads * kElements + 2 * kFar;
      return memory_ + (r & 1) * (kRows * kWidth) + row * kWidth;
    }
    return memory_ + ((r & 1) * kRows + row) * width_;
  }
  const int width_;
  const SharedAt<T> memory_;
};

}  // namespace gradops::cuda
