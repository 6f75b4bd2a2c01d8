#include "core/launch.h"
#include "cpu/targets.h"
#include "cpu/units.h"

namespace gradops {

using cpu::ActiveTarget;
using cpu::Units;

template <class S>
void LaunchImageGradients(const KernelParams& params, const S* images, S* gradients,
                          const ParallelFor& parallel_for) {
  const Units units(params.shape);
  parallel_for(units.count, [&](int64_t unit) {
    const int64_t offset = units.Offset(unit);
    ActiveTarget().Of(images).image_gradients(params, images + offset, units.Rows(unit),
                                              gradients + 2 * offset);
  });
}

template <class S>
void LaunchImageGradientsAdjoint(const KernelParams& params, const S* upstream, S* images,
                                 const ParallelFor& parallel_for) {
  const Units units(params.shape);
  parallel_for(units.count, [&](int64_t unit) {
    const int64_t offset = units.Offset(unit);
    ActiveTarget().Of(images).image_gradients_adjoint(params, upstream + 2 * offset,
                                                      units.Rows(unit), images + offset);
  });
}

template <class S>
void LaunchGradientMagnitude(const KernelParams& params, const S* images, S* magnitudes,
                             const ParallelFor& parallel_for) {
  const Units units(params.shape);
  parallel_for(units.count, [&](int64_t unit) {
    const int64_t offset = units.Offset(unit);
    ActiveTarget().Of(images).magnitude(params, images + offset, units.Rows(unit),
                                        magnitudes + offset);
  });
}

template <class S>
void LaunchGradientMagnitudeGradient(const KernelParams& params, const S* images, const S* upstream,
                                     S* gradient, const ParallelFor& parallel_for) {
  const Units units(params.shape);
  parallel_for(units.count, [&](int64_t unit) {
    const int64_t offset = units.Offset(unit);
    ActiveTarget().Of(images).magnitude_gradient(params, images + offset, upstream + offset,
                                                 units.Rows(unit), gradient + offset);
  });
}

#define GRADOPS_INSTANTIATE(S)                                                                     \
  template void LaunchImageGradients<S>(const KernelParams&, const S*, S*, const ParallelFor&);    \
  template void LaunchImageGradientsAdjoint<S>(const KernelParams&, const S*, S*,                  \
                                               const ParallelFor&);                                \
  template void LaunchGradientMagnitude<S>(const KernelParams&, const S*, S*, const ParallelFor&); \
  template void LaunchGradientMagnitudeGradient<S>(const KernelParams&, const S*, const S*, S*,    \
                                                   const ParallelFor&);
GRADOPS_FOR_EACH_DTYPE(GRADOPS_INSTANTIATE)
#undef GRADOPS_INSTANTIATE

}  // namespace gradops
