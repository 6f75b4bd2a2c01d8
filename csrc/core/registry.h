#ifndef GRADOPS_CORE_REGISTRY_H_
#define GRADOPS_CORE_REGISTRY_H_

#include <cstdint>

#include "math/border.h"
#include "math/penalty.h"
#include "math/stencil.h"

// The one table that knows the family. A row here is all that the enums, the name parsing, the op
// attributes, the kernel dispatch and Python's list of allowed values need. To add
//   a penalty: one struct in math/penalty.h and one row
//   a stencil: one row with its taps; other than central differences with symmetric smoothing need
//              interior loops of their own in cpu/row_passes.h (asserted below)
//   a border:  its cases in math/border.h and one row
// then one row each in reference.py and composite.py: tests/test_registry.py fails until every
// layer knows it.

// ROW(enumerator, "name", derivative taps, smoothing taps, unit divisor)
#define GRADOPS_STENCILS(ROW) ROW(kSobel, "sobel", (-1, 0, 1), (1, 2, 1), 8)

// ROW(enumerator, "name", functor)
#define GRADOPS_PENALTIES(ROW)               \
  ROW(kL1, "l1", ::gradops::math::L1Penalty) \
  ROW(kL2, "l2", ::gradops::math::L2Penalty)

// ROW(enumerator, "name")
#define GRADOPS_RESPONSES(ROW) ROW(kComponent, "component")
#define GRADOPS_SCALES(ROW) ROW(kRaw, "raw")
// The enumerators are math::Border's, in its order.
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
constexpr math::Stencil TapsOf(StencilId id) {
#define GRADOPS_BRACED(a, b, c) {a, b, c}
#define GRADOPS_CASE(enumerator, name, derivative, smoothing, divisor) \
  case StencilId::enumerator:                                          \
    return {GRADOPS_BRACED derivative, GRADOPS_BRACED smoothing, divisor};
  switch (id) { GRADOPS_STENCILS(GRADOPS_CASE) }
#undef GRADOPS_CASE
#undef GRADOPS_BRACED
  return {};
}

/// Whether InteriorTaps (cpu/row_passes.h) can stand for the stencil. It never multiplies a zero
/// tap.
constexpr bool HasInteriorLoops(const math::Stencil& stencil) {
  return stencil.derivative[0] == -1 && stencil.derivative[1] == 0 && stencil.derivative[2] == 1 &&
         stencil.smoothing[0] == stencil.smoothing[2] && stencil.smoothing[0] != 0 &&
         stencil.smoothing[1] != 0;
}
#define GRADOPS_ASSERT(enumerator, name, ...)                    \
  static_assert(HasInteriorLoops(TapsOf(StencilId::enumerator)), \
                "stencil " name " needs interior loops of its own");
GRADOPS_STENCILS(GRADOPS_ASSERT)
#undef GRADOPS_ASSERT

// Names are looked up by position (core/options.cc).
#define GRADOPS_BORDER(enumerator, name) BorderId::enumerator,
inline constexpr BorderId kBorderOrder[] = {GRADOPS_BORDERS(GRADOPS_BORDER)};
#undef GRADOPS_BORDER
constexpr bool BordersAreInOrder() {
  int32_t position = 0;
  for (BorderId border : kBorderOrder) {
    if (static_cast<int32_t>(border) != position++) return false;
  }
  return true;
}
static_assert(BordersAreInOrder(), "GRADOPS_BORDERS must follow math::Border");

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
