#ifndef GRADOPS_CPU_KERNELS_H_
#define GRADOPS_CPU_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "core/params.h"

namespace gradops::cpu {

/// Rows [begin, end) of one example: what one unit of work produces.
struct RowRange {
  int64_t begin, end;
};

/// The kernels of one instruction set for images of type T. Pointers are to one example's memory.
template <class T>
struct KernelTable {
  /// Returns the sum of the penalties of the rows' residuals. Where `gradient` is not null, also
  /// writes those rows of scale * d(sum over the example) / dy_pred.
  double (*loss)(const KernelParams& params, const T* y_true, const T* y_pred, RowRange rows,
                 T scale, T* gradient);
  /// Rows of gradients [H, W, C, 2] = (dy, dx).
  void (*image_gradients)(const KernelParams& params, const T* image, RowRange rows, T* gradients);
  /// Rows of image [H, W, C] = adjoint of upstream [H, W, C, 2].
  void (*image_gradients_adjoint)(const KernelParams& params, const T* upstream, RowRange rows,
                                  T* image);
  /// out = factor * in, `size` numbers; may be in place.
  void (*scale)(const T* in, T factor, T* out, int64_t size);
  /// Yardsticks (docs/performance.md): out = a - b with plain or streaming stores, sum of |a - b|.
  void (*triad)(const T* a, const T* b, T* out, int64_t size, bool streaming);
  double (*sum_absolute_difference)(const T* a, const T* b, int64_t size);
};

/// One instruction set.
struct Target {
  const char* name;
  KernelTable<float> float_kernels;
  KernelTable<double> double_kernels;
};

template <class T>
const KernelTable<T>& KernelsOf(const Target& target);
template <>
inline const KernelTable<float>& KernelsOf<float>(const Target& target) {
  return target.float_kernels;
}
template <>
inline const KernelTable<double>& KernelsOf<double>(const Target& target) {
  return target.double_kernels;
}

/// At least `bytes` bytes on a 64-byte boundary that belong to the calling thread until it asks
/// again. The thread keeps them for its next unit.
void* ThreadScratch(size_t bytes);

}  // namespace gradops::cpu

#endif  // GRADOPS_CPU_KERNELS_H_
