#ifndef GRADOPS_CUDA_STRIP_CHOICES_H_
#define GRADOPS_CUDA_STRIP_CHOICES_H_

#include "cuda/penalties.h"
#include "cuda/strip_place.h"

namespace gradops::cuda {

/// Where a thread of a sweep is, and what that and the options choose for the passes of its rows:
/// neighbours, weights, penalty, what counts. Each Visit function calls its visitor with what was
/// chosen. kPlain: no maps, a light penalty, contiguous numbers; then the choices are made once a
/// row, by branches that all threads share, else at every number.
template <class S, bool kPlain, bool kShiftsOnce>
class StripChoices {
 public:
  using T = ComputeType<S>;
  static constexpr int kN = kVec<S>;

 protected:
  GRADOPS_FN StripChoices(const StripArgs<S>& args, int64_t block_index, int thread)
      : args_(args),
        block_(args.layout.Block(block_index)),
        plane_begin_(block_.plane * args.layout.shape.PlaneSize()),
        place_(args.layout, args.taps.along, block_, thread) {}

  /// Where row `row` of the image begins in memory.
  GRADOPS_FN int64_t RowBegin(int row) const {
    return plane_begin_ + int64_t{row} * args_.layout.row_size;
  }

  /// visitor(read), to be called as Shift::Read. The shift is chosen
  /// once a row or, for less code, at each read.
  template <class Visitor>
  GRADOPS_FN void VisitReader(Visitor&& visitor) const {
    const int step = args_.layout.step;
    if constexpr (kShiftsOnce) {
      VisitShift<kN>(step, [&](auto shift) {
        visitor([&](const T* at, const Pack<T, kN>& own, T* before, T* after) {
          shift.Read(at, own, before, after);
        });
      });
    } else {
      visitor([&](const T* at, const Pack<T, kN>& own, T* before, T* after) {
        VisitShift<kN>(step, [&](auto shift) { shift.Read(at, own, before, after); });
      });
    }
  }
  /// visitor(v, taps) for every number, with its weights along the row.
  template <class Visitor>
  GRADOPS_FN void VisitColumns(Visitor&& visitor) const {
    if (!kPlain || place_.IsAtEdge()) {
      GRADOPS_UNROLL
      for (int v = 0; v < kN; ++v) {
        int edge = place_.EdgeOf(v);
        GRADOPS_OPAQUE(edge);
        visitor(v, AtEdge(args_.taps.along, edge));
      }
      return;
    }
    if constexpr (kPlain) {
      VisitTapsInside(args_.params.stencil, args_.taps.along, [&](auto taps) {
        GRADOPS_UNROLL
        for (int v = 0; v < kN; ++v) visitor(v, taps);
      });
    }
  }
  GRADOPS_FN int RowEdge(int i) const {
    return args_.layout.wraps_down ? kInside : EdgeOf(i, args_.layout.height);
  }
  /// visitor(taps): the weights down the rows at row i.
  template <class Visitor>
  GRADOPS_FN void VisitRow(int i, Visitor&& visitor) const {
    const int edge = RowEdge(i);
    if (!kPlain || edge != kInside) return visitor(AtEdge(args_.taps.down, edge));
    if constexpr (kPlain) VisitTapsInside(args_.params.stencil, args_.taps.down, visitor);
  }
  /// visitor(rho)
  template <class Visitor>
  GRADOPS_FN void VisitPenalty(Visitor&& visitor) const {
    const KernelParams& params = args_.params;
    if constexpr (kPlain) {
      VisitLightPenalty(params.penalty, params.penalty_parameter, visitor);
    } else {
      visitor(AnyPenalty{params.penalty, params.penalty_parameter});
    }
  }
  /// Whether some residual of row i may not count, though there are no maps.
  GRADOPS_FN bool DropsAny(int i) const {
    return args_.params.border == BorderId::kValid && (RowEdge(i) != kInside || place_.IsAtEdge());
  }
  /// The weight of the residuals of row i at number v, and whether each of the two counts.
  GRADOPS_FN void Count(int i, int v, bool is_joint, T* weight, bool* y, bool* x) const {
    const Taps<T>& down = args_.taps.down.forward[RowEdge(i)];
    if constexpr (kPlain) {
      *y = down.derivative_counts && place_.SmoothingCounts(v);
      *x = down.smoothing_counts && place_.DerivativeCounts(v);
      if (is_joint) *x = *y = *x && *y;
    } else {
      const int pixel = place_.Pixel(v), row = args_.layout.Row(i);
      const int64_t channel = place_.Position(v) - pixel * args_.layout.shape.channels;
      MapsHere().Counted(down, args_.taps.along.forward[place_.EdgeOf(v)], is_joint, row, pixel,
                         channel, y, x);
      *weight = WeightAt(row, v);
    }
  }
  GRADOPS_FN Maps<S> MapsHere() const {
    return {args_.inputs, args_.layout.shape, block_.example, block_.plane};
  }
  GRADOPS_FN T WeightAt(int row, int v) const {
    if (args_.pixel_weights != nullptr) {
      return math::Widen(args_.pixel_weights[RowBegin(row) + place_.Position(v)]);
    }
    return MapsHere().Weight(row, place_.Position(v), place_.Pixel(v));
  }

  const StripArgs<S>& args_;
  const StripBlock block_;
  const int64_t plane_begin_;
  const StripPlace<S, kPlain> place_;
};

}  // namespace gradops::cuda

#endif  // GRADOPS_CUDA_STRIP_CHOICES_H_
