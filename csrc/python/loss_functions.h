#ifndef GRADOPS_PYTHON_LOSS_FUNCTIONS_H_
#define GRADOPS_PYTHON_LOSS_FUNCTIONS_H_

#include <pybind11/stl.h>

#include <optional>

#include "core/launch.h"
#include "python/arrays.h"
#include "python/parallel_for.h"

// The loss launchers on NumPy arrays.

namespace gradops::python {

/// What every loss function takes: images, maps, options by name.
template <class S>
struct LossCall {
  using T = ComputeType<S>;

  std::optional<Images<S>> y_true;
  Images<S> y_pred;
  std::optional<Array<T>> weights;
  std::optional<Array<bool>> mask;
  KernelParams params;
  LossInputs<S> inputs;

  LossCall(const std::optional<Images<S>>& the_y_true, const Images<S>& the_y_pred,
           const py::kwargs& arguments)
      : y_true(the_y_true), y_pred(the_y_pred) {
    LossOptions options;
    for (const auto& item : arguments) {
      const std::string name = item.first.cast<std::string>();
      if (item.second.is_none()) continue;
      if (name == "weights") {
        weights = Exactly<T>(item.second, "weights");
      } else if (name == "mask") {
        mask = Exactly<bool>(item.second, "mask");
      } else {
        ThrowIf(SetOption(name, py::str(item.second), &options));
      }
    }
    ThrowIf(CheckOptions(options));
    params = CheckedParams(y_pred, "y_pred", 4, options);
    if (y_true) CheckSameShape(*y_true, "y_true", y_pred);
    inputs = {y_true ? Data<S>(*y_true) : nullptr, Data<S>(y_pred),
              Map(weights, "weights", options), Map(mask, "mask", options)};
  }

  /// A value per loss, by example and axis.
  PerExample<T> PerLoss(const Array<T>& values, const char* argument) const {
    const std::vector<py::ssize_t> shape = LossShape();
    if (ShapeOf(values) == shape) {
      const int axes = AxesOf(params);
      return {values.data(), axes, axes == 1 ? 0 : 1};
    }
    throw std::invalid_argument(std::string(argument) + " must have shape " +
                                ShapeText(Array<T>(shape)) + ", got " + ShapeText(values));
  }
  std::vector<py::ssize_t> LossShape() const {
    if (params.normalizer != NormalizerId::kNone) return {params.shape.batch};
    return {params.shape.batch, AxesOf(params)};
  }

