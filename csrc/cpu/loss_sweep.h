#ifndef GRADOPS_CPU_LOSS_SWEEP_H_
#define GRADOPS_CPU_LOSS_SWEEP_H_

#include "cpu/horizontal_pass.h"
#include "cpu/kernels.h"
#include "cpu/vertical_pass.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// The loss of a tile: each lane adds up one row in T, everything above in double.
template <class T>
class LossSum {
 public:
  /// Counts the positions [begin, end) of rows.
  LossSum(int64_t begin, int64_t end) : begin_(begin), end_(end) {}

  /// Adds the counted lanes of a block to the row's sum.
  GRADOPS_FN void AddBlock(int64_t x, Simd<T> values, Simd<T>* row_sum) const {
    const bool whole = x >= begin_ && x + Simd<T>::kLanes <= end_;
    *row_sum = *row_sum + (whole ? values : LanesBetween(values, begin_ - x, end_ - x));
  }
  GRADOPS_FN void AddRow(Simd<T> row_sum) {
    T lanes[Simd<T>::kLanes];
    row_sum.Store(lanes);
    for (int i = 0; i < Simd<T>::kLanes; ++i) lanes_[i] += static_cast<double>(lanes[i]);
  }
  double Total() const {
    double total = 0;
    for (double lane : lanes_) total += lane;
    return total;
  }

 private:
  int64_t begin_, end_;
  double lanes_[Simd<T>::kLanes] = {};
};

/// Sweeps one tile from top to bottom: every image row is read once, and everything between the
/// images and the gradient lives in row buffers.
template <class T, class Penalty, bool kGradient>
class LossSweep {
 public:
  using Buffers = TileBuffers<T, kGradient ? 16 : 7>;

  LossSweep(const KernelParams& params, const Tile& tile, void* memory)
      : params_(params),
        tile_(tile),
        forward_(params, tile),
        adjoint_(params, tile),
        buffers_(memory, tile.BufferedSize()),
        loss_(tile.Position(tile.column_begin), tile.Position(tile.column_end)) {}

  /// Returns the sum of the penalties of `rows`; with kGradient, writes gradient =
  /// scale * d(sum over the example) / dy_pred of those rows.
  double Run(const T* y_true, const T* y_pred, RowRange rows, T scale, T* gradient) {
    const int64_t height = tile_.shape.height;
    const int64_t first = math::Max<int64_t>(rows.begin - kReach, 0);
    const int64_t last = math::Min(rows.end + kReach, height);
    int64_t loaded = math::Max<int64_t>(first - 1, 0);
    for (int64_t row = first; row < last; ++row) {
      for (; loaded <= math::Min(row + 1, height - 1); ++loaded) {
        LoadRow(y_true, y_pred, loaded);
      }
      const int64_t ahead = tile_.ImageOffset(math::Min(row + 2, height - 1), tile_.origin);
      const Simd<T> row_sum = PenalizeRow(row, y_true + ahead, y_pred + ahead);
      if (row >= rows.begin && row < rows.end) loss_.AddRow(row_sum);
      if (kGradient && row > rows.begin) EmitGradientRow(row - 1, scale, gradient);
    }
    if (kGradient && rows.end == height) EmitGradientRow(height - 1, scale, gradient);
    return loss_.Total();
  }

 private:
  using Rows = Ring<Buffers>;
  static constexpr int64_t kReach = kGradient ? 1 : 0;  // residuals beside an output that it needs

  Rows u() const { return {buffers_, 0}; }
  Rows v() const { return {buffers_, 3}; }
  T* difference() const { return buffers_.Row(6); }
  Rows slope_x() const { return {buffers_, 7}; }
  Rows slope_y() const { return {buffers_, 10}; }
  T* a() const { return buffers_.Row(13); }
  T* b() const { return buffers_.Row(14); }
  T* output() const { return buffers_.Row(15); }

  /// The horizontal pass of image row `row`.
  void LoadRow(const T* y_true, const T* y_pred, int64_t row) {
    LoadDifference(tile_, y_pred, y_true, row, difference());
    forward_.Forward(difference(), math::Max<int64_t>(tile_.column_begin - kReach, 0),
                     math::Min(tile_.column_end + kReach, tile_.shape.width), u()[row], v()[row]);
  }

  /// Slopes of the residuals of `row`; returns the lanes' sums of their penalties.
  /// ahead_*: what LoadRow reads next, fetched into the cache while this row keeps the ALUs busy.
  Simd<T> PenalizeRow(int64_t row, const T* ahead_true, const T* ahead_pred) {
    // Locals, because a store to a row might otherwise change what a member holds.
    const Penalty penalty = penalty_;
    const LossSum<T> loss = loss_;
    T *const x_slopes = slope_x()[row], *const y_slopes = slope_y()[row];
    Simd<T> row_sum(0);
    ForEachResidual<T>(params_, tile_, u(), v(), row,
                       [&](int64_t x, Simd<T> gx, Simd<T> gy) GRADOPS_LAMBDA {
                         __builtin_prefetch(ahead_true + x);
                         __builtin_prefetch(ahead_pred + x);
                         if (kGradient) {
                           penalty.Slope(gx).Store(x_slopes + x);
                           penalty.Slope(gy).Store(y_slopes + x);
                         }
                         loss.AddBlock(x, penalty.Value(gx) + penalty.Value(gy), &row_sum);
                       });
    return row_sum;
  }

  void EmitGradientRow(int64_t row, T scale, T* gradient) {
    VerticalAdjoint(params_, tile_, slope_x(), slope_y(), row, a(), b());
    adjoint_.Adjoint(a(), b(), scale, output());
    StoreRow(tile_, output(), row, gradient);
  }

  const KernelParams& params_;
  const Tile& tile_;
  const HorizontalPass<T, false> forward_;
  const HorizontalPass<T, true> adjoint_;
  const Buffers buffers_;
  const Penalty penalty_{};
  LossSum<T> loss_;
};

template <bool kValue>
struct Constant {
  static constexpr bool value = kValue;
};

/// KernelTable::loss: all tiles of one unit.
template <class T>
double LossUnit(const KernelParams& params, const T* y_true, const T* y_pred, RowRange rows,
                T scale, T* gradient) {
  switch (params.response) {
    case ResponseId::kComponent:
      break;  // the only one that has a sweep
  }
  return VisitPenalty(params.penalty, [&](auto penalty) {
    using Penalty = decltype(penalty);
    double sum = 0;
    const auto sweep = [&](auto with_gradient, const Tile& tile) {
      using Sweep = LossSweep<T, Penalty, decltype(with_gradient)::value>;
      void* const memory = ThreadScratch(Sweep::Buffers::Bytes(tile.BufferedSize()));
      sum += Sweep(params, tile, memory).Run(y_true, y_pred, rows, scale, gradient);
    };
    ForEachTile<T>(params.shape, [&](const Tile& tile) {
      if (gradient != nullptr) {
        sweep(Constant<true>(), tile);
      } else {
        sweep(Constant<false>(), tile);
      }
    });
    if (gradient != nullptr) StreamFence();
    return sum;
  });
}

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_LOSS_SWEEP_H_
