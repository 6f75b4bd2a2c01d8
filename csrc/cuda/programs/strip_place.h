#pragma once

#include "cuda/programs/shared_rows.h"
#include "cuda/programs/strip_args.h"

namespace gradops::cuda {

/// Where a thread's elements are in the rows of the image, and how it reads and writes them.
/// kContiguous: they are contiguous in memory, so one position is enough.
template <class S, bool kContiguous>
class StripPlace {
 public:
  static constexpr int kN = kVec<S>;

  GRADOPS_FN StripPlace(const StripLayout& layout, const EdgeTaps<ComputeType<S>>& taps,
                        const StripBlock& block, int thread)
      : layout_(layout) {
    is_at_edge_ = false;
    GRADOPS_UNROLL
    for (int v = 0; v < kStored; ++v) {
      position_[v] = layout.Position(block, thread * kN + v);
      is_own_[v] = layout.IsOwn(block, thread * kN + v);
    }
    GRADOPS_UNROLL
    for (int v = 0; v < kN; ++v) {
      const bool is_inside = !InBounds(v) || layout.wraps_along;
      const int edge =
          is_inside ? kInside : cuda::EdgeOf(Pixel(v), static_cast<int>(layout.shape.width));
      edges_ |= edge << 4 * v;
      is_at_edge_ = is_at_edge_ || edge != kInside;
      derivative_counts_ |= int{taps.forward[edge].derivative_counts} << v;
      smoothing_counts_ |= int{taps.forward[edge].smoothing_counts} << v;
    }
  }

  /// Whether element v exists, and this thread writes its gradient and adds its value.
  GRADOPS_FN bool IsOwn(int v) const { return is_own_[kContiguous ? 0 : v] && InBounds(v); }
  /// Whether the border changes the taps along the row of any element.
  GRADOPS_FN bool IsAtEdge() const { return is_at_edge_; }
  /// Taps::derivative_counts and smoothing_counts along the row, one bit per element.
  GRADOPS_FN int DerivativeCounts() const { return derivative_counts_; }
  GRADOPS_FN int SmoothingCounts() const { return smoothing_counts_; }
  /// The position of element v in the row, if it exists, and its pixel.
  GRADOPS_FN int Position(int v) const { return kContiguous ? position_[0] + v : position_[v]; }
  GRADOPS_FN int Pixel(int v) const {
    return Position(v) / static_cast<int>(layout_.shape.channels);
  }
  GRADOPS_FN bool InBounds(int v) const {
    if constexpr (!kContiguous) return position_[v] >= 0;
    return position_[0] >= 0 && position_[0] + v < layout_.row_size;
  }
  /// cuda::EdgeOf the pixels, four bits per element.
  GRADOPS_FN int Edges() const { return edges_; }

  /// Loads the elements that exist from a row of the image. Others stay as they are.
  GRADOPS_FN void Load(const S* row, bool is_aligned, Pack<S, kN>* pack) const {
    if (is_aligned) {
      if (InBounds(0)) *pack = LoadPack<S, kN>(row + position_[0]);
      return;
    }
    GRADOPS_UNROLL
    for (int v = 0; v < kN; ++v) {
      if (InBounds(v)) pack->elements[v] = row[Position(v)];
    }
  }
  /// Stores the thread's own elements.
  GRADOPS_FN void Store(const Pack<S, kN>& pack, S* row, bool is_aligned) const {
    if (is_aligned) {
      if (IsOwn(0)) StorePack<S, kN>(pack, row + position_[0]);
      return;
    }
    GRADOPS_UNROLL
    for (int v = 0; v < kN; ++v) {
      if (IsOwn(v)) row[Position(v)] = pack.elements[v];
    }
  }

 private:
  static constexpr int kStored = kContiguous ? 1 : kN;
  const StripLayout& layout_;
  int position_[kStored];
  bool is_own_[kStored], is_at_edge_;
  int edges_ = 0;                                     // four bits per element
  int derivative_counts_ = 0, smoothing_counts_ = 0;  // one bit per element
};

}  // namespace gradops::cuda
