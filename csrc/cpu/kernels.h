#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "family/counts.h"
#include "family/inputs.h"
#include "family/params.h"

namespace gradops::cpu {

/// Rows [begin, end) of one plane.
struct RowRange {
  int64_t begin, end;
};

/// One plane of the gradient of the next coarser level, or null. It is spread to twice its height
/// and width and added to the gradient that is written.
template <class T>
struct CoarserGradient {
  const T* plane = nullptr;
  int64_t height = 0, width = 0;
  DownsampleId downsample = DownsampleId::kStride;
};

/// One plane of the derivatives by the weights: the values of the residuals at each position times
/// the scale of their axis, also where the weight is 0.
template <class T>
struct WeightsOutput {
  T* plane = nullptr;          // null if they are not wanted
  const T* weights = nullptr;  // if not null: where a weight is 0, what is not finite becomes 0
  bool per_channel = false;    // else a pixel has the sum over its channels
  bool adds = false;           // whether to add to what another plane has written
  bool read_soon = false;      // whether to keep them in the caches
  T scale_y = 0, scale_x = 0;
};

/// One plane of the gradients that a kernel writes, each null if it is not wanted, and their
/// factors.
template <class S>
struct GradientOutputs {
  S* by_pred = nullptr;
  S* by_true = nullptr;
  ComputeType<S> scale_y = 0, scale_x = 0;
  CoarserGradient<ComputeType<S>> coarser_by_pred, coarser_by_true;
  bool read_soon = false;          // whether to keep the gradients in the caches
  ComputeType<S> pixel_scale = 0;  // adds pixel_scale * w sign(y_pred - y_true) to by_pred
  WeightsOutput<ComputeType<S>> by_weights, by_weights_of_pixels;
};

/// The sums of a unit: over residuals and, if the loss has a pixel term, over pixels.
struct LossSums {
  AxisSums residuals{0, 0};
  double pixels = 0;
};

/// How a row of the next coarser level is made.
struct CoarserShape {
  int64_t row_size;         // elements in a row of this level
  int64_t width, channels;  // of the next level
  DownsampleId downsample;
};

/// The bits of a weight as an integer. For non-negative weights they are in the same order as the
/// weights, even where the processor takes subnormal numbers for 0, as in TensorFlow's threads.
GRADOPS_FN int64_t WeightBits(float weight) { return math::BitCast<int32_t>(weight); }
GRADOPS_FN int64_t WeightBits(double weight) { return math::BitCast<int64_t>(weight); }

struct Counts {
  AxisSums sums{0, 0};           // of the weights of the residuals or pixels that count
  bool negative_weight = false;  // whether any weight is negative or NaN
  int64_t largest_weight = 0;    // WeightBits of the largest weight
};

/// `data` + offset, or null if there is no data.
template <class M>
GRADOPS_FN M* OffsetIfGiven(M* data, int64_t offset) {
  return data == nullptr ? data : data + offset;
}

/// The kernels of one instruction set for images of type S. Pointers are to one plane's memory.
template <class S>
struct KernelTable {
  using T = ComputeType<S>;

  /// Returns the weighted sums over the rows' residuals (penalties) and pixels (absolute values).
  /// If outputs.by_pred is not null, also writes those rows of scale * d(sum over the example) /
  /// dy_pred. With a vector and slopes = d(sum) / dy_pred: returns <vector, slopes>, and writes the
  /// rows of scale * d<vector, slopes> / dy_pred and, if wanted, / dy_true.
  LossSums (*loss)(const KernelParams& params, const LossInputs<S>& inputs, const S* vector,
                   RowRange rows, const GradientOutputs<S>& outputs);
  Counts (*counts)(const KernelParams& params, const LossInputs<S>& inputs, RowRange rows,
                   Counted counted);
  /// Writes or adds to the output, at each position, the scale of each axis on which it counts. The
  /// inputs' weights have no effect.
  void (*add_counted)(const KernelParams& params, const LossInputs<S>& inputs, RowRange rows,
                      Counted counted, const WeightsOutput<T>& output);
  /// Writes one row of the next coarser level of a - b, or of a if b is null. a and b point to the
  /// first of the rows that it is made of.
  void (*coarser_row)(const S* a, const S* b, const CoarserShape& shape, T* out);
  /// Writes the rows of what a plane gets from the gradient of the next coarser level.
  void (*spread)(const KernelParams& params, const CoarserGradient<T>& coarser, RowRange rows,
                 S* plane);
  /// Writes rows of gradients [H, W, C, 2] = (dy, dx).
  void (*image_gradients)(const KernelParams& params, const S* image, RowRange rows, S* gradients);
  /// Writes rows of image [H, W, C], the adjoint of upstream [H, W, C, 2].
  void (*image_gradients_adjoint)(const KernelParams& params, const S* upstream, RowRange rows,
                                  S* image);
  /// Write rows of the magnitude, and of upstream * d magnitude / d image.
  void (*magnitude)(const KernelParams& params, const S* image, RowRange rows, S* magnitudes);
  void (*magnitude_gradient)(const KernelParams& params, const S* image, const S* upstream,
                             RowRange rows, S* gradient);
  /// out = factor * in, `size` elements; may be in place.
  void (*scale)(const S* in, T factor, S* out, int64_t size);
  /// Memory benchmarks (docs/performance.md): out = a - b with plain or streaming stores, and the
  /// sum of |a - b|.
  void (*triad)(const S* a, const S* b, S* out, int64_t size, bool streaming);
  double (*sum_absolute_difference)(const S* a, const S* b, int64_t size);
};

/// One instruction set, with a table for each dtype.
struct Target {
  const char* name;
#define GRADOPS_MEMBER(enumerator, S, name) const KernelTable<S>& enumerator;
  GRADOPS_DTYPES(GRADOPS_MEMBER)
#undef GRADOPS_MEMBER

  template <class S>
  const KernelTable<S>& Of() const {
#define GRADOPS_RETURN_IF(enumerator, Type, name) \
  if constexpr (std::is_same_v<S, Type>) return enumerator;
    GRADOPS_DTYPES(GRADOPS_RETURN_IF)
#undef GRADOPS_RETURN_IF
  }
};

/// The target in use, chosen on first call: the widest that this machine can run, or the one that
/// the environment variable GRADOPS_CPU_TARGET names (for tests and measurements).
const Target& ActiveTarget();

/// Memory of the calling thread, at least `bytes` bytes on a 64-byte boundary, valid until the
/// thread calls again. It is kept from unit to unit. ThreadScratch is for kernels, LevelScratch for
/// the levels of a loss over several scales: both are in use at once.
void* ThreadScratch(size_t bytes);
void* LevelScratch(size_t bytes);

}  // namespace gradops::cpu
