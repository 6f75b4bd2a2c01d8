#pragma once

#include <cstddef>

namespace gradops {

/// Asks the system to back memory that is about to be written for the first time with huge pages.
/// A fresh image-sized output otherwise costs more in page faults than in arithmetic
/// (docs/performance.md). Advice only: the contents stay as they are, and it does nothing for small
/// buffers, for pages that already exist and where the system has no such advice. NumPy does the
/// same.
void AdviseHugePages(void* memory, size_t bytes);

}  // namespace gradops
