#pragma once

#include <cstdint>

#include "family/dtypes.h"
#include "math/border.h"
#include "math/penalty.h"
#include "math/response.h"
#include "math/stencil.h"

// The table of the family's members. Enums, the parsing of names, op attributes, kernel dispatch
// and Python's allowed values are made from its rows. CONTRIBUTING.md says how to add one.

// ROW(enumerator, "name", derivative taps, smoothing taps, unit divisor)
#define GRADOPS_STENCILS(ROW)                          \
  ROW(kSobel, "sobel", (-1, 0, 1), (1, 2, 1), 8)       \
  ROW(kScharr, "scharr", (-1, 0, 1), (3, 10, 3), 32)   \
  ROW(kPrewitt, "prewitt", (-1, 0, 1), (1, 1, 1), 6)   \
  ROW(kCentral, "central", (-1, 0, 1), (0, 1, 0), 2)   \
  ROW(kForward, "forward", (0, -1, 1), (0, 1, 0), 1)   \
  ROW(kBackward, "backward", (-1, 1, 0), (0, 1, 0), 1) \
  ROW(kLaplace, "laplace", (1, -2, 1), (0, 1, 0), 1)   \
  ROW(kLaplace8, "laplace8", (1, -2, 1), (0.5, 2, 0.5), 3)

// ROW(enumerator, "name", functor, "parameter" or "", its default)
#define GRADOPS_PENALTIES(ROW)                                                           \
  ROW(kL1, "l1", ::gradops::math::L1Penalty, "", 0)                                      \
  ROW(kL2, "l2", ::gradops::math::L2Penalty, "", 0)                                      \
  ROW(kCharbonnier, "charbonnier", ::gradops::math::CharbonnierPenalty, "epsilon", 1e-3) \
  ROW(kHuber, "huber", ::gradops::math::HuberPenalty, "delta", 1)                        \
  ROW(kLog, "log", ::gradops::math::LogPenalty, "epsilon", 0.5)                          \
  ROW(kPower, "power", ::gradops::math::PowerPenalty, "alpha", 2)                        \
  ROW(kTruncated, "truncated", ::gradops::math::TruncatedPenalty, "delta", 1)

// ROW(enumerator, "name", functor, "parameter" or "", its default)
#define GRADOPS_RESPONSES(ROW)                                                               \
  ROW(kComponent, "component", ::gradops::math::ComponentResponse, "", 0)                    \
  ROW(kMagnitude, "magnitude", ::gradops::math::MagnitudeResponse, "response_epsilon", 0)    \
  ROW(kAbsolute, "absolute", ::gradops::math::AbsoluteResponse, "", 0)                       \
  ROW(kDirection, "direction", ::gradops::math::DirectionResponse, "response_epsilon", 1e-6) \
  ROW(kNormal, "normal", ::gradops::math::NormalResponse, "", 0)                             \
  ROW(kSum, "sum", ::gradops::math::SumResponse, "", 0)

// ROW(enumerator, "name")
#define GRADOPS_SCALES(ROW) ROW(kRaw, "raw") ROW(kUnit, "unit")
// What the sum over the residuals is divided by (docs/design.md); "none" keeps one sum per axis.
#define GRADOPS_NORMALIZERS(ROW) \
  ROW(kResiduals, "residuals")   \
  ROW(kPixels, "pixels")         \
  ROW(kBatch, "batch")           \
  ROW(kResidualCount, "residual_count") ROW(kPixelCount, "pixel_count") ROW(kNone, "none")
#define GRADOPS_DATA_FORMATS(ROW) \
  ROW(kChannelsLast, "channels_last") ROW(kChannelsFirst, "channels_first")
// How a level of a loss over several scales is made from the one before: every second row and
// column, or the means of 2 x 2 pixels.
#define GRADOPS_DOWNSAMPLES(ROW) ROW(kStride, "stride") ROW(kAverage, "average")
// The enumerators of math::Border, in its order.
#define GRADOPS_BORDERS(ROW) \
  ROW(kReflect, "reflect")   \
  ROW(kReplicate, "replicate") ROW(kZero, "zero") ROW(kCircular, "circular") ROW(kValid, "valid")

