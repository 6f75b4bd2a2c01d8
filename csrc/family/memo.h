#pragma once

#include "family/inputs.h"
#include "math/scalar.h"

namespace gradops {

/// How to find upstream_b * dloss_b / dy_pred, given a memo: a cached gradient expected_b * dloss_b
/// / dy_pred, where `expected` is the predicted upstream gradient.
enum class MemoUse { kCopy, kScale, kRecompute };

/// Copies the memo if the prediction was right. Otherwise scales it, unless `expected` may have
/// pushed its elements out of range or they were rounded to 16 bits. A prediction of 0 is none:
/// there may be no memo. `axes`: AxesOf the parameters.
template <class S>
GRADOPS_FN MemoUse HowToUseMemo(int axes, int64_t example, PerExample<ComputeType<S>> expected,
                                PerExample<ComputeType<S>> upstream) {
  using T = ComputeType<S>;
  constexpr T kSafe = T(1) / (int64_t{1} << 32);
  bool same = true, predicts = false;
  for (int axis = 0; axis < axes; ++axis) {
    same = same && expected.At(example, axis) == upstream.At(example, axis);
    predicts = predicts || expected.At(example, axis) != 0;
  }
  if (same && predicts) return MemoUse::kCopy;
  const T predicted = expected.At(example, 0), ratio = upstream.At(example, 0) / predicted;
  const T size = math::Abs(predicted);
  const bool in_range = size >= kSafe && size <= 1 / kSafe && ratio - ratio == 0;
  const bool scalable = axes == 1 && sizeof(S) == sizeof(T);
  return in_range && scalable ? MemoUse::kScale : MemoUse::kRecompute;
}

/// What the memo is multiplied by if it is copied or scaled.
template <class T>
GRADOPS_FN T MemoFactor(MemoUse use, int64_t example, PerExample<T> expected,
                        PerExample<T> upstream) {
  return use == MemoUse::kCopy ? T(1) : upstream.At(example, 0) / expected.At(example, 0);
}

}  // namespace gradops
