#pragma once

#include "cpu/passes/residual_mask.h"
#include "cpu/passes/residual_row.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// Finds the factors of a tile's residuals: their weights, and which are dropped.
template <class T>
class FactorRows {
 public:
  /// Row buffers that this takes.
  static constexpr int64_t kRows = ResidualMask<T>::kRows + 2 * kGroupRows;

  template <class S>
  FactorRows(const KernelParams& params, const Tile& tile, const LossInputs<S>& inputs,
             RowAllocator<T>* memory)
      : weights_(inputs.weights),
        maps_(tile),
        mask_(params, tile, inputs.mask, maps_, memory),
        stride_(memory->Stride()),
        weight_rows_(memory->Take(kGroupRows)),
        by_weight_rows_(memory->Take(kGroupRows)),
        first_{weight_rows_, mask_.Y(), mask_.X(), weights_.data == nullptr ? 0 : stride_,
               mask_.Stride()} {
    for (int64_t x = 0; x < stride_; ++x) weight_rows_[x] = 1;
  }
  FactorRows(const FactorRows&) = delete;  // mask_ refers to a member
  FactorRows& operator=(const FactorRows&) = delete;

  /// Whether any residual or pixel may be dropped.
  template <class S>
  static bool MayDrop(const KernelParams& params, const LossInputs<S>& inputs) {
    return ResidualMask<T>::MayDrop(params, inputs.mask);
  }

  /// The mask, whose rows must be loaded before factors are found.
  ResidualMask<T>& Mask() { return mask_; }

  /// The factors of residual row `row`.
  FactorRow<T> Find(int64_t row) {
    LoadWeights(row, 0);
    mask_.Find(row);
    return Row(0);
  }
  /// Finds those of rows row .. row + kGroupRows - 1, if mask_.TakesGroup(row). Row has them.
  void FindGroup(int64_t row) {
    for (int64_t i = 0; i < kGroupRows; ++i) LoadWeights(row + i, i);
    mask_.FindGroup(row);
  }
  /// The factors of the pixels of image row `row`.
  FactorRow<T> FindPixels(int64_t row) {
    LoadWeights(row, 0);
    mask_.FindPixels(row);
    return Row(0);
  }
  /// The factors that were found for the i-th row of a group.
  FactorRow<T> Row(int64_t i) const { return first_.Row(i); }
  /// The buffer of the derivatives by the weights of the i-th row of the group.
  T* ByWeight(int64_t i) const { return by_weight_rows_ + i * stride_; }
  /// Rows row .. row + count - 1 of the weights, to be prefetched.
  MapAhead WeightsAhead(int64_t row, int64_t count) const {
    return weights_.data == nullptr ? MapAhead() : maps_.Ahead(weights_, row, count);
  }

 private:
  void LoadWeights(int64_t row, int64_t i) {
    if (weights_.data == nullptr) return;
    maps_.Load(weights_, row, weight_rows_ + i * first_.weight_stride);
  }

  const PixelMap<T> weights_;
  const MapRows<T> maps_;
  ResidualMask<T> mask_;
  const int64_t stride_;  // of the row buffers
  T *const weight_rows_, *const by_weight_rows_;
  const FactorRow<T> first_;
};

}  // namespace gradops::cpu::GRADOPS_TARGET
