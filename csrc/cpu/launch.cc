#include "core/launch.h"

#include <cmath>
#include <vector>

#include "cpu/targets.h"
#include "math/int_math.h"

namespace gradops {
namespace {

/// A unit is a strip of whole rows of one example. Strips overlap by the four rows that a gradient
/// depends on, so they are tall; but a single photograph should still give every core several.
/// Chosen by measurement (docs/performance.md); never by thread count.
constexpr int64_t kMinimumUnitRows = 64;
constexpr int64_t kMinimumUnitSize = 1 << 16;

struct Units {
  int64_t height, rows_per_unit, per_example, count;

  explicit Units(const ImageShape& shape) : height(shape.height) {
    const int64_t rows = math::CeilDiv(kMinimumUnitSize, math::Max<int64_t>(shape.RowSize(), 1));
    rows_per_unit = math::Max(rows, kMinimumUnitRows);
    per_example = math::CeilDiv(height, rows_per_unit);
    count = shape.ExampleSize() == 0 ? 0 : shape.batch * per_example;
  }
  int64_t Example(int64_t unit) const { return unit / per_example; }
  cpu::RowRange Rows(int64_t unit) const {
    const int64_t begin = unit % per_example * rows_per_unit;
    return {begin, math::Min(begin + rows_per_unit, height)};
  }
};

/// upstream * (1 / count), the factor between the sum's gradient and the loss's.
template <class T>
T GradientScale(LossType<T> upstream, int64_t count) {
  return static_cast<T>(static_cast<double>(upstream) / static_cast<double>(count));
}

enum class MemoUse { kCopy, kScale, kRecompute };

/// Scaling is as good as recomputing unless `expected` pushed the memo's numbers out of range.
template <class U>
MemoUse HowToUseMemo(U expected, U upstream) {
  constexpr U kSafe = U(1) / (int64_t{1} << 32);
  if (expected == upstream) return MemoUse::kCopy;
  const U magnitude = std::abs(expected), ratio = upstream / expected;
  const bool in_range = magnitude >= kSafe && magnitude <= 1 / kSafe && std::isfinite(ratio);
  return in_range ? MemoUse::kScale : MemoUse::kRecompute;
}

}  // namespace

template <class T>
void LaunchLoss(const KernelParams& params, const T* y_true, const T* y_pred, LossType<T>* loss,
                PerExample<LossType<T>> upstream, T* gradient, const ParallelFor& parallel_for) {
  const cpu::KernelTable<T>& kernels = cpu::KernelsOf<T>(cpu::ActiveTarget());
  const ImageShape& shape = params.shape;
  const int64_t example_size = shape.ExampleSize(), count = params.ResidualCount();
  const Units units(shape);
  std::vector<double> sums(units.count);
  parallel_for(units.count, [&](int64_t unit) {
    const int64_t example = units.Example(unit), offset = example * example_size;
    const T scale = gradient ? GradientScale<T>(upstream[example], count) : T(0);
    sums[unit] = kernels.loss(params, y_true + offset, y_pred + offset, units.Rows(unit), scale,
                              gradient ? gradient + offset : nullptr);
  });
  if (loss == nullptr) return;
  for (int64_t example = 0; example < shape.batch; ++example) {
    double sum = 0;
    for (int64_t i = 0; i < units.per_example && count > 0; ++i) {
      sum += sums[example * units.per_example + i];
    }
    loss[example] = static_cast<LossType<T>>(count > 0 ? sum / static_cast<double>(count) : 0);
  }
}

template <class T>
void LaunchLossGradient(const KernelParams& params, const T* y_true, const T* y_pred, const T* memo,
                        PerExample<LossType<T>> expected, PerExample<LossType<T>> upstream,
                        T* gradient, const ParallelFor& parallel_for) {
  const cpu::KernelTable<T>& kernels = cpu::KernelsOf<T>(cpu::ActiveTarget());
  const int64_t row_size = params.shape.RowSize(), example_size = params.shape.ExampleSize();
  const Units units(params.shape);
  parallel_for(units.count, [&](int64_t unit) {
    const int64_t example = units.Example(unit), offset = example * example_size;
    const cpu::RowRange rows = units.Rows(unit);
    const MemoUse use =
        memo == nullptr ? MemoUse::kRecompute : HowToUseMemo(expected[example], upstream[example]);
    if (use == MemoUse::kRecompute) {
      kernels.loss(params, y_true + offset, y_pred + offset, rows,
                   GradientScale<T>(upstream[example], params.ResidualCount()), gradient + offset);
      return;
    }
    const int64_t begin = offset + rows.begin * row_size;
    const T factor =
        use == MemoUse::kCopy ? T(1) : static_cast<T>(upstream[example] / expected[example]);
    if (use == MemoUse::kCopy && memo == gradient) return;
    kernels.scale(memo + begin, factor, gradient + begin, (rows.end - rows.begin) * row_size);
  });
}

template <class T>
bool MemoIsGradient(int64_t batch, PerExample<T> expected, PerExample<T> upstream) {
  for (int64_t example = 0; example < batch; ++example) {
    if (HowToUseMemo(expected[example], upstream[example]) != MemoUse::kCopy) return false;
  }
  return true;
}

template <class T>
void LaunchImageGradients(const KernelParams& params, const T* images, T* gradients,
                          const ParallelFor& parallel_for) {
  const cpu::KernelTable<T>& kernels = cpu::KernelsOf<T>(cpu::ActiveTarget());
  const Units units(params.shape);
  parallel_for(units.count, [&](int64_t unit) {
    const int64_t offset = units.Example(unit) * params.shape.ExampleSize();
    kernels.image_gradients(params, images + offset, units.Rows(unit), gradients + 2 * offset);
  });
}

template <class T>
void LaunchImageGradientsAdjoint(const KernelParams& params, const T* upstream, T* images,
                                 const ParallelFor& parallel_for) {
  const cpu::KernelTable<T>& kernels = cpu::KernelsOf<T>(cpu::ActiveTarget());
  const Units units(params.shape);
  parallel_for(units.count, [&](int64_t unit) {
    const int64_t offset = units.Example(unit) * params.shape.ExampleSize();
    kernels.image_gradients_adjoint(params, upstream + 2 * offset, units.Rows(unit),
                                    images + offset);
  });
}

#define GRADOPS_INSTANTIATE(T)                                                                  \
  template void LaunchLoss<T>(const KernelParams&, const T*, const T*, LossType<T>*,            \
                              PerExample<LossType<T>>, T*, const ParallelFor&);                 \
  template void LaunchLossGradient<T>(const KernelParams&, const T*, const T*, const T*,        \
                                      PerExample<LossType<T>>, PerExample<LossType<T>>, T*,     \
                                      const ParallelFor&);                                      \
  template void LaunchImageGradients<T>(const KernelParams&, const T*, T*, const ParallelFor&); \
  template void LaunchImageGradientsAdjoint<T>(const KernelParams&, const T*, T*,               \
                                               const ParallelFor&);
GRADOPS_INSTANTIATE(float)
GRADOPS_INSTANTIATE(double)
#undef GRADOPS_INSTANTIATE
template bool MemoIsGradient<float>(int64_t, PerExample<float>, PerExample<float>);
template bool MemoIsGradient<double>(int64_t, PerExample<double>, PerExample<double>);

}  // namespace gradops
