#include "core/yardsticks.h"

#include <vector>

#include "cpu/targets.h"
#include "math/int_math.h"

namespace gradops {
namespace {

constexpr int64_t kUnitSize = 1 << 18;

}  // namespace

template <class T>
void LaunchTriad(const T* a, const T* b, T* out, int64_t size, bool streaming,
                 const ParallelFor& parallel_for) {
  const auto triad = cpu::KernelsOf<T>(cpu::ActiveTarget()).triad;
  parallel_for(math::CeilDiv(size, kUnitSize), [&](int64_t unit) {
    const int64_t begin = unit * kUnitSize;
    triad(a + begin, b + begin, out + begin, math::Min(kUnitSize, size - begin), streaming);
  });
}

template <class T>
double LaunchSumAbsoluteDifference(const T* a, const T* b, int64_t size,
                                   const ParallelFor& parallel_for) {
  const auto sum = cpu::KernelsOf<T>(cpu::ActiveTarget()).sum_absolute_difference;
  std::vector<double> sums(math::CeilDiv(size, kUnitSize));
  parallel_for(static_cast<int64_t>(sums.size()), [&](int64_t unit) {
    const int64_t begin = unit * kUnitSize;
    sums[unit] = sum(a + begin, b + begin, math::Min(kUnitSize, size - begin));
  });
  double total = 0;
  for (double part : sums) total += part;
  return total;
}

template void LaunchTriad<float>(const float*, const float*, float*, int64_t, bool,
                                 const ParallelFor&);
template void LaunchTriad<double>(const double*, const double*, double*, int64_t, bool,
                                  const ParallelFor&);
template double LaunchSumAbsoluteDifference<float>(const float*, const float*, int64_t,
                                                   const ParallelFor&);
template double LaunchSumAbsoluteDifference<double>(const double*, const double*, int64_t,
                                                    const ParallelFor&);

}  // namespace gradops
