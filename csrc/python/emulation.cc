// The programs of the CUDA kernels, run on the host and on NumPy arrays: see cuda/emulate.h.

#include "python/emulation.h"

#include "cuda/emulate.h"
#include "python/loss_functions.h"

namespace gradops::python {
namespace {

using cuda::EmulateLoss;
using cuda::Order;

template <class S>
Array<ComputeType<S>> EmulatedLoss(const std::optional<Images<S>>& y_true, const Images<S>& y_pred,
                                   int, const py::kwargs& arguments) {
  const LossCall<S> call(y_true, y_pred, arguments);
  Array<ComputeType<S>> loss(call.LossShape());
  EmulateLoss<S, Order::kValue>(call.params, call.inputs, nullptr, {}, loss.mutable_data(), nullptr,
                                nullptr);
  return loss;
}

template <class S>
py::tuple EmulatedLossAndGradient(const std::optional<Images<S>>& y_true, const Images<S>& y_pred,
                                  const Array<ComputeType<S>>& upstream, int,
                                  const py::kwargs& arguments) {
  const LossCall<S> call(y_true, y_pred, arguments);
  Images<S> gradient(ShapeOf(y_pred));
  Array<ComputeType<S>> loss(call.LossShape());
  EmulateLoss<S, Order::kSlope>(call.params, call.inputs, nullptr,
                                call.PerLoss(upstream, "upstream"), loss.mutable_data(),
                                MutableData<S>(gradient), nullptr);
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
  EmulateLoss<S, Order::kSecond>(call.params, call.inputs, Data<S>(vector),
                                 call.PerLoss(upstream, "upstream"), by_upstream.mutable_data(),
                                 MutableData<S>(by_pred), MutableData<S>(by_true));
  return py::make_tuple(by_true, by_pred, by_upstream);
}

template <class S>
Array<ComputeType<S>> EmulatedLossCounts(const Images<S>& y_pred, int,
                                         const py::kwargs& arguments) {
  const LossCall<S> call(std::nullopt, y_pred, arguments);
  const int axes = ResidualsOf(call.params.response);
  Array<ComputeType<S>> counts(std::vector<py::ssize_t>{call.params.shape.batch, axes});
  auto* out = counts.mutable_data();
  for (const cuda::AxisSums& sums : cuda::EmulateCounts(call.params, call.inputs, false)) {
    *out++ = static_cast<ComputeType<S>>(sums.y);
    if (axes == 2) *out++ = static_cast<ComputeType<S>>(sums.x);
  }
  return counts;
}

template <class S>
void Define(py::module_ m) {
  const auto threads = py::arg("threads") = 0;
  const auto y_true = py::arg("y_true").noconvert(), y_pred = py::arg("y_pred").noconvert();
  const auto upstream = py::arg("upstream").noconvert();
  m.def("loss", &EmulatedLoss<S>, y_true, y_pred, py::kw_only(), threads);
  m.def("loss_and_gradient", &EmulatedLossAndGradient<S>, y_true, y_pred, upstream, py::kw_only(),
        threads);
  m.def("loss_second", &EmulatedLossSecond<S>, y_true, y_pred, py::arg("vector").noconvert(),
        upstream, py::kw_only(), threads);
  m.def("loss_counts", &EmulatedLossCounts<S>, y_pred, py::kw_only(), threads);
}

}  // namespace

void DefineEmulation(py::module_ m) {
  Define<float>(m);
  Define<double>(m);
  Define<math::Half>(m.def_submodule("float16", "Images of float16, given as their bits."));
  Define<math::BFloat16>(m.def_submodule("bfloat16", "Images of bfloat16, given as their bits."));
}

}  // namespace gradops::python