 private:
  template <class M>
  static Array<M> Exactly(py::handle value, const char* argument) {
    if (py::isinstance<Array<M>>(value)) return py::cast<Array<M>>(value);
    throw std::invalid_argument(
        std::string(argument) + " must be a dense array of dtype " +
        py::str(py::dtype::of<M>()).template cast<std::string>() + ", got " +
        py::str(py::type::handle_of(value)).template cast<std::string>() +
        (py::isinstance<py::array>(value)
             ? " of dtype " + py::str(value.attr("dtype")).template cast<std::string>()
             : ""));
  }
  template <class M>
  PixelMap<M> Map(const std::optional<Array<M>>& map, const char* argument,
                  const LossOptions& options) const {
    if (!map) return {};
    if (map->ndim() != 4) {
      throw std::invalid_argument(std::string(argument) + " must have rank 4, got shape " +
                                  ShapeText(*map));
    }
    CheckAligned(*map, argument);
    const std::vector<py::ssize_t> sizes = ShapeOf(*map), of_images = ShapeOf(y_pred);
    ThrowIf(CheckPixelMap(argument, std::vector<int64_t>(sizes.begin(), sizes.end()).data(),
                          std::vector<int64_t>(of_images.begin(), of_images.end()).data(),
                          options.data_format));
    const int axis = options.data_format == DataFormatId::kChannelsFirst ? 1 : 3;
    return {map->data(), sizes[axis] == of_images[axis]};
  }
};

template <class S>
Array<ComputeType<S>> Loss(const std::optional<Images<S>>& y_true, const Images<S>& y_pred,
                           int threads, const py::kwargs& arguments) {
  const LossCall<S> call(y_true, y_pred, arguments);
  Array<ComputeType<S>> loss(call.LossShape());
  auto* const out = loss.mutable_data();
  std::string error;
  {
    py::gil_scoped_release unlocked;
    error = LaunchLoss<S>(call.params, call.inputs, out, {}, nullptr, ThreadsParallelFor(threads));
  }
  ThrowIf(error);
  return loss;
}

template <class S>
py::tuple LossAndGradient(const std::optional<Images<S>>& y_true, const Images<S>& y_pred,
                          const Array<ComputeType<S>>& upstream, std::optional<Images<S>> out,
                          int threads, const py::kwargs& arguments) {
  const LossCall<S> call(y_true, y_pred, arguments);
  if (out) {
    CheckSameShape(*out, "out", y_pred);
    if (y_true) CheckApart(*out, *y_true, "y_true");
    CheckApart(*out, y_pred, "y_pred");
  }
  const auto scale = call.PerLoss(upstream, "upstream");
  Images<S> gradient = out ? *out : Images<S>(ShapeOf(y_pred));
  Array<ComputeType<S>> loss(call.LossShape());
  S* const gradient_data = MutableData<S>(gradient);
  auto* const loss_data = loss.mutable_data();
  std::string error;
  {
    py::gil_scoped_release unlocked;
    error = LaunchLoss<S>(call.params, call.inputs, loss_data, scale, gradient_data,
                          ThreadsParallelFor(threads));
  }
  ThrowIf(error);
  return py::make_tuple(loss, gradient);
}

template <class S>
Images<S> LossGradient(const std::optional<Images<S>>& y_true, const Images<S>& y_pred,
                       const Images<S>& memo, const Array<ComputeType<S>>& expected,
                       const Array<ComputeType<S>>& upstream, int threads,
                       const py::kwargs& arguments) {
  const LossCall<S> call(y_true, y_pred, arguments);
  CheckSameShape(memo, "memo", y_pred);
  const auto foreseen = call.PerLoss(expected, "expected");
  const auto scale = call.PerLoss(upstream, "upstream");
  Images<S> gradient(ShapeOf(y_pred));
  S* const out = MutableData<S>(gradient);
  std::string error;
  {
    py::gil_scoped_release unlocked;
    error = LaunchLossGradient<S>(call.params, call.inputs, Data<S>(memo), foreseen, scale, out,
                                  ThreadsParallelFor(threads));
  }
  ThrowIf(error);
  return gradient;
}

template <class S>
py::tuple LossSecond(const std::optional<Images<S>>& y_true, const Images<S>& y_pred,
                     const Images<S>& vector, const Array<ComputeType<S>>& upstream, int threads,
                     const py::kwargs& arguments) {
  const LossCall<S> call(y_true, y_pred, arguments);
  CheckSameShape(vector, "vector", y_pred);
  const auto scale = call.PerLoss(upstream, "upstream");
  Images<S> by_true(ShapeOf(y_pred)), by_pred(ShapeOf(y_pred));
  Array<ComputeType<S>> by_upstream(call.LossShape());
  S *const true_data = MutableData<S>(by_true), *const pred_data = MutableData<S>(by_pred);
  auto* const upstream_data = by_upstream.mutable_data();
  std::string error;
  {
    py::gil_scoped_release unlocked;
    error = LaunchLossSecond<S>(call.params, call.inputs, Data<S>(vector), scale, upstream_data,
                                pred_data, true_data, ThreadsParallelFor(threads));
  }
  ThrowIf(error);
  return py::make_tuple(by_true, by_pred, by_upstream);
}

template <class S>
Array<ComputeType<S>> LossCounts(const Images<S>& y_pred, int threads,
                                 const py::kwargs& arguments) {
  const LossCall<S> call(std::nullopt, y_pred, arguments);
  Array<ComputeType<S>> counts(
      std::vector<py::ssize_t>{call.params.shape.batch, ResidualsOf(call.params.response)});
  auto* const out = counts.mutable_data();
  std::string error;
  {
    py::gil_scoped_release unlocked;
    error = LaunchCounts<S>(call.params, call.inputs, out, ThreadsParallelFor(threads));
  }
  ThrowIf(error);
  return counts;
}

}  // namespace gradops::python

#endif  // GRADOPS_PYTHON_LOSS_FUNCTIONS_H_
