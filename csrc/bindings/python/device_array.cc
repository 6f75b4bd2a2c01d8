#include <pybind11/stl.h>

#include <cstdint>
#include <stdexcept>
#include <vector>

#include "bindings/python/array.h"

namespace gradops::python {
namespace {

// The parts of DLPack's stable C interface (dlpack.h, version 0.x) that are used here.
struct DlDevice {
  int32_t type, id;
};
struct DlDataType {
  uint8_t code, bits;
  uint16_t lanes;
};
struct DlTensor {
  void* data;
  DlDevice device;
  int32_t ndim;
  DlDataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
};
constexpr int kDlCuda = 2, kDlCudaManaged = 13;

[[noreturn]] void Refuse(const char* name, const std::string& needs) {
  throw std::invalid_argument(std::string(name) + " must be " + needs);
}

/// Whether strides, in units of `item`, are those of a dense row-major array.
bool IsDense(const Sizes& shape, const Sizes& strides, int64_t item) {
  if (shape.size() != strides.size()) return false;
  int64_t expected = item;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] != 1 && strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

/// NumPy's name, which has bits where a typestr has bytes. Typestrs that no argument has are kept.
std::string NameOfTypestr(const std::string& typestr) {
  if (typestr == "|b1") return "bool";
  if (typestr == "<V2") return "bfloat16";  // as PyTorch and ml_dtypes have it
  const std::string kind = typestr.substr(0, 2);
  if (kind != "<f" && kind != "<u" && kind != "|u") return typestr;
  const std::string bits = std::to_string(8 * std::stoll(typestr.substr(2)));
  return (kind == "<f" ? "float" : "uint") + bits;
}

std::string NameOfDlType(DlDataType type) {
  static const char* const kKinds[] = {"int",    "uint",    "float", "handle",
                                       "bfloat", "complex", "bool"};
  const std::string kind = type.code < 7 && type.lanes == 1 ? kKinds[type.code] : "unknown";
  return kind == "bool" ? kind : kind + std::to_string(type.bits);
}

Array FromInterface(const py::dict& interface, py::handle array, const char* name) {
  Array result{name};
  result.dtype = NameOfTypestr(interface["typestr"].cast<std::string>());
  result.buffer.sizes = interface["shape"].cast<Sizes>();
  const auto data = interface["data"].cast<py::tuple>();
  result.buffer.data = reinterpret_cast<void*>(data[0].cast<uintptr_t>());
  result.is_writeable = !data[1].cast<bool>();
  if (interface.contains("strides") && !interface["strides"].is_none()) {
    const std::string typestr = interface["typestr"].cast<std::string>();
    const int64_t item = std::stoll(typestr.substr(2));
    if (!IsDense(result.buffer.sizes, interface["strides"].cast<Sizes>(), item)) {
      Refuse(name, "dense and row-major");
    }
  }
  result.keeper = py::reinterpret_borrow<py::object>(array);
  return result;
}

Array FromDlpack(const py::object& capsule, const char* name) {
  void* const managed = PyCapsule_GetPointer(capsule.ptr(), "dltensor");
  if (managed == nullptr) throw py::error_already_set();
  const DlTensor& tensor = *static_cast<const DlTensor*>(managed);  // its first member
  Array result{name};
  result.dtype = NameOfDlType(tensor.dtype);
  result.buffer.sizes = Sizes(tensor.shape, tensor.shape + tensor.ndim);
  result.buffer.data = static_cast<char*>(tensor.data) + tensor.byte_offset;
  if (tensor.strides != nullptr &&
      !IsDense(result.buffer.sizes, Sizes(tensor.strides, tensor.strides + tensor.ndim), 1)) {
    Refuse(name, "dense and row-major");
  }
  result.keeper = capsule;  // releases the memory, because nobody renames it to "used_dltensor"
  return result;
}

/// The bytes of an element of dtype "bool", or of a kind with its bits, such as "float32".
size_t ItemSize(const std::string& dtype) {
  const size_t digits = dtype.find_first_of("0123456789");
  return digits == std::string::npos ? 1 : std::stoul(dtype.substr(digits)) / 8;
}

}  // namespace

Array ReadDeviceArray(py::handle array, const char* name, uintptr_t stream) {
  Array result{name};
  // A library may have the attribute but raise an error for some dtypes.
  py::object interface = py::none();
  try {
    interface = py::getattr(array, "__cuda_array_interface__", py::none());
  } catch (const py::error_already_set&) {
  }
  if (!interface.is_none()) {
    result = FromInterface(interface.cast<py::dict>(), array, name);
  } else if (py::hasattr(array, "__dlpack__")) {
    const int type = array.attr("__dlpack_device__")().cast<py::tuple>()[0].cast<int>();
    if (type != kDlCuda && type != kDlCudaManaged) {
      Refuse(name, "an array on a CUDA device, got one on another device");
    }
    // The protocol's name for the default stream is 1.
    const uintptr_t dl_stream = stream == 0 ? 1 : stream;
    result = FromDlpack(array.attr("__dlpack__")(py::arg("stream") = dl_stream), name);
  } else {
    Refuse(name, "an array on a CUDA device (with __cuda_array_interface__ or __dlpack__), got " +
                     py::str(py::type::handle_of(array)).cast<std::string>());
  }
  int64_t elements = 1;
  for (const int64_t size : result.buffer.sizes) elements *= size;
  result.bytes = static_cast<size_t>(elements) * ItemSize(result.dtype);
  return result;
}

}  // namespace gradops::python
