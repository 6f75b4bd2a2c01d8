#ifndef GRADOPS_PYTHON_EMULATION_H_
#define GRADOPS_PYTHON_EMULATION_H_

#include <pybind11/pybind11.h>

namespace gradops::python {

/// The losses by the CUDA kernels' programs, run on the host: for tests without a device.
void DefineEmulation(pybind11::module_ m);

}  // namespace gradops::python

#endif  // GRADOPS_PYTHON_EMULATION_H_
