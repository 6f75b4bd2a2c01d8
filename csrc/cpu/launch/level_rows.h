#pragma once

#include <cstring>

#include "cpu/kernels.h"
#include "math/penalty.h"

// Rows of a level in which no residual counts: the part of the next level and, element by element,
// that of the pixel term.

namespace gradops::cpu {

/// The weight of the element at position x of row `row`; 0 if it is invalid.
template <class S>
ComputeType<S> PixelWeight(const ImageShape& shape, const LossInputs<S>& inputs, int64_t row,
                           int64_t x) {
  const auto at = [&](const auto& map) {
    return map.per_channel ? row * shape.RowSize() + x : row * shape.width + x / shape.channels;
  };
  if (inputs.mask.data != nullptr && !inputs.mask.data[at(inputs.mask)]) return 0;
  return inputs.weights.data == nullptr ? 1 : inputs.weights.data[at(inputs.weights)];
}

/// y_pred - y_true at position x of row `row`.
template <class S>
ComputeType<S> PixelDifference(const ImageShape& shape, const LossInputs<S>& inputs, int64_t row,
                               int64_t x) {
  const int64_t at = row * shape.RowSize() + x;
  const ComputeType<S> pred = math::Widen(inputs.y_pred[at]);
  return inputs.y_true == nullptr ? pred : pred - math::Widen(inputs.y_true[at]);
}

/// |d| or, with a vector, vector * sign(d) at position x of row `row`.
template <class S>
ComputeType<S> PixelValue(const ImageShape& shape, const LossInputs<S>& inputs, const S* vector,
                          int64_t row, int64_t x) {
  const math::L1Penalty rho(0);
  const ComputeType<S> d = PixelDifference(shape, inputs, row, x);
  return vector == nullptr ? rho.Value(d)
                           : math::Widen(vector[row * shape.RowSize() + x]) * rho.Slope(d);
}

/// The sum of w |d| over rows or, with a vector, of <vector, w sign(d)>.
template <class S>
double SumPixels(const KernelParams& params, const LossInputs<S>& inputs, const S* vector,
                 RowRange rows) {
  const ImageShape& shape = params.shape;
  double sum = 0;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    for (int64_t x = 0; x < shape.RowSize(); ++x) {
      const ComputeType<S> weight = PixelWeight(shape, inputs, row, x);
      if (!(weight > 0)) continue;
      sum += static_cast<double>(weight * PixelValue(shape, inputs, vector, row, x));
    }
  }
  return sum;
}

/// Adds scale times the derivatives of SumPixels by the weights, if the output is wanted.
template <class S>
void AddPixelsByWeight(const KernelParams& params, LossInputs<S> inputs, const S* vector,
                       RowRange rows, ComputeType<S> scale,
                       const WeightsOutput<ComputeType<S>>& output) {
  if (output.plane == nullptr) return;
  const ImageShape& shape = params.shape;
  inputs.weights = {};
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    for (int64_t x = 0; x < shape.RowSize(); ++x) {
      if (PixelWeight(shape, inputs, row, x) == 0) continue;  // invalid
      const int64_t at =
          output.per_channel ? row * shape.RowSize() + x : row * shape.width + x / shape.channels;
      output.plane[at] += scale * PixelValue(shape, inputs, vector, row, x);
    }
  }
}

/// Writes rows of a plane of the gradient: the next level's part and, if `inputs` is not null,
/// pixel_scale w sign(d). Does nothing if `plane` is null.
template <class S>
void WriteWithoutResiduals(const KernelParams& params, RowRange rows,
                           const CoarserGradient<ComputeType<S>>& coarser,
                           const LossInputs<S>* inputs, ComputeType<S> pixel_scale, S* plane) {
  using T = ComputeType<S>;
  if (plane == nullptr) return;
  const ImageShape& shape = params.shape;
  if (inputs == nullptr) {
    if (coarser.plane != nullptr) {
      return ActiveTarget().Of<S>().spread(params, coarser, rows, plane);
    }
    const int64_t row_size = shape.RowSize();
    std::memset(static_cast<void*>(plane + rows.begin * row_size), 0,
                (rows.end - rows.begin) * row_size * sizeof(S));
    return;
  }
  const bool stride = coarser.downsample == DownsampleId::kStride;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    for (int64_t x = 0; x < shape.RowSize(); ++x) {
      const int64_t column = x / shape.channels;
      const bool has = coarser.plane != nullptr && row / 2 < coarser.height &&
                       column / 2 < coarser.width && (!stride || (row % 2 == 0 && column % 2 == 0));
      const int64_t from = (row / 2 * coarser.width + column / 2) * shape.channels;
      T value = has ? (stride ? T(1) : T(0.25)) * coarser.plane[from + x % shape.channels] : T(0);
      const T weight = PixelWeight(shape, *inputs, row, x);
      if (weight > 0) {
        value += weight *
                 (pixel_scale * math::L1Penalty(0).Slope(PixelDifference(shape, *inputs, row, x)));
      }
      math::Narrow(value, plane + row * shape.RowSize() + x);
    }
  }
}

}  // namespace gradops::cpu
