#ifndef GRADOPS_CPU_LOSS_SWEEP_H_
#define GRADOPS_CPU_LOSS_SWEEP_H_

#include "cpu/component_group.h"
#include "cpu/factor_rows.h"
#include "cpu/horizontal_pass.h"
#include "cpu/kernels.h"
#include "cpu/residual_row.h"
#include "cpu/source_rows.h"
#include "cpu/vertical_pass.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// Sweeps one tile from top to bottom: every image row is read once, and everything between the
/// images and the gradient lives in row buffers. Rows go one at a time through the passes of
/// math/stencil.h, in groups of four, or all four at once through a ComponentGroup.
template <class S, Order kOrder>
class LossSweep {
 public:
  using T = ComputeType<S>;

  LossSweep(const KernelParams& params, const Tile& tile, const LossInputs<S>& inputs,
            const S* vector, const GradientOutputs<S>& outputs)
      : params_(params),
        tile_(tile),
        outputs_(outputs),
        weighted_(FactorRows<T>::AreNeeded(params, inputs)),
        visit_row_(FindResidualRow<T>(params, kOrder, weighted_)),
        visit_group_(FindComponentGroup<T>(params, kOrder, weighted_)),
        wraps_(math::Wraps(params.stencil, params.border, tile.shape.height)),
        forward_edges_(params, tile, /*adjoint=*/false),
        adjoint_edges_(params, tile, /*adjoint=*/true),
        memory_(ThreadScratch(RowAllocator<T>::Bytes(kRows))),
        factors_(params, tile, inputs, &memory_) {
    const bool difference =
        VisitResponse(params.response, [](auto tag) { return decltype(tag)::Type::kDifference; });
    residual_.size = tile.BufferedSize();
    residual_.counted = {tile.Position(tile.column_begin), tile.Position(tile.column_end)};
    spare_ = memory_.Take(1);
    u_ = memory_.Take(kGroupRows + 2);
    v_ = memory_.Take(kGroupRows + 2);
    pred_ = {inputs.y_pred, difference ? inputs.y_true : nullptr, &memory_};
    if (!difference) true_ = {inputs.y_true, nullptr, &memory_};
    if (kOrder == Order::kSecond) vector_ = {vector, nullptr, &memory_};
    for (SourceRows<S>* source : {&pred_, &true_, &vector_}) {
      if (source->IsGiven()) sources_[source_count_++] = source;
    }
    if (weighted_) factor_ = TakeGradientRows(kGroupRows);
    if (kHasOutputs) {
      by_pred_ = TakeSlopes();
      if (outputs.by_true != nullptr) by_true_ = TakeSlopes();
      a_ = memory_.Take(kGroupRows);
      b_ = memory_.Take(kGroupRows);
    }
    // An output depends on the residuals beside it.
    columns_ = {tile.column_begin - (kHasOutputs ? 1 : 0), tile.column_end + (kHasOutputs ? 1 : 0)};
    if (!math::Wraps(params.stencil, params.border, tile.shape.width)) {
      columns_ = {math::Max<int64_t>(columns_.begin, 0), math::Min(columns_.end, tile.shape.width)};
    }
  }

  /// Sums over `rows`, and the outputs of those rows.
  AxisSums Run(RowRange rows) {
    const int64_t height = tile_.shape.height;
    // Those that the outputs depend on. (Without outputs too: the loss then has the same bits.)
    const RowRange residuals = {Clamped(rows.begin - 1), Clamped(rows.end + 1)};
    // A ComponentGroup wants its rows, and the adjoint's rows that it makes, away from the border.
    const int64_t fast_begin = wraps_ ? residuals.begin : math::Max<int64_t>(residuals.begin, 3);
    const int64_t fast_end = wraps_ ? residuals.end : math::Min(residuals.end, height - 1);
    SetFirst(fast_begin);
    loaded_ = Clamped(residuals.begin - 1);
    load_end_ = Clamped(residuals.end + 1);
    for (int64_t row = residuals.begin; row < residuals.end;) {
      const int64_t to_group = row < fast_begin ? fast_begin - row : kGroupRows;
      const int64_t count =
          math::Min(math::Min<int64_t>(to_group, kGroupRows), residuals.end - row);
      LoadThrough(row + count);
      if (row >= fast_begin && row + kGroupRows <= fast_end && CanVisitGroup(row)) {
        VisitGroup(row, rows);
        EmitRows({row - 1, row + count - 1}, rows, outputs_.by_pred);
      } else {
        FindGradients(row, count);
        for (int64_t i = 0; i < count; ++i) {
          VisitRow(row + i, i, row + i >= rows.begin && row + i < rows.end);
        }
        AdjointRows({row - 1, row + count - 1}, rows);
      }
      row += count;
    }
    if (!wraps_ && rows.end == height) AdjointRows({height - 1, height}, rows);
    return sums_.Total();
  }

