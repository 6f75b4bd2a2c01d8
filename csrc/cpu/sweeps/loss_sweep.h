#pragma once

#include <optional>

#include "cpu/kernels.h"
#include "cpu/passes/residual_row.h"
#include "cpu/rows/map_output.h"
#include "cpu/rows/pixel_rows.h"
#include "cpu/sweeps/sweep_layout.h"
#include "cpu/sweeps/swept_images.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// Sweeps one tile from top to bottom: every image row is read once, and everything between the
/// images and the gradient is kept in row buffers. Rows go through the passes of math/stencil.h a
/// few at a time, or as a RowGroup of four through all passes at once.
template <class S, Order kOrder>
class LossSweep {
 public:
  using T = ComputeType<S>;

  /// `may_keep_signs`: see MetNaN.
  LossSweep(const KernelParams& params, const Tile& tile, const LossInputs<S>& inputs,
            const S* vector, const GradientOutputs<S>& outputs, bool may_keep_signs)
      : params_(params),
        tile_(tile),
        inputs_(inputs),
        scale_{outputs.scale_y, outputs.scale_x},
        pixel_scale_(outputs.pixel_scale),
        by_weights_(tile, outputs.by_weights),
        by_weights_of_pixels_(tile, outputs.by_weights_of_pixels),
        weighting_(WeightingOf(params, inputs, outputs)),
        weighted_(weighting_ != Weighting::kNone),
        visit_row_(FindResidualRow<T>(params, kOrder, weighted_)),
        find_by_weight_(FindByWeightRow<T>(params, kOrder)),
        visit_group_(FindGroup<T, kOrder>(params, weighting_)),
        at_once_(visit_group_ != nullptr ? 1 : kRowsAtOnce<kOrder>),
        wraps_(math::Wraps(params.stencil, params.border, tile.shape.height)),
        adjoint_edges_(params, tile),
        memory_(LayoutOf<S, kOrder>(params, weighting_).Allocator()),
        images_(params, tile, inputs, kOrder == Order::kSecond ? vector : nullptr, at_once_,
                visit_group_ != nullptr, &memory_) {
    residual_.size = tile.BufferedSize();
    residual_.summed = tile.OwnPositions();
    if (weighted_) images_.SetFactors(&factors_.emplace(params, tile, inputs, &memory_));
    if (kHasOutputs) {
      by_pred_ = {outputs.by_pred, outputs.coarser_by_pred, outputs.read_soon, &memory_};
    }
    if (outputs.by_true != nullptr) {
      by_true_ = {outputs.by_true, outputs.coarser_by_true, outputs.read_soon, &memory_};
    }
    if (kOrder == Order::kSlope && may_keep_signs) KeepSigns();
    // An output depends on the residuals to its left and right.
    images_.SetReach(kHasOutputs ? 1 : 0);
  }

  /// Returns the sums over `rows` and writes the outputs of those rows.
  LossSums Run(RowRange rows) {
    const int64_t height = tile_.shape.height;
    // The residuals that the outputs depend on. (Also without outputs, so that the loss has the
    // same bits with and without a gradient.)
    const RowRange residuals = RowsAround(params_, rows, 1);
    // A RowGroup's rows, and the adjoint's rows that it finds, must be away from the border.
    const int64_t fast_begin = wraps_ ? residuals.begin : math::Max<int64_t>(residuals.begin, 3);
    const int64_t fast_end = wraps_ ? residuals.end : math::Min(residuals.end, height - 1);
    SetFirst(fast_begin);
    images_.SetRange(RowsAround(params_, residuals, 1));
    for (int64_t row = residuals.begin; row < residuals.end;) {
      // The rows of a RowGroup must be contiguous in their rings.
      const bool begins_group = row >= fast_begin && (row - fast_begin) % kGroupRows == 0;
      if (begins_group && row + kGroupRows <= fast_end && VisitGroup(row, rows)) {
        row += kGroupRows;
        continue;
      }
      const int64_t to_group = row < fast_begin ? fast_begin - row : kGroupRows;
      const int64_t count = math::Min(math::Min(to_group, at_once_), residuals.end - row);
      by_pred_.BeginRow(row, residual_.size);
      images_.LoadThrough(row + count);
      images_.FindGradients(row, count);
      const RowsAhead ahead(tile_, inputs_.y_pred, inputs_.y_true, row + count + 1, count);
      for (int64_t i = 0; i < count; ++i) {
        residual_.ahead = ahead.Row(i);
        VisitRow(row + i, i, row + i >= rows.begin && row + i < rows.end);
        WriteRow(row + i - 1, rows);
      }
      row += count;
    }
    if (!wraps_ && rows.end == height) WriteRow(height - 1, rows);
    return {sums_.Total(), pixel_sums_.Total()};
  }

