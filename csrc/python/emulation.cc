// The programs of the CUDA kernels, run on the host and on NumPy arrays: see cuda/emulate.h.
// Compiled once for each type of images, GRADOPS_DTYPE, as there is much of it.

#include "python/emulation.h"

#include <algorithm>

#include "cuda/emulate.h"
#include "python/image_functions.h"
#include "python/loss_functions.h"

namespace gradops::python {
namespace {

using cuda::EmulateSweep;
using cuda::MakeStripArgs;
using cuda::Order;

template <class S>
Array<ComputeType<S>> EmulatedLoss(const std::optional<Images<S>>& y_true, const Images<S>& y_pred,
                                   int, const py::kwargs& arguments) {
  const LossCall<S> call(y_true, y_pred, arguments);
  Array<ComputeType<S>> loss(call.LossShape());
  EmulateSweep<S, Order::kValue>(MakeStripArgs(call.params, call.inputs, cuda::kProcessors),
                                 loss.mutable_data());
  return loss;
}

template <class S>
py::tuple EmulatedLossAndGradient(const std::optional<Images<S>>& y_true, const Images<S>& y_pred,
                                  const Array<ComputeType<S>>& upstream, int,
                                  const py::kwargs& arguments) {
  const LossCall<S> call(y_true, y_pred, arguments);
  Images<S> gradient(ShapeOf(y_pred));
  Array<ComputeType<S>> loss(call.LossShape());
  auto args = MakeStripArgs(call.params, call.inputs, cuda::kProcessors);
  args.upstream = call.PerLoss(upstream, "upstream");
  args.by_pred = MutableData<S>(gradient);
  EmulateSweep<S, Order::kSlope>(args, loss.mutable_data());
  return py::make_tuple(loss, gradient);
}

template <class S>
py::tuple EmulatedLossSecond(const std::optional<Images<S>>& y_true, const Images<S>& y_pred,
                             const Images<S>& vector, const Array<ComputeType<S>>& upstream, int,
                             const py::kwargs& arguments) {
  const LossCall<S> call(y_true, y_pred, arguments);
  CheckSameShape(vector, "vector", y_pred);
  Images<S> by_true(ShapeOf(y_pred)), by_pred(ShapeOf(y_pred));
  Array<ComputeType<S>> by_upstream(call.LossShape());
  auto args = MakeStripArgs(call.params, call.inputs, cuda::kProcessors);
  args.vector = Data<S>(vector);
  args.upstream = call.PerLoss(upstream, "upstream");
  args.by_pred = MutableData<S>(by_pred);
  args.by_true = MutableData<S>(by_true);
  EmulateSweep<S, Order::kSecond>(args, by_upstream.mutable_data());
  return py::make_tuple(by_true, by_pred, by_upstream);
}

template <class S>
Array<ComputeType<S>> EmulatedLossCounts(const Images<S>& y_pred, int,
                                         const py::kwargs& arguments) {
  const LossCall<S> call(std::nullopt, y_pred, arguments);
  const int axes = ResidualsOf(call.params.response);
  Array<ComputeType<S>> counts(std::vector<py::ssize_t>{call.params.shape.batch, axes});
  auto* out = counts.mutable_data();
  for (const AxisSums& sums : cuda::EmulateCounts(call.params, call.inputs, Counted::kResiduals)) {
    *out++ = static_cast<ComputeType<S>>(sums.y);
    if (axes == 2) *out++ = static_cast<ComputeType<S>>(sums.x);
  }
  return counts;
}

template <class S>
Images<S> EmulatedLossGradient(const std::optional<Images<S>>& y_true, const Images<S>& y_pred,
                               const Images<S>& memo, const Array<ComputeType<S>>& expected,
                               const Array<ComputeType<S>>& upstream, int,
                               const py::kwargs& arguments) {
  const LossCall<S> call(y_true, y_pred, arguments);
  CheckSameShape(memo, "memo", y_pred);
  Images<S> gradient(ShapeOf(y_pred));
  auto args = MakeStripArgs(call.params, call.inputs, cuda::kProcessors);
  args.memo = Data<S>(memo);
  args.memo_axes = AxesOf(call.params);
  args.expected = call.PerLoss(expected, "expected");
  args.upstream = call.PerLoss(upstream, "upstream");
  args.by_pred = MutableData<S>(gradient);
  EmulateSweep<S, Order::kSlope>(args, nullptr);
  return gradient;
}

template <class S, class Function>
Images<S> EmulatedPixels(const Images<S>& images, std::vector<py::ssize_t> shape, int rank,
                         const py::kwargs& names) {
  Images<S> out(shape);
  cuda::EmulatePixels<Function>(CheckedParams(images, "images", rank, ImageOptions(names)),
                                Data<S>(images), MutableData<S>(out));
  return out;
}
template <class S>
Images<S> EmulatedImageGradients(const Images<S>& images, int, const py::kwargs& names) {
  std::vector<py::ssize_t> shape = ShapeOf(images);
  shape.push_back(2);
  return EmulatedPixels<S, cuda::GradientFunction>(images, shape, 4, names);
}
template <class S>
Images<S> EmulatedAdjoint(const Images<S>& upstream, int, const py::kwargs& names) {
  std::vector<py::ssize_t> shape = ShapeOf(upstream);
  shape.pop_back();
  return EmulatedPixels<S, cuda::AdjointFunction>(upstream, shape, 5, names);
}
template <class S>
Images<S> EmulatedMagnitude(const Images<S>& images, int, const py::kwargs& names) {
  return EmulatedPixels<S, cuda::MagnitudeFunction>(images, ShapeOf(images), 4, names);
}
template <class S>
Images<S> EmulatedMagnitudeGradient(const Images<S>& images, const Images<S>& upstream, int,
                                    const py::kwargs& names) {
  Images<S> gradient(ShapeOf(images));
  cuda::EmulateMagnitudeGradient<S>(CheckedParams(images, "images", 4, ImageOptions(names)),
                                    Data<S>(images), Data<S>(upstream), MutableData<S>(gradient));
  return gradient;
}

/// How often each number of images of this shape is written: one each.
template <class S>
py::array_t<int> Owners(const Images<S>& images, const py::kwargs& names) {
  const KernelParams params = CheckedParams(images, "images", 4, ImageOptions(names));
  auto args = MakeStripArgs<S>(params, {nullptr, Data<S>(images), {}, {}}, cuda::kProcessors);
  SetAccess(&args);
  py::array_t<int> owners(ShapeOf(images));
  std::fill_n(owners.mutable_data(), owners.size(), 0);
  ThrowIf(cuda::CountOwners(args, owners.mutable_data()));
  return owners;
}

}  // namespace

template <class S>
void DefineEmulation(py::module_ m) {
  const auto threads = py::arg("threads") = 0;
  const auto y_true = py::arg("y_true").noconvert(), y_pred = py::arg("y_pred").noconvert();
  const auto upstream = py::arg("upstream").noconvert();
  m.def("loss", &EmulatedLoss<S>, y_true, y_pred, py::kw_only(), threads);
  m.def("loss_and_gradient", &EmulatedLossAndGradient<S>, y_true, y_pred, upstream, py::kw_only(),
        threads);
  m.def("loss_second", &EmulatedLossSecond<S>, y_true, y_pred, py::arg("vector").noconvert(),
        upstream, py::kw_only(), threads);
  m.def("loss_counts", &EmulatedLossCounts<S>, y_pred, py::kw_only(), threads);
  m.def("loss_gradient", &EmulatedLossGradient<S>, y_true, y_pred, py::arg("memo").noconvert(),
        py::arg("expected").noconvert(), upstream, py::kw_only(), threads);
  const auto images = py::arg("images").noconvert();
  m.def("owners", &Owners<S>, images);
  m.def("image_gradients", &EmulatedImageGradients<S>, images, py::kw_only(), threads);
  m.def("image_gradients_adjoint", &EmulatedAdjoint<S>, upstream, py::kw_only(), threads);
  m.def("gradient_magnitude", &EmulatedMagnitude<S>, images, py::kw_only(), threads);
  m.def("gradient_magnitude_gradient", &EmulatedMagnitudeGradient<S>, images, upstream,
        py::kw_only(), threads);
}

template void DefineEmulation<GRADOPS_DTYPE>(py::module_ m);

}  // namespace gradops::python
