#ifndef GRADOPS_PYTHON_EMULATION_H_
#define GRADOPS_PYTHON_EMULATION_H_

#include <pybind11/pybind11.h>

namespace gradops::python {

/// Defines the losses of images of type S by the CUDA kernels' programs, run on the host.
template <class S>
void DefineEmulation(pybind11::module_ m);

}  // namespace gradops::python

#endif  // GRADOPS_PYTHON_EMULATION_H_
