#pragma once

#include "cpu/passes/map_rows.h"
#include "cpu/passes/residual_row.h"
#include "cpu/rows/image_rows.h"
#include "cpu/sweeps/tile.h"

// The fast path of a smoothing stencil: four rows away from the border at once, with both passes
// of the stencil, the penalty, its slope and the vertical pass of the adjoint in registers. The
// same as HorizontalForward, VerticalForward, VisitResidualRow and VerticalAdjoint, one after the
// other. Here is what a sweep needs to call it; row_group_visit.h does it.

namespace gradops::cpu::GRADOPS_TARGET {

/// The rows of an array lie this far apart: a constant, so that loops over several rows need one
/// pointer. Lean: groups of one source without factors, which keep few rows.
template <class T, bool kLean>
inline constexpr int64_t kGroupStride = kLean ? kWideRowStride<T> : kMediumRowStride<T>;

/// Image rows r - 1, r; r + 1 .. r + 4, with a ghost column on each side.
template <class T>
struct SourceGroup {
  const T *above, *below;
};

/// Rows r .. r + 3 of residuals.
template <class T>
struct RowGroup {
  int64_t size, step;  // numbers in a row; from a pixel to its neighbour
  CountedPositions<T> counted;
  int64_t count_begin, count_end;  // rows i with r + i in this range are added up
  SourceGroup<T> pred, target;     // read; pred: the difference, if the response sees no more
  FactorRow<T> factor;             // read: the first of four rows
  GradientRow<T> slopes;           // read: rows r - 2, r - 1; then written: rows r + 2, r + 3
  T *a, *b;                        // written: adjoint rows r - 1 .. r + 2
  RowsAhead ahead;                 // fetched: rows 1 .. 3, without slopes rows 2, 3
  MapAhead weights_ahead;          // fetched: four rows
};

template <class T>
using RowGroupFunction = void (*)(const RowGroup<T>& group, const KernelParams& params,
                                  LaneSums<T>* sums);

/// The function for the response and penalty of the parameters; null where there is no fast path.
/// Instantiated in target_rows.cc.
template <class T>
RowGroupFunction<T> FindRowGroup(const KernelParams& params, Order order, bool weighted);

}  // namespace gradops::cpu::GRADOPS_TARGET
