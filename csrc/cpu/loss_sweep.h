#ifndef GRADOPS_CPU_LOSS_SWEEP_H_
#define GRADOPS_CPU_LOSS_SWEEP_H_

#include "cpu/horizontal_pass.h"
#include "cpu/kernels.h"
#include "cpu/vertical_pass.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// The loss of a tile: sums per lane over at most one row in T, everything above in double.
template <class T>
struct LossSum {
  double lanes[Simd<T>::kLanes] = {};
  double edges = 0;

  GRADOPS_FN void Add(Simd<T> row_sum, double edge_sum) {
    T values[Simd<T>::kLanes];
    row_sum.Store(values);
    for (int i = 0; i < Simd<T>::kLanes; ++i) lanes[i] += static_cast<double>(values[i]);
    edges += edge_sum;
  }
  GRADOPS_FN double Total() const {
    double total = edges;
    for (double lane : lanes) total += lane;
    return total;
  }
};

/// Consumer of one row's residuals: keeps their slopes and adds up their penalties at the row
/// positions [counted_begin, counted_end), which the interior ones are a part of.
template <class T, class Penalty, bool kGradient>
struct PenalizeRow {
  Penalty penalty;
  T* slope_x;
  T* slope_y;
  int64_t counted_begin, counted_end;
  int64_t interior_begin, interior_end;
  // What the sweep reads next: fetched into the cache here, while this row keeps the ALUs busy.
  const T* next_true;
  const T* next_pred;
  Simd<T> sum{T(0)};
  double edge_sum = 0;

  GRADOPS_FN void Block(int64_t x, Simd<T> gx, Simd<T> gy) {
    __builtin_prefetch(next_true + x);
    __builtin_prefetch(next_pred + x);
    if (kGradient) {
      penalty.Slope(gx).Store(slope_x + x);
      penalty.Slope(gy).Store(slope_y + x);
    }
    const Simd<T> values = penalty.Value(gx) + penalty.Value(gy);
    const bool whole = x >= interior_begin && x + Simd<T>::kLanes <= interior_end;
    sum = sum + (whole ? values : LanesBetween(values, interior_begin - x, interior_end - x));
  }
  GRADOPS_FN void Scalar(int64_t x, T gx, T gy) {
    if (kGradient) {
      slope_x[x] = penalty.Slope(gx);
      slope_y[x] = penalty.Slope(gy);
    }
    if (x < counted_begin || x >= counted_end) return;
    edge_sum += static_cast<double>(penalty.Value(gx)) + static_cast<double>(penalty.Value(gy));
  }
};

/// Sweeps one tile from top to bottom: every image row is read once, and the residuals, their
/// slopes and both passes of the adjoint live in row buffers. Returns the sum of the penalties of
/// rows [row_begin, row_end); with kGradient, writes gradient = scale * d(sum)/dy_pred of those
/// rows.
template <class T, class Penalty, bool kGradient>
class LossSweep {
 public:
  using Buffers = TileBuffers<T, kGradient ? 14 : 5>;

  LossSweep(const KernelParams& params, const Tile& tile, void* memory)
      : params_(params),
        tile_(tile),
        forward_edges_(params),
        adjoint_edges_(params),
        buffers_(memory, tile.BufferedSize()) {}

