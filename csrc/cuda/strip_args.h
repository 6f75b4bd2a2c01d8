#ifndef GRADOPS_CUDA_STRIP_ARGS_H_
#define GRADOPS_CUDA_STRIP_ARGS_H_

#include "core/launch.h"
#include "cuda/strip_layout.h"
#include "cuda/taps.h"
#include "math/dtype.h"

namespace gradops::cuda {

/// What a sweep finds: values; values and slopes; the products with a vector.
enum class Order { kValue, kSlope, kSecond };

/// Sums of an example's or a block's residuals, down the rows and along the columns.
struct AxisSums {
  double y, x;
};

/// What a sweep reads and writes; plain data, passed by value.
template <class S>
struct StripArgs {
  using T = ComputeType<S>;
  KernelParams params;
  StripLayout layout;
  BorderTaps<T> taps;
  LossInputs<S> inputs;
  const S* vector;
  PerExample<T> upstream;
  const double* denominators;  // of each example
  bool is_aligned;             // rows of all images begin at multiples of a thread's numbers
  S *by_pred, *by_true;        // may be null
  AxisSums* sums;              // of each block
};

/// Whether threads may read and write their numbers in one access.
template <class S>
bool IsAligned(const StripLayout& layout, const LossInputs<S>& inputs, const S* vector,
               const S* by_pred, const S* by_true) {
  const S* const images[] = {inputs.y_true, inputs.y_pred, vector, by_pred, by_true};
  uintptr_t bits = static_cast<uintptr_t>(layout.shape.RowSize() * sizeof(S));
  for (const S* image : images) bits |= reinterpret_cast<uintptr_t>(image);
  if (layout.chunks > 1) bits |= static_cast<uintptr_t>(layout.shape.channels * sizeof(S));
  return bits % (kVec<S> * sizeof(S)) == 0;
}

/// What a residual is weighed with, and whether it counts.
template <class S>
struct Maps {
  using T = ComputeType<S>;
  LossInputs<S> inputs;
  StripLayout layout;
  int64_t example, plane;

  /// `row` and `position` in the image.
  GRADOPS_FN int64_t At(bool per_channel, int64_t row, int64_t position) const {
    const ImageShape& shape = layout.shape;
    if (per_channel) return (plane * shape.height + row) * shape.RowSize() + position;
    return (example * shape.height + row) * shape.width + position / shape.channels;
  }
  GRADOPS_FN T Weight(int64_t row, int64_t position) const {
    if (inputs.weights.data == nullptr) return T(1);
    return inputs.weights.data[At(inputs.weights.per_channel, row, position)];
  }
  GRADOPS_FN bool IsValid(int64_t row, int64_t position) const {
    return inputs.mask.data == nullptr ||
           inputs.mask.data[At(inputs.mask.per_channel, row, position)];
  }
  /// Whether a support, a product of rows around `row` and columns around `column`, is valid. The
  /// rows and columns are those of the image, or beyond its ends where the axis wraps.
  GRADOPS_FN bool IsValid(const bool rows[3], const bool columns[3], int64_t row, int64_t column,
                          int64_t channel) const {
    if (inputs.mask.data == nullptr) return true;
    const ImageShape& shape = layout.shape;
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) {
        if (!rows[i] || !columns[j]) continue;
        const int64_t y = Wrapped(row + i - 1, shape.height),
                      x = Wrapped(column + j - 1, shape.width);
        if (!IsValid(y, x * shape.channels + channel)) return false;
      }
    }
    return true;
  }

 private:
  GRADOPS_FN static int64_t Wrapped(int64_t position, int64_t size) {
    if (position < 0) return position + size;
    return position >= size ? position - size : position;
  }
};

}  // namespace gradops::cuda

#endif  // GRADOPS_CUDA_STRIP_ARGS_H_
