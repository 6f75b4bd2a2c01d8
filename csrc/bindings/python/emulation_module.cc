// cuda_emulation, a module for tests: the programs of the CUDA kernels, run on the host.

#include <pybind11/numpy.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "bindings/python/op_functions.h"
#include "cuda/launch/emulate.h"
#include "op/launch.h"

namespace gradops::python {
namespace {

namespace py = pybind11;

std::string Run(const OpCall& call, int) { return Launch(call, cuda::Queue{}); }

/// How often a sweep writes each element of the images, which should be once.
py::array_t<int> Owners(const py::args& positional, const py::kwargs& named) {
  const NumpyCall images = ReadNumpyCall(*FindOp("GradientMagnitude"), positional, named);
  const OpCall& call = images.call;
  py::array_t<int> owners(call.inputs[0].sizes);
  std::fill_n(owners.mutable_data(), owners.size(), 0);
  const std::string error = VisitDtype(call.dtype, [&](auto tag) {
    using S = typename decltype(tag)::Type;
    auto args = cuda::MakeStripArgs<S>(call.Params(), {nullptr, call.Input<S>("images"), {}, {}},
                                       cuda::Device::Processors());
    SetAccess(&args);
    return cuda::CountOwners(args, owners.mutable_data());
  });
  if (!error.empty()) throw std::invalid_argument(error);
  return owners;
}

}  // namespace

PYBIND11_MODULE(cuda_emulation, m) {
  m.doc() = "The programs of the CUDA kernels, run on the host and on NumPy arrays.";
  DefineOnNumpy(m, Run);
  m.def("owners", &Owners, "How often a sweep writes each element of images.");
}

}  // namespace gradops::python
