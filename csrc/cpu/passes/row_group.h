#pragma once

#include "cpu/passes/map_rows.h"
#include "cpu/passes/residual_row.h"
#include "cpu/rows/image_rows.h"
#include "cpu/sweeps/tile.h"

// The fast path for smoothing stencils: four rows away from the border at once, with both passes of
// the stencil, the penalty, its slope and, unless slopes are kept as signs, the vertical pass of
// the adjoint in registers. It finds what FindGradientRows, VisitResidualRow and VerticalAdjoint
// find one after the other. This header is its interface; row_group_visit.h implements it.

namespace gradops::cpu::GRADOPS_TARGET {

/// The distance between the rows of a buffer: a constant, so that loops over several rows need one
/// pointer. kLean: for groups of one source without factors, which keep few rows.
template <class T, bool kLean>
inline constexpr int64_t kGroupStride = kLean ? kWideRowStride<T> : kMediumRowStride<T>;

/// The image rows that residual rows r .. r + 3 depend on, with a ghost column on each side.
template <class T>
struct SourceGroup {
  const T *above, *below;  // rows r - 1, r; rows r + 1 .. r + 4
};

/// The distance between rows of signs.
inline constexpr int64_t kSignStride = kWideRowStride<float>;

/// Signs of slopes, -1, 0 and 1, of a row of residuals.
struct SignRow {
  int8_t *y, *x;

  /// The i-th row from this one, where rows are `stride` apart.
  GRADOPS_FN SignRow Row(int64_t i, int64_t stride) const {
    return {y + i * stride, x + i * stride};
  }
};

/// What becomes of the slopes that a RowGroup finds: nothing, as it finds none; the vertical pass
/// of the adjoint; or their signs are kept.
enum class GroupSlopes { kNone, kAdjoint, kSigns };

/// A part of a row that is loaded, visited and written before the next, in positions: so small that
/// reads, arithmetic and writes overlap, and at least what a pass along the row reads beyond what
/// it finds.
template <class T>
inline constexpr int64_t kStretch = 256 / sizeof(T);
static_assert(kStretch<double> >= kMaxChannels);

/// What goes along with the visit of a row: Run(begin) is called before the stretch from `begin` on
/// is visited, from one stretch before the row to two behind it.
class AlongPass {
 public:
  AlongPass() = default;  // nothing
  template <class Pass>
  explicit AlongPass(const Pass* pass)
      : pass_(pass), run_([](const void* the_pass, int64_t begin) {
          static_cast<const Pass*>(the_pass)->Run(begin);
        }) {}

  GRADOPS_FN void Run(int64_t begin) const {
    if (run_ != nullptr) run_(pass_, begin);
  }

 private:
  const void* pass_ = nullptr;
  void (*run_)(const void* pass, int64_t begin) = nullptr;
};

/// An AlongPass of two: `load` loads the next stretch, and `write` writes the one before the last,
/// the neighbours of which have been visited. Either may be null.
template <class T, class Load, class Write>
struct LoadAndWrite {
  const Load* load;
  const Write* write;

  void Run(int64_t begin) const {
    constexpr int64_t kStep = kStretch<T>;
    if (load != nullptr) load->Run({begin + kStep, begin + 2 * kStep});
    if (write != nullptr) write->Run({begin - 2 * kStep, begin - kStep});
  }
};
/// No pass to load or write.
struct NoPass {
  void Run(PositionRange) const {}
};

/// Residual rows r .. r + 3.
template <class T>
struct RowGroup {
  int64_t size;  // positions of a row
  int64_t step;  // elements from a pixel to its neighbour
  PositionRange summed;
  int64_t count_begin, count_end;  // the i-th rows of the group that are added up
  SourceGroup<T> pred, target;     // pred: the difference, if the response sees that alone
  FactorRow<T> factor;             // the first of four rows
  GradientRow<T> slopes;           // in: rows r - 2, r - 1; out: rows r + 2, r + 3
  T *a, *b;                        // out: adjoint rows r - 1 .. r + 2
  // With GroupSlopes::kSigns, instead of slopes, a and b: out, rows r .. r + 3, kSignStride bytes
  // apart, and, in and out, a register of which a lane becomes NaN if a slope is, at a position
  // that outputs depend on.
  SignRow signs;
  PositionRange needed;
  T* nan_check;
  // If the derivatives by the weights are wanted: the scale of the sums of each axis, and, out, the
  // first of four rows, kGroupStride apart.
  math::Gradient<T> by_weight_scale;
  T* by_weight;
  AlongPass along;         // loads rows r + 1 .. r + 4 and writes outputs
  RowsAhead ahead;         // rows 1 .. 3 are prefetched; without slopes, rows 2 and 3
  MapAhead weights_ahead;  // four rows are prefetched
};

template <class T>
using RowGroupFunction = void (*)(const RowGroup<T>& group, const KernelParams& params,
                                  LaneSums<T>* sums);

/// The function for the response and penalty in `params`, or null if there is no fast path for
/// them, or signs are asked for where slopes are not. Instantiated in target_rows.cc.
template <class T>
RowGroupFunction<T> FindRowGroup(const KernelParams& params, GroupSlopes slopes,
                                 Weighting weighting);

}  // namespace gradops::cpu::GRADOPS_TARGET
