#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "op/call.h"

namespace gradops::python {

namespace py = pybind11;

/// A dense array of NumPy or of a device.
struct Array {
  std::string name;        // of the argument, for errors
  Buffer buffer = {};      // not given by default
  std::string dtype = {};  // NumPy's name, or "bfloat16"
  size_t bytes = 0;
  bool is_writeable = true;
  py::object keeper = py::none();  // keeps the memory alive
};

/// Reads an array of NumPy. Throws std::invalid_argument if it is none, or not dense and aligned:
/// nothing is converted or copied.
Array ReadNumpyArray(py::handle array, const char* name);

/// An array that begins with a line of memory: kernels write such rows of whole lines faster.
Array NewNumpyArray(const char* name, const Sizes& sizes, const py::object& dtype);

/// Reads an array of a CUDA device from any library that has __cuda_array_interface__ or
/// __dlpack__, for use on `stream` (0: the default one). With __dlpack__, the library makes the
/// stream wait for its own work; with __cuda_array_interface__, whose `stream` is not read, the
/// caller does. Throws std::invalid_argument if it is none, or not dense.
Array ReadDeviceArray(py::handle array, const char* name, uintptr_t stream);

}  // namespace gradops::python
