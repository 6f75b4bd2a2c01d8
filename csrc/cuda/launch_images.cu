#include "cuda/sweep.cuh"

namespace gradops::cuda {
namespace pixels {  // named: see kernels.cuh

template <class Function, class S>
std::string LaunchPixels(const KernelParams& params, const S* in, S* out, const Queue& queue) {
  Work work(queue);
  if (params.shape.batch * params.shape.ExampleSize() == 0) return "";
  work.Fail(CheckRows(params.shape));
  const ImageArgs<S> args = MakeImageArgs(params, in, out);
  work.Launch(PixelKernel<S, Function>, args.Blocks(), kPixelThreads, 0, args, Function());
  return work.Error();
}

}  // namespace pixels

using namespace pixels;

template <class S>
std::string LaunchImageGradients(const KernelParams& params, const S* images, S* gradients,
                                 const Queue& queue) {
  return LaunchPixels<GradientFunction>(params, images, gradients, queue);
}

template <class S>
std::string LaunchImageGradientsAdjoint(const KernelParams& params, const S* upstream, S* images,
                                        const Queue& queue) {
  return LaunchPixels<AdjointFunction>(params, upstream, images, queue);
}

template <class S>
std::string LaunchGradientMagnitude(const KernelParams& params, const S* images, S* magnitudes,
                                    const Queue& queue) {
  return LaunchPixels<MagnitudeFunction>(params, images, magnitudes, queue);
}

template <class S>
std::string LaunchGradientMagnitudeGradient(const KernelParams& params, const S* images,
                                            const S* upstream, S* gradient, const Queue& queue) {
  Work work(queue);
  if (params.shape.batch * params.shape.ExampleSize() == 0) return "";
  work.Fail(CheckRows(params.shape));
  LaunchThreads<MagnitudeThread<S>>(
      MakeMagnitudeArgs(params, images, upstream, gradient, Processors()), &work);
  return work.Error();
}

#define GRADOPS_INSTANTIATE(S)                                                                     \
  template std::string LaunchImageGradients<S>(const KernelParams&, const S*, S*, const Queue&);   \
  template std::string LaunchImageGradientsAdjoint<S>(const KernelParams&, const S*, S*,           \
                                                      const Queue&);                               \
  template std::string LaunchGradientMagnitude<S>(const KernelParams&, const S*, S*,               \
                                                  const Queue&);                                   \
  template std::string LaunchGradientMagnitudeGradient<S>(const KernelParams&, const S*, const S*, \
                                                          S*, const Queue&);
GRADOPS_FOR_EACH_DTYPE(GRADOPS_INSTANTIATE)
#undef GRADOPS_INSTANTIATE

}  // namespace gradops::cuda
