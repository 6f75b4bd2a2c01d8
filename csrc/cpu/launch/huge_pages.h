#pragma once

#include <cstddef>

namespace gradops {

/// Asks the system for huge pages for memory that is about to be written for the first time. A
/// fresh image-sized output otherwise costs more in page faults than in arithmetic
/// (docs/performance.md). It is advice only: contents do not change, and small buffers, pages that
/// exist already and systems other than Linux are left alone. NumPy does the same.
void AdviseHugePages(void* memory, size_t bytes);

}  // namespace gradops
