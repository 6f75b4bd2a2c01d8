#ifndef GRADOPS_CPU_RESIDUAL_ROW_H_
#define GRADOPS_CPU_RESIDUAL_ROW_H_

#include "cpu/row_sums.h"
#include "cpu/simd_math.h"
#include "cpu/tile.h"
#include "math/response.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// A row of gradients: down the rows, along the columns.
template <class T>
struct GradientRow {
  T *y = nullptr, *x = nullptr;

  GradientRow() = default;
  GRADOPS_FN GradientRow(T* the_y, T* the_x) : y(the_y), x(the_x) {}
  /// The first of `rows` rows.
  GradientRow(RowAllocator<T>* memory, int64_t rows)
      : y(memory->Take(rows)), x(memory->Take(rows)) {}

  /// Row i of those that begin here, `stride` apart.
  GRADOPS_FN GradientRow Row(int64_t i, int64_t stride) const {
    return {y + i * stride, x + i * stride};
  }
  GRADOPS_FN math::Gradient<Simd<T>> Load(int64_t at) const {
    return {Simd<T>::Load(y + at), Simd<T>::Load(x + at)};
  }
  GRADOPS_FN void Store(int64_t at, math::Gradient<Simd<T>> g) const {
    g.y.Store(y + at);
    g.x.Store(x + at);
  }
};

/// One row of everything between the horizontal passes.
template <class T>
struct ResidualRow {
  int64_t size;
  CountedPositions<T> counted;
  GradientRow<T> pred, target, vector;  // read: gradients of the images (pred: of the difference)
  GradientRow<T> factor;                // read: weights by axis, below 0 where dropped
  GradientRow<T> slopes, true_slopes;   // written; true_slopes only where not null
};

/// What a pass over a row finds: sums of values; those and slopes; sums of <vector, slopes> and
/// what the vector does to the slopes.
enum class Order { kValue, kSlope, kSecond };

/// A number with its weight, 0 where the weight says dropped.
template <class V>
GRADOPS_FN math::Gradient<V> Weighted(math::Gradient<V> factor, math::Gradient<V> values) {
  const V zero(0);
  return {Select(factor.y < zero, zero, factor.y * values.y),
          Select(factor.x < zero, zero, factor.x * values.x)};
}

template <class T>
using ResidualRowFunction = void (*)(const ResidualRow<T>& row, double penalty_parameter,
                                     double response_epsilon, LaneSums<T>* sums);

/// ResidualRowFunction of one response and penalty.
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
      if constexpr (kWeighted) return Weighted(row.factor.Load(x), values);
      return values;
    };
    const G pred = row.pred.Load(x);
    const G target = Response::kDifference ? pred : row.target.Load(x);
    if constexpr (kOrder == Order::kSecond) {
      const G vector = row.vector.Load(x), slopes = weigh(response.Slopes(rho, pred, target));
      sum = sum + row.counted.Counted(x, {slopes.y * vector.y, slopes.x * vector.x});
      const auto second = response.Second(rho, pred, target, vector);
      row.slopes.Store(x, weigh(second.by_pred));
      if (row.true_slopes.y != nullptr) row.true_slopes.Store(x, weigh(second.by_true));
    } else {
      sum = sum + row.counted.Counted(x, weigh(response.Values(rho, pred, target)));
      if constexpr (kOrder == Order::kSlope) {
        row.slopes.Store(x, weigh(response.Slopes(rho, pred, target)));
      }
    }
  };
  for (int64_t block = 0; block < row.size; block += kBlock<T>) {
    const auto visit_register = [&](G& sum, int number) GRADOPS_LAMBDA {
      visit(sum, block + number * Simd<T>::kLanes);
    };
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

#endif  // GRADOPS_CPU_RESIDUAL_ROW_H_
