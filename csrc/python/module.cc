// gradops._kernels: the kernels on NumPy arrays, and what was built. No TensorFlow.

#include "core/cpu_target.h"
#include "python/cuda_functions.h"
#include "python/image_functions.h"
#include "python/loss_functions.h"

// A build without CUDA has none of these.
#ifndef GRADOPS_CUDA_ARCHITECTURES
#define GRADOPS_CUDA_ARCHITECTURES ""
#define GRADOPS_CUDA_TOOLKIT ""
#endif

namespace gradops::python {
namespace {

py::dict Options() {
  py::dict options;
  for (const OptionNames& row : AllOptions()) options[py::str(row.option)] = row.names;
  return options;
}

/// {"charbonnier": ("epsilon", 0.001), ...}: the parameters of penalties or responses.
py::dict Parameters(const std::vector<ParameterRow>& rows) {
  py::dict parameters;
  for (const ParameterRow& row : rows) {
    if (row.parameter.empty()) continue;
    parameters[py::str(row.of)] = py::make_tuple(row.parameter, row.default_value);
  }
  return parameters;
}

py::dict BuildInfo() {
  py::dict info;
  info["version"] = GRADOPS_VERSION;
  info["tensorflow_build_version"] = GRADOPS_TF_BUILD_VERSION;
  info["compiler"] = GRADOPS_COMPILER;
  info["cpu_targets"] = CompiledCpuTargets();
  info["cpu_targets_runnable"] = RunnableCpuTargets();
  info["cpu_target"] = ActiveCpuTarget();
  info["cuda_architectures"] = py::str(GRADOPS_CUDA_ARCHITECTURES).attr("split")();
  info["cuda_toolkit"] = GRADOPS_CUDA_TOOLKIT;
  return info;
}

/// The functions for images of type S.
template <class S>
void Define(py::module_ m) {
  const auto threads = py::arg("threads") = 0;
  // None is an image of zeros.
  const auto y_true = py::arg("y_true").noconvert(), y_pred = py::arg("y_pred").noconvert();
  const auto images = py::arg("images").noconvert(), upstream = py::arg("upstream").noconvert();
  m.def("loss", &Loss<S>, y_true, y_pred, py::kw_only(), threads,
        "Losses [B] of images; options, weights and mask by name.");
  m.def("loss_and_gradient", &LossAndGradient<S>, y_true, y_pred, upstream, py::kw_only(),
        py::arg("out").noconvert() = py::none(), threads,
        "(losses, upstream_b * dloss_b / dy_pred) in one sweep.");
  m.def("loss_gradient", &LossGradient<S>, y_true, y_pred, py::arg("memo").noconvert(),
        py::arg("expected").noconvert(), upstream, py::kw_only(), threads,
        "upstream_b * dloss_b / dy_pred, through a memo of expected_b * dloss_b / dy_pred.");
  m.def("loss_second", &LossSecond<S>, y_true, y_pred, py::arg("vector").noconvert(), upstream,
        py::kw_only(), threads,
        "The derivatives of <vector, upstream_b * dloss_b / dy_pred> by y_true, y_pred, upstream.");
  m.def("loss_counts", &LossCounts<S>, y_pred, py::kw_only(), threads,
        "Sums of the weights of the counted residuals, by example and axis.");
  m.def("image_gradients", &ImageGradients<S>, images, py::kw_only(), threads,
        "(dy, dx) of images, in a last axis of 2.");
  m.def("image_gradients_adjoint", &ImageGradientsAdjoint<S>, upstream, py::kw_only(), threads,
        "The transpose of image_gradients.");
  m.def("gradient_magnitude", &GradientMagnitude<S>, images, py::kw_only(), threads,
        "sqrt(dy^2 + dx^2 + response_epsilon) of images.");
  m.def("gradient_magnitude_gradient", &GradientMagnitudeGradient<S>, images, upstream,
        py::kw_only(), threads, "upstream * d magnitude / d images.");
  const auto a = py::arg("a").noconvert(), b = py::arg("b").noconvert();
  m.def("triad", &Triad<S>, a, b, py::arg("out").noconvert(), py::kw_only(),
        py::arg("streaming") = false, threads, "Yardstick: out = a - b.");
  m.def("sum_absolute_difference", &SumAbsoluteDifference<S>, a, b, py::kw_only(), threads,
        "Yardstick: sum of |a - b|.");
}

}  // namespace

PYBIND11_MODULE(_kernels, m) {
  m.doc() = "gradops kernels on NumPy arrays; narrow types in submodules, as uint16.";
  const std::string error = CheckCpuTarget();
  if (!error.empty()) throw py::import_error(error);
  Define<float>(m);
  Define<double>(m);
  Define<math::Half>(m.def_submodule("float16", "Images of float16, given as their bits."));
  Define<math::BFloat16>(m.def_submodule("bfloat16", "Images of bfloat16, given as their bits."));
#ifdef GRADOPS_CUDA
  DefineCuda(m.def_submodule("cuda", "The CUDA kernels on arrays of a device."));
#endif
  m.def("options", &Options, "The allowed names of every option; the first is the default.");
  m.def(
      "penalty_parameters", [] { return Parameters(PenaltyParameters()); },
      "{penalty: (name of its parameter, default)}.");
  m.def(
      "response_parameters", [] { return Parameters(ResponseParameters()); },
      "{response: (name of its parameter, default)}.");
  m.def("build_info", &BuildInfo, "What was built and what runs.");
}

}  // namespace gradops::python
