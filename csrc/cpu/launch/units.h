#pragma once

#include "cpu/kernels.h"
#include "family/inputs.h"
#include "math/int_math.h"

namespace gradops::cpu {

/// A unit of work is a strip of whole rows of one plane of one example. Strips overlap by the four
/// rows that a gradient depends on, so they are tall, but not so tall that a single photograph
/// gives a core less than several. Sizes were chosen by measurement (docs/performance.md) and do
/// not depend on the number of threads.
struct Units {
  static constexpr int64_t kMinRows = 64;
  static constexpr int64_t kMinSize = 1 << 16;

  int64_t height, rows_per_unit, per_plane, per_example, count;
  int64_t plane_size;

  explicit Units(const ImageShape& shape) : Units(shape, RowsOf(shape)) {}
  Units(const ImageShape& shape, int64_t rows)
      : height(shape.height), rows_per_unit(rows), plane_size(shape.PlaneSize()) {
    per_plane = math::CeilDiv(height, rows_per_unit);
    per_example = shape.planes * per_plane;
    count = shape.ExampleSize() == 0 ? 0 : shape.batch * per_example;
  }
  static int64_t RowsOf(const ImageShape& shape) {
    const int64_t rows = math::CeilDiv(kMinSize, math::Max<int64_t>(shape.RowSize(), 1));
    return math::Max(rows, kMinRows) / 4 * 4 + 2;
  }
  int64_t Example(int64_t unit) const { return unit / per_example; }
  /// The index of the unit's plane among all planes of the batch.
  int64_t Plane(int64_t unit) const { return unit / per_plane; }
  int64_t PlanesPerExample() const { return per_example / per_plane; }
  /// The index of the unit's plane among those of its example.
  int64_t PlaneInExample(int64_t unit) const { return Plane(unit) % PlanesPerExample(); }
  /// Where the unit's plane begins in the images.
  int64_t Offset(int64_t unit) const { return Plane(unit) * plane_size; }
  RowRange Rows(int64_t unit) const {
    const int64_t begin = unit % per_plane * rows_per_unit;
    return {begin, math::Min(begin + rows_per_unit, height)};
  }
};

/// The sum of part(unit) over the units of an example, in their order.
template <class Part>
double SumOverUnits(const Units& units, int64_t example, Part&& part) {
  double sum = 0;
  for (int64_t i = 0; i < units.per_example && units.count > 0; ++i) {
    sum += part(example * units.per_example + i);
  }
  return sum;
}

/// The plane of a map that belongs to the unit.
template <class M>
PixelMap<M> MapOfUnit(const PixelMap<M>& map, const ImageShape& shape, const Units& units,
                      int64_t unit) {
  if (map.data == nullptr) return map;
  const int64_t plane = map.per_channel ? units.Plane(unit) : units.Example(unit);
  return {map.data + plane * shape.height * shape.MapRowSize(map.per_channel), map.per_channel};
}

/// The plane of the inputs that belongs to the unit.
template <class S>
LossInputs<S> InputsOfUnit(const LossInputs<S>& inputs, const ImageShape& shape, const Units& units,
                           int64_t unit) {
  const int64_t offset = units.Offset(unit);
  return {OffsetIfGiven(inputs.y_true, offset), OffsetIfGiven(inputs.y_pred, offset),
          MapOfUnit(inputs.weights, shape, units, unit),
          MapOfUnit(inputs.mask, shape, units, unit)};
}

}  // namespace gradops::cpu
