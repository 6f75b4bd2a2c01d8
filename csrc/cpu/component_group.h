#ifndef GRADOPS_CPU_COMPONENT_GROUP_H_
#define GRADOPS_CPU_COMPONENT_GROUP_H_

#include <type_traits>

#include "cpu/image_rows.h"
#include "cpu/interior_taps.h"
#include "cpu/residual_row.h"
#include "cpu/tile.h"

// The fast path of the component response with a smoothing stencil: four rows away from the border
// at once, with both passes of the stencil, the penalty, its slope and the vertical pass of the
// adjoint in registers. The same as HorizontalForward, VerticalForward, VisitResidualRow and
// VerticalAdjoint, one after the other.

namespace gradops::cpu::GRADOPS_TARGET {

inline constexpr int kGroupRows = 4;

/// The rows of an array lie this far apart: a constant, so that loops over several rows need one
/// pointer. Groups without weights are for wide tiles.
template <class T, bool kWeighted>
inline constexpr int64_t kGroupStride = kWeighted ? kRowStride<T> : kWideRowStride<T>;

/// Rows r .. r + 3 of residuals.
template <class T>
struct ComponentGroup {
  int64_t size, step;  // numbers in a row; from a pixel to its neighbour
  CountedPositions<T> counted;
  int64_t count_begin, count_end;  // rows i with r + i in this range are added up
  // Read: rows r - 1, r; r + 1 .. r + 4 of the difference, with a ghost column on each side.
  const T *above, *below;
  GradientRow<T> factor;  // read: four rows of weights, below 0 where dropped
  GradientRow<T> slopes;  // read: rows r - 2, r - 1; then written: rows r + 2, r + 3
  T *a, *b;               // written: adjoint rows r - 1 .. r + 2
  RowsAhead ahead;        // fetched: rows 1 .. 3, without slopes rows 2, 3
};

template <class T>
using ComponentGroupFunction = void (*)(const ComponentGroup<T>& group,
                                        const math::Stencil& stencil, double penalty_parameter,
                                        LaneSums<T>* sums);

/// ComponentGroupFunction of one penalty. TapsKind::kUnit: also, the stencil's scale is 1.
template <class T, class Penalty, TapsKind kTapsKind, bool kSlopes, bool kWeighted>
void VisitComponentGroup(const ComponentGroup<T>& the_group, const math::Stencil& stencil,
                         double penalty_parameter, LaneSums<T>* sums) {
  using V = Simd<T>;
  using G = math::Gradient<V>;
  constexpr int64_t kRow = kGroupStride<T, kWeighted>;
  const ComponentGroup<T> group = the_group;
  const Penalty rho(penalty_parameter);
  const V scale(stencil.scale);
  const InteriorTaps<T, kTapsKind> taps(stencil);
  const auto smooth = [=](V before, V here, V after) GRADOPS_LAMBDA {
    return taps.Smooth([=]() GRADOPS_LAMBDA { return before; },
                       [=]() GRADOPS_LAMBDA { return here; },
                       [=]() GRADOPS_LAMBDA { return after; });
  };
  const auto scaled = [=](V sum) GRADOPS_LAMBDA {
    return kTapsKind == TapsKind::kUnit ? sum : scale * sum;
  };
  LaneSums<T> lanes = *sums;
  for (int64_t block = 0; block < group.size; block += kBlock<T>) {
#pragma GCC unroll 4
    for (int i = kSlopes ? 1 : 2; i < kGroupRows; ++i) group.ahead.Fetch(i, block);
    lanes.ForEach([&](G& sum, int number) GRADOPS_LAMBDA {
      const int64_t x = block + number * V::kLanes;
      // The horizontal pass of one row: .y smoothed, .x derivative.
      const auto horizontal = [=](const T* row) GRADOPS_LAMBDA -> G {
        const V left = V::LoadOnce(row + x - group.step);
        const V right = V::LoadOnce(row + x + group.step);
        return {smooth(left, V::Load(row + x), right), right - left};
      };
      G before = horizontal(group.above), here = horizontal(group.above + kRow);
      G slopes_before, slopes_here, total = {V(0), V(0)};
      if constexpr (kSlopes) {
        slopes_before = group.slopes.Load(x);
        slopes_here = group.slopes.Load(x + kRow);
      }
#pragma GCC unroll 4
      for (int i = 0; i < kGroupRows; ++i) {
        const G after = horizontal(group.below + i * kRow);
        const G residual = {scaled(after.y - before.y), scaled(smooth(before.x, here.x, after.x))};
        G values = {rho.Value(residual.y), rho.Value(residual.x)};
        if constexpr (kWeighted) values = Weighted(group.factor.Load(x + i * kRow), values);
        if (i >= group.count_begin && i < group.count_end) total = total + values;
        if constexpr (kSlopes) {
          G slopes = {rho.Slope(residual.y), rho.Slope(residual.x)};
          if constexpr (kWeighted) slopes = Weighted(group.factor.Load(x + i * kRow), slopes);
          smooth(slopes_before.x, slopes_here.x, slopes.x).Store(group.a + i * kRow + x);
          (slopes_before.y - slopes.y).Store(group.b + i * kRow + x);
          slopes_before = slopes_here;
          slopes_here = slopes;
        }
        before = here;
        here = after;
      }
      if constexpr (kSlopes) {
        group.slopes.Store(x, slopes_before);
        group.slopes.Store(x + kRow, slopes_here);
      }
      sum = sum + group.counted.Counted(x, total);
    });
  }
  *sums = lanes;
}

/// Null where there is no fast path.
template <class T>
ComponentGroupFunction<T> FindComponentGroup(const KernelParams& params, Order order,
                                             bool weighted) {
  const bool smooths = params.stencil.Smooths() && !params.stencil.IsForward();
  if (params.response != ResponseId::kComponent || !smooths || order == Order::kSecond ||
      params.border == BorderId::kValid) {
    return nullptr;
  }
  return VisitPenalty(params.penalty, [&](auto penalty_tag) -> ComponentGroupFunction<T> {
    using P = typename decltype(penalty_tag)::Type;
    const auto find = [=](auto slopes) -> ComponentGroupFunction<T> {
      constexpr bool kSlopes = decltype(slopes)::value;
      if (weighted) return VisitComponentGroup<T, P, TapsKind::kSmoothing, kSlopes, true>;
      if (params.stencil.smoothing[0] == 1 && params.stencil.scale == 1) {
        return VisitComponentGroup<T, P, TapsKind::kUnit, kSlopes, false>;
      }
      return VisitComponentGroup<T, P, TapsKind::kSmoothing, kSlopes, false>;
    };
    return order == Order::kSlope ? find(std::true_type()) : find(std::false_type());
  });
}

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_COMPONENT_GROUP_H_
