#ifndef GRADOPS_PYTHON_CUDA_FUNCTIONS_H_
#define GRADOPS_PYTHON_CUDA_FUNCTIONS_H_

#include <pybind11/pybind11.h>

namespace gradops::python {

/// The CUDA launchers on arrays of a device.
void DefineCuda(pybind11::module_ m);

}  // namespace gradops::python

#endif  // GRADOPS_PYTHON_CUDA_FUNCTIONS_H_
