#include "family/counts.h"

namespace gradops {
namespace {

/// How many positions along an axis count.
struct AxisCounts {
  int64_t derivative = 0, smoothing = 0;
  int64_t both = 0;
};

AxisCounts CountAxis(const KernelParams& params, int64_t size) {
  // Positions away from the border all count alike.
  AxisCounts counts;
  const bool wraps = math::Wraps(params.stencil, params.border, size);
  const auto add = [&](int64_t index, int64_t times) {
    const math::AxisTaps taps =
        wraps ? math::AxisTaps() : ForwardTaps(params.stencil, params.border, index, size);
    counts.derivative += taps.derivative_counts ? times : 0;
    counts.smoothing += taps.smoothing_counts ? times : 0;
    counts.both += taps.derivative_counts && taps.smoothing_counts ? times : 0;
  };
  if (size > 0) add(0, 1);
  if (size > 1) add(size - 1, 1);
  if (size > 2) add(1, size - 2);
  return counts;
}

}  // namespace

AxisSums CountByShape(const KernelParams& params, Counted counted) {
  const ImageShape& shape = params.shape;
  if (counted == Counted::kPixels) return {static_cast<double>(shape.ExampleSize()), 0};
  const AxisCounts rows = CountAxis(params, shape.height), columns = CountAxis(params, shape.width);
  const double per_position = static_cast<double>(shape.planes * shape.channels);
  if (ResidualsOf(params.response) == 1) {
    return {per_position * static_cast<double>(rows.both * columns.both), 0};
  }
  return {per_position * static_cast<double>(rows.derivative * columns.smoothing),
          per_position * static_cast<double>(rows.smoothing * columns.derivative)};
}

}  // namespace gradops