  /// Whether a slope was NaN where signs were kept: then the outputs must be found without signs.
  bool MetNaN() const { return by_pred_.MetNaN(); }

 private:
  static constexpr bool kHasOutputs = kOrder != Order::kValue;
  static constexpr int kFetched = kHasOutputs ? 0 : 2;  // rows that are prefetched by loading

  /// Lets groups find signs of slopes, if all slopes are signs and all groups can write outputs.
  void KeepSigns() {
    const auto visit_group = FindRowGroup<T>(params_, GroupSlopes::kSigns, weighting_);
    if (visit_group == nullptr || !by_pred_.TakesGroup(tile_, scale_, /*saves=*/true)) return;
    visit_group_ = visit_group;
    by_pred_.KeepSigns(params_, tile_, scale_.x);
  }
  void SetFirst(int64_t row) {
    images_.SetFirst(row + 1);
    by_pred_.SetFirst(row);
    by_true_.SetFirst(row);
    if (weighted_) factors_->Mask().SetFirst(row);
  }

  /// Residual row `row`, whose gradients are the i-th that FindGradients found.
  void VisitRow(int64_t row, int64_t i, bool counted) {
    ResidualRow<T> residual = residual_;
    residual.pred = images_.pred.Gradients(i);
    residual.target = images_.target.Gradients(i);
    residual.vector = images_.vector.Gradients(i);
    if (weighted_) residual.factor = factors_->Find(row);
    if (kHasOutputs) residual.slopes = by_pred_.Slopes(row);
    if (by_true_.IsWanted()) residual.true_slopes = by_true_.Slopes(row);
    LaneSums<T> lanes;
    visit_row_(residual, params_, &lanes);
    if (!counted) return;
    sums_.Add(lanes);
    if (!by_weights_.IsWanted()) return;
    T* const by_weight = factors_->ByWeight(0);
    find_by_weight_(residual, params_, by_weights_.Scale(), by_weight);
    by_weights_.Write(row, by_weight);
  }

  /// Rows row .. row + 3, and the outputs of rows row - 1 .. row + 2, through a RowGroup. Returns
  /// false if that is not possible.
  bool VisitGroup(int64_t row, RowRange wanted) {
    // (There is none in second order: its code is not needed then.)
    if (kOrder == Order::kSecond || visit_group_ == nullptr) return false;
    const RowsAhead ahead(tile_, inputs_.y_pred, inputs_.y_true, row + 1 + kGroupRows, kGroupRows);
    // The pixel term needs rows before they are visited.
    const bool may_load_along = images_.MayLoadAlong() && params_.levels.pixel_weight == 0;
    if (!images_.template LoadForGroup<kFetched>(row, ahead, may_load_along)) return false;
    by_pred_.BeginGroup(row, RowsAround(params_, wanted, 1).begin, residual_.size,
                        images_.Needed());
    FindAdded(row - 1, kGroupRows, wanted);  // before GroupAt, as both use the first factors
    RowGroup<T> group = GroupAt(row, wanted, ahead);
    const auto load = images_.template LoadAlong<kFetched>(ahead);
    LaneSums<T> lanes;
    const auto visit = [&](const auto* write) {
      const LoadAndWrite<T, LoadPass<S, kFetched>, std::decay_t<decltype(*write)>> along = {
          load ? &*load : nullptr, write};
      group.along = AlongPass(&along);
      visit_group_(group, params_, &lanes);
    };
    const NoPass* const no_write = nullptr;
    if constexpr (!kHasOutputs) {
      visit(no_write);
    } else if (MayWriteGroup(row - 1, wanted)) {
      by_pred_.VisitGroup(params_, tile_, adjoint_edges_, scale_, row - 1, wanted, ahead,
                          [&](const auto& write) {
                            visit(&write);
                            write.WriteEdges();
                          });
    } else {
      visit(no_write);
      Emit(row - 1, kGroupRows, wanted);
    }
    sums_.Add(lanes);
    for (int64_t i = 0; by_weights_.IsWanted() && i < kGroupRows; ++i) {
      if (row + i < wanted.begin || row + i >= wanted.end) continue;
      by_weights_.Write(row + i, factors_->ByWeight(i));
    }
    return true;
  }
  /// Whether a GroupAdjoint may write the rows of a group from `first` on.
  bool MayWriteGroup(int64_t first, RowRange wanted) const {
    return by_pred_.KeepsSigns() ||
           (first >= wanted.begin && by_pred_.TakesGroup(tile_, scale_, /*saves=*/weighted_));
  }
  RowGroup<T> GroupAt(int64_t row, RowRange counted, const RowsAhead& ahead) {
    RowGroup<T> group;
    group.size = residual_.size;
    group.step = tile_.channels;
    group.summed = residual_.summed;
    group.count_begin = counted.begin - row;
    group.count_end = counted.end - row;
    group.pred = images_.pred.Group(row);
    group.target = IsOfDifference(params_.response) ? group.pred : images_.target.Group(row);
    if (kHasOutputs) group.slopes = by_pred_.Slopes(row - 2);
    group.a = by_pred_.A();
    group.b = by_pred_.B();
    if (by_pred_.KeepsSigns()) group.signs = by_pred_.Signs(row);
    group.needed = images_.Needed();
    group.nan_check = by_pred_.NaNCheck();
    if (weighted_) {
      factors_->FindGroup(row);
      group.factor = factors_->Row(0);
      group.weights_ahead = factors_->WeightsAhead(row + kGroupRows, kGroupRows);
      group.by_weight_scale = by_weights_.Scale();
      group.by_weight = factors_->ByWeight(0);
    }
    group.ahead = ahead;
    return group;
  }

