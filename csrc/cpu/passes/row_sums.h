#pragma once

#include "cpu/kernels.h"
#include "cpu/simd/simd.h"
#include "math/response.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// Sums of a row (or a few) by axis and lane, as many lanes as a block has: each adds up one row
/// segment in T.
template <class T>
using LaneSums = Block<math::Gradient<Simd<T>>>;

/// Which positions of a row count: those of the tile's own columns.
template <class T>
struct CountedPositions {
  int64_t begin, end;

  /// `values` at positions x, x + 1, ..., with 0 for those that do not count.
  GRADOPS_FN math::Gradient<Simd<T>> Counted(int64_t x, math::Gradient<Simd<T>> values) const {
    if (x >= begin && x + Simd<T>::kLanes <= end) return values;
    return {LanesBetween(values.y, begin - x, end - x), LanesBetween(values.x, begin - x, end - x)};
  }
};

/// The sums of a tile: lanes in T, everything above in double.
template <class T>
class TileSums {
 public:
  GRADOPS_FN void Add(LaneSums<T> row) {
    T y[kBlock<T>], x[kBlock<T>];
    row.ForEach([&](math::Gradient<Simd<T>>& part, int number) GRADOPS_LAMBDA {
      part.y.Store(y + number * Simd<T>::kLanes);
      part.x.Store(x + number * Simd<T>::kLanes);
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
