#pragma once

#include <string>
#include <vector>

#include "op/call.h"

// A memo of 16 bits is of use only if the upstream gradient was predicted to the bit, because it
// may not be scaled. Loss weights and loss scales are not known where a loss is called, but they
// stay the same for many steps: what a loss got last it is expected to get next. Only the time that
// a step takes depends on that, never a result. All threads may call these functions.

namespace gradops {

/// Remembers the upstream gradients of a LossGrad, one per loss, whose memo was made for others:
/// under the op's option `site` and the size of its images. Does nothing if there is no site.
void RememberUpstream(const OpCall& call, std::vector<double> upstream);

/// What was remembered last for the site and the images of an op. NaN if that is not what was
/// remembered before it: then nothing can be predicted. `expected` if nothing was remembered.
std::vector<double> PredictUpstream(const OpCall& call, std::vector<double> expected);

}  // namespace gradops
