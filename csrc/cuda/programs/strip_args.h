#pragma once

#include "cuda/programs/strip_layout.h"
#include "cuda/programs/taps.h"
#include "family/counts.h"
#include "family/inputs.h"
#include "family/memo.h"
#include "math/dtype.h"

namespace gradops::cuda {

/// The arguments of a sweep. Plain data, passed by value.
template <class S>
struct StripArgs {
  using T = ComputeType<S>;
  KernelParams params;
  StripLayout layout;
  BorderTaps<T> taps;
  T scale;  // of the stencil
  LossInputs<S> inputs;
  const S* pixel_weights;  // [B, H, W, C], of any sign, in place of inputs.weights; may be null
  const S* vector;
  PerExample<T> upstream;  // null for 1
  const S* memo;           // expected * gradient, or null
  int memo_axes;           // AxesOf the parameters
  PerExample<T> expected;
  const double* denominators;  // one per example, or null if all are `denominator`
  double denominator;
  bool is_aligned;       // whether rows of all images begin at multiples of a thread's pack
  bool is_contiguous;    // whether a thread's elements are contiguous in memory
  S *by_pred, *by_true;  // may be null
  AxisSums* sums;        // one per block
  // The derivatives by the weights, which are found after the sweep (weight_pixels.h).
  T* by_weights;             // may be null
  const T* weights_memo;     // expected * by_weights, or null
  const MemoUse* memo_uses;  // one per example, if there is such a memo

  GRADOPS_FN double Denominator(int64_t example) const {
    return denominators == nullptr ? denominator : denominators[example];
  }
  GRADOPS_FN bool HasTarget() const { return inputs.y_true != nullptr; }
  /// Whether residuals have weights or a mask.
  bool HasMaps() const {
    return pixel_weights != nullptr || inputs.weights.data != nullptr ||
           inputs.mask.data != nullptr;
  }
};

/// Sets is_aligned and is_contiguous. The pointers must be set already.
template <class S>
void SetAccess(StripArgs<S>* args) {
  const StripLayout& layout = args->layout;
  const S* const images[] = {args->inputs.y_true, args->inputs.y_pred, args->vector,
                             args->memo,          args->by_pred,       args->by_true};
  uintptr_t bits = static_cast<uintptr_t>(layout.shape.RowSize() * sizeof(S));
  for (const S* image : images) bits |= reinterpret_cast<uintptr_t>(image);
  if (layout.chunks > 1) bits |= static_cast<uintptr_t>(layout.shape.channels * sizeof(S));
  args->is_aligned = bits % (kVec<S> * sizeof(S)) == 0;
  args->is_contiguous = args->is_aligned || (layout.chunks == 1 && !layout.wraps_along);
}

/// The weights and the mask of one plane.
template <class S>
struct Maps {
  using T = ComputeType<S>;
  LossInputs<S> inputs;
  ImageShape shape;
  int64_t example, plane;

  /// The index into a map, from a row, a position in it and the pixel of that position.
  GRADOPS_FN int64_t At(bool per_channel, int64_t row, int64_t position, int64_t pixel) const {
    if (per_channel) return (plane * shape.height + row) * shape.RowSize() + position;
    return (example * shape.height + row) * shape.width + pixel;
  }
  GRADOPS_FN T Weight(int64_t row, int64_t position, int64_t pixel) const {
    if (inputs.weights.data == nullptr) return T(1);
    return inputs.weights.data[At(inputs.weights.per_channel, row, position, pixel)];
  }
  /// The same mask with weights of 1.
  GRADOPS_FN Maps WithoutWeights() const {
    Maps maps = *this;
    maps.inputs.weights = {};
    return maps;
  }
  GRADOPS_FN bool IsValid(int64_t row, int64_t position, int64_t pixel) const {
    return inputs.mask.data == nullptr ||
           inputs.mask.data[At(inputs.mask.per_channel, row, position, pixel)];
  }
  /// Whether a support, a product of rows around `row` and columns around `pixel`, is valid. Rows
  /// and columns beyond the ends of the image wrap around.
  GRADOPS_FN bool IsValid(const bool rows[3], const bool columns[3], int64_t row, int64_t pixel,
                          int64_t channel) const {
    if (inputs.mask.data == nullptr) return true;
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) {
        if (!rows[i] || !columns[j]) continue;
        const int64_t y = Wrapped(row + i - 1, shape.height),
                      x = Wrapped(pixel + j - 1, shape.width);
        if (!IsValid(y, x * shape.channels + channel, x)) return false;
      }
    }
    return true;
  }
  /// Sets `y` and `x` to whether the two residuals at a pixel count or, both, to whether the joint
  /// one does. A residual of weight 0 does not.
  template <class TapsDown, class TapsAlong>
  GRADOPS_FN void FindCounts(const TapsDown& down, const TapsAlong& along, bool is_joint,
                             int64_t row, int64_t pixel, int64_t channel, bool* y, bool* x) const {
    const int64_t position = pixel * shape.channels + channel;
    const bool is_weighted = Weight(row, position, pixel) != T(0);
    const auto counts = [&](bool is_inside, bool cancels, const bool rows[3],
                            const bool columns[3]) {
      if (!is_inside || !is_weighted) return false;
      return cancels ? IsValid(row, position, pixel) : IsValid(rows, columns, row, pixel, channel);
    };
    *y = counts(down.derivative_counts && along.smoothing_counts, down.derivative_cancels,
                down.derivative_support, along.smoothing_support);
    *x = counts(down.smoothing_counts && along.derivative_counts, along.derivative_cancels,
                down.smoothing_support, along.derivative_support);
    if (is_joint) *x = *y = *x && *y;
  }

 private:
  GRADOPS_FN static int64_t Wrapped(int64_t position, int64_t size) {
    if (position < 0) return position + size;
    return position >= size ? position - size : position;
  }
};

}  // namespace gradops::cuda
