#pragma once

#include <optional>

#include "cpu/kernels.h"
#include "cpu/passes/residual_row.h"
#include "cpu/rows/map_output.h"
#include "cpu/rows/pixel_rows.h"
#include "cpu/sweeps/sweep_layout.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// Sweeps one tile from top to bottom: every image row is read once, and everything between the
/// images and the gradient is kept in row buffers. Rows go through the passes of math/stencil.h one
/// at a time, four at a time, or as a RowGroup of four through all passes at once.
template <class S, Order kOrder>
class LossSweep {
 public:
  using T = ComputeType<S>;

  LossSweep(const KernelParams& params, const Tile& tile, const LossInputs<S>& inputs,
            const S* vector, const GradientOutputs<S>& outputs)
      : params_(params),
        tile_(tile),
        inputs_(inputs),
        scale_{outputs.scale_y, outputs.scale_x},
        pixel_scale_(outputs.pixel_scale),
        by_weights_(tile, outputs.by_weights),
        weighting_(WeightingOf(params, inputs, outputs)),
        weighted_(weighting_ != Weighting::kNone),
        visit_row_(FindResidualRow<T>(params, kOrder, weighted_)),
        visit_group_(FindRowGroup<T>(params, kOrder, weighting_)),
        at_once_(visit_group_ != nullptr ? 1 : kGroupRows),
        wraps_(math::Wraps(params.stencil, params.border, tile.shape.height)),
        forward_edges_(params, tile, /*adjoint=*/false),
        adjoint_edges_(params, tile),
        memory_(LayoutOf<S, kOrder>(params, weighting_).Allocator()) {
    const bool difference = IsOfDifference(params.response);
    residual_.size = tile.BufferedSize();
    residual_.summed = {tile.OwnPositions().begin, tile.OwnPositions().end};
    u_ = memory_.Take(at_once_ + 2);
    v_ = memory_.Take(at_once_ + 2);
    pred_ = {inputs.y_pred, difference ? inputs.y_true : nullptr, at_once_, &memory_};
    if (!difference) true_ = {inputs.y_true, nullptr, at_once_, &memory_};
    if (kOrder == Order::kSecond) vector_ = {vector, nullptr, at_once_, &memory_};
    for (SourceRows<S>* source : {&pred_, &true_, &vector_}) {
      if (source->IsGiven()) sources_[source_count_++] = source;
    }
    if (weighted_) factors_.emplace(params, tile, inputs, &memory_);
    if (kHasOutputs) {
      by_pred_ = {outputs.by_pred, outputs.coarser_by_pred, outputs.read_soon, &memory_};
    }
    if (outputs.by_true != nullptr) {
      by_true_ = {outputs.by_true, outputs.coarser_by_true, outputs.read_soon, &memory_};
    }
    // An output depends on the residuals to its left and right.
    columns_ = {tile.column_begin - (kHasOutputs ? 1 : 0), tile.column_end + (kHasOutputs ? 1 : 0)};
    if (!math::Wraps(params.stencil, params.border, tile.shape.width)) {
      columns_ = {math::Max<int64_t>(columns_.begin, 0), math::Min(columns_.end, tile.shape.width)};
    }
  }

  /// Returns the sums over `rows` and writes the outputs of those rows.
  LossSums Run(RowRange rows) {
    const int64_t height = tile_.shape.height;
    // The residuals that the outputs depend on. (Also without outputs, so that the loss has the
    // same bits with and without a gradient.)
    const RowRange residuals = {Clamped(rows.begin - 1), Clamped(rows.end + 1)};
    // A RowGroup's rows, and the adjoint's rows that it finds, must be away from the border.
    const int64_t fast_begin = wraps_ ? residuals.begin : math::Max<int64_t>(residuals.begin, 3);
    const int64_t fast_end = wraps_ ? residuals.end : math::Min(residuals.end, height - 1);
    SetFirst(fast_begin);
    loaded_ = Clamped(residuals.begin - 1);
    load_end_ = Clamped(residuals.end + 1);
    for (int64_t row = residuals.begin; row < residuals.end;) {
      // The rows of a RowGroup must be contiguous in their rings.
      const bool begins_group = row >= fast_begin && (row - fast_begin) % kGroupRows == 0;
      if (begins_group && row + kGroupRows <= fast_end && VisitGroup(row, rows)) {
        row += kGroupRows;
        continue;
      }
      const int64_t to_group = row < fast_begin ? fast_begin - row : kGroupRows;
      const int64_t count = math::Min(math::Min(to_group, at_once_), residuals.end - row);
      LoadThrough(row + count);
      FindGradients(row, count);
      for (int64_t i = 0; i < count; ++i) {
        VisitRow(row + i, i, row + i >= rows.begin && row + i < rows.end);
        FindVertical(row + i - 1, i, rows);
      }
      Emit(row - 1, count, rows);
      row += count;
    }
    if (!wraps_ && rows.end == height) {
      FindVertical(height - 1, 0, rows);
      Emit(height - 1, 1, rows);
    }
    return {sums_.Total(), pixel_sums_.Total()};
  }

