#pragma once

#include "family/inputs.h"
#include "math/scalar.h"

namespace gradops {

/// What a memo, expected_b * dloss_b / dy_pred, is good for where upstream_b * ... is wanted.
enum class MemoUse { kCopy, kScale, kRecompute };

/// Scaling is as good as recomputing unless `expected` pushed the memo's numbers out of range, or
/// they were rounded to 16 bits. `axes`: AxesOf the parameters.
template <class S>
GRADOPS_FN MemoUse HowToUseMemo(int axes, int64_t example, PerExample<ComputeType<S>> expected,
                                PerExample<ComputeType<S>> upstream) {
  using T = ComputeType<S>;
  constexpr T kSafe = T(1) / (int64_t{1} << 32);
  bool same = true;
  for (int axis = 0; axis < axes; ++axis) {
    same = same && expected.At(example, axis) == upstream.At(example, axis);
  }
  if (same) return MemoUse::kCopy;
  const T foreseen = expected.At(example, 0), ratio = upstream.At(example, 0) / foreseen;
  const T size = math::Abs(foreseen);
  const bool in_range = size >= kSafe && size <= 1 / kSafe && ratio - ratio == 0;
  const bool scalable = axes == 1 && sizeof(S) == sizeof(T);
  return in_range && scalable ? MemoUse::kScale : MemoUse::kRecompute;
}

/// What the memo is multiplied by for kCopy and kScale.
template <class T>
GRADOPS_FN T MemoFactor(MemoUse use, int64_t example, PerExample<T> expected,
                        PerExample<T> upstream) {
  return use == MemoUse::kCopy ? T(1) : upstream.At(example, 0) / expected.At(example, 0);
}

}  // namespace gradops
