#pragma once

#include "op/call.h"

namespace gradops {

/// Asks the system for huge pages for the outputs of a call on host memory, which is about to write
/// them, often for the first time. A fresh image-sized output otherwise costs more in page faults
/// than in arithmetic (docs/performance.md). It is advice only: contents do not change, and small
/// buffers, pages that exist already and systems other than Linux are left alone. NumPy does the
/// same for its arrays.
void AdviseHugePages(const OpCall& call);

}  // namespace gradops
