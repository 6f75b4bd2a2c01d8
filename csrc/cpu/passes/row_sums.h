#pragma once

#include "cpu/simd/simd.h"
#include "cpu/sweeps/tile.h"
#include "math/gradient.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// Sums over one row (or a few), by axis and by lane of a block, in T.
template <class T>
using LaneSums = Block<math::Gradient<Simd<T>>>;

/// `values` at positions x, x + 1, ..., and 0 outside `kept`.
template <class T>
GRADOPS_FN math::Gradient<Simd<T>> Masked(PositionRange kept, int64_t x,
                                          math::Gradient<Simd<T>> values) {
  if (x >= kept.begin && x + Simd<T>::kLanes <= kept.end) return values;
  const int64_t begin = kept.begin - x, end = kept.end - x;
  return {LanesBetween(values.y, begin, end), LanesBetween(values.x, begin, end)};
}

/// The sums of a tile: rows are added in T by lane, and everything above in double.
template <class T>
class TileSums {
 public:
  GRADOPS_FN void Add(LaneSums<T> row) {
    T y[kBlock<T>], x[kBlock<T>];
    row.ForEach([&](math::Gradient<Simd<T>>& part, int index) GRADOPS_LAMBDA {
      part.y.Store(y + index * Simd<T>::kLanes);
      part.x.Store(x + index * Simd<T>::kLanes);
    });
    for (int i = 0; i < kBlock<T>; ++i) {
      y_[i] += static_cast<double>(y[i]);
      x_[i] += static_cast<double>(x[i]);
    }
  }
  AxisSums Total() const {
    AxisSums total{0, 0};
    for (int i = 0; i < kBlock<T>; ++i) {
      total.y += y_[i];
      total.x += x_[i];
    }
    return total;
  }

 private:
  double y_[kBlock<T>] = {}, x_[kBlock<T>] = {};
};

}  // namespace gradops::cpu::GRADOPS_TARGET
