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
  GRADOPS_FN bool HasMaps() const {
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

  GRADOPS_FN T Weight(int row, int pixel, int channel) const {
    const PixelMap<T>& weights = inputs.weights;
    if (weights.data == nullptr) return T(1);
    return RowOf(weights, row)[InRow(weights.per_channel, pixel, channel)];
  }
  /// The same mask with weights of 1.
  GRADOPS_FN Maps WithoutWeights() const {
    Maps maps = *this;
    maps.inputs.weights = {};
    return maps;
  }
  GRADOPS_FN bool IsValid(int row, int pixel, int channel) const {
    return InvalidIn(kCentre, row, pixel, channel) == 0;
  }
  /// Sets `y` and `x` to whether the two residuals at a pixel count or, both, to whether the joint
  /// one does. A residual of weight 0 does not.
  template <class TapsDown, class TapsAlong>
  GRADOPS_FN void FindCounts(const TapsDown& down, const TapsAlong& along, bool is_joint, int row,
                             int pixel, int channel, bool* y, bool* x) const {
    FindCounts(
        down, along, is_joint, Weight(row, pixel, channel) != T(0),
        [&](int support) { return InvalidIn(support, row, pixel, channel); }, y, x);
  }
  /// The same where invalid_in(support) gives the pixels of a support that the mask drops.
  template <class TapsDown, class TapsAlong, class Invalid>
  GRADOPS_FN static void FindCounts(const TapsDown& down, const TapsAlong& along, bool is_joint,
                                    bool is_weighted, Invalid&& invalid_in, bool* y, bool* x) {
    const int y_support = down.derivative_cancels
                              ? kCentre
                              : Support(down.derivative_support, along.smoothing_support);
    const int x_support = along.derivative_cancels
                              ? kCentre
                              : Support(down.smoothing_support, along.derivative_support);
    *y = is_weighted && down.derivative_counts && along.smoothing_counts;
    *x = is_weighted && down.smoothing_counts && along.derivative_counts;
    const int invalid = invalid_in((*y ? y_support : 0) | (*x ? x_support : 0));
    *y = *y && (invalid & y_support) == 0;
    *x = *x && (invalid & x_support) == 0;
    if (is_joint) *x = *y = *x && *y;
  }
  /// The pixels of a row at a pixel and on either side of it that the mask drops: bit j for that at
  /// pixel + j - 1. Columns beyond the ends of the row wrap around.
  GRADOPS_FN int InvalidAround(int row, int pixel, int position) const {
    const PixelMap<uint8_t>& mask = inputs.mask;
    const uint8_t* const line = RowOf(mask, row) + (mask.per_channel ? position : pixel);
    const int step = mask.per_channel ? static_cast<int>(shape.channels) : 1;
    int invalid = 0;
    GRADOPS_UNROLL
    for (int j = 0; j < 3; ++j) {
      const int column = Wrapped(pixel + j - 1, static_cast<int>(shape.width));
      invalid |= int{line[(column - pixel) * step] == 0} << j;
    }
    return invalid;
  }

 private:
  // A support is a set of the nine pixels around one: bit 3 * i + j is row i of three, column j.
  static constexpr int kCentre = 1 << 4;
  GRADOPS_FN static int Support(int rows, int columns) {
    return (rows & 1 ? columns : 0) | (rows & 2 ? columns << 3 : 0) | (rows & 4 ? columns << 6 : 0);
  }
  /// The pixels of a support that the mask drops. Others are not read. Rows and columns beyond the
  /// ends of the image wrap around.
  GRADOPS_FN int InvalidIn(int support, int row, int pixel, int channel) const {
    const PixelMap<uint8_t>& mask = inputs.mask;
    if (mask.data == nullptr) return 0;
    int invalid = 0;
    GRADOPS_UNROLL
    for (int i = 0; i < 3; ++i) {
      const uint8_t* const line = RowOf(mask, Wrapped(row + i - 1, static_cast<int>(shape.height)));
      GRADOPS_UNROLL
      for (int j = 0; j < 3; ++j) {
        const int bit = 1 << (3 * i + j);
        const int column = Wrapped(pixel + j - 1, static_cast<int>(shape.width));
        if ((support & bit) != 0 && line[InRow(mask.per_channel, column, channel)] == 0) {
          invalid |= bit;
        }
      }
    }
    return invalid;
  }
  template <class M>
  GRADOPS_FN const M* RowOf(const PixelMap<M>& map, int row) const {
    if (map.per_channel) return map.data + (plane * shape.height + row) * shape.RowSize();
    return map.data + (example * shape.height + row) * shape.width;
  }
  GRADOPS_FN int InRow(bool per_channel, int pixel, int channel) const {
    return per_channel ? pixel * static_cast<int>(shape.channels) + channel : pixel;
  }
  GRADOPS_FN static int Wrapped(int position, int size) {
    if (position < 0) return position + size;
    return position >= size ? position - size : position;
  }
};

}  // namespace gradops::cuda
