#pragma once

#include "cpu/passes/residual_row.h"
#include "cpu/simd/simd_float_math.h"
#include "math/response.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// What is summed at position x: the penalties or, in second order, the slopes times the vector.
template <Order kOrder, class T, class Response, class Penalty>
GRADOPS_FN math::Gradient<Simd<T>> SummedValues(const ResidualRow<T>& row, int64_t x,
                                                const Response& response, const Penalty& rho) {
  using G = math::Gradient<Simd<T>>;
  const G pred = row.pred.Load(x);
  const G target = Response::kDifference ? pred : row.target.Load(x);
  if constexpr (kOrder == Order::kSecond) {
    const G vector = row.vector.Load(x), slopes = response.Slopes(rho, pred, target);
    return {slopes.y * vector.y, slopes.x * vector.x};
  } else {
    return response.Values(rho, pred, target);
  }
}

/// The ResidualRowFunction of one response and penalty.
template <class T, class Response, class Penalty, Order kOrder, bool kWeighted>
void VisitResidualRow(const ResidualRow<T>& the_row, const KernelParams& params,
                      LaneSums<T>* sums) {
  using G = math::Gradient<Simd<T>>;
  const ResidualRow<T> row = the_row;
  const Penalty rho(params.penalty_parameter);
  const Response response(params.response_epsilon);
  LaneSums<T> lanes = *sums;
  const auto visit = [&](G& sum, int64_t x) GRADOPS_LAMBDA {
    const auto weigh = [&](G values) GRADOPS_LAMBDA {
      if constexpr (kWeighted) return row.factor.Weighted(x, values);
      return values;
    };
    sum = sum + Masked(row.summed, x, weigh(SummedValues<kOrder>(row, x, response, rho)));
    const G pred = row.pred.Load(x);
    const G target = Response::kDifference ? pred : row.target.Load(x);
    if constexpr (kOrder == Order::kSecond) {
      const auto second = response.Second(rho, pred, target, row.vector.Load(x));
      row.slopes.Store(x, weigh(second.by_pred));
      if (row.true_slopes.y != nullptr) row.true_slopes.Store(x, weigh(second.by_true));
    } else if constexpr (kOrder == Order::kSlope) {
      row.slopes.Store(x, weigh(response.Slopes(rho, pred, target)));
    }
  };
  for (int64_t block = 0; block < row.size; block += kBlock<T>) {
    row.ahead.Prefetch(0, block);
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

/// The ByWeightRowFunction of one response and penalty.
template <class T, class Response, class Penalty, Order kOrder>
void FindByWeight(const ResidualRow<T>& the_row, const KernelParams& params,
                  math::Gradient<T> scale, T* by_weight) {
  const ResidualRow<T> row = the_row;
  const Penalty rho(params.penalty_parameter);
  const Response response(params.response_epsilon);
  for (int64_t x = 0; x < row.size; x += Simd<T>::kLanes) {
    row.factor.ByWeight(x, SummedValues<kOrder>(row, x, response, rho), scale).Store(by_weight + x);
  }
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

template <class T>
ByWeightRowFunction<T> FindByWeightRow(const KernelParams& params, Order order) {
  return VisitResponse(params.response, [&](auto response_tag) {
    return VisitPenalty(params.penalty, [&](auto penalty_tag) -> ByWeightRowFunction<T> {
      using R = typename decltype(response_tag)::Type;
      using P = typename decltype(penalty_tag)::Type;
      return order == Order::kSecond ? FindByWeight<T, R, P, Order::kSecond>
                                     : FindByWeight<T, R, P, Order::kValue>;
    });
  });
}

}  // namespace gradops::cpu::GRADOPS_TARGET
