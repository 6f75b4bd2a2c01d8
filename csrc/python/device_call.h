#ifndef GRADOPS_PYTHON_DEVICE_CALL_H_
#define GRADOPS_PYTHON_DEVICE_CALL_H_

#include <pybind11/stl.h>

#include <optional>
#include <stdexcept>

#include "core/launch_cuda.h"
#include "core/validate.h"
#include "python/device_arrays.h"

namespace gradops::python {

inline void ThrowIfFailed(const std::string& error) {
  if (error.empty()) return;
  if (error.rfind(cuda::kCudaError, 0) == 0) throw std::runtime_error(error);
  throw std::invalid_argument(error);
}

/// The argument `stream` of a call; 0, the default stream, if there is none.
inline uintptr_t StreamOf(const py::kwargs& arguments) {
  return arguments.contains("stream") ? arguments["stream"].cast<uintptr_t>() : 0;
}

/// What a call has beside its images and outputs, by name: options, weights and mask, and
///   stream   the stream, as an integer; 0 is the default one
///   dtype    what arrays of 16-bit words hold, "float16" or "bfloat16"
class DeviceCall {
 public:
  DeviceCall(const DeviceArray& images, int rank, const py::kwargs& arguments)
      : images_(images), stream_(StreamOf(arguments)) {
    for (const auto& item : arguments) Read(item.first.cast<std::string>(), item.second);
    ThrowIfFailed(CheckOptions(options_));
    if (static_cast<int>(images.shape.size()) != rank) {
      throw std::invalid_argument(images.name + " must have rank " + std::to_string(rank) +
                                  ", got shape " + images.ShapeText());
    }
    shape_ = MakeShape(images.shape.data(), options_.data_format);
    ThrowIfFailed(CheckImageSize(images.name.c_str(), shape_.height, shape_.width, options_));
    if (dtype_.empty()) dtype_ = images.dtype;
  }

  KernelParams Params() const { return MakeParams(shape_, options_); }
  KernelParams MagnitudeParams() const { return gradops::MagnitudeParams(shape_, options_); }

  /// Calls body(TypeTag<S>()) for the dtype of the images.
  template <class Body>
  void Visit(Body&& body) const {
    if (dtype_ == "float32") return body(TypeTag<float>());
    if (dtype_ == "float64") return body(TypeTag<double>());
    if (dtype_ == "float16") return body(TypeTag<math::Half>());
    if (dtype_ == "bfloat16") return body(TypeTag<math::BFloat16>());
    throw std::invalid_argument(images_.name +
                                " must be float16, bfloat16, float32 or float64, got " + dtype_);
  }
  /// An array of images of type S, of this shape.
  template <class S>
  S* Images(const DeviceArray& array, const std::vector<int64_t>& shape) const {
    CheckShape(array, shape);
    const bool is_bits = sizeof(S) == 2 && array.dtype == "uint16";
    if (array.dtype != dtype_ && !is_bits) {
      throw std::invalid_argument(array.name + " must be " + dtype_ + ", got " + array.dtype);
    }
    return static_cast<S*>(array.data);
  }
  template <class S>
  S* Images(const DeviceArray& array) const {
    return Images<S>(array, images_.shape);
  }
  /// An array of numbers of type T.
  template <class T>
  T* Numbers(const DeviceArray& array, const std::vector<int64_t>& shape) const {
    CheckShape(array, shape);
    CheckDtype<T>(array);
    return static_cast<T*>(array.data);
  }
  std::vector<int64_t> LossShape() const {
    const KernelParams params = Params();
    if (params.normalizer != NormalizerId::kNone) return {shape_.batch};
    return {shape_.batch, AxesOf(params)};
  }
  template <class T>
  PerExample<T> PerLoss(const DeviceArray& array) const {
    const int axes = AxesOf(Params());
    return {Numbers<T>(array, LossShape()), axes, axes == 1 ? 0 : 1};
  }
  template <class S>
  LossInputs<S> Inputs(const std::optional<DeviceArray>& y_true, const DeviceArray& y_pred) const {
    return {y_true ? Images<S>(*y_true) : nullptr, Images<S>(y_pred), Map<ComputeType<S>>(weights_),
            Map<bool>(mask_)};
  }
  /// Launches with launch(queue), which returns an error, and throws that.
  template <class Launch>
  void Run(Launch&& launch) const {
    const std::string driver = cuda::CheckDriver();
    if (!driver.empty()) throw std::runtime_error(driver);
    cuda::StreamMemory memory(reinterpret_cast<void*>(stream_));
    const cuda::Queue queue = {reinterpret_cast<void*>(stream_),
                               [&](size_t bytes) { return memory.Allocate(bytes); }};
    ThrowIfFailed(launch(queue));
  }

 private:
  void Read(const std::string& name, py::handle value) {
    if (name == "stream" || value.is_none()) return;
    if (name == "dtype") {
      dtype_ = py::str(value).cast<std::string>();
    } else if (name == "weights") {
      weights_ = ReadDeviceArray(value, "weights", stream_);
    } else if (name == "mask") {
      mask_ = ReadDeviceArray(value, "mask", stream_);
    } else {
      ThrowIfFailed(SetOption(name, py::str(value), &options_));
    }
  }
  static void CheckShape(const DeviceArray& array, const std::vector<int64_t>& shape) {
    if (array.shape == shape) return;
    DeviceArray wanted;
    wanted.shape = shape;
    throw std::invalid_argument(array.name + " must have shape " + wanted.ShapeText() + ", got " +
                                array.ShapeText());
  }
  template <class T>
  static void CheckDtype(const DeviceArray& array) {
    const char* const wanted = std::is_same_v<T, bool>    ? "bool"
                               : std::is_same_v<T, float> ? "float32"
                                                          : "float64";
    if (array.dtype == wanted) return;
    throw std::invalid_argument(array.name + " must be " + wanted + ", got " + array.dtype);
  }
  template <class M>
  PixelMap<M> Map(const std::optional<DeviceArray>& map) const {
    if (!map) return {};
    CheckDtype<M>(*map);
    if (map->shape.size() != 4) {
      throw std::invalid_argument(map->name + " must have rank 4, got shape " + map->ShapeText());
    }
    ThrowIfFailed(CheckPixelMap(map->name.c_str(), map->shape.data(), images_.shape.data(),
                                options_.data_format));
    const int axis = options_.data_format == DataFormatId::kChannelsFirst ? 1 : 3;
    return {static_cast<const M*>(map->data), map->shape[axis] == images_.shape[axis]};
  }

  const DeviceArray& images_;
  const uintptr_t stream_;
  LossOptions options_;
  ImageShape shape_;
  std::string dtype_;
  std::optional<DeviceArray> weights_, mask_;
};

}  // namespace gradops::python

#endif  // GRADOPS_PYTHON_DEVICE_CALL_H_
