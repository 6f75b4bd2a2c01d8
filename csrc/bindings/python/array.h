#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "op/call.h"

namespace gradops::python {

namespace py = pybind11;

/// A dense array, of NumPy or of a device.
struct Array {
  std::string name;        // of the argument, for messages
  Buffer buffer = {};      // not given, by default
  std::string dtype = {};  // NumPy's name, or "bfloat16"
  size_t bytes = 0;
  py::object keeper = py::none();  // what holds the memory
};

/// An array of NumPy. Throws std::invalid_argument with the argument's name for what is none, or
/// not dense and aligned: nothing is converted or copied behind the caller's back.
Array ReadNumpyArray(py::handle array, const char* name);

/// A new array of NumPy; `like` has its dtype.
Array NewNumpyArray(const char* name, const Sizes& sizes, const py::object& dtype);

/// An array of a CUDA device, of any library that offers __cuda_array_interface__ or __dlpack__,
/// for use on a stream, 0 for the default one: who offers __dlpack__ makes it wait for its own
/// work. Throws std::invalid_argument with the argument's name for what is none, or not dense.
Array ReadDeviceArray(py::handle array, const char* name, uintptr_t stream);

}  // namespace gradops::python
