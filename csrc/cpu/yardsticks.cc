#include "core/yardsticks.h"

#include <vector>

#include "cpu/targets.h"
#include "math/int_math.h"

namespace gradops {
namespace {

constexpr int64_t kUnitSize = 1 << 18;

}  // namespace

template <class S>
void LaunchTriad(const S* a, const S* b, S* out, int64_t size, bool streaming,
                 const ParallelFor& parallel_for) {
  const auto triad = cpu::ActiveTarget().Of(a).triad;
  parallel_for(math::CeilDiv(size, kUnitSize), [&](int64_t unit) {
    const int64_t begin = unit * kUnitSize;
    triad(a + begin, b + begin, out + begin, math::Min(kUnitSize, size - begin), streaming);
  });
}

template <class S>
double LaunchSumAbsoluteDifference(const S* a, const S* b, int64_t size,
                                   const ParallelFor& parallel_for) {
  const auto sum = cpu::ActiveTarget().Of(a).sum_absolute_difference;
  std::vector<double> sums(math::CeilDiv(size, kUnitSize));
  parallel_for(static_cast<int64_t>(sums.size()), [&](int64_t unit) {
    const int64_t begin = unit * kUnitSize;
    sums[unit] = sum(a + begin, b + begin, math::Min(kUnitSize, size - begin));
  });
  double total = 0;
  for (double part : sums) total += part;
  return total;
}

#define GRADOPS_INSTANTIATE(S)                                                             \
  template void LaunchTriad<S>(const S*, const S*, S*, int64_t, bool, const ParallelFor&); \
  template double LaunchSumAbsoluteDifference<S>(const S*, const S*, int64_t, const ParallelFor&);
GRADOPS_FOR_EACH_DTYPE(GRADOPS_INSTANTIATE)
#undef GRADOPS_INSTANTIATE

}  // namespace gradops
