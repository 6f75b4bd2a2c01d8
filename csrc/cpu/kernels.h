#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "family/counts.h"
#include "family/inputs.h"
#include "family/params.h"

namespace gradops::cpu {

/// Rows [begin, end) of one plane: what one unit of work produces.
struct RowRange {
  int64_t begin, end;
};

/// The gradient of the next level of a loss over several scales, one plane; null: there is none.
/// Twice in height and width, it is added to what is written.
template <class T>
struct CoarserGradient {
  const T* plane = nullptr;
  int64_t height = 0, width = 0;
  DownsampleId downsample = DownsampleId::kStride;
};

/// What the kernels write of one plane, and the factors of what they write. Null: not wanted.
template <class S>
struct GradientOutputs {
  S* by_pred = nullptr;
  S* by_true = nullptr;
  ComputeType<S> scale_y = 0, scale_x = 0;
  CoarserGradient<ComputeType<S>> coarser_by_pred, coarser_by_true;
  bool read_soon = false;          // is not written past the caches
  ComputeType<S> pixel_scale = 0;  // of w sign(y_pred - y_true), which is added to by_pred
};

/// What a unit adds up: of residuals and, if the loss has a term of the pixels, of them.
struct LossSums {
  AxisSums residuals{0, 0};
  double pixels = 0;
};

/// What makes a row of the next level.
struct CoarserShape {
  int64_t row_size;         // numbers of a row
  int64_t width, channels;  // of the next level
  DownsampleId downsample;
};

/// The bits of a weight as an integer. Those of non-negative weights are in the order of the
/// weights, also where the processor takes subnormal numbers for 0, as in TensorFlow's threads.
GRADOPS_FN int64_t WeightBits(float weight) { return math::BitCast<int32_t>(weight); }
GRADOPS_FN int64_t WeightBits(double weight) { return math::BitCast<int64_t>(weight); }

struct Counts {
  AxisSums sums{0, 0};           // of the weights of what counts
  bool negative_weight = false;  // whether there is one, or NaN
  int64_t largest_weight = 0;    // WeightBits of the largest
};

/// The kernels of one instruction set for images of type S. Pointers are to one plane's memory.
template <class S>
struct KernelTable {
  using T = ComputeType<S>;

  /// Returns the weighted sums of the penalties of the rows' residuals and of the absolute values
  /// of their pixels. Where outputs.by_pred is not null, also writes those rows of scale * d(sum
  /// over the example) / dy_pred.
  LossSums (*loss)(const KernelParams& params, const LossInputs<S>& inputs, RowRange rows,
                   const GradientOutputs<S>& outputs);
  /// With slopes = d(sum) / dy_pred: returns <vector, slopes> and writes the rows of scale *
  /// d<vector, slopes> / dy_pred and / dy_true.
  LossSums (*second)(const KernelParams& params, const LossInputs<S>& inputs, const S* vector,
                     RowRange rows, const GradientOutputs<S>& outputs);
  Counts (*counts)(const KernelParams& params, const LossInputs<S>& inputs, RowRange rows,
                   Counted counted);
  /// One row of the next level of a - b (null: of a), of the rows that a and b point to.
  void (*coarser_row)(const S* a, const S* b, const CoarserShape& shape, T* out);
  /// Rows of gradients [H, W, C, 2] = (dy, dx).
  void (*image_gradients)(const KernelParams& params, const S* image, RowRange rows, S* gradients);
  /// Rows of image [H, W, C] = adjoint of upstream [H, W, C, 2].
  void (*image_gradients_adjoint)(const KernelParams& params, const S* upstream, RowRange rows,
                                  S* image);
  /// Rows of the magnitude, and of upstream * d magnitude / d image.
  void (*magnitude)(const KernelParams& params, const S* image, RowRange rows, S* magnitudes);
  void (*magnitude_gradient)(const KernelParams& params, const S* image, const S* upstream,
                             RowRange rows, S* gradient);
  /// out = factor * in, `size` numbers; may be in place.
  void (*scale)(const S* in, T factor, S* out, int64_t size);
  /// What memory allows (docs/performance.md): out = a - b with plain or streaming stores, sum of
  /// |a - b|.
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

/// At least `bytes` bytes on a 64-byte boundary that belong to the calling thread until it asks
/// again. The thread keeps them for its next unit.
void* ThreadScratch(size_t bytes);
/// The same for the levels of a loss over several scales, beside that of the kernels.
void* LevelScratch(size_t bytes);

}  // namespace gradops::cpu
