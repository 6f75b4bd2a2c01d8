#pragma once

#include <cstring>

#include "math/macros.h"

namespace gradops::math {

// Like their counterparts in std, but also for devices, and never shared between instruction sets.

template <class T>
GRADOPS_FN constexpr T Min(T a, T b) {
  return b < a ? b : a;
}
template <class T>
GRADOPS_FN constexpr T Max(T a, T b) {
  return a < b ? b : a;
}
/// a / b rounded up, for a >= 0 and b > 0.
template <class T>
GRADOPS_FN T CeilDiv(T a, T b) {
  return (a + b - 1) / b;
}

template <class To, class From>
GRADOPS_FN To BitCast(From from) {
  static_assert(sizeof(To) == sizeof(From), "BitCast keeps the size");
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}

}  // namespace gradops::math
