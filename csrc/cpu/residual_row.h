#ifndef GRADOPS_CPU_RESIDUAL_ROW_H_
#define GRADOPS_CPU_RESIDUAL_ROW_H_

#include "cpu/row_sums.h"
#include "cpu/simd_convert.h"
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

/// The factors of a row of residuals: a weight for each position, and a byte for each, which is 0
/// where the residual down the rows, or along the columns, is dropped.
template <class T>
struct FactorRow {
  const T* weight = nullptr;
  const uint8_t *y = nullptr, *x = nullptr;
  int64_t weight_stride = 0, byte_stride = 0;  // to the next row; 0 where all rows are alike

  /// Row i of those that begin here.
  GRADOPS_FN FactorRow Row(int64_t i) const {
    return {weight + i * weight_stride, y + i * byte_stride, x + i * byte_stride, weight_stride,
            byte_stride};
  }
  /// Numbers with their weights, 0 where dropped, whatever they are.
  GRADOPS_FN math::Gradient<Simd<T>> Weighted(int64_t at, math::Gradient<Simd<T>> numbers) const {
    const Simd<T> weights = Simd<T>::Load(weight + at), zero(0);
    return {Select(AreSet<T>(y + at), weights * numbers.y, zero),
            Select(AreSet<T>(x + at), weights * numbers.x, zero)};
  }
};

/// One row of everything between the horizontal passes.
template <class T>
struct ResidualRow {
  int64_t size;
  CountedPositions<T> counted;
  GradientRow<T> pred, target, vector;  // read: gradients of the images (pred: of the difference)
  FactorRow<T> factor;                  // read
  GradientRow<T> slopes, true_slopes;   // written; true_slopes only where not null
};

/// What a pass over a row finds: sums of values; those and slopes; sums of <vector, slopes> and
/// what the vector does to the slopes.
enum class Order { kValue, kSlope, kSecond };

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
      if constexpr (kWeighted) return row.factor.Weighted(x, values);
      return values;
    };
    const G pred = row.pred.Load(x);
    const G target = Response::kDifference ? pred : row.target.Load(x);
    if constexpr (kOrder == Order::kSecond) {
      const G vector = row.vector.Load(x), slopes = response.Slopes(rho, pred, target);
      sum = sum + row.counted.Counted(x, weigh({slopes.y * vector.y, slopes.x * vector.x}));
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
