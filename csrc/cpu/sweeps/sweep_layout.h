#pragma once

#include "cpu/passes/factor_rows.h"
#include "cpu/passes/row_group.h"
#include "cpu/rows/output_rows.h"
#include "cpu/rows/source_rows.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// The rows that each pass takes at once in a sweep without RowGroups. With fewer, more of the
/// first cache is left to the adjoint's.
template <Order kOrder>
inline constexpr int64_t kRowsAtOnce = kOrder == Order::kSlope ? 2 : kGroupRows;

/// Row buffers of a sweep: sources, outputs, factors. `at_once`: rows that each pass takes at once
/// outside of a RowGroup.
template <class S>
constexpr int64_t SweepRows(int64_t at_once, int sources, int outputs, bool weighted) {
  return sources * SourceRows<S>::Rows(at_once) + outputs * OutputRows<S>::kRows +
         (weighted ? FactorRows<ComputeType<S>>::kRows : 0);
}

template <class S>
Weighting WeightingOf(const KernelParams& params, const LossInputs<S>& inputs,
                      const GradientOutputs<S>& outputs) {
  if (outputs.by_weights.plane != nullptr) return Weighting::kByWeight;
  if (inputs.weights.data != nullptr) return Weighting::kFactors;
  return FactorRows<ComputeType<S>>::MayDrop(params, inputs) ? Weighting::kMask : Weighting::kNone;
}

/// The RowGroup of a sweep, or null; without signs of slopes.
template <class T, Order kOrder>
RowGroupFunction<T> FindGroup(const KernelParams& params, Weighting weighting) {
  if (kOrder == Order::kSecond) return nullptr;
  constexpr bool kSlopes = kOrder == Order::kSlope;
  return FindRowGroup<T>(params, kSlopes ? GroupSlopes::kAdjoint : GroupSlopes::kNone, weighting);
}

/// The row buffers of a sweep. With a RowGroup they are wide or medium (see kGroupStride) and rows
/// outside of it go one at a time; without, they are narrow, and rows go up to four at a time.
template <class S, Order kOrder>
RowLayout<ComputeType<S>> LayoutOf(const KernelParams& params, Weighting weighting) {
  using T = ComputeType<S>;
  constexpr bool kIsSecond = kOrder == Order::kSecond;
  constexpr RowLayout<T> kNarrow = {
      kRowBytes, SweepRows<S>(kRowsAtOnce<kOrder>, kIsSecond ? 3 : 2, kIsSecond ? 2 : 1, true)};
  constexpr RowLayout<T> kMedium = {kMediumRowBytes, SweepRows<S>(1, 2, 1, true)};
  constexpr RowLayout<T> kWide = {kWideRowBytes, SweepRows<S>(1, 1, 1, false)};
  constexpr size_t kLimit = 256 * 1024;  // bytes per thread
  static_assert(kNarrow.Bytes() <= kLimit && kMedium.Bytes() <= kLimit && kWide.Bytes() <= kLimit);
  if (FindGroup<T, kOrder>(params, weighting) == nullptr) return kNarrow;
  return weighting != Weighting::kNone || !IsOfDifference(params.response) ? kMedium : kWide;
}

}  // namespace gradops::cpu::GRADOPS_TARGET
