#pragma once

#include <type_traits>

#include "cpu/passes/gradient_rows.h"
#include "cpu/passes/row_group.h"
#include "cpu/simd/simd_float_math.h"
#include "cpu/simd/simd_signs.h"
#include "math/response.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// Whether the adjoint of signs adds up 16 of them at most.
inline bool HasSmallTaps(const math::Stencil& stencil) {
  return stencil.smoothing[0] == 1 && (stencil.smoothing[1] == 1 || stencil.smoothing[1] == 2);
}

/// Whether there are groups of signs: where every slope is a sign, and images are computed in
/// float.
template <class T, class Response, class Penalty>
inline constexpr bool kMayBeSigns =
    std::is_same_v<T, float> && std::is_same_v<Response, math::ComponentResponse> &&
    std::is_same_v<Penalty, math::L1Penalty>;

template <GroupSlopes kSlopes>
using GroupSlopesTag = std::integral_constant<GroupSlopes, kSlopes>;
template <Weighting kWeighting>
using WeightingTag = std::integral_constant<Weighting, kWeighting>;

/// The RowGroupFunction of one response and penalty. kTapsKind may be kUnit only if the stencil's
/// scale is 1.
template <class T, class Response, class Penalty, math::TapsKind kTapsKind,
          GroupSlopes kGroupSlopes, Weighting kWeighting>
void VisitRowGroup(const RowGroup<T>& the_group, const KernelParams& params, LaneSums<T>* sums) {
  using V = Simd<T>;
  using G = math::Gradient<V>;
  using Taps = math::InteriorTaps<Simd<T>, kTapsKind>;
  constexpr bool kMasked = kWeighting == Weighting::kMask;
  constexpr bool kWeighted = kWeighting != Weighting::kNone && !kMasked;
  constexpr bool kAdjoint = kGroupSlopes == GroupSlopes::kAdjoint;
  constexpr bool kSigns = kGroupSlopes == GroupSlopes::kSigns;
  static_assert(kSigns || !kMasked);
  constexpr bool kLean = Response::kDifference && kWeighting == Weighting::kNone;
  constexpr int64_t kRow = kGroupStride<T, kLean>;
  const RowGroup<T> group = the_group;
  const Penalty rho(params.penalty_parameter);
  const Response response(params.response_epsilon);
  const V scale(params.stencil.scale);
  const Taps taps(params.stencil);
  LaneSums<T> lanes = *sums;
  V nan_check(0);
  if constexpr (kSigns) nan_check = V::Load(group.nan_check);
  // `counts`: whether all that is found counts, without masks and comparisons.
  const auto visit_block = [&](int64_t block, auto counts) GRADOPS_LAMBDA {
    constexpr bool kCounts = decltype(counts)::value;
#pragma GCC unroll 4
    for (int i = kGroupSlopes == GroupSlopes::kNone ? 2 : 1; i < kGroupRows; ++i)
      group.ahead.Prefetch(i, block);
    if constexpr (kWeighted) {
#pragma GCC unroll 4
      for (int i = 0; i < kGroupRows; ++i) group.weights_ahead.Prefetch(i, block * sizeof(T));
    }
    SignBlock signs[kGroupRows / 2];
    const auto visit = [&](G& sum, int index) GRADOPS_LAMBDA {
      const int64_t x = block + index * V::kLanes;
      const SourceGroup<T> pred = group.pred,
                           target = Response::kDifference ? group.pred : group.target;
      const auto window = [&](const T* above) GRADOPS_LAMBDA {
        return GradientWindow<T, Taps>(taps, scale, group.step, above, above + kRow);
      };
      GradientWindow<T, Taps> pred_rows = window(pred.above + x),
                              target_rows = window(target.above + x);
      G slopes_before, slopes_here, gradient_above, total = {V(0), V(0)}, uncounted = total;
      if constexpr (kAdjoint) {
        slopes_before = group.slopes.Load(x);
        slopes_here = group.slopes.Load(x + kRow);
      }
#pragma GCC unroll 4
      for (int i = 0; i < kGroupRows; ++i) {
        G pred_gradient = pred_rows.Next(pred.below + i * kRow + x);
        const G target_gradient =
            Response::kDifference ? pred_gradient : target_rows.Next(target.below + i * kRow + x);
        const FactorRow<T> factor = group.factor.Row(i);
        // For l1 the value of 0 is 0, and so is its slope.
        if constexpr (kMasked) pred_gradient = factor.Kept(x, pred_gradient);
        const auto weigh = [=](G values) GRADOPS_LAMBDA {
          if constexpr (kWeighted) return factor.Weighted(x, values);
          return values;
        };
        const G values = response.Values(rho, pred_gradient, target_gradient);
        const G weighted = weigh(values);
        if constexpr (kCounts) {
          total = i == 0 ? weighted : total + weighted;  // 0 + x would be an addition
        } else if (i >= group.count_begin && i < group.count_end) {
          total = total + weighted;
        } else if constexpr (kSigns) {
          uncounted = uncounted + values;
        }
        if constexpr (kWeighting == Weighting::kByWeight) {
          factor.ByWeight(x, values, group.by_weight_scale).Store(group.by_weight + i * kRow + x);
        }
        if constexpr (kSigns) {
          if (i % 2 == 0) gradient_above = pred_gradient;
          if (i % 2 == 1) signs[i / 2].Set(index, gradient_above, pred_gradient);
        }
        if constexpr (kAdjoint) {
          const G slopes = weigh(response.Slopes(rho, pred_gradient, target_gradient));
          taps.Smooth(slopes_before.x, slopes_here.x, slopes.x).Store(group.a + i * kRow + x);
          (slopes_before.y - slopes.y).Store(group.b + i * kRow + x);
          slopes_before = slopes_here;
          slopes_here = slopes;
        }
      }
      if constexpr (kSigns && !kCounts) {
        const G needed = Masked(group.needed, x, total + uncounted);
        nan_check = nan_check + (needed.y + needed.x);
      }
      if constexpr (kAdjoint) {
        group.slopes.Store(x, slopes_before);
        group.slopes.Store(x + kRow, slopes_here);
      }
      sum = sum + (kCounts ? total : Masked(group.summed, x, total));
    };
    if constexpr (kLean) {
      lanes.ForEach(visit);
    } else {
      ForEachInTurn(&lanes, visit);
    }
    if constexpr (kSigns) {
      for (int pair = 0; pair < kGroupRows / 2; ++pair) {
        const SignRow row = group.signs.Row(2 * pair, kSignStride);
        signs[pair].Store(row.y + block, row.x + block, kSignStride);
      }
    }
  };
  constexpr int64_t kStep = kStretch<T>;
  for (int64_t begin = -kStep; begin < group.size + 2 * kStep; begin += kStep) {
    group.along.Run(begin);
    const int64_t end = math::Min(begin + kStep, group.size);
    for (int64_t block = math::Max<int64_t>(begin, 0); block < end; block += kBlock<T>) {
      if constexpr (kSigns) {
        const bool counts_rows = group.count_begin <= 0 && group.count_end >= kGroupRows;
        const PositionRange within = {group.summed.begin, group.summed.end - kBlock<T>};
        if (counts_rows && block >= within.begin && block <= within.end) {
          visit_block(block, std::true_type());
          continue;
        }
      }
      visit_block(block, std::false_type());
    }
  }
  if constexpr (kSigns) {
    // What is added up is needed too, and no sum of absolute values becomes NaN but by a NaN.
    lanes.ForEach([&](G& sum, int) GRADOPS_LAMBDA { nan_check = nan_check + (sum.y + sum.x); });
    nan_check.Store(group.nan_check);
  }
  *sums = lanes;
}

