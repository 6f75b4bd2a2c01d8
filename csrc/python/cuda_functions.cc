// gradops._kernels.cuda: the CUDA launchers on arrays of a device, of any library. Outputs are
// given by the caller, last. Work is enqueued on the caller's stream; nothing waits for it.

#include "python/cuda_functions.h"

#include "python/device_call.h"

namespace gradops::python {
namespace {

using Handle = py::handle;

std::optional<DeviceArray> ReadTarget(Handle y_true, const py::kwargs& arguments) {
  if (y_true.is_none()) return std::nullopt;
  return ReadDeviceArray(y_true, "y_true", StreamOf(arguments));
}

void Loss(Handle the_true, Handle the_pred, Handle the_loss, const py::kwargs& arguments) {
  const auto y_true = ReadTarget(the_true, arguments);
  const DeviceArray y_pred = ReadDeviceArray(the_pred, "y_pred", StreamOf(arguments));
  const DeviceArray loss = ReadDeviceArray(the_loss, "loss", StreamOf(arguments));
  const DeviceCall call(y_pred, 4, arguments);
  call.Visit([&](auto tag) {
    using S = typename decltype(tag)::Type;
    using T = ComputeType<S>;
    const auto inputs = call.Inputs<S>(y_true, y_pred);
    T* const out = call.Numbers<T>(loss, call.LossShape());
    call.Run([&](const cuda::Queue& queue) {
      return cuda::LaunchLoss<S>(call.Params(), inputs, out, {}, nullptr, queue);
    });
  });
}

void LossAndGradient(Handle the_true, Handle the_pred, Handle the_upstream, Handle the_loss,
                     Handle the_gradient, const py::kwargs& arguments) {
  const auto y_true = ReadTarget(the_true, arguments);
  const DeviceArray y_pred = ReadDeviceArray(the_pred, "y_pred", StreamOf(arguments));
  const DeviceArray upstream = ReadDeviceArray(the_upstream, "upstream", StreamOf(arguments));
  const DeviceArray loss = ReadDeviceArray(the_loss, "loss", StreamOf(arguments));
  const DeviceArray gradient = ReadDeviceArray(the_gradient, "gradient", StreamOf(arguments));
  const DeviceCall call(y_pred, 4, arguments);
  call.Visit([&](auto tag) {
    using S = typename decltype(tag)::Type;
    using T = ComputeType<S>;
    const auto inputs = call.Inputs<S>(y_true, y_pred);
    T* const out = call.Numbers<T>(loss, call.LossShape());
    S* const to = call.Images<S>(gradient);
    const auto scale = call.PerLoss<T>(upstream);
    call.Run([&](const cuda::Queue& queue) {
      return cuda::LaunchLoss<S>(call.Params(), inputs, out, scale, to, queue);
    });
  });
}

void LossGradient(Handle the_true, Handle the_pred, Handle the_memo, Handle the_expected,
                  Handle the_upstream, Handle the_gradient, const py::kwargs& arguments) {
  const auto y_true = ReadTarget(the_true, arguments);
  const DeviceArray y_pred = ReadDeviceArray(the_pred, "y_pred", StreamOf(arguments));
  const DeviceArray memo = ReadDeviceArray(the_memo, "memo", StreamOf(arguments));
  const DeviceArray expected = ReadDeviceArray(the_expected, "expected", StreamOf(arguments));
  const DeviceArray upstream = ReadDeviceArray(the_upstream, "upstream", StreamOf(arguments));
  const DeviceArray gradient = ReadDeviceArray(the_gradient, "gradient", StreamOf(arguments));
  const DeviceCall call(y_pred, 4, arguments);
  call.Visit([&](auto tag) {
    using S = typename decltype(tag)::Type;
    using T = ComputeType<S>;
    const auto inputs = call.Inputs<S>(y_true, y_pred);
    const S* const from = call.Images<S>(memo);
    S* const to = call.Images<S>(gradient);
    const auto foreseen = call.PerLoss<T>(expected), scale = call.PerLoss<T>(upstream);
    call.Run([&](const cuda::Queue& queue) {
      return cuda::LaunchLossGradient<S>(call.Params(), inputs, from, foreseen, scale, to, queue);
    });
  });
}

void LossSecond(Handle the_true, Handle the_pred, Handle the_vector, Handle the_upstream,
                Handle the_by_true, Handle the_by_pred, Handle the_by_upstream,
                const py::kwargs& arguments) {
  const auto y_true = ReadTarget(the_true, arguments);
  const DeviceArray y_pred = ReadDeviceArray(the_pred, "y_pred", StreamOf(arguments));
  const DeviceArray vector = ReadDeviceArray(the_vector, "vector", StreamOf(arguments));
  const DeviceArray upstream = ReadDeviceArray(the_upstream, "upstream", StreamOf(arguments));
  const DeviceArray by_true = ReadDeviceArray(the_by_true, "by_true", StreamOf(arguments));
  const DeviceArray by_pred = ReadDeviceArray(the_by_pred, "by_pred", StreamOf(arguments));
  const DeviceArray by_upstream =
      ReadDeviceArray(the_by_upstream, "by_upstream", StreamOf(arguments));
  const DeviceCall call(y_pred, 4, arguments);
  call.Visit([&](auto tag) {
    using S = typename decltype(tag)::Type;
    using T = ComputeType<S>;
    const auto inputs = call.Inputs<S>(y_true, y_pred);
    const S* const along = call.Images<S>(vector);
    S *const to_true = call.Images<S>(by_true), *const to_pred = call.Images<S>(by_pred);
    T* const to_upstream = call.Numbers<T>(by_upstream, call.LossShape());
    const auto scale = call.PerLoss<T>(upstream);
    call.Run([&](const cuda::Queue& queue) {
      return cuda::LaunchLossSecond<S>(call.Params(), inputs, along, scale, to_upstream, to_pred,
                                       to_true, queue);
    });
  });
}

void LossCounts(Handle the_pred, Handle the_counts, const py::kwargs& arguments) {
  const DeviceArray y_pred = ReadDeviceArray(the_pred, "y_pred", StreamOf(arguments));
  const DeviceArray counts = ReadDeviceArray(the_counts, "counts", StreamOf(arguments));
  const DeviceCall call(y_pred, 4, arguments);
  call.Visit([&](auto tag) {
    using S = typename decltype(tag)::Type;
    using T = ComputeType<S>;
    const KernelParams params = call.Params();
    const auto inputs = call.Inputs<S>(std::nullopt, y_pred);
    T* const out = call.Numbers<T>(counts, {params.shape.batch, ResidualsOf(params.response)});
    call.Run([&](const cuda::Queue& queue) {
      return cuda::LaunchCounts<S>(params, inputs, out, queue);
    });
  });
}

/// An image function: `launch` is called as launch(call, TypeTag<S>(), in, out, queue).
template <class Launch>
void RunOnImages(const DeviceArray& in, const DeviceArray& out, int rank,
                 const std::vector<int64_t>& out_shape, const py::kwargs& arguments,
                 Launch&& launch) {
  const DeviceCall call(in, rank, arguments);
  call.Visit([&](auto tag) {
    using S = typename decltype(tag)::Type;
    const S* const from = call.Images<S>(in);
    S* const to = call.Images<S>(out, out_shape);
    call.Run([&](const cuda::Queue& queue) { return launch(call, tag, from, to, queue); });
  });
}

void ImageGradients(Handle the_images, Handle the_gradients, const py::kwargs& arguments) {
  const DeviceArray images = ReadDeviceArray(the_images, "images", StreamOf(arguments));
  const DeviceArray gradients = ReadDeviceArray(the_gradients, "gradients", StreamOf(arguments));
  std::vector<int64_t> shape = images.shape;
  shape.push_back(2);
  RunOnImages(images, gradients, 4, shape, arguments,
              [](const DeviceCall& call, auto tag, auto* from, auto* to, const auto& queue) {
                using S = typename decltype(tag)::Type;
                return cuda::LaunchImageGradients<S>(call.Params(), from, to, queue);
              });
}

void ImageGradientsAdjoint(Handle the_upstream, Handle the_images, const py::kwargs& arguments) {
  const DeviceArray upstream = ReadDeviceArray(the_upstream, "upstream", StreamOf(arguments));
  const DeviceArray images = ReadDeviceArray(the_images, "images", StreamOf(arguments));
  if (upstream.shape.size() != 5 || upstream.shape[4] != 2) {
    throw std::invalid_argument(
        "upstream must have rank 5 and 2 components in its last axis, got shape " +
        upstream.ShapeText());
  }
  std::vector<int64_t> shape = upstream.shape;
  shape.pop_back();
  RunOnImages(upstream, images, 5, shape, arguments,
              [](const DeviceCall& call, auto tag, auto* from, auto* to, const auto& queue) {
                using S = typename decltype(tag)::Type;
                return cuda::LaunchImageGradientsAdjoint<S>(call.Params(), from, to, queue);
              });
}

void GradientMagnitude(Handle the_images, Handle the_magnitudes, const py::kwargs& arguments) {
  const DeviceArray images = ReadDeviceArray(the_images, "images", StreamOf(arguments));
  const DeviceArray magnitudes = ReadDeviceArray(the_magnitudes, "magnitudes", StreamOf(arguments));
  RunOnImages(images, magnitudes, 4, images.shape, arguments,
              [](const DeviceCall& call, auto tag, auto* from, auto* to, const auto& queue) {
                using S = typename decltype(tag)::Type;
                return cuda::LaunchGradientMagnitude<S>(call.MagnitudeParams(), from, to, queue);
              });
}

void GradientMagnitudeGradient(Handle the_images, Handle the_upstream, Handle the_gradient,
                               const py::kwargs& arguments) {
  const DeviceArray images = ReadDeviceArray(the_images, "images", StreamOf(arguments));
  const DeviceArray upstream = ReadDeviceArray(the_upstream, "upstream", StreamOf(arguments));
  const DeviceArray gradient = ReadDeviceArray(the_gradient, "gradient", StreamOf(arguments));
  RunOnImages(images, gradient, 4, images.shape, arguments,
              [&](const DeviceCall& call, auto tag, auto* from, auto* to, const auto& queue) {
                using S = typename decltype(tag)::Type;
                const S* const factors = call.Images<S>(upstream);
                return cuda::LaunchGradientMagnitudeGradient<S>(call.MagnitudeParams(), from,
                                                                factors, to, queue);
              });
}

void Triad(Handle the_a, Handle the_b, Handle the_out, const py::kwargs& arguments) {
  const DeviceArray a = ReadDeviceArray(the_a, "a", StreamOf(arguments)),
                    b = ReadDeviceArray(the_b, "b", StreamOf(arguments));
  const DeviceArray out = ReadDeviceArray(the_out, "out", StreamOf(arguments));
  RunOnImages(a, out, 4, a.shape, arguments,
              [&](const DeviceCall& call, auto tag, auto* from, auto* to, const auto& queue) {
                using S = typename decltype(tag)::Type;
                return cuda::LaunchTriad<S>(from, call.Images<S>(b), to, a.Size(), queue);
              });
}

void SumAbsoluteDifference(Handle the_a, Handle the_b, Handle the_sums,
                           const py::kwargs& arguments) {
  const DeviceArray a = ReadDeviceArray(the_a, "a", StreamOf(arguments)),
                    b = ReadDeviceArray(the_b, "b", StreamOf(arguments));
  const DeviceArray sums = ReadDeviceArray(the_sums, "sums", StreamOf(arguments));
  const DeviceCall call(a, 4, arguments);
  call.Visit([&](auto tag) {
    using S = typename decltype(tag)::Type;
    auto* const out = call.Numbers<ComputeType<S>>(sums, {cuda::kYardstickSums});
    call.Run([&](const cuda::Queue& queue) {
      return cuda::LaunchSumAbsoluteDifference<S>(call.Images<S>(a), call.Images<S>(b), out,
                                                  a.Size(), queue);
    });
  });
}

void Nothing(uintptr_t stream) {
  ThrowIfFailed(cuda::LaunchNothing({reinterpret_cast<void*>(stream), nullptr}));
}

}  // namespace

void DefineCuda(py::module_ m) {
  using py::arg;
  const auto y_true = arg("y_true"), y_pred = arg("y_pred"), upstream = arg("upstream");
  m.def("loss", &Loss, y_true, y_pred, arg("loss"));
  m.def("loss_and_gradient", &LossAndGradient, y_true, y_pred, upstream, arg("loss"),
        arg("gradient"));
  m.def("loss_gradient", &LossGradient, y_true, y_pred, arg("memo"), arg("expected"), upstream,
        arg("gradient"));
  m.def("loss_second", &LossSecond, y_true, y_pred, arg("vector"), upstream, arg("by_true"),
        arg("by_pred"), arg("by_upstream"));
  m.def("loss_counts", &LossCounts, y_pred, arg("counts"));
  m.def("image_gradients", &ImageGradients, arg("images"), arg("gradients"));
  m.def("image_gradients_adjoint", &ImageGradientsAdjoint, upstream, arg("images"));
  m.def("gradient_magnitude", &GradientMagnitude, arg("images"), arg("magnitudes"));
  m.def("gradient_magnitude_gradient", &GradientMagnitudeGradient, arg("images"), upstream,
        arg("gradient"));
  m.def("triad", &Triad, arg("a"), arg("b"), arg("out"), "Yardstick: out = a - b.");
  m.def("sum_absolute_difference", &SumAbsoluteDifference, arg("a"), arg("b"), arg("sums"),
        "Yardstick: sums [1024] that add up to the sum of |a - b|.");
  m.def("nothing", &Nothing, arg("stream") = 0, "Yardstick: launches an empty kernel.");
  m.def("check_driver", &cuda::CheckDriver, "'' or why the kernels cannot run here.");
}

}  // namespace gradops::python
