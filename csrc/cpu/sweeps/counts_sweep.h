#pragma once

#include <limits>

#include "cpu/kernels.h"
#include "cpu/passes/byte_rows.h"
#include "cpu/passes/factor_rows.h"
#include "cpu/passes/row_sums.h"
#include "cpu/rows/map_output.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// Adds up weights, checks whether one is negative or NaN, and finds the largest.
template <class T>
class WeightSums {
 public:
  /// Adds the weights of a row that are not dropped, at positions `own` and by axis. Prefetches a
  /// row of weights.
  void Add(const FactorRow<T>& factor, PositionRange own, const MapAhead& ahead) {
    AddRow(own, [=](int64_t x) GRADOPS_LAMBDA {
      ahead.Prefetch(0, x * sizeof(T));
      return Masked(own, x, factor.Weighted(x, {Simd<T>(1), Simd<T>(1)}));
    });
    Check(factor.weight + own.begin, own.end - own.begin);
  }
  /// Adds `size` weights, to both axes.
  void Add(const T* weights, int64_t size) {
    const int64_t whole = size / kBlock<T> * kBlock<T>;
    AddRow({0, whole}, [=](int64_t x) GRADOPS_LAMBDA {
      const Simd<T> weight = Simd<T>::Load(weights + x);
      return math::Gradient<Simd<T>>{weight, weight};
    });
    for (int64_t x = whole; x < size; ++x) rest_ += static_cast<double>(weights[x]);
    Check(weights, size);
  }
  Counts Total() const {
    const AxisSums sums = sums_.Total();
    return {{sums.y + rest_, sums.x + rest_}, negative_, largest_};
  }

 private:
  template <class Weights>
  void AddRow(PositionRange range, Weights&& weights) {
    LaneSums<T> lanes;
    for (int64_t block = 0; block < range.end; block += kBlock<T>) {
      lanes.ForEach([&](math::Gradient<Simd<T>>& sum, int index)
                        GRADOPS_LAMBDA { sum = sum + weights(block + index * Simd<T>::kLanes); });
    }
    sums_.Add(lanes);
  }
  void Check(const T* weights, int64_t size) {
    // Compares bits as integers. Those of non-negative weights are in order, NaN comes after
    // infinity, and whatever has a sign before 0.
    using Bits = typename Simd<T>::RegisterMask;
    Bits most = {}, least = {};
    int64_t x = 0, has_sign = 0;
    for (; x + Simd<T>::kLanes <= size; x += Simd<T>::kLanes) {
      const Bits bits = (Bits)Simd<T>::Load(weights + x).v;
      most = bits > most ? bits : most;
      least = bits < least ? bits : least;
    }
    for (; x < size; ++x) {
      largest_ = math::Max(largest_, WeightBits(weights[x]));
      has_sign = math::Min(has_sign, WeightBits(weights[x]));
    }
    for (int i = 0; i < Simd<T>::kLanes; ++i) {
      largest_ = math::Max<int64_t>(largest_, most[i]);
      has_sign = math::Min<int64_t>(has_sign, least[i]);
    }
    negative_ = negative_ || largest_ > WeightBits(std::numeric_limits<T>::infinity());
    // What has a sign may be -0, which is allowed.
    for (x = 0; has_sign != 0 && x < size; ++x) negative_ = negative_ || !(weights[x] >= 0);
  }

  TileSums<T> sums_;
  double rest_ = 0;
  bool negative_ = false;
  int64_t largest_ = 0;
};

/// The counts where no residual or pixel is dropped.
template <class T>
Counts CountAll(const ImageShape& shape, const PixelMap<T>& weights, RowRange rows) {
  const int64_t row_size = shape.MapRowSize(weights.per_channel);
  WeightSums<T> sums;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    sums.Add(weights.data + row * row_size, row_size);
  }
  Counts counts = sums.Total();
  if (!weights.per_channel) {
    counts.sums.y *= static_cast<double>(shape.channels);
    counts.sums.x *= static_cast<double>(shape.channels);
  }
  return counts;
}