 private:
  static constexpr bool kHasOutputs = kOrder != Order::kValue;

  void SetFirst(int64_t row) {
    // Includes a source that is not given: a RowGroup reads its rows of zeros.
    for (SourceRows<S>* source : {&pred_, &true_, &vector_}) source->SetFirst(row + 1);
    by_pred_.SetFirst(row);
    by_true_.SetFirst(row);
    if (weighted_) factors_->SetFirst(row);
  }
  int64_t Clamped(int64_t row) const {
    return wraps_ ? row : math::Min(math::Max<int64_t>(row, 0), tile_.shape.height);
  }

  /// Loads the image rows up to `last`.
  void LoadThrough(int64_t last) {
    const int64_t end = math::Min(last + 1, load_end_);
    while (loaded_ < end) {
      const int64_t count = math::Min<int64_t>(kGroupRows, end - loaded_);
      for (int s = 0; s < source_count_; ++s) {
        for (int64_t i = 0; i < count; ++i) sources_[s]->Load(tile_, loaded_ + i);
      }
      FinishLoading(count);
    }
  }
  /// Loads the mask and makes the ghosts that belong to `count` newly loaded rows of the sources.
  void FinishLoading(int64_t count) {
    if (weighted_) factors_->Load(loaded_, count, columns_.begin, columns_.end);
    for (int64_t i = 0; i < count; ++i, ++loaded_) {
      if (visit_group_ == nullptr) continue;
      bool finite = true;
      for (int s = 0; s < source_count_; ++s) {
        if (weighted_) factors_->HideEdges(loaded_, sources_[s]->Row(loaded_));
        finite = sources_[s]->AddGhosts(params_, tile_, loaded_) && finite;
      }
      finite_[loaded_ & 7] = finite;
    }
  }

  /// The gradients of rows row .. row + count - 1 of every source.
  void FindGradients(int64_t row, int64_t count) {
    for (int s = 0; s < source_count_; ++s) {
      sources_[s]->Find(params_, tile_, forward_edges_, columns_, row, count, Clamped(row - 1),
                        Clamped(row + count + 1), u_, v_);
    }
  }

  /// Residual row `row`, whose gradients are the i-th that FindGradients found.
  void VisitRow(int64_t row, int64_t i, bool counted) {
    ResidualRow<T> residual = residual_;
    residual.pred = pred_.Gradients(i);
    residual.target = true_.Gradients(i);
    residual.vector = vector_.Gradients(i);
    if (weighted_) residual.factor = factors_->Find(row, 0);
    if (kHasOutputs) residual.slopes = by_pred_.Slopes(row);
    if (by_true_.IsWanted()) residual.true_slopes = by_true_.Slopes(row);
    LaneSums<T> lanes;
    visit_row_(residual, params_.penalty_parameter, params_.response_epsilon, &lanes);
    if (!counted) return;
    sums_.Add(lanes);
    if (!by_weights_.IsWanted()) return;
    T* const by_weight = factors_->ByWeight(0);
    FindByWeightRow<T>(params_, kOrder)(residual, params_.penalty_parameter,
                                        params_.response_epsilon, by_weights_.Scale(), by_weight);
    by_weights_.Write(row, by_weight);
  }

  /// Rows row .. row + 3, and the outputs of rows row - 1 .. row + 2, through a RowGroup. Returns
  /// false if that is not possible.
  bool VisitGroup(int64_t row, RowRange wanted) {
    if (visit_group_ == nullptr) return false;
    LoadThrough(row);
    const RowsAhead ahead(tile_, inputs_.y_pred, inputs_.y_true, row + 1 + kGroupRows, kGroupRows);
    const int64_t last = math::Min(load_end_, tile_.shape.height);
    if (tile_.IsOneRun() && loaded_ == row + 1 && loaded_ + kGroupRows <= last) {
      LoadGroup(ahead);
    }
    LoadThrough(row + kGroupRows);
    for (int64_t i = row - 1; i <= row + kGroupRows; ++i) {
      if (!finite_[i & 7]) return false;
    }
    LaneSums<T> lanes;
    visit_group_(GroupAt(row, wanted, ahead), params_, &lanes);
    sums_.Add(lanes);
    for (int64_t i = 0; by_weights_.IsWanted() && i < kGroupRows; ++i) {
      if (row + i < wanted.begin || row + i >= wanted.end) continue;
      by_weights_.Write(row + i, factors_->ByWeight(i));
    }
    Emit(row - 1, kGroupRows, wanted, &ahead);
    return true;
  }
  /// Loads the next four rows, none of which is a ghost.
  void LoadGroup(const RowsAhead& ahead) {
    constexpr int kFetched = kHasOutputs ? 0 : 2;
    if (!weighted_ && IsOfDifference(params_.response)) {
      pred_.template LoadGroup<kGroupStride<T, true>, kFetched>(tile_, loaded_, ahead);
    } else {
      pred_.template LoadGroup<kGroupStride<T, false>, kFetched>(tile_, loaded_, ahead);
    }
    if (true_.IsGiven()) {
      true_.template LoadGroup<kGroupStride<T, false>, 0>(tile_, loaded_, ahead);
    }
    FinishLoading(kGroupRows);
  }

