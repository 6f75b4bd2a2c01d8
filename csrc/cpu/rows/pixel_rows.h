#pragma once

#include "cpu/passes/factor_rows.h"
#include "cpu/passes/residual_row.h"
#include "cpu/passes/row_sums.h"
#include "math/penalty.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// One row of the pixel term, the sum of w |d| with d = y_pred - y_true.
template <class T>
struct PixelRow {
  int64_t size;
  PositionRange summed;
  const T *pred, *target = nullptr;      // rows of the images; without target, of the difference
  const T* vector = nullptr;             // second order only
  const FactorRow<T>* factor = nullptr;  // its weights and .y are used; null: every weight is 1
  T scale = 0;                           // of the outputs
  T* slopes = nullptr;                   // output, if not null: scale w sign(d)
  T* by_weight = nullptr;                // output, if not null: scale times what is summed, over w
};

/// The sums of w |d| or, in second order, of <vector, w sign(d)>.
template <class T>
class PixelSums {
 public:
  void Visit(const PixelRow<T>& row) {
    if (row.factor == nullptr) {
      VisitWeighted(row, [](int64_t, Simd<T> value) GRADOPS_LAMBDA { return value; });
    } else {
      const FactorRow<T> factor = *row.factor;
      VisitWeighted(row, [=](int64_t x, Simd<T> value)
                             GRADOPS_LAMBDA { return factor.Weighted(x, {value, value}).y; });
    }
  }
  double Total() const { return sums_.Total().y; }

 private:
  template <class Weigh>
  GRADOPS_FN void VisitWeighted(const PixelRow<T>& the_row, Weigh&& weigh) {
    const PixelRow<T> row = the_row;
    const math::L1Penalty rho(0);
    const Simd<T> scale(row.scale), zero(0);
    LaneSums<T> lanes;
    for (int64_t block = 0; block < row.size; block += kBlock<T>) {
      lanes.ForEach([&](math::Gradient<Simd<T>>& sum, int index) GRADOPS_LAMBDA {
        const int64_t x = block + index * Simd<T>::kLanes;
        Simd<T> d = Simd<T>::Load(row.pred + x);
        if (row.target != nullptr) d = d - Simd<T>::Load(row.target + x);
        Simd<T> value = rho.Value(d);
        if (row.vector != nullptr) value = Simd<T>::Load(row.vector + x) * rho.Slope(d);
        sum = sum + Masked<T>(row.summed, x, {weigh(x, value), zero});
        if (row.slopes != nullptr) weigh(x, scale * rho.Slope(d)).Store(row.slopes + x);
        if (row.by_weight != nullptr) {
          row.factor->ByWeight(x, {value, zero}, {row.scale, 0}).Store(row.by_weight + x);
        }
      });
    }
    sums_.Add(lanes);
  }

  TileSums<T> sums_;
};

}  // namespace gradops::cpu::GRADOPS_TARGET
