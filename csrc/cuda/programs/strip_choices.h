#pragma once

#include <type_traits>

#include "cuda/programs/penalties.h"
#include "cuda/programs/strip_place.h"

namespace gradops::cuda {

// When a program finds out where neighbours are, which taps and penalty it uses, and what counts.

/// At every element. Such a program can do everything.
struct ChosenPerElement {
  static constexpr bool kPlain = false, kStatic = false;
  static constexpr int kMaxFar = 0;
};
/// Once per row, in branches that all threads share. kPlain: the penalty is light, and elements are
/// contiguous.
struct ChosenPerRow {
  static constexpr bool kPlain = true, kStatic = false;
  static constexpr int kMaxFar = 0;
};
/// At compile time, except for the penalty and the taps at the border. Such a program is plain, its
/// rows are aligned, and there are no maps. Neighbours are read by Shift<kN, kShift, true>, and
/// taps are InteriorTaps of the kind kTaps.
template <int kTheShift, math::TapsKind kTheTaps>
struct ChosenStatically {
  static constexpr bool kPlain = true, kStatic = true;
  static constexpr int kShift = kTheShift, kMaxFar = kShift == 0 ? kMaxStep : 4;
  static constexpr math::TapsKind kTaps = kTheTaps;
};

/// The most elements of a row for ChosenStatically, which counts its bytes in 32 bits.
inline constexpr int kMaxStaticElements = 1 << 28;

/// Where a thread of a sweep is, and the choices that follow from that and from the options. Each
/// Visit function calls its visitor with what was chosen.
template <class S, class When>
class StripChoices {
 public:
  using T = ComputeType<S>;
  static constexpr int kN = kVec<S>;

 protected:
  GRADOPS_FN StripChoices(const StripArgs<S>& args, int block_index, int thread)
      : args_(args),
        block_(args.layout.Block(block_index)),
        plane_begin_(block_.plane * args.layout.shape.PlaneSize()),
        place_(args.layout, args.taps.along, block_, thread),
        is_own_(place_.IsOwn(0)) {
    if (!When::kPlain || !kMayHaveMaps || !args.HasMaps()) return;
    first_pixel_ = place_.Pixel(0);
    GRADOPS_UNROLL
    for (int v = 0; v < kN; ++v) pixel_steps_ |= (place_.Pixel(v) - first_pixel_) << 4 * v;
  }

  /// Where the thread's elements begin in row 0 of an image: `first` of the functions below.
  GRADOPS_FN int64_t First() const {
    return plane_begin_ + (When::kStatic ? math::Max(place_.Position(0), 0) : 0);
  }
  template <class Element>
  GRADOPS_FN Element* RowOf(Element* first, int row) const {
    const int size = args_.layout.row_size;
    if constexpr (!When::kStatic) return first + int64_t{row} * size;
    // This is one instruction: a product of 32-bit factors that is added in 64 bits.
    using Byte = std::conditional_t<std::is_const_v<Element>, const char, char>;
    const int bytes = size * static_cast<int>(sizeof(S));
    return reinterpret_cast<Element*>(reinterpret_cast<Byte*>(first) + int64_t{row} * bytes);
  }
  /// Loads the thread's elements that exist. Others stay as they are or, in a static program, may
  /// become anything.
  GRADOPS_FN void Load(const S* first, int row, Pack<S, kN>* pack) const {
    if constexpr (When::kStatic) {
      *pack = LoadPack<S, kN>(RowOf(first, row));
    } else {
      place_.Load(RowOf(first, row), args_.is_aligned, pack);
    }
  }
  /// Stores the thread's own elements.
  GRADOPS_FN void Store(const Pack<S, kN>& pack, S* first, int row) const {
    if constexpr (When::kStatic) {
      if (is_own_) StorePack<S, kN>(pack, RowOf(first, row));
    } else {
      place_.Store(pack, RowOf(first, row), args_.is_aligned);
    }
  }

