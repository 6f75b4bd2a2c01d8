#ifndef GRADOPS_PYTHON_IMAGE_FUNCTIONS_H_
#define GRADOPS_PYTHON_IMAGE_FUNCTIONS_H_

#include "core/launch.h"
#include "core/yardsticks.h"
#include "python/arrays.h"
#include "python/parallel_for.h"

// The image launchers and the yardsticks on NumPy arrays.

namespace gradops::python {

inline LossOptions ImageOptions(const py::kwargs& names) {
  LossOptions options;
  for (const auto& item : names) {
    ThrowIf(SetOption(item.first.cast<std::string>(), py::str(item.second), &options));
  }
  options.response = ResponseId::kMagnitude;  // of which image ops read the epsilon
  return options;
}

template <class S>
Images<S> ImageGradients(const Images<S>& images, int threads, const py::kwargs& names) {
  const KernelParams params = CheckedParams(images, "images", 4, ImageOptions(names));
  std::vector<py::ssize_t> shape = ShapeOf(images);
  shape.push_back(2);
  Images<S> gradients(shape);
  S* const out = MutableData<S>(gradients);
  py::gil_scoped_release unlocked;
  LaunchImageGradients<S>(params, Data<S>(images), out, ThreadsParallelFor(threads));
  return gradients;
}

template <class S>
Images<S> ImageGradientsAdjoint(const Images<S>& upstream, int threads, const py::kwargs& names) {
  const KernelParams params = CheckedParams(upstream, "upstream", 5, ImageOptions(names));
  if (upstream.shape(4) != 2) {
    throw std::invalid_argument("upstream must have 2 components in its last axis, got shape " +
                                ShapeText(upstream));
  }
  std::vector<py::ssize_t> shape = ShapeOf(upstream);
  shape.pop_back();
  Images<S> images(shape);
  S* const out = MutableData<S>(images);
  py::gil_scoped_release unlocked;
  LaunchImageGradientsAdjoint<S>(params, Data<S>(upstream), out, ThreadsParallelFor(threads));
  return images;
}

template <class S>
Images<S> GradientMagnitude(const Images<S>& images, int threads, const py::kwargs& names) {
  const KernelParams params = CheckedParams(images, "images", 4, ImageOptions(names));
  Images<S> magnitudes(ShapeOf(images));
  S* const out = MutableData<S>(magnitudes);
  py::gil_scoped_release unlocked;
  LaunchGradientMagnitude<S>(params, Data<S>(images), out, ThreadsParallelFor(threads));
  return magnitudes;
}

template <class S>
Images<S> GradientMagnitudeGradient(const Images<S>& images, const Images<S>& upstream, int threads,
                                    const py::kwargs& names) {
  const KernelParams params = CheckedParams(images, "images", 4, ImageOptions(names));
  CheckSameShape(upstream, "upstream", images);
  Images<S> gradient(ShapeOf(images));
  S* const out = MutableData<S>(gradient);
  py::gil_scoped_release unlocked;
  LaunchGradientMagnitudeGradient<S>(params, Data<S>(images), Data<S>(upstream), out,
                                     ThreadsParallelFor(threads));
  return gradient;
}

template <class S>
void Triad(const Images<S>& a, const Images<S>& b, Images<S> out, bool streaming, int threads) {
  CheckAligned(a, "a");
  CheckSameShape(b, "b", a);
  CheckSameShape(out, "out", a);
  S* const to = MutableData<S>(out);
  py::gil_scoped_release unlocked;
  LaunchTriad<S>(Data<S>(a), Data<S>(b), to, a.size(), streaming, ThreadsParallelFor(threads));
}

template <class S>
double SumAbsoluteDifference(const Images<S>& a, const Images<S>& b, int threads) {
  CheckAligned(a, "a");
  CheckSameShape(b, "b", a);
  py::gil_scoped_release unlocked;
  return LaunchSumAbsoluteDifference<S>(Data<S>(a), Data<S>(b), a.size(),
                                        ThreadsParallelFor(threads));
}

}  // namespace gradops::python

#endif  // GRADOPS_PYTHON_IMAGE_FUNCTIONS_H_