namespace gradops {

#define GRADOPS_ENUMERATOR(enumerator, ...) enumerator,
enum class StencilId : int32_t { GRADOPS_STENCILS(GRADOPS_ENUMERATOR) };
enum class PenaltyId : int32_t { GRADOPS_PENALTIES(GRADOPS_ENUMERATOR) };
enum class ResponseId : int32_t { GRADOPS_RESPONSES(GRADOPS_ENUMERATOR) };
enum class ScaleId : int32_t { GRADOPS_SCALES(GRADOPS_ENUMERATOR) };
enum class NormalizerId : int32_t { GRADOPS_NORMALIZERS(GRADOPS_ENUMERATOR) };
enum class DataFormatId : int32_t { GRADOPS_DATA_FORMATS(GRADOPS_ENUMERATOR) };
enum class DownsampleId : int32_t { GRADOPS_DOWNSAMPLES(GRADOPS_ENUMERATOR) };
enum class ListedBorder : int32_t { GRADOPS_BORDERS(GRADOPS_ENUMERATOR) };
#undef GRADOPS_ENUMERATOR
using BorderId = math::Border;

/// The stencil's taps, before scaling.
constexpr math::Stencil TapsOf(StencilId id) {
#define GRADOPS_BRACED(a, b, c) {a, b, c}
#define GRADOPS_CASE(enumerator, name, derivative, smoothing, divisor) \
  case StencilId::enumerator:                                          \
    return {GRADOPS_BRACED derivative, GRADOPS_BRACED smoothing, divisor, 1};
  switch (id) { GRADOPS_STENCILS(GRADOPS_CASE) }
#undef GRADOPS_CASE
#undef GRADOPS_BRACED
  return {};
}

/// Whether InteriorTaps (math/interior_taps.h) has a kind for the stencil: central or second
/// differences, smoothed symmetrically or not at all, or one-sided ones without smoothing.
constexpr bool HasInteriorLoops(const math::Stencil& s) {
  const auto is = [&s](double before, double here, double after) {
    return s.derivative[0] == before && s.derivative[1] == here && s.derivative[2] == after;
  };
  const bool one_sided = is(0, -1, 1) || is(-1, 1, 0);
  return (is(-1, 0, 1) || is(1, -2, 1) || (one_sided && s.smoothing[0] == 0)) &&
         s.smoothing[0] == s.smoothing[2] && s.smoothing[1] != 0;
}
#define GRADOPS_ASSERT(enumerator, name, ...)                    \
  static_assert(HasInteriorLoops(TapsOf(StencilId::enumerator)), \
                "stencil " name " needs interior loops of its own");
GRADOPS_STENCILS(GRADOPS_ASSERT)
#undef GRADOPS_ASSERT

// Names are looked up by position (family/options.cc).
#define GRADOPS_ASSERT(enumerator, name)                          \
  static_assert(static_cast<int32_t>(ListedBorder::enumerator) == \
                    static_cast<int32_t>(BorderId::enumerator),   \
                "GRADOPS_BORDERS must follow math::Border");
GRADOPS_BORDERS(GRADOPS_ASSERT)
#undef GRADOPS_ASSERT

/// Calls visitor(TypeTag<the penalty's struct>()).
template <class Visitor>
auto VisitPenalty(PenaltyId id, Visitor&& visitor) {
#define GRADOPS_CASE(enumerator, name, Functor, ...) \
  case PenaltyId::enumerator:                        \
    return visitor(TypeTag<Functor>());
  switch (id) { GRADOPS_PENALTIES(GRADOPS_CASE) }
#undef GRADOPS_CASE
  __builtin_unreachable();
}

/// Calls visitor(TypeTag<the response's struct>()).
template <class Visitor>
auto VisitResponse(ResponseId id, Visitor&& visitor) {
#define GRADOPS_CASE(enumerator, name, Functor, ...) \
  case ResponseId::enumerator:                       \
    return visitor(TypeTag<Functor>());
  switch (id) { GRADOPS_RESPONSES(GRADOPS_CASE) }
#undef GRADOPS_CASE
  __builtin_unreachable();
}

/// Residuals per pixel and channel: 2, or 1 for a joint response.
inline int ResidualsOf(ResponseId id) {
  return VisitResponse(id, [](auto tag) { return int{decltype(tag)::Type::kResiduals}; });
}

/// Whether the response depends on the images' difference alone.
inline bool IsOfDifference(ResponseId id) {
  return VisitResponse(id, [](auto tag) { return decltype(tag)::Type::kDifference; });
}

}  // namespace gradops
