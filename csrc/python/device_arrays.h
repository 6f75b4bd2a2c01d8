#ifndef GRADOPS_PYTHON_DEVICE_ARRAYS_H_
#define GRADOPS_PYTHON_DEVICE_ARRAYS_H_

#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>
#include <vector>

// Arrays of a CUDA device, of any library that offers __cuda_array_interface__ or __dlpack__.

namespace gradops::python {

namespace py = pybind11;

/// A dense array in a device's memory.
struct DeviceArray {
  void* data = nullptr;
  std::vector<int64_t> shape;
  std::string dtype;  // NumPy's name, or "bfloat16"
  py::object keeper;  // what holds the memory
  std::string name;   // of the argument, for messages

  std::string ShapeText() const;
  int64_t Size() const;
};

/// For use on a stream, 0 for the default one: who offers __dlpack__ makes it wait for its own
/// work. Throws std::invalid_argument with the argument's name for what is none, or not dense.
DeviceArray ReadDeviceArray(py::handle array, const char* name, uintptr_t stream);

}  // namespace gradops::python

#endif  // GRADOPS_PYTHON_DEVICE_ARRAYS_H_
