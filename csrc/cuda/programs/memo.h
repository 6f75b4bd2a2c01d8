#pragma once

#include "cuda/programs/strip_place.h"
#include "family/memo.h"

namespace gradops::cuda {

/// Copies or scales a thread's elements of the memo in the rows of its strip and returns true, or
/// returns false if the gradient must be recomputed. This is decided on the device, in the same way
/// by all threads of an example.
template <class S>
GRADOPS_FN bool FinishWithMemo(const StripArgs<S>& args, int block_index, int thread) {
  if (args.memo == nullptr) return false;
  constexpr int kN = kVec<S>;
  const StripBlock block = args.layout.Block(block_index);
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
