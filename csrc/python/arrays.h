#ifndef GRADOPS_PYTHON_ARRAYS_H_
#define GRADOPS_PYTHON_ARRAYS_H_

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "core/params.h"
#include "core/validate.h"

// NumPy arrays as the kernels take them.

namespace gradops::python {

namespace py = pybind11;

/// A dense array of exactly this dtype: nothing is converted or copied behind the caller's back.
template <class T>
using Array = py::array_t<T, py::array::c_style>;

/// The element type by which Python hands over images of type S: the bits of a narrow one.
template <class S>
using Element = std::conditional_t<sizeof(S) == 2, uint16_t, S>;
template <class S>
using Images = Array<Element<S>>;

template <class S>
const S* Data(const Images<S>& images) {
  return reinterpret_cast<const S*>(images.data());
}
template <class S>
S* MutableData(Images<S>& images) {
  return reinterpret_cast<S*>(images.mutable_data());
}

inline std::string ShapeText(const py::array& array) {
  return py::str(py::tuple(array.attr("shape"))).cast<std::string>();
}

/// NumPy can hold arrays of which the elements are not on their own boundary; the kernels cannot.
inline void CheckAligned(const py::array& array, const char* argument) {
  if (py::detail::check_flags(array.ptr(), py::detail::npy_api::NPY_ARRAY_ALIGNED_)) return;
  throw std::invalid_argument(std::string(argument) +
                              " must be an array with aligned elements (numpy.require)");
}

/// Kernels read neighbours of what they have already written.
inline void CheckApart(const py::array& out, const py::array& in, const char* argument) {
  const auto* const out_begin = static_cast<const char*>(out.data());
  const auto* const in_begin = static_cast<const char*>(in.data());
  if (out_begin + out.nbytes() <= in_begin || in_begin + in.nbytes() <= out_begin) return;
  throw std::invalid_argument(std::string("out must not overlap ") + argument);
}

inline void ThrowIf(const std::string& error) {
  if (!error.empty()) throw std::invalid_argument(error);
}

inline void CheckSameShape(const py::array& array, const char* argument, const py::array& like) {
  CheckAligned(array, argument);
  if (ShapeText(array) == ShapeText(like)) return;
  throw std::invalid_argument(std::string(argument) + " must have shape " + ShapeText(like) +
                              ", got " + ShapeText(array));
}

inline std::vector<py::ssize_t> ShapeOf(const py::array& array) {
  return {array.shape(), array.shape() + array.ndim()};
}

/// The parameters for images of the given rank, of which the first four axes count.
inline KernelParams CheckedParams(const py::array& images, const char* argument, int rank,
                                  const LossOptions& options) {
  if (images.ndim() != rank) {
    throw std::invalid_argument(std::string(argument) + " must have rank " + std::to_string(rank) +
                                ", got shape " + ShapeText(images));
  }
  CheckAligned(images, argument);
  const std::vector<py::ssize_t> sizes = ShapeOf(images);
  const ImageShape shape =
      MakeShape(std::vector<int64_t>(sizes.begin(), sizes.end()).data(), options.data_format);
  ThrowIf(CheckImageSize(argument, shape.height, shape.width, options));
  return MakeParams(shape, options);
}

}  // namespace gradops::python

#endif  // GRADOPS_PYTHON_ARRAYS_H_