  RowGroup<T> GroupAt(int64_t row, RowRange counted, const RowsAhead& ahead) {
    RowGroup<T> group;
    group.size = residual_.size;
    group.step = tile_.channels;
    group.summed = residual_.summed;
    group.count_begin = counted.begin - row;
    group.count_end = counted.end - row;
    group.pred = pred_.Group(row);
    group.target = IsOfDifference(params_.response) ? group.pred : true_.Group(row);
    if (kHasOutputs) group.slopes = by_pred_.Slopes(row - 2);
    group.a = by_pred_.A();
    group.b = by_pred_.B();
    if (weighted_) {
      for (int i = 0; i < kGroupRows; ++i) factors_->Find(row + i, i);
      group.factor = factors_->Row(0);
      group.weights_ahead = factors_->WeightsAhead(row + kGroupRows, kGroupRows);
      group.by_weight_scale = by_weights_.Scale();
      group.by_weight = factors_->ByWeight(0);
    }
    group.ahead = ahead;
    return group;
  }

  /// The adjoint's vertical pass of row `row`, the i-th of a group.
  void FindVertical(int64_t row, int64_t i, RowRange wanted) {
    if (!kHasOutputs || row < wanted.begin || row >= wanted.end) return;
    by_pred_.FindVertical(params_, tile_, row, i);
    if (by_true_.IsWanted()) by_true_.FindVertical(params_, tile_, row, i);
  }
  /// Writes rows first .. first + count - 1 of the outputs. `ahead`: see OutputRows::Emit.
  void Emit(int64_t first, int64_t count, RowRange wanted, const RowsAhead* ahead = nullptr) {
    if (params_.levels.pixel_weight > 0) {
      for (int64_t i = 0; i < count; ++i) VisitPixels(first + i, i, wanted);
    }
    if (!kHasOutputs) return;
    for (OutputRows<S>* output : {&by_pred_, &by_true_}) {
      if (!output->IsWanted()) continue;
      output->Emit(params_, tile_, adjoint_edges_, scale_, first, count, wanted, ahead);
    }
  }

  /// The pixel term of image row `row`, the i-th of the rows that Emit writes together.
  void VisitPixels(int64_t row, int64_t i, RowRange wanted) {
    if (row < wanted.begin || row >= wanted.end) return;
    PixelRow<T> pixels = {residual_.size, residual_.summed, pred_.Row(row)};
    pixels.scale = pixel_scale_;
    if (true_.IsGiven()) pixels.target = true_.Row(row);
    if (kOrder == Order::kSecond) pixels.vector = vector_.Row(row);
    if (kOrder == Order::kSlope) pixels.slopes = by_pred_.Added(i);
    FactorRow<T> factor;
    if (weighted_) {
      factor = factors_->FindPixels(row);
      pixels.factor = &factor;
    }
    if (by_weights_.IsWanted()) pixels.by_weight = factors_->ByWeight(0);
    pixel_sums_.Visit(pixels);
    if (by_weights_.IsWanted()) by_weights_.Add(row, pixels.by_weight);
  }

  const KernelParams& params_;
  const Tile& tile_;
  const LossInputs<S>& inputs_;
  const AxisScale<T> scale_;
  const T pixel_scale_;
  const MapOutput<T> by_weights_;
  const Weighting weighting_;
  const bool weighted_;  // whether there are factors
  const ResidualRowFunction<T> visit_row_;
  const RowGroupFunction<T> visit_group_;
  const int64_t at_once_;  // rows that each pass takes at once outside of a RowGroup
  const bool wraps_;       // whether rows below 0 and from `height` on are ghosts
  const ColumnEdges forward_edges_;
  const AdjointEdges<T> adjoint_edges_;
  RowAllocator<T> memory_;
  std::optional<FactorRows<T>> factors_;
  ColumnRange columns_;
  T *u_, *v_;
  bool finite_[8] = {};  // whether the ghost columns of each row in the rings are finite
  SourceRows<S> pred_, true_, vector_;  // pred_: the difference, if the response sees that alone
  SourceRows<S>* sources_[3];           // those of the three that are given
  int source_count_ = 0;
  ResidualRow<T> residual_ = {};
  OutputRows<S> by_pred_, by_true_;
  int64_t loaded_ = 0, load_end_ = 0;  // rows below loaded_ are loaded, of those below load_end_
  TileSums<T> sums_;
  PixelSums<T> pixel_sums_;
};

}  // namespace gradops::cpu::GRADOPS_TARGET