template <class T>
RowGroupFunction<T> FindRowGroup(const KernelParams& params, GroupSlopes slopes,
                                 Weighting weighting) {
  if (!params.stencil.IsSmoothedCentral()) return nullptr;
  const bool is_unit = params.stencil.smoothing[0] == 1 && params.stencil.scale == 1;
  const bool has_small_taps = HasSmallTaps(params.stencil);
  return VisitResponse(params.response, [&](auto response_tag) {
    return VisitPenalty(params.penalty, [&](auto penalty_tag) -> RowGroupFunction<T> {
      using R = typename decltype(response_tag)::Type;
      using P = typename decltype(penalty_tag)::Type;
      if constexpr (R::kHasFastPaths) {
        const auto function = [=](auto group_slopes, auto weights) -> RowGroupFunction<T> {
          constexpr GroupSlopes kSlopes = decltype(group_slopes)::value;
          constexpr Weighting kWeights = decltype(weights)::value;
          constexpr bool kWeighted =
              kWeights == Weighting::kFactors || kWeights == Weighting::kByWeight;
          if constexpr (R::kDifference && !kWeighted) {
            if (is_unit) return VisitRowGroup<T, R, P, math::TapsKind::kUnit, kSlopes, kWeights>;
          }
          return VisitRowGroup<T, R, P, math::TapsKind::kSmoothing, kSlopes, kWeights>;
        };
        const WeightingTag<Weighting::kNone> unweighted;
        const auto weighted = [=](auto group_slopes) {
          if (weighting == Weighting::kNone) return function(group_slopes, unweighted);
          return weighting == Weighting::kByWeight
                     ? function(group_slopes, WeightingTag<Weighting::kByWeight>())
                     : function(group_slopes, WeightingTag<Weighting::kFactors>());
        };
        const GroupSlopesTag<GroupSlopes::kAdjoint> adjoint;
        if (slopes == GroupSlopes::kNone) return weighted(GroupSlopesTag<GroupSlopes::kNone>());
        if (slopes == GroupSlopes::kAdjoint) return weighted(adjoint);
        if constexpr (kMayBeSigns<T, R, P>) {
          const GroupSlopesTag<GroupSlopes::kSigns> signs;
          const WeightingTag<Weighting::kMask> mask;
          if (!has_small_taps) return nullptr;
          if (weighting == Weighting::kNone) return function(signs, unweighted);
          if (weighting == Weighting::kMask) return function(signs, mask);
        }
      }
      return nullptr;
    });
  });
}

}  // namespace gradops::cpu::GRADOPS_TARGET
