#include <pybind11/numpy.h>

#include <stdexcept>
#include <vector>

#include "bindings/python/array.h"

namespace gradops::python {
namespace {

Array Wrapped(const py::array& array, const char* name) {
  const Buffer buffer = {const_cast<void*>(array.data()),
                         Sizes(array.shape(), array.shape() + array.ndim())};
  return {name,
          buffer,
          py::str(array.dtype()).cast<std::string>(),
          static_cast<size_t>(array.nbytes()),
          array.writeable(),
          array};
}

}  // namespace

Array ReadNumpyArray(py::handle array, const char* name) {
  if (!py::isinstance<py::array>(array)) {
    throw std::invalid_argument(std::string(name) + " must be a NumPy array, got " +
                                py::str(py::type::handle_of(array)).cast<std::string>());
  }
  const auto numpy = py::reinterpret_borrow<py::array>(array);
  if ((numpy.flags() & py::array::c_style) == 0) {
    throw std::invalid_argument(std::string(name) + " must be dense and row-major, got strides " +
                                py::str(numpy.attr("strides")).cast<std::string>());
  }
  // NumPy allows elements that are not aligned; the kernels do not.
  if (!py::detail::check_flags(numpy.ptr(), py::detail::npy_api::NPY_ARRAY_ALIGNED_)) {
    throw std::invalid_argument(std::string(name) +
                                " must be an array with aligned elements (numpy.require)");
  }
  return Wrapped(numpy, name);
}

Array NewNumpyArray(const char* name, const Sizes& sizes, const py::object& dtype) {
  const py::dtype type = py::dtype::from_args(dtype);
  constexpr int64_t kLine = 64;
  int64_t bytes = type.itemsize();
  for (const int64_t size : sizes) {
    // NumPy says what is too large.
    if (__builtin_mul_overflow(bytes, size, &bytes)) return Wrapped(py::array(type, sizes), name);
  }
  py::array_t<uint8_t> buffer(bytes + kLine);
  const int64_t begin = -reinterpret_cast<intptr_t>(buffer.data()) & (kLine - 1);
  return Wrapped(py::array(type, sizes, {}, buffer.data() + begin, buffer), name);
}

}  // namespace gradops::python
