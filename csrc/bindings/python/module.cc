// gradops._kernels: the ops on NumPy arrays, and what was built. No TensorFlow.

#include <pybind11/stl.h>

#include "bindings/python/op_functions.h"
#include "bindings/python/parallel_for.h"
#include "cpu/launch/cpu_target.h"
#include "op/launch.h"

// A build without CUDA has none of these.
#ifndef GRADOPS_CUDA_ARCHITECTURES
#define GRADOPS_CUDA_ARCHITECTURES ""
#define GRADOPS_CUDA_TOOLKIT ""
#endif

namespace gradops::python {
namespace {

namespace py = pybind11;

py::dict Choices() {
  py::dict choices;
  for (const Option& option : AllOptions()) {
    if (!option.choices.empty()) choices[py::str(option.name)] = option.choices;
  }
  return choices;
}

/// {"charbonnier": ("epsilon", 0.001), ...}: the parameters of the penalties or responses.
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
  info["compiler"] = GRADOPS_COMPILER;
  info["cpu_targets"] = CompiledCpuTargets();
  info["cpu_targets_runnable"] = RunnableCpuTargets();
  info["cpu_target"] = ActiveCpuTarget();
  info["cuda_architectures"] = py::str(GRADOPS_CUDA_ARCHITECTURES).attr("split")();
  info["cuda_toolkit"] = GRADOPS_CUDA_TOOLKIT;
  return info;
}

// In the order of ShapeRule.
constexpr const char* kShapeRules[] = {"images", "gradients", "map", "weights",
                                       "losses", "counts",    "sums"};

/// TensorFlow's ops as {op: (inputs, outputs, options, images)}: two dicts {argument: shape rule},
/// the names of the options, and that of the input that says how large the images are.
py::dict OpTable() {
  const auto shapes = [](const std::vector<Argument>& arguments) {
    py::dict rules;
    for (const Argument& argument : arguments) {
      rules[argument.name] = kShapeRules[static_cast<size_t>(argument.shape)];
    }
    return rules;
  };
  py::dict table;
  for (const Op& op : Ops()) {
    if (op.is_roofline) continue;
    py::list options;
    for (const Option* option : op.Options()) options.append(option->name);
    table[op.name] = py::make_tuple(shapes(op.inputs), shapes(op.outputs), py::tuple(options),
                                    op.inputs[op.ImagesInput()].name);
  }
  return table;
}

std::string Run(const OpCall& call, int threads) {
  return Launch(call, ThreadsParallelFor(threads));
}

}  // namespace

PYBIND11_MODULE(_kernels, m) {
  m.doc() = "The ops of gradops on NumPy arrays, without TensorFlow.";
  const std::string error = CheckCpuTarget();
  if (!error.empty()) throw py::import_error(error);
  DefineOnNumpy(m, Run);
#ifdef GRADOPS_CUDA
  DefineOnDevice(m.def_submodule("cuda", "The ops on arrays of a CUDA device."));
#endif
  m.def("ops", &OpTable, "The table of ops: {op: (inputs, outputs, options, images)}.");
  m.def("options", &Choices, "The allowed names of every option; the first is the default.");
  m.def(
      "penalty_parameters", [] { return Parameters(PenaltyParameters()); },
      "{penalty: (name of its parameter, default)}.");
  m.def(
      "response_parameters", [] { return Parameters(ResponseParameters()); },
      "{response: (name of its parameter, default)}.");
  m.def("build_info", &BuildInfo, "What was built and what runs.");
}

}  // namespace gradops::python