  /// Calls visitor(read), where read is called like Shift::Read.
  template <class Visitor>
  GRADOPS_FN void VisitReader(Visitor&& visitor) const {
    const int step = args_.layout.step;
    if constexpr (When::kStatic) {
      const Shift<kN, When::kShift, true> shift{When::kShift == 0 ? step : kN};
      visitor([&](SharedAt<T> at, const Pack<T, kN>& own, T* before, T* after) {
        shift.Read(at, own, before, after);
      });
    } else {
      visitor([&](SharedAt<T> at, const Pack<T, kN>& own, T* before, T* after) {
        VisitShift<kN>(step, [&](auto shift) { shift.Read(at, own, before, after); });
      });
    }
  }
  /// Calls visitor(v, taps) for every element, with its taps along the row.
  template <class Visitor>
  GRADOPS_FN void VisitColumns(Visitor&& visitor) const {
    if (!When::kPlain || place_.IsAtEdge()) {
      int edges = place_.Edges();
      GRADOPS_OPAQUE(edges);
      GRADOPS_UNROLL
      for (int v = 0; v < kN; ++v) visitor(v, AtEdge(args_.taps.along, EdgeAt(edges, v)));
      return;
    }
    VisitInside(args_.taps.along, [&](auto taps) {
      GRADOPS_UNROLL
      for (int v = 0; v < kN; ++v) visitor(v, taps);
    });
  }
  /// Calls visitor(taps) with the taps down the rows at row i.
  template <class Visitor>
  GRADOPS_FN void VisitRow(int i, bool is_inside, Visitor&& visitor) const {
    if (!When::kPlain || !is_inside) return visitor(AtEdge(args_.taps.down, RowEdge(i)));
    VisitInside(args_.taps.down, visitor);
  }
  /// Calls visitor(rho) with the penalty.
  template <class Visitor>
  GRADOPS_FN void VisitPenalty(Visitor&& visitor) const {
    const KernelParams& params = args_.params;
    if constexpr (When::kPlain) {
      VisitLightPenalty(params.penalty, params.penalty_parameter, visitor);
    } else {
      visitor(AnyPenalty{params.penalty, params.penalty_parameter});
    }
  }
  /// Whether border valid or maps may change what residuals of the row count.
  GRADOPS_FN bool MayWeigh(bool is_inside) const {
    if (kMayHaveMaps && args_.HasMaps()) return true;
    return args_.params.border == BorderId::kValid && (!is_inside || place_.IsAtEdge());
  }
  /// Takes the mask of row i, if that `exists`: VisitCounts needs that of rows i - 1 .. i + 1.
  GRADOPS_FN void TakeMask(int i, bool exists) {
    if (!When::kPlain || !kMayHaveMaps || args_.inputs.mask.data == nullptr) return;
    invalid_[0] = invalid_[1];
    invalid_[1] = invalid_[2];
    invalid_[2] = 0;
    if (!exists) return;
    GRADOPS_UNROLL
    for (int v = 0; v < kN; ++v) {
      if (!place_.InBounds(v)) continue;
      invalid_[2] |= MapsHere().InvalidAround(args_.layout.Row(i), PixelOf(v), place_.Position(v))
                     << 3 * v;
    }
  }
  /// Calls visitor(v, y, x, weight) for every element of row i: whether each of its two residuals
  /// counts, and their weight.
  template <class Visitor>
  GRADOPS_FN void VisitCounts(int i, bool is_inside, bool is_joint, Visitor&& visitor) const {
    const Taps<T>& down = args_.taps.down.forward[is_inside ? kInside : RowEdge(i)];
    if (kMayHaveMaps && (!When::kPlain || args_.HasMaps())) {
      GRADOPS_UNROLL
      for (int v = 0; v < kN; ++v) VisitMapped(v, i, down, is_joint, visitor);
      return;
    }
    int smoothing = place_.SmoothingCounts(), derivative = place_.DerivativeCounts();
    GRADOPS_OPAQUE(smoothing);
    GRADOPS_OPAQUE(derivative);
    GRADOPS_UNROLL
    for (int v = 0; v < kN; ++v) {
      bool y = down.derivative_counts && (smoothing >> v & 1);
      bool x = down.smoothing_counts && (derivative >> v & 1);
      if (is_joint) x = y = x && y;
      visitor(v, y, x, T(1));
    }
  }

