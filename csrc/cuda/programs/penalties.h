#pragma once

#include "family/params.h"

namespace gradops::cuda {

/// Any penalty of the registry, chosen at run time. All threads take the same branch.
struct AnyPenalty {
  PenaltyId id;
  double parameter;

#define GRADOPS_CASE(enumerator, name, Functor, ...) \
  case PenaltyId::enumerator:                        \
    return Functor(parameter).GRADOPS_FUNCTION(r);
#define GRADOPS_SWITCH                            \
  switch (id) { GRADOPS_PENALTIES(GRADOPS_CASE) } \
  return r;
  template <class V>
  GRADOPS_FN V Value(V r) const {
#define GRADOPS_FUNCTION Value
    GRADOPS_SWITCH
#undef GRADOPS_FUNCTION
  }
  template <class V>
  GRADOPS_FN V Slope(V r) const {
#define GRADOPS_FUNCTION Slope
    GRADOPS_SWITCH
#undef GRADOPS_FUNCTION
  }
  template <class V>
  GRADOPS_FN V Curvature(V r) const {
#define GRADOPS_FUNCTION Curvature
    GRADOPS_SWITCH
#undef GRADOPS_FUNCTION
  }
#undef GRADOPS_SWITCH
#undef GRADOPS_CASE
};

/// Whether a response has a penalty. (One without gets any, so that its program is compiled once.)
template <class Response>
inline constexpr bool kTakesPenalty = true;

/// Whether a penalty takes few operations and registers. Those that call functions of the
/// double-precision library do not.
GRADOPS_FN constexpr bool IsLight(PenaltyId id) {
  return id != PenaltyId::kLog && id != PenaltyId::kPower;
}
/// Calls visitor(penalty) with the struct of a light penalty.
template <class Visitor>
GRADOPS_FN void VisitLightPenalty(PenaltyId id, double parameter, Visitor&& visitor) {
#define GRADOPS_CASE(enumerator, name, Functor, ...)                     \
  if constexpr (IsLight(PenaltyId::enumerator)) {                        \
    if (id == PenaltyId::enumerator) return visitor(Functor(parameter)); \
  }
  GRADOPS_PENALTIES(GRADOPS_CASE)
#undef GRADOPS_CASE
#if defined(__CUDA_ARCH__)
  __builtin_unreachable();  // so that a visitor's results need no initial values
#endif
}

}  // namespace gradops::cuda