 private:
  struct SlopeRings {
    Ring<T, 8> y, x;

    GradientRow<T> At(int64_t row) const { return {y[row], x[row]}; }
  };
  static constexpr bool kHasOutputs = kOrder != Order::kValue;
  // Factors and their rows; U, V and a spare row; sources; slopes; a and b.
  static constexpr int64_t kRows = FactorRows<T>::kRows + 2 * kGroupRows + 2 * (kGroupRows + 2) +
                                   1 + (kOrder == Order::kSecond ? 3 : 2) * SourceRows<S>::kRows +
                                   (kOrder == Order::kSecond ? 2 : 1) * 2 * 8 + 2 * kGroupRows;
  static_assert(kRows * kRowStride<T> * sizeof(T) <= 256 * 1024, "memory per thread");

  GradientRow<T> TakeGradientRows(int64_t rows) {
    T* const y = memory_.Take(rows);
    return {y, memory_.Take(rows)};
  }
  SlopeRings TakeSlopes() {
    const GradientRow<T> rows = TakeGradientRows(8);
    return {{rows.y}, {rows.x}};
  }
  void SetFirst(int64_t row) {
    for (int i = 0; i < source_count_; ++i) sources_[i]->SetFirst(row);
    by_pred_.y.first = by_pred_.x.first = by_true_.y.first = by_true_.x.first = row;
    factors_.SetFirst(row);
    first_ = row;
  }
  int64_t Clamped(int64_t row) const {
    return wraps_ ? row : math::Min(math::Max<int64_t>(row, 0), tile_.shape.height);
  }

  /// Loads every image row up to `last`, if there is one, and as many more as make a group.
  void LoadThrough(int64_t last) {
    while (loaded_ <= math::Min(last, load_end_ - 1)) {
      const int64_t count = math::Min<int64_t>(kGroupRows, load_end_ - loaded_);
      if (weighted_) factors_.LoadRows(loaded_, count, columns_.begin, columns_.end);
      for (int s = 0; s < source_count_; ++s) {
        for (int64_t i = 0; i < count; ++i) {
          sources_[s]->Load(tile_, loaded_ + i);
          if (weighted_) factors_.Hide(i, sources_[s]->Row(loaded_ + i));
        }
      }
      for (int64_t i = 0; i < count && visit_group_ != nullptr; ++i) {
        finite_[(loaded_ + i - first_) & 7] = pred_.AddGhosts(params_, tile_, loaded_ + i);
      }
      loaded_ += count;
    }
  }

  bool CanVisitGroup(int64_t row) const {
    bool finite = visit_group_ != nullptr;
    for (int64_t i = row - 1; i <= row + kGroupRows; ++i) {
      finite = finite && finite_[(i - first_) & 7];
    }
    return finite;
  }

  /// The gradients of rows row .. row + count - 1 of every source.
  void FindGradients(int64_t row, int64_t count) {
    for (int s = 0; s < source_count_; ++s) {
      sources_[s]->Find(params_, tile_, forward_edges_, columns_, row, count, Clamped(row - 1),
                        Clamped(row + count + 1), u_, v_);
    }
  }

  /// Residual row `row`, of which FindGradients found the gradients as the i-th.
  void VisitRow(int64_t row, int64_t i, bool counted) {
    ResidualRow<T> residual = residual_;
    residual.pred = pred_.Gradients(i);
    residual.target = true_.Gradients(i);
    residual.vector = vector_.Gradients(i);
    if (weighted_) {
      residual.factor = factor_;
      factors_.Write(row, residual.factor);
    }
    if (kHasOutputs) residual.slopes = by_pred_.At(row);
    if (by_true_.y.rows != nullptr) residual.true_slopes = by_true_.At(row);
    LaneSums<T> lanes;
    visit_row_(residual, params_.penalty_parameter, params_.response_epsilon, &lanes);
    if (counted) sums_.Add(lanes);
  }

  /// Rows row .. row + 3, and the vertical pass of the adjoint for row - 1 .. row + 2.
  void VisitGroup(int64_t row, RowRange counted) {
    ComponentGroup<T> group;
    group.size = residual_.size;
    group.step = tile_.channels;
    group.counted = residual_.counted;
    group.count_begin = counted.begin - row;
    group.count_end = counted.end - row;
    group.above = pred_.Row(row - 1);
    group.here = pred_.Row(row);
    group.below = pred_.Row(row + kGroupRows);
    if (kHasOutputs) {
      group.slopes = by_pred_.At(row - 2);
      group.new_slopes = by_pred_.At(row + kGroupRows - 2);
    }
    group.a = a_;
    group.b = b_;
    if (weighted_) {
      group.factor = factor_;
      for (int i = 0; i < kGroupRows; ++i) {
        factors_.Write(row + i, factor_.Row(i));
      }
    }
    pred_.SetAhead(tile_, loaded_, &group);
    LaneSums<T> lanes;
    visit_group_(group, params_.stencil, params_.penalty_parameter, &lanes);
    sums_.Add(lanes);
  }

