#ifndef GRADOPS_CORE_YARDSTICKS_H_
#define GRADOPS_CORE_YARDSTICKS_H_

#include <cstdint>

#include "core/launch.h"

namespace gradops {

/// What memory allows on this machine, for docs/performance.md and the benchmarks.

/// out = a - b, the traffic of loss with gradient: 2 reads + 1 write, with stores that go through
/// the caches or, `streaming`, past them.
template <class S>
void LaunchTriad(const S* a, const S* b, S* out, int64_t size, bool streaming,
                 const ParallelFor& parallel_for);

/// Sum of |a - b|, the traffic of the forward pass: 2 reads.
template <class S>
double LaunchSumAbsoluteDifference(const S* a, const S* b, int64_t size,
                                   const ParallelFor& parallel_for);

}  // namespace gradops

#endif  // GRADOPS_CORE_YARDSTICKS_H_
