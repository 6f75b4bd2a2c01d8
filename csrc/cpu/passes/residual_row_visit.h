#pragma once

#include "cpu/passes/residual_row.h"
#include "cpu/simd/simd_math.h"
#include "math/response.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// The ResidualRowFunction of one response and penalty.
template <class T, class Response, class Penalty, Order kOrder, bool kWeighted>
void VisitResidualRow(const ResidualRow<T>& the_row, double penalty_parameter,
                      double response_epsilon, LaneSums<T>* sums) {
  using G = math::Gradient<Simd<T>>;
  const ResidualRow<T> row = the_row;
  const Penalty rho(penalty_parameter);
  const Response response(response_epsilon);
  LaneSums<T> lanes = *sums;
  const auto visit = [&](G& sum, int64_t x) GRADOPS_LAMBDA {
    const auto weigh = [&](G values) GRADOPS_LAMBDA {
      if constexpr (kWeighted) return row.factor.Weighted(x, values);
      return values;
    };
    const auto add = [&](G values) GRADOPS_LAMBDA {
      sum = sum + row.summed.Mask(x, weigh(values));
      if constexpr (kWeighted) {
        if (!row.by_weight.IsWanted()) return;
        row.factor.ByWeight(x, values, row.by_weight.scale).Store(row.by_weight.row + x);
      }
    };
    const G pred = row.pred.Load(x);
    const G target = Response::kDifference ? pred : row.target.Load(x);
    if constexpr (kOrder == Order::kSecond) {
      const G vector = row.vector.Load(x), slopes = response.Slopes(rho, pred, target);
      add({slopes.y * vector.y, slopes.x * vector.x});
      const auto second = response.Second(rho, pred, target, vector);
      row.slopes.Store(x, weigh(second.by_pred));
      if (row.true_slopes.y != nullptr) row.true_slopes.Store(x, weigh(second.by_true));
    } else {
      add(response.Values(rho, pred, target));
      if constexpr (kOrder == Order::kSlope) {
        row.slopes.Store(x, weigh(response.Slopes(rho, pred, target)));
      }
    }
  };
  for (int64_t block = 0; block < row.size; block += kBlock<T>) {
    const auto visit_register = [&](G& sum, int index)
                                    GRADOPS_LAMBDA { visit(sum, block + index * Simd<T>::kLanes); };
    if constexpr (kOrder == Order::kSecond) {
      ForEachInTurn(&lanes, visit_register);
    } else {
      lanes.ForEach(visit_register);
    }
  }
  *sums = lanes;
}

template <class T>
ResidualRowFunction<T> FindResidualRow(const KernelParams& params, Order order, bool weighted) {
  return VisitResponse(params.response, [&](auto response_tag) {
    return VisitPenalty(params.penalty, [&](auto penalty_tag) -> ResidualRowFunction<T> {
      using R = typename decltype(response_tag)::Type;
      using P = typename decltype(penalty_tag)::Type;
      switch (order) {
        case Order::kValue:
          return weighted ? VisitResidualRow<T, R, P, Order::kValue, true>
                          : VisitResidualRow<T, R, P, Order::kValue, false>;
        case Order::kSlope:
          return weighted ? VisitResidualRow<T, R, P, Order::kSlope, true>
                          : VisitResidualRow<T, R, P, Order::kSlope, false>;
        case Order::kSecond:
          return weighted ? VisitResidualRow<T, R, P, Order::kSecond, true>
                          : VisitResidualRow<T, R, P, Order::kSecond, false>;
      }
      __builtin_unreachable();
    });
  });
}

}  // namespace gradops::cpu::GRADOPS_TARGET