  /// Outputs of row `row`, if it is wanted, once the residuals below it were visited.
  void WriteRow(int64_t row, RowRange wanted) {
    if (row < wanted.begin || row >= wanted.end) return;
    for (OutputRows<S>* output : {&by_pred_, &by_true_}) {
      if (kHasOutputs && output->IsWanted()) output->FindVertical(params_, tile_, row);
    }
    FindAdded(row, 1, wanted);
    Emit(row, 1, wanted);
  }
  /// Finds what is added to rows first .. first + count - 1 of the outputs.
  void FindAdded(int64_t first, int64_t count, RowRange wanted) {
    if (params_.levels.pixel_weight > 0) {
      for (int64_t i = 0; i < count; ++i) VisitPixels(first + i, i, wanted);
    }
    for (OutputRows<S>* output : {&by_pred_, &by_true_}) {
      if (kHasOutputs && output->IsWanted()) output->FindAdded(tile_, first, count, wanted);
    }
  }
  /// Writes those rows, one by one.
  void Emit(int64_t first, int64_t count, RowRange wanted) {
    for (OutputRows<S>* output : {&by_pred_, &by_true_}) {
      if (!kHasOutputs || !output->IsWanted()) continue;
      output->Emit(params_, tile_, adjoint_edges_, scale_, first, count, wanted);
    }
  }

  /// The pixel term of image row `row`, the i-th of the rows that are written together.
  void VisitPixels(int64_t row, int64_t i, RowRange wanted) {
    if (row < wanted.begin || row >= wanted.end) return;
    PixelRow<T> pixels = {residual_.size, residual_.summed, images_.pred.Row(row)};
    pixels.scale = pixel_scale_;
    if (images_.target.IsGiven()) pixels.target = images_.target.Row(row);
    if (kOrder == Order::kSecond) pixels.vector = images_.vector.Row(row);
    if (kOrder == Order::kSlope) pixels.slopes = by_pred_.Added(i);
    FactorRow<T> factor;
    if (weighted_) {
      factor = factors_->FindPixels(row);
      pixels.factor = &factor;
    }
    if (by_weights_.IsWanted()) pixels.by_weight = factors_->ByWeight(0);
    pixel_sums_.Visit(pixels);
    if (by_weights_.IsWanted()) by_weights_of_pixels_.Write(row, pixels.by_weight);
  }

  const KernelParams& params_;
  const Tile& tile_;
  const LossInputs<S>& inputs_;
  const AxisScale<T> scale_;
  const T pixel_scale_;
  const MapOutput<T> by_weights_, by_weights_of_pixels_;
  const Weighting weighting_;
  const bool weighted_;  // whether there are factors
  const ResidualRowFunction<T> visit_row_;
  const ByWeightRowFunction<T> find_by_weight_;
  RowGroupFunction<T> visit_group_;
  const int64_t at_once_;  // rows that each pass takes at once outside of a RowGroup
  const bool wraps_;       // whether rows below 0 and from `height` on are ghosts
  const AdjointEdges<T> adjoint_edges_;
  RowAllocator<T> memory_;
  SweptImages<S> images_;
  std::optional<FactorRows<T>> factors_;
  ResidualRow<T> residual_ = {};
  OutputRows<S> by_pred_, by_true_;
  TileSums<T> sums_;
  PixelSums<T> pixel_sums_;
};

}  // namespace gradops::cpu::GRADOPS_TARGET
