#ifndef GRADOPS_CPU_COMPONENT_GROUP_H_
#define GRADOPS_CPU_COMPONENT_GROUP_H_

#include "cpu/interior_taps.h"
#include "cpu/residual_row.h"
#include "cpu/tile.h"

// The fast path of the component response with a smoothing stencil: four rows away from the border
// at once, with both passes of the stencil, the penalty, its slope and the vertical pass of the
// adjoint in registers. The same as HorizontalForward, VerticalForward, VisitResidualRow and
// VerticalAdjoint, one after the other.

namespace gradops::cpu::GRADOPS_TARGET {

inline constexpr int kGroupRows = 4;

/// Rows r .. r + 3 of residuals. Rows of an array lie kRowStride apart.
template <class T>
struct ComponentGroup {
  int64_t size, step;  // numbers in a row; from a pixel to its neighbour
  CountedPositions<T> counted;
  int64_t count_begin, count_end;  // rows i with r + i in this range are added up
  // Read: rows r - 1; r .. r + 3; r + 4 of the difference, with a ghost column on each side.
  const T *above, *here, *below;
  GradientRow<T> factor;      // read: four rows of weights, below 0 where dropped
  GradientRow<T> slopes;      // read: rows r - 2, r - 1
  GradientRow<T> new_slopes;  // written: rows r + 2, r + 3
  T *a, *b;                   // written: adjoint rows r - 1 .. r + 2
  // Rows of image memory that the next group reads, fetched while this one keeps the ALUs busy.
  const char *ahead_pred, *ahead_true;
  int64_t ahead_stride, ahead_bytes;  // from row to row; for each number
};

template <class T>
using ComponentGroupFunction = void (*)(const ComponentGroup<T>& group,
                                        const math::Stencil& stencil, double penalty_parameter,
                                        LaneSums<T>* sums);

/// ComponentGroupFunction of one penalty.
template <class T, class Penalty, bool kSlopes, bool kWeighted>
void VisitComponentGroup(const ComponentGroup<T>& the_group, const math::Stencil& stencil,
                         double penalty_parameter, LaneSums<T>* sums) {
  using V = Simd<T>;
  using G = math::Gradient<V>;
  constexpr int64_t kRow = kRowStride<T>;
  const ComponentGroup<T> group = the_group;
  const Penalty rho(penalty_parameter);
  const V scale(stencil.scale);
  const InteriorTaps<T, TapsKind::kSmoothing> taps(stencil);
  const auto smooth = [=](V before, V here, V after) GRADOPS_LAMBDA {
    return taps.side * (before + after) + taps.center * here;
  };
  LaneSums<T> lanes = *sums;
  for (int64_t block = 0; block < group.size; block += kBlock<T>) {
#pragma GCC unroll 4
    for (int i = 0; i < kGroupRows; ++i) {
      const int64_t ahead = i * group.ahead_stride + block * group.ahead_bytes;
      __builtin_prefetch(group.ahead_pred + ahead);
      __builtin_prefetch(group.ahead_true + ahead);
    }
    lanes.ForEach([&](G& sum, int number) GRADOPS_LAMBDA {
      const int64_t x = block + number * V::kLanes;
      // The horizontal pass of one row: .y smoothed, .x derivative.
      const auto horizontal = [=](const T* row) GRADOPS_LAMBDA -> G {
        const V left = V::Load(row + x - group.step), right = V::Load(row + x + group.step);
        return {smooth(left, V::Load(row + x), right), right - left};
      };
      G before = horizontal(group.above), here = horizontal(group.here);
      G slopes_before, slopes_here, total = {V(0), V(0)};
      if constexpr (kSlopes) {
        slopes_before = group.slopes.Load(x);
        slopes_here = group.slopes.Load(x + kRow);
      }
#pragma GCC unroll 4
      for (int i = 0; i < kGroupRows; ++i) {
        const bool last = i == kGroupRows - 1;
        const G after = horizontal(last ? group.below : group.here + (i + 1) * kRow);
        const G residual = {scale * (after.y - before.y),
                            scale * smooth(before.x, here.x, after.x)};
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
        group.new_slopes.Store(x, slopes_before);
        group.new_slopes.Store(x + kRow, slopes_here);
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
    if constexpr (P::kIsCostly) return nullptr;  // the passes between rows hardly count then
    if (order == Order::kValue) {
      return weighted ? VisitComponentGroup<T, P, false, true>
                      : VisitComponentGroup<T, P, false, false>;
    }
    return weighted ? VisitComponentGroup<T, P, true, true>
                    : VisitComponentGroup<T, P, true, false>;
  });
}

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_COMPONENT_GROUP_H_
