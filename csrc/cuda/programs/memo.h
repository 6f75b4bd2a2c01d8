#pragma once

#include "cuda/programs/strip_place.h"
#include "family/counts.h"
#include "family/memo.h"

namespace gradops::cuda {

/// Decides for each example how a memo of the derivatives by the weights is used.
template <class T>
struct DecideOnWeightsMemo {
  int64_t batch;
  int axes;           // AxesOf the parameters
  bool shares_memos;  // normalizer "batch": each example's upstream gradient is in all memos
  PerExample<T> expected, upstream;
  MemoUse* uses;

  GRADOPS_FN int64_t Batch() const { return batch; }
  bool IsOfAll() const { return shares_memos; }
  GRADOPS_FN void operator()(int64_t begin, int64_t count) const {
    bool are_copied = true;
    for (int64_t example = begin; example < begin + count; ++example) {
      uses[example] = HowToUseMemo<T>(axes, example, expected, upstream);
      are_copied = are_copied && uses[example] == MemoUse::kCopy;
    }
    if (!shares_memos || are_copied) return;
    for (int64_t example = begin; example < begin + count; ++example) {
      uses[example] = MemoUse::kRecompute;
    }
  }
};

/// Copies a value for each loss; from a scalar, the same for all.
template <class T>
struct CopyPerLoss {
  int64_t batch;
  int axes;  // AxesOf the parameters
  PerExample<T> from;
  T* to;

  GRADOPS_FN int64_t Batch() const { return batch; }
  bool IsOfAll() const { return false; }
  GRADOPS_FN void operator()(int64_t begin, int64_t count) const {
    for (int64_t example = begin; example < begin + count; ++example) {
      for (int axis = 0; axis < axes; ++axis) to[example * axes + axis] = from.At(example, axis);
    }
  }
};

/// Finishes a thread's part of its strip and returns true if a memo makes the sweep needless, or
/// returns false. This is decided on the device, in the same way by all threads of an example. A
/// memo of the gradient is copied or scaled here.
template <class S>
GRADOPS_FN bool FinishWithMemo(const StripArgs<S>& args, int block_index, int thread) {
  if (args.memo == nullptr && args.memo_uses == nullptr) return false;
  constexpr int kN = kVec<S>;
  const StripBlock block = args.layout.Block(block_index);
  if (args.memo_uses != nullptr) {
    if (args.memo_uses[block.example] == MemoUse::kRecompute) return false;
    if (thread == 0) args.sums[block_index] = {0, 0};
    return true;
  }
  const MemoUse use = HowToUseMemo<S>(args.memo_axes, block.example, args.expected, args.upstream);
  if (use == MemoUse::kRecompute) return false;
  if (use == MemoUse::kCopy && args.memo == args.by_pred) return true;
  const auto factor = MemoFactor(use, block.example, args.expected, args.upstream);
  const StripPlace<S, false> place(args.layout, args.taps.along, block, thread);
  const int64_t plane_begin = block.plane * args.layout.shape.PlaneSize();
  for (int row = block.row_begin; row < block.row_end; ++row) {
    const int64_t begin = plane_begin + int64_t{row} * args.layout.row_size;
    Pack<S, kN> pack = {};
    place.Load(args.memo + begin, args.is_aligned, &pack);
    if (use == MemoUse::kScale) {
      GRADOPS_UNROLL
      for (int v = 0; v < kN; ++v) {
        math::Narrow(factor * math::Widen(pack.elements[v]), &pack.elements[v]);
      }
    }
    place.Store(pack, args.by_pred + begin, args.is_aligned);
  }
  return true;
}

}  // namespace gradops::cuda
