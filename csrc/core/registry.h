#ifndef GRADOPS_CORE_REGISTRY_H_
#define GRADOPS_CORE_REGISTRY_H_

#include <cstdint>

#include "math/border.h"
#include "math/penalty.h"
#include "math/stencil.h"

// The one table that knows the family. A row here is all that the enums, the name parsing, the op
// attributes, the kernel dispatch and Python's list of allowed values need. To add
//   a stencil: one row with its taps          (reference.py and composite.py: one row each)
//   a penalty: one struct in math/penalty.h and one row
// and tests/test_registry.py fails until every layer knows it.

// ROW(enumerator, "name", derivative taps, smoothing taps, unit divisor)
#define GRADOPS_STENCILS(ROW) ROW(kSobel, "sobel", (-1, 0, 1), (1, 2, 1), 8)

// ROW(enumerator, "name", functor)
#define GRADOPS_PENALTIES(ROW)               \
  ROW(kL1, "l1", ::gradops::math::L1Penalty) \
  ROW(kL2, "l2", ::gradops::math::L2Penalty)

// ROW(enumerator, "name")
#define GRADOPS_RESPONSES(ROW) ROW(kComponent, "component")
#define GRADOPS_SCALES(ROW) ROW(kRaw, "raw")
// The enumerators are math::Border's.
#define GRADOPS_BORDERS(ROW) ROW(kReflect, "reflect")

namespace gradops {

#define GRADOPS_ENUMERATOR(enumerator, ...) enumerator,
enum class StencilId : int32_t { GRADOPS_STENCILS(GRADOPS_ENUMERATOR) };
enum class PenaltyId : int32_t { GRADOPS_PENALTIES(GRADOPS_ENUMERATOR) };
enum class ResponseId : int32_t { GRADOPS_RESPONSES(GRADOPS_ENUMERATOR) };
enum class ScaleId : int32_t { GRADOPS_SCALES(GRADOPS_ENUMERATOR) };
#undef GRADOPS_ENUMERATOR
using BorderId = math::Border;

/// The stencil's taps, before scaling.
inline math::Stencil TapsOf(StencilId id) {
#define GRADOPS_BRACED(a, b, c) {a, b, c}
#define GRADOPS_CASE(enumerator, name, derivative, smoothing, divisor) \
  case StencilId::enumerator:                                          \
    return {GRADOPS_BRACED derivative, GRADOPS_BRACED smoothing, divisor};
  switch (id) { GRADOPS_STENCILS(GRADOPS_CASE) }
#undef GRADOPS_CASE
#undef GRADOPS_BRACED
  return {};
}

/// Calls visitor(functor) with the functor of the penalty.
template <class Visitor>
auto VisitPenalty(PenaltyId id, Visitor&& visitor) {
#define GRADOPS_CASE(enumerator, name, Functor) \
  case PenaltyId::enumerator:                   \
    return visitor(Functor());
  switch (id) { GRADOPS_PENALTIES(GRADOPS_CASE) }
#undef GRADOPS_CASE
  __builtin_unreachable();
}

}  // namespace gradops

#endif  // GRADOPS_CORE_REGISTRY_H_
