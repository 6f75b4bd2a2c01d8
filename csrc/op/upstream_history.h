#pragma once

#include <vector>

#include "op/call.h"

// A memo of 16 bits, or of sums by axis, is of use only if the upstream gradient was predicted to
// the bit, because it may not be scaled: it was rounded, or has two upstream gradients. What sums
// are divided by, loss weights and loss scales are not known where a loss is called, but they stay
// the same for many steps, so a loss is expected to get what it got last.
//
// Only the time that a step takes depends on that, never a result, as long as the LossMemo and the
// LossGrad of a step expect what one call of PredictUpstream said: asked again it may answer
// otherwise. All threads may call these functions.

namespace gradops {

/// Remembers the upstream gradients, one per loss, of a LossGrad whose memo was made for others,
/// under the op's option `site`. Does nothing if there is no site, or if one is NaN or infinite.
void RememberUpstream(const OpCall& call, std::vector<double> upstream);

/// What was remembered last for the op's site, dtype and as many losses, if that is steady: if it
/// is the first, or the same was remembered before it. Otherwise what the caller expects.
std::vector<double> PredictUpstream(const OpCall& call, std::vector<double> expected);

}  // namespace gradops
