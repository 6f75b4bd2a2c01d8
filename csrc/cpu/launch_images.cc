#include "core/launch.h"
#include "cpu/targets.h"
#include "cpu/units.h"

namespace gradops {

using cpu::ActiveTarget;
using cpu::Units;

template <class S>
std::string LaunchImageGradients(const KernelParams& params, const S* images, S* gradients,
                                 const ParallelFor& parallel_for) {
  const Units units(params.shape);
  parallel_for(units.count, [&](int64_t unit) {
    const int64_t offset = units.Offset(unit);
    ActiveTarget().Of(images).image_gradients(params, images + offset, units.Rows(unit),
                                              gradients + 2 * offset);
  });
  return "";
}

template <class S>
std::string LaunchImageGradientsAdjoint(const KernelParams& params, const S* upstream, S* images,
                                        const ParallelFor& parallel_for) {
  const Units units(params.shape);
  parallel_for(units.count, [&](int64_t unit) {
    const int64_t offset = units.Offset(unit);
    ActiveTarget().Of(images).image_gradients_adjoint(params, upstream + 2 * offset,
                                                      units.Rows(unit), images + offset);
  });
  return "";
}

template <class S>
std::string LaunchGradientMagnitude(const KernelParams& params, const S* images, S* magnitudes,
                                    const ParallelFor& parallel_for) {
  const Units units(params.shape);
  parallel_for(units.count, [&](int64_t unit) {
    const int64_t offset = units.Offset(unit);
    ActiveTarget().Of(images).magnitude(params, images + offset, units.Rows(unit),
                                        magnitudes + offset);
  });
  return "";
}

template <class S>
std::string LaunchGradientMagnitudeGradient(const KernelParams& params, const S* images,
                                            const S* upstream, S* gradient,
                                            const ParallelFor& parallel_for) {
  const Units units(params.shape);
  parallel_for(units.count, [&](int64_t unit) {
    const int64_t offset = units.Offset(unit);
    ActiveTarget().Of(images).magnitude_gradient(params, images + offset, upstream + offset,
                                                 units.Rows(unit), gradient + offset);
  });
  return "";
}

#define GRADOPS_INSTANTIATE(S)                                                                     \
  template std::string LaunchImageGradients<S>(const KernelParams&, const S*, S*,                  \
                                               const ParallelFor&);                                \
  template std::string LaunchImageGradientsAdjoint<S>(const KernelParams&, const S*, S*,           \
                                                      const ParallelFor&);                         \
  template std::string LaunchGradientMagnitude<S>(const KernelParams&, const S*, S*,               \
                                                  const ParallelFor&);                             \
  template std::string LaunchGradientMagnitudeGradient<S>(const KernelParams&, const S*, const S*, \
                                                          S*, const ParallelFor&);
GRADOPS_FOR_EACH_DTYPE(GRADOPS_INSTANTIATE)
#undef GRADOPS_INSTANTIATE

}  // namespace gradops