/// Calls visit(row, factors of the row) for the rows of a tile, in order. `factors` must be new.
template <class T, class Visit>
void ForEachFactorRow(const KernelParams& params, const Tile& tile, RowRange rows, Counted counted,
                      FactorRows<T>* factors, Visit&& visit) {
  factors->Mask().SetFirst(rows.begin);
  factors->Mask().SetColumns(ColumnsAround(params, tile, /*reach=*/0));
  const RowRange around = RowsAround(params, rows, 1);
  int64_t loaded = around.begin;
  const auto load = [&](int64_t count) {
    factors->Mask().Load(loaded, count);
    loaded += count;
  };
  for (int64_t row = rows.begin; row < rows.end;) {
    int64_t count = 1;
    if (counted == Counted::kPixels) {
      factors->FindPixels(row);
    } else if (row + kGroupRows <= rows.end && factors->Mask().TakesGroup(row)) {
      count = kGroupRows;
      // No more than that, because the rows above are kept with the last eight.
      const int64_t last = row + kGroupRows;
      while (loaded <= last) load(math::Min<int64_t>(kGroupRows, last + 1 - loaded));
      factors->FindGroup(row);
    } else {
      while (loaded < math::Min(row + 2, around.end)) {
        load(math::Min<int64_t>(kGroupRows, around.end - loaded));
      }
      factors->Find(row);
    }
    for (int64_t i = 0; i < count; ++i) visit(row + i, factors->Row(i));
    row += count;
  }
}

template <class S>
Counts CountTile(const KernelParams& params, const Tile& tile, const LossInputs<S>& inputs,
                 RowRange rows, Counted counted) {
  using T = ComputeType<S>;
  RowAllocator<T> memory(FactorRows<T>::kRows);
  FactorRows<T> factors(params, tile, inputs, &memory);
  const PositionRange own = tile.OwnPositions();
  WeightSums<T> weights;
  AxisSums set{0, 0};
  ForEachFactorRow(params, tile, rows, counted, &factors,
                   [&](int64_t row, const FactorRow<T>& factor) {
                     if (inputs.weights.data != nullptr) {
                       weights.Add(factor, own, factors.WeightsAhead(row + kGroupRows, 1));
                     } else {
                       const int64_t size = own.end - own.begin;
                       set.y += static_cast<double>(CountSet(factor.y + own.begin, size));
                       set.x += static_cast<double>(CountSet(factor.x + own.begin, size));
                     }
                   });
  return inputs.weights.data != nullptr ? weights.Total() : Counts{set};
}

/// AddCountedUnit where no residual or pixel is dropped.
template <class T>
void AddAllCounted(const ImageShape& shape, RowRange rows, const WeightsOutput<T>& output) {
  const int64_t row_size = shape.MapRowSize(output.per_channel);
  const T here = output.scale_y + output.scale_x;
  const Simd<T> sum(output.per_channel ? here : static_cast<T>(shape.channels) * here);
  PutRun(output, rows.begin * row_size, (rows.end - rows.begin) * row_size,
         [=](int64_t) GRADOPS_LAMBDA { return sum; });
}

/// KernelTable::add_counted.
template <class S>
void AddCountedUnit(const KernelParams& params, const LossInputs<S>& inputs, RowRange rows,
                    Counted counted, const WeightsOutput<ComputeType<S>>& output) {
  using T = ComputeType<S>;
  LossInputs<S> without_weights = inputs;
  without_weights.weights = {};
  const bool is_zero = output.scale_y == 0 && output.scale_x == 0;
  if (is_zero || !FactorRows<T>::MayDrop(params, without_weights)) {
    return AddAllCounted(params.shape, rows, output);
  }
  ForEachTile<T>(params, [&](const Tile& tile) {
    RowAllocator<T> memory(FactorRows<T>::kRows);
    FactorRows<T> factors(params, tile, without_weights, &memory);
    const MapOutput<T> map(tile, output);
    T* const scales = factors.ByWeight(0);
    ForEachFactorRow(params, tile, rows, counted, &factors,
                     [&](int64_t row, const FactorRow<T>& factor) {
                       const math::Gradient<Simd<T>> one = {Simd<T>(1), Simd<T>(1)};
                       for (int64_t x = 0; x < tile.BufferedSize(); x += Simd<T>::kLanes) {
                         factor.ByWeight(x, one, map.Scale()).Store(scales + x);
                       }
                       map.Write(row, scales);
                     });
  });
  StreamFence();
}

/// KernelTable::counts.
template <class S>
Counts CountsUnit(const KernelParams& params, const LossInputs<S>& inputs, RowRange rows,
                  Counted counted) {
  using T = ComputeType<S>;
  Counts counts;
  if (!FactorRows<T>::MayDrop(params, inputs)) {
    counts = CountAll(params.shape, inputs.weights, rows);
  } else {
    ForEachTile<T>(params, [&](const Tile& tile) {
      const Counts of_tile = CountTile(params, tile, inputs, rows, counted);
      counts.sums.y += of_tile.sums.y;
      counts.sums.x += of_tile.sums.x;
      counts.negative_weight = counts.negative_weight || of_tile.negative_weight;
      counts.largest_weight = math::Max(counts.largest_weight, of_tile.largest_weight);
    });
  }
  if (counted == Counted::kPixels || ResidualsOf(params.response) == 1) counts.sums.x = 0;
  return counts;
}

}  // namespace gradops::cpu::GRADOPS_TARGET