  /// The adjoint of `range`, as far as it is in `rows`.
  void AdjointRows(RowRange range, RowRange rows) {
    if (!kHasOutputs) return;
    const int64_t height = tile_.shape.height, size = residual_.size;
    const int64_t begin = math::Max(range.begin, rows.begin);
    const auto adjoint = [&](const SlopeRings& slopes, S* image) {
      for (int64_t row = begin; row < range.end; ++row) {
        const int64_t offset = (row - range.begin) * kRowStride<T>;
        VerticalAdjoint(params_, height, size, slopes.y, slopes.x, row, a_ + offset, b_ + offset);
      }
      EmitRows(range, rows, image);
    };
    adjoint(by_pred_, outputs_.by_pred);
    if (by_true_.y.rows != nullptr) adjoint(by_true_, outputs_.by_true);
  }

  /// The horizontal pass of the adjoint of `range`, as far as it is in `rows`; a_ and b_ hold the
  /// vertical one, from range.begin on.
  void EmitRows(RowRange range, RowRange rows, S* image) {
    for (int64_t row = math::Max(range.begin, rows.begin); kHasOutputs && row < range.end; ++row) {
      const int64_t offset = (row - range.begin) * kRowStride<T>;
      HorizontalAdjoint(params_, tile_, adjoint_edges_, a_ + offset, b_ + offset, Scale(), row,
                        spare_, image);
    }
  }
  AxisScale<T> Scale() const { return {outputs_.scale_y, outputs_.scale_x}; }

  const KernelParams& params_;
  const Tile& tile_;
  const GradientOutputs<S> outputs_;
  const bool weighted_;
  const ResidualRowFunction<T> visit_row_;
  const ComponentGroupFunction<T> visit_group_;
  const bool wraps_;  // the height does: rows below 0 and from `height` on are ghosts
  const ColumnEdges forward_edges_, adjoint_edges_;
  RowAllocator<T> memory_;
  FactorRows<T> factors_;
  ColumnRange columns_;  // of residuals
  T *spare_, *u_, *v_;
  int64_t first_ = 0;                   // Ring::first of all rings
  bool finite_[8] = {};                 // of the rows in the rings: whether the ghost columns are
  SourceRows<S> pred_, true_, vector_;  // pred_: of the difference, if the response sees no more
  SourceRows<S>* sources_[3];           // those that are given
  int source_count_ = 0;
  ResidualRow<T> residual_ = {};
  GradientRow<T> factor_;
  SlopeRings by_pred_, by_true_;
  T *a_ = nullptr, *b_ = nullptr;
  int64_t loaded_ = 0, load_end_ = 0;  // rows loaded so far, and in all
  TileSums<T> sums_;
};

/// All tiles of one unit.
template <class S, Order kOrder>
AxisSums SweepUnit(const KernelParams& params, const LossInputs<S>& inputs, const S* vector,
                   RowRange rows, const GradientOutputs<S>& outputs) {
  AxisSums sums{0, 0};
  ForEachTile<ComputeType<S>>(params, [&](const Tile& tile) {
    const AxisSums of_tile = LossSweep<S, kOrder>(params, tile, inputs, vector, outputs).Run(rows);
    sums.y += of_tile.y;
    sums.x += of_tile.x;
  });
  if (kOrder != Order::kValue) StreamFence();
  return sums;
}

/// KernelTable::loss.
template <class S>
AxisSums LossUnit(const KernelParams& params, const LossInputs<S>& inputs, RowRange rows,
                  const GradientOutputs<S>& outputs) {
  const bool with_gradient = outputs.by_pred != nullptr;
  return with_gradient ? SweepUnit<S, Order::kSlope>(params, inputs, nullptr, rows, outputs)
                       : SweepUnit<S, Order::kValue>(params, inputs, nullptr, rows, outputs);
}

/// KernelTable::second.
template <class S>
AxisSums SecondUnit(const KernelParams& params, const LossInputs<S>& inputs, const S* vector,
                    RowRange rows, const GradientOutputs<S>& outputs) {
  return SweepUnit<S, Order::kSecond>(params, inputs, vector, rows, outputs);
}

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_LOSS_SWEEP_H_
