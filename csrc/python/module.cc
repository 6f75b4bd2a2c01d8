// gradops._kernels: the kernels on NumPy arrays, and what was built. No TensorFlow.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <stdexcept>
#include <string>

#include "core/cpu_target.h"
#include "core/launch.h"
#include "core/validate.h"
#include "core/yardsticks.h"
#include "python/parallel_for.h"

namespace py = pybind11;

namespace gradops {
namespace {

/// A dense array of exactly this dtype: nothing is converted or copied behind the caller's back.
template <class T>
using Array = py::array_t<T, py::array::c_style>;

std::string ShapeText(const py::array& array) {
  return py::str(py::tuple(array.attr("shape"))).cast<std::string>();
}

/// NumPy can hold arrays of which the elements are not on their own boundary; the kernels cannot.
void CheckAligned(const py::array& array, const char* argument) {
  if (py::detail::check_flags(array.ptr(), py::detail::npy_api::NPY_ARRAY_ALIGNED_)) return;
  throw std::invalid_argument(std::string(argument) +
                              " must be an array with aligned elements (numpy.require)");
}

/// Kernels read neighbours of what they have already written.
void CheckApart(const py::array& out, const py::array& in, const char* argument) {
  const auto* const out_begin = static_cast<const char*>(out.data());
  const auto* const in_begin = static_cast<const char*>(in.data());
  if (out_begin + out.nbytes() <= in_begin || in_begin + in.nbytes() <= out_begin) return;
  throw std::invalid_argument(std::string("out must not overlap ") + argument);
}

LossOptions OptionsFrom(const py::kwargs& names) {
  LossOptions options;
  for (const auto& item : names) {
    const std::string name = py::str(item.second);  // of anything, for the message
    const std::string error = SetOption(item.first.cast<std::string>(), name, &options);
    if (!error.empty()) throw std::invalid_argument(error);
  }
  return options;
}

KernelParams CheckedParams(const py::array& images, const char* argument, int rank,
                           const LossOptions& options) {
  if (images.ndim() != rank) {
    throw std::invalid_argument(std::string(argument) + " must have rank " + std::to_string(rank) +
                                ", got shape " + ShapeText(images));
  }
  CheckAligned(images, argument);
  const ImageShape shape = {images.shape(0), images.shape(1), images.shape(2), images.shape(3)};
  const std::string error = CheckImageSize(argument, shape.height, shape.width, options.border);
  if (!error.empty()) throw std::invalid_argument(error);
  return MakeParams(shape, options);
}

void CheckSameShape(const py::array& array, const char* argument, const py::array& like) {
  CheckAligned(array, argument);
  if (ShapeText(array) == ShapeText(like)) return;
  throw std::invalid_argument(std::string(argument) + " must have shape " + ShapeText(like) +
                              ", got " + ShapeText(array));
}

template <class T>
PerExample<LossType<T>> CheckedPerExample(const Array<LossType<T>>& values, const char* argument,
                                          int64_t batch) {
  if (values.ndim() == 1 && values.shape(0) == batch) return {values.data(), 1};
  throw std::invalid_argument(std::string(argument) + " must have shape (" + std::to_string(batch) +
                              ",), got " + ShapeText(values));
}

std::vector<py::ssize_t> ShapeOf(const py::array& array) {
  return {array.shape(), array.shape() + array.ndim()};
}

template <class T>
Array<LossType<T>> Loss(const Array<T>& y_true, const Array<T>& y_pred, int threads,
                        const py::kwargs& names) {
  const KernelParams params = CheckedParams(y_pred, "y_pred", 4, OptionsFrom(names));
  CheckSameShape(y_true, "y_true", y_pred);
  Array<LossType<T>> loss(params.shape.batch);
  LossType<T>* const out = loss.mutable_data();
  py::gil_scoped_release unlocked;
  LaunchLoss<T>(params, y_true.data(), y_pred.data(), out, {}, nullptr,
                ThreadsParallelFor(threads));
  return loss;
}

template <class T>
py::tuple LossAndGradient(const Array<T>& y_true, const Array<T>& y_pred,
                          const Array<LossType<T>>& upstream, std::optional<Array<T>> out,
                          int threads, const py::kwargs& names) {
  const KernelParams params = CheckedParams(y_pred, "y_pred", 4, OptionsFrom(names));
  CheckSameShape(y_true, "y_true", y_pred);
  if (out) {
    CheckSameShape(*out, "out", y_pred);
    CheckApart(*out, y_true, "y_true");
    CheckApart(*out, y_pred, "y_pred");
  }
  const auto scale = CheckedPerExample<T>(upstream, "upstream", params.shape.batch);
  Array<T> gradient = out ? *out : Array<T>(ShapeOf(y_pred));
  Array<LossType<T>> loss(params.shape.batch);
  T* const gradient_data = gradient.mutable_data();
  LossType<T>* const loss_data = loss.mutable_data();
  {
    py::gil_scoped_release unlocked;
    LaunchLoss<T>(params, y_true.data(), y_pred.data(), loss_data, scale, gradient_data,
                  ThreadsParallelFor(threads));
  }
  return py::make_tuple(loss, gradient);
}

template <class T>
Array<T> LossGradient(const Array<T>& y_true, const Array<T>& y_pred, const Array<T>& memo,
                      const Array<LossType<T>>& expected, const Array<LossType<T>>& upstream,
                      int threads, const py::kwargs& names) {
  const KernelParams params = CheckedParams(y_pred, "y_pred", 4, OptionsFrom(names));
  CheckSameShape(y_true, "y_true", y_pred);
  CheckSameShape(memo, "memo", y_pred);
  const auto foreseen = CheckedPerExample<T>(expected, "expected", params.shape.batch);
  const auto scale = CheckedPerExample<T>(upstream, "upstream", params.shape.batch);
  Array<T> gradient(ShapeOf(y_pred));
  T* const out = gradient.mutable_data();
  py::gil_scoped_release unlocked;
  LaunchLossGradient<T>(params, y_true.data(), y_pred.data(), memo.data(), foreseen, scale, out,
                        ThreadsParallelFor(threads));
  return gradient;
}

template <class T>
Array<T> ImageGradients(const Array<T>& images, int threads, const py::kwargs& names) {
  const KernelParams params = CheckedParams(images, "images", 4, OptionsFrom(names));
  std::vector<py::ssize_t> shape = ShapeOf(images);
  shape.push_back(2);
  Array<T> gradients(shape);
  T* const out = gradients.mutable_data();
  py::gil_scoped_release unlocked;
  LaunchImageGradients<T>(params, images.data(), out, ThreadsParallelFor(threads));
  return gradients;
}

template <class T>
Array<T> ImageGradientsAdjoint(const Array<T>& upstream, int threads, const py::kwargs& names) {
  const KernelParams params = CheckedParams(upstream, "upstream", 5, OptionsFrom(names));
  if (upstream.shape(4) != 2) {
    throw std::invalid_argument("upstream must have 2 components in its last axis, got shape " +
                                ShapeText(upstream));
  }
  std::vector<py::ssize_t> shape = ShapeOf(upstream);
  shape.pop_back();
  Array<T> images(shape);
  T* const out = images.mutable_data();
  py::gil_scoped_release unlocked;
  LaunchImageGradientsAdjoint<T>(params, upstream.data(), out, ThreadsParallelFor(threads));
  return images;
}

template <class T>
void Triad(const Array<T>& a, const Array<T>& b, Array<T> out, bool streaming, int threads) {
  CheckAligned(a, "a");
  CheckSameShape(b, "b", a);
  CheckSameShape(out, "out", a);
  T* const to = out.mutable_data();
  py::gil_scoped_release unlocked;
  LaunchTriad<T>(a.data(), b.data(), to, a.size(), streaming, ThreadsParallelFor(threads));
}

template <class T>
double SumAbsoluteDifference(const Array<T>& a, const Array<T>& b, int threads) {
  CheckAligned(a, "a");
  CheckSameShape(b, "b", a);
  py::gil_scoped_release unlocked;
  return LaunchSumAbsoluteDifference<T>(a.data(), b.data(), a.size(), ThreadsParallelFor(threads));
}

py::dict Options() {
  py::dict options;
  for (const OptionNames& row : AllOptions()) options[py::str(row.option)] = row.names;
  return options;
}

py::dict BuildInfo() {
  py::dict info;
  info["version"] = GRADOPS_VERSION;
  info["tensorflow_build_version"] = GRADOPS_TF_BUILD_VERSION;
  info["compiler"] = GRADOPS_COMPILER;
  info["cpu_targets"] = CompiledCpuTargets();
  info["cpu_targets_runnable"] = RunnableCpuTargets();
  info["cpu_target"] = ActiveCpuTarget();
  info["cuda_architectures"] = py::list();
  return info;
}

template <class T>
void Define(py::module_& m) {
  const auto threads = py::arg("threads") = 0;
  const auto y_true = py::arg("y_true").noconvert(), y_pred = py::arg("y_pred").noconvert();
  m.def("loss", &Loss<T>, y_true, y_pred, py::kw_only(), threads,
        "Per-example loss [B] of images [B, H, W, C]; options by name.");
  m.def("loss_and_gradient", &LossAndGradient<T>, y_true, y_pred, py::arg("upstream").noconvert(),
        py::kw_only(), py::arg("out").noconvert() = py::none(), threads,
        "(loss [B], upstream_b * dloss_b / dy_pred) in one sweep.");
  m.def("loss_gradient", &LossGradient<T>, y_true, y_pred, py::arg("memo").noconvert(),
        py::arg("expected").noconvert(), py::arg("upstream").noconvert(), py::kw_only(), threads,
        "upstream_b * dloss_b / dy_pred, through a memo of expected_b * dloss_b / dy_pred.");
  m.def("image_gradients", &ImageGradients<T>, py::arg("images").noconvert(), py::kw_only(),
        threads, "(dy, dx) [B, H, W, C, 2] of images [B, H, W, C].");
  m.def("image_gradients_adjoint", &ImageGradientsAdjoint<T>, py::arg("upstream").noconvert(),
        py::kw_only(), threads, "The transpose of image_gradients.");
  m.def("triad", &Triad<T>, py::arg("a").noconvert(), py::arg("b").noconvert(),
        py::arg("out").noconvert(), py::kw_only(), py::arg("streaming") = false, threads,
        "Yardstick: out = a - b.");
  m.def("sum_absolute_difference", &SumAbsoluteDifference<T>, py::arg("a").noconvert(),
        py::arg("b").noconvert(), py::kw_only(), threads, "Yardstick: sum of |a - b|.");
}

}  // namespace

PYBIND11_MODULE(_kernels, m) {
  m.doc() = "gradops kernels on NumPy arrays.";
  const std::string error = CheckCpuTarget();
  if (!error.empty()) throw py::import_error(error);
  Define<float>(m);
  Define<double>(m);
  m.def("options", &Options, "The allowed names of every option; the first is the default.");
  m.def("build_info", &BuildInfo, "What was built and what runs.");
}

}  // namespace gradops
