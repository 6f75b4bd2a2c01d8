#pragma once

#include <optional>

#include "cpu/passes/factor_rows.h"
#include "cpu/passes/row_group.h"
#include "cpu/rows/source_rows.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// The images of a sweep: loads their rows in order, each once, with what belongs to them (the
/// mask, ghost columns), and finds their gradients.
template <class S>
class SweptImages {
 public:
  using T = ComputeType<S>;

  SourceRows<S> pred, target, vector;  // pred: the difference, if the response sees that alone

  /// `vector` may be null. `at_once`: how many rows FindGradients finds at most. `for_groups`:
  /// whether RowGroups will read ghost columns.
  SweptImages(const KernelParams& params, const Tile& tile, const LossInputs<S>& inputs,
              const S* the_vector, int64_t at_once, bool for_groups, RowAllocator<T>* memory)
      : params_(params),
        tile_(tile),
        for_groups_(for_groups),
        edges_(params, tile, /*adjoint=*/false) {
    const bool difference = IsOfDifference(params.response);
    pred = {inputs.y_pred, difference ? inputs.y_true : nullptr, at_once, memory};
    if (!difference) target = {inputs.y_true, nullptr, at_once, memory};
    if (the_vector != nullptr) vector = {the_vector, nullptr, at_once, memory};
    for (SourceRows<S>* source : {&pred, &target, &vector}) {
      if (source->IsGiven()) given_[given_count_++] = source;
    }
  }
  SweptImages(const SweptImages&) = delete;  // given_ points to members
  SweptImages& operator=(const SweptImages&) = delete;

  /// Loads the factors with the rows that they belong to. To be called before SetReach.
  void SetFactors(FactorRows<T>* factors) { factors_ = factors; }
  /// Residuals will be needed in the tile's columns and `reach` more on each side.
  void SetReach(int64_t reach) {
    columns_ = ColumnsAround(params_, tile_, reach);
    if (factors_ != nullptr) factors_->Mask().SetColumns(columns_);
  }
  /// The positions in which they are needed.
  PositionRange Needed() const {
    return {tile_.Position(columns_.begin), tile_.Position(columns_.end)};
  }
  /// The rows that will be loaded.
  void SetRange(RowRange rows) {
    loaded_ = rows.begin;
    load_end_ = rows.end;
  }
  /// Sets Ring::first, also of an image that is not given: a RowGroup reads its rows of zeros.
  void SetFirst(int64_t row) {
    for (SourceRows<S>* source : {&pred, &target, &vector}) source->SetFirst(row);
  }

  /// Loads the rows up to `last`.
  void LoadThrough(int64_t last) {
    const int64_t end = math::Min(last + 1, load_end_);
    while (loaded_ < end) {
      const int64_t count = math::Min<int64_t>(kGroupRows, end - loaded_);
      for (int s = 0; s < given_count_; ++s) {
        for (int64_t i = 0; i < count; ++i) given_[s]->Load(tile_, loaded_ + i);
      }
      FinishLoading(count);
    }
  }
  /// Loads the rows that a RowGroup from `row` on depends on, and prefetches the first kFetched
  /// rows of `ahead`. Returns whether their ghost columns are finite, as a RowGroup needs. If they
  /// are, `may_load_along` may leave the rows' blocks to LoadAlong.
  template <int kFetched>
  bool LoadForGroup(int64_t row, const RowsAhead& ahead, bool may_load_along) {
    LoadThrough(row);
    const int64_t last = math::Min(load_end_, tile_.shape.height);
    unfinished_ = kNone;
    if (tile_.IsOneRun() && loaded_ == row + 1 && loaded_ + kGroupRows <= last) {
      if (may_load_along) {
        unfinished_ = loaded_;
        pred.LoadEnds(tile_, loaded_);
      } else {
        LoadGroup<kFetched>(ahead);
      }
      FinishLoading(kGroupRows);
    }
    LoadThrough(row + kGroupRows);
    for (int64_t i = row - 1; i <= row + kGroupRows; ++i) {
      if (finite_[i & 7]) continue;
      if (const auto load = LoadAlong<kFetched>(ahead)) load->Run(Whole());
      return false;
    }
    return true;
  }
  /// Whether LoadForGroup can leave blocks to LoadAlong: it loads one image, and the ends of its
  /// rows have the columns that ghosts are copied from.
  bool MayLoadAlong() const {
    return given_count_ == 1 && tile_.IsOneRun() && 2 * tile_.channels <= kBlock<T>;
  }
  /// The pass that loads what LoadForGroup has left, if it has, and prefetches as that does.
  template <int kFetched>
  std::optional<LoadPass<S, kFetched>> LoadAlong(const RowsAhead& ahead) const {
    if (unfinished_ == kNone) return std::nullopt;
    return pred.template Inside<kFetched>(tile_, unfinished_, ahead);
  }

  /// The gradients of rows row .. row + count - 1 of every image.
  void FindGradients(int64_t row, int64_t count) {
    for (int s = 0; s < given_count_; ++s) {
      given_[s]->Find(params_, tile_, edges_, columns_, row, count);
    }
  }

 private:
  static constexpr int64_t kNone = -1;

  PositionRange Whole() const { return {0, tile_.BufferedSize()}; }
  /// Loads the next four rows, none of which is a ghost, but not what belongs to them.
  template <int kFetched>
  void LoadGroup(const RowsAhead& ahead) {
    pred.LoadEnds(tile_, loaded_);
    pred.template Inside<kFetched>(tile_, loaded_, ahead).Run(Whole());
    if (!target.IsGiven()) return;
    target.LoadEnds(tile_, loaded_);
    target.template Inside<0>(tile_, loaded_, ahead).Run(Whole());
  }
  /// Loads the mask and makes the ghosts that belong to `count` newly loaded rows.
  void FinishLoading(int64_t count) {
    if (factors_ != nullptr) factors_->Mask().Load(loaded_, count);
    for (int64_t i = 0; i < count; ++i, ++loaded_) {
      if (!for_groups_) continue;
      bool finite = true;
      for (int s = 0; s < given_count_; ++s) {
        if (factors_ != nullptr) factors_->Mask().HideEdges(loaded_, given_[s]->Row(loaded_));
        finite = given_[s]->AddGhosts(params_, tile_, loaded_) && finite;
      }
      finite_[loaded_ & 7] = finite;
    }
  }

  const KernelParams& params_;
  const Tile& tile_;
  const bool for_groups_;
  const ColumnEdges edges_;
  FactorRows<T>* factors_ = nullptr;
  ColumnRange columns_ = {0, 0};
  bool finite_[8] = {};  // whether the ghost columns of each row in the rings are finite
  SourceRows<S>* given_[3];
  int given_count_ = 0;
  int64_t loaded_ = 0, load_end_ = 0;  // rows below loaded_ are loaded, of those below load_end_
  int64_t unfinished_ = kNone;         // the first of four rows that LoadAlong loads, or kNone
};

}  // namespace gradops::cpu::GRADOPS_TARGET