  double Run(const T* y_true, const T* y_pred, RowRange rows, T scale, T* gradient) {
    const int64_t height = tile_.shape.height, reach = kGradient ? 1 : 0;
    const int64_t first = math::Max<int64_t>(rows.begin - reach, 0);
    const int64_t last = math::Min(rows.end + reach, height);
    int64_t loaded = math::Max<int64_t>(first - 1, 0);
    LossSum<T> loss;
    for (int64_t row = first; row < last; ++row) {
      for (; loaded <= math::Min(row + 1, height - 1); ++loaded) {
        LoadDifference(tile_, y_pred, y_true, loaded, differences()[loaded]);
      }
      VerticalForwardPass<T>(params_, tile_, differences(), row, smoothed(), differenced());
      const int64_t next = tile_.ImageOffset(math::Min(row + 2, height - 1), tile_.origin);
      const Residuals residuals = Penalize(y_true + next, y_pred + next);
      if (row >= rows.begin && row < rows.end) loss.Add(residuals.sum, residuals.edge_sum);
      if (!kGradient) continue;
      StoreBoth<T> store{by_smoothed()[row], by_differenced()[row]};
      HorizontalPass(params_, tile_, adjoint_edges_, slope_x(), slope_y(), tile_.column_begin,
                     tile_.column_end, store);
      if (row > rows.begin) EmitGradientRow(row - 1, scale, gradient);
    }
    if (kGradient && rows.end == height) EmitGradientRow(height - 1, scale, gradient);
    return loss.Total();
  }

 private:
  using Residuals = PenalizeRow<T, Penalty, kGradient>;
  using Rows = Ring<Buffers>;

  GRADOPS_FN Rows differences() const { return {buffers_, 0}; }
  GRADOPS_FN T* smoothed() const { return buffers_.Row(3); }
  GRADOPS_FN T* differenced() const { return buffers_.Row(4); }
  GRADOPS_FN T* slope_x() const { return kGradient ? buffers_.Row(5) : nullptr; }
  GRADOPS_FN T* slope_y() const { return kGradient ? buffers_.Row(6) : nullptr; }
  GRADOPS_FN Rows by_smoothed() const { return {buffers_, 7}; }
  GRADOPS_FN Rows by_differenced() const { return {buffers_, 10}; }
  GRADOPS_FN T* output() const { return buffers_.Row(13); }

  /// Residuals of one row. Those of the columns beside the tile give slopes but no loss.
  Residuals Penalize(const T* next_true, const T* next_pred) {
    const int64_t width = tile_.shape.width, reach = kGradient ? 1 : 0;
    const int64_t begin = tile_.column_begin, end = tile_.column_end;
    Residuals residuals{Penalty(),
                        slope_x(),
                        slope_y(),
                        tile_.Position(begin),
                        tile_.Position(end),
                        tile_.Position(math::Max<int64_t>(begin, 1)),
                        tile_.Position(math::Min(end, width - 1)),
                        next_true,
                        next_pred};
    HorizontalPass(params_, tile_, forward_edges_, smoothed(), differenced(),
                   math::Max<int64_t>(begin - reach, 0), math::Min(end + reach, width), residuals);
    return residuals;
  }

  void EmitGradientRow(int64_t row, T scale, T* gradient) {
    VerticalAdjointPass<T>(params_, tile_, by_smoothed(), by_differenced(), row, scale, output());
    StoreRow(tile_, output(), row, gradient);
  }

  const KernelParams& params_;
  const Tile& tile_;
  const EdgeColumns<false> forward_edges_;
  const EdgeColumns<true> adjoint_edges_;
  Buffers buffers_;
};

/// KernelTable::loss: all tiles of one unit.
template <class T>
double LossUnit(const KernelParams& params, const T* y_true, const T* y_pred, RowRange rows,
                T scale, T* gradient) {
  return VisitPenalty(params.penalty, [&](auto penalty) {
    using Penalty = decltype(penalty);
    double sum = 0;
    ForEachTile<T>(params.shape, [&](const Tile& tile) {
      if (gradient != nullptr) {
        using Sweep = LossSweep<T, Penalty, true>;
        Sweep sweep(params, tile, ThreadScratch(Sweep::Buffers::Bytes(tile.BufferedSize())));
        sum += sweep.Run(y_true, y_pred, rows, scale, gradient);
      } else {
        using Sweep = LossSweep<T, Penalty, false>;
        Sweep sweep(params, tile, ThreadScratch(Sweep::Buffers::Bytes(tile.BufferedSize())));
        sum += sweep.Run(y_true, y_pred, rows, scale, gradient);
      }
    });
    return sum;
  });
}

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_LOSS_SWEEP_H_