 private:
  GRADOPS_FN static int EdgeAt(int edges, int v) { return edges >> 4 * v & 15; }
  GRADOPS_FN int RowEdge(int i) const {
    return args_.layout.wraps_down ? kInside : EdgeOf(i, args_.layout.height);
  }
  /// Calls visitor(taps) with the taps away from the border.
  template <class Visitor>
  GRADOPS_FN void VisitInside(const EdgeTaps<T>& axis, Visitor&& visitor) const {
    if constexpr (When::kStatic) {
      const T* const smoothing = axis.forward[kInside].smoothing;
      visitor(math::InteriorTaps<T, When::kTaps>{smoothing[0], smoothing[1]});
    } else if constexpr (When::kPlain) {
      VisitTapsInside(args_.params.stencil, axis, visitor);
    }
  }
  /// VisitCounts for element v of a sweep with maps, or of one that decides for every element.
  template <class Visitor>
  GRADOPS_FN void VisitMapped(int v, int i, const Taps<T>& down, bool is_joint,
                              Visitor&& visitor) const {
    bool y = true, x = true;
    T weight = 1;
    if (place_.InBounds(v)) {
      const int row = args_.layout.Row(i), channel = ChannelOf(v);
      const Maps<S> maps = MapsHere();
      const Taps<T>& along = args_.taps.along.forward[EdgeAt(place_.Edges(), v)];
      weight = WeightAt(maps, row, v, channel);
      if constexpr (When::kPlain) {
        const bool is_weighted = args_.inputs.weights.data == nullptr || weight != T(0);
        const int invalid = (invalid_[0] >> 3 * v & 7) | (invalid_[1] >> 3 * v & 7) << 3 |
                            (invalid_[2] >> 3 * v & 7) << 6;
        maps.FindCounts(
            down, along, is_joint, is_weighted, [&](int support) { return invalid & support; }, &y,
            &x);
      } else {
        maps.FindCounts(down, along, is_joint, row, PixelOf(v), channel, &y, &x);
      }
    }
    visitor(v, y, x, weight);
  }
  GRADOPS_FN Maps<S> MapsHere() const {
    return {args_.inputs, args_.layout.shape, block_.example, block_.plane};
  }
  GRADOPS_FN int PixelOf(int v) const {
    if constexpr (!When::kPlain) return place_.Pixel(v);
    return first_pixel_ + (pixel_steps_ >> 4 * v & 15);
  }
  GRADOPS_FN int ChannelOf(int v) const {
    return place_.Position(v) - PixelOf(v) * static_cast<int>(args_.layout.shape.channels);
  }
  GRADOPS_FN T WeightAt(const Maps<S>& maps, int row, int v, int channel) const {
    if (args_.pixel_weights != nullptr) {
      return math::Widen(RowOf(args_.pixel_weights + plane_begin_, row)[place_.Position(v)]);
    }
    return maps.Weight(row, PixelOf(v), channel);
  }

 protected:
  const StripArgs<S>& args_;
  const StripBlock block_;
  const int64_t plane_begin_;
  const StripPlace<S, When::kPlain> place_;

 private:
  static constexpr bool kMayHaveMaps = !When::kStatic;

  const bool is_own_;
  // If there are maps: the pixel of the first element, and how far the others' are from it, four
  // bits each; and of the last three rows what is InvalidAround each element, three bits each.
  int first_pixel_ = 0, pixel_steps_ = 0, invalid_[3] = {0};
};

}  // namespace gradops::cuda
