#pragma once

#include <type_traits>

#include "cuda/programs/image_pixels.h"
#include "cuda/programs/memo.h"
#include "cuda/programs/penalties.h"
#include "cuda/programs/strip_args.h"

// The derivatives by the weights, after a sweep has found the losses L_b:
//     by_weights_i = u_b v_i / D_b - c_b n_i,    c_b = u_b L_b / D_b
// with v_i the sum of the values of the residuals at i, and n_i their number (docs/design.md,
// "Weights"). A thread for each element of the map gathers them.

namespace gradops::cuda {

/// Images of any dtype that is computed in T, so that programs need not be compiled for each.
template <class T>
struct AnyImages {
  const void* images = nullptr;  // null for images of zeros
  Dtype dtype = Dtype::kFloat32;

  AnyImages() = default;
  template <class S>
  explicit AnyImages(const S* the_images) : images(the_images) {
#define GRADOPS_CASE(enumerator, Type, name) \
  if (std::is_same_v<S, Type>) dtype = Dtype::enumerator;
    GRADOPS_DTYPES(GRADOPS_CASE)
#undef GRADOPS_CASE
  }
  GRADOPS_FN T At(int64_t index) const {
    if (images == nullptr) return T(0);
#define GRADOPS_CASE(enumerator, S, name)                                                     \
  if constexpr (std::is_same_v<ComputeType<S>, T>) {                                          \
    if (dtype == Dtype::enumerator) return math::Widen(static_cast<const S*>(images)[index]); \
  }
    GRADOPS_DTYPES(GRADOPS_CASE)
#undef GRADOPS_CASE
    return T(0);
  }
};

/// Plain data, passed by value.
template <class T>
struct WeightArgs {
  PixelGrid grid;  // of the map
  int64_t planes;  // of an example of the map
  ImageStencil<T> stencil;
  ImageShape shape;  // of the images
  PenaltyId penalty;
  double penalty_parameter, response_epsilon;
  AnyImages<T> y_true, y_pred, vector;
  bool are_ones;       // the values are 1, and images are not read
  bool has_vector;     // the values are products of slopes and the stencil of the vector
  LossInputs<T> maps;  // without images
  Counted counted;
  PerExample<T> upstream;
  int last_axis;                // of the upstream gradient: 1 if there is one for each axis, else 0
  const double* denominators;   // one per example; null for 1
  const double* count_factors;  // c_b, one per example; null for 0
  const T* memo;
  const MemoUse* memo_uses;  // null if there is no memo
  PerExample<T> expected;
  T* by_weights;

  GRADOPS_FN double Denominator(int64_t example) const {
    return denominators == nullptr ? 1 : denominators[example];
  }
};

/// The arguments without images, denominators and memo.
template <class T>
WeightArgs<T> MakeWeightArgs(const KernelParams& params, PixelMap<T> weights,
                             PixelMap<uint8_t> mask, PerExample<T> upstream, int axes,
                             T* by_weights) {
  WeightArgs<T> args{};
  const ImageShape& shape = params.shape;
  args.stencil = MakeImageStencil<T>(params);
  args.grid = args.stencil.grid;
  args.planes = shape.planes;
  if (!weights.per_channel) {
    args.planes = args.grid.channels = 1;
    args.grid.planes = shape.batch;
  }
  args.shape = shape;
  args.penalty = params.penalty;
  args.penalty_parameter = params.penalty_parameter;
  args.response_epsilon = params.response_epsilon;
  args.maps = {nullptr, nullptr, weights, mask};
  args.counted = CountedFor(params.normalizer);
  args.upstream = upstream;
  args.last_axis = axes - 1;
  args.by_weights = by_weights;
  return args;
}
/// Those after a sweep. The factors of the counts may be null.
template <class S>
WeightArgs<ComputeType<S>> MakeWeightArgs(const StripArgs<S>& sweep, const double* count_factors) {
  using T = ComputeType<S>;
  const LossInputs<S>& inputs = sweep.inputs;
  WeightArgs<T> args = MakeWeightArgs(sweep.params, inputs.weights, inputs.mask, sweep.upstream,
                                      AxesOf(sweep.params), sweep.by_weights);
  args.y_true = AnyImages<T>(inputs.y_true);
  args.y_pred = AnyImages<T>(inputs.y_pred);
  args.vector = AnyImages<T>(sweep.vector);
  args.has_vector = sweep.vector != nullptr;
  args.denominators = sweep.denominators;
  args.count_factors = count_factors;
  args.memo = sweep.weights_memo;
  args.memo_uses = sweep.memo_uses;
  args.expected = sweep.expected;
  return args;
}

/// Finds c_b of each example.
template <class T>
struct FindCountFactors {
  int64_t batch;
  NormalizerId normalizer;
  const T* losses;  // or the products of vector and gradient
  const double* denominators;
  PerExample<T> upstream;
  double* factors;

  GRADOPS_FN int64_t Batch() const { return batch; }
  bool IsOfAll() const { return normalizer == NormalizerId::kBatch; }
  GRADOPS_FN void operator()(int64_t begin, int64_t count) const {
    const auto loss_of = [this, begin](int64_t i) {
      return static_cast<double>(upstream.At(begin + i, 0)) *
             static_cast<double>(losses[begin + i]);
    };
    WriteCountFactors(normalizer, count, loss_of, denominators + begin, factors + begin);
  }
};

/// Writes by_weights at an element of the map.
template <class Response>
struct ByWeightsFunction {
  template <class T>
  GRADOPS_FN void operator()(const WeightArgs<T>& args, const ImagePixel& element) const {
    const int64_t at = element.Index(args.grid), example = element.plane / args.planes;
    const MemoUse use = args.memo_uses == nullptr ? MemoUse::kRecompute : args.memo_uses[example];
    args.by_weights[at] =
        use == MemoUse::kRecompute
            ? Find(args, element, example)
            : MemoFactor(use, example, args.expected, args.upstream) * args.memo[at];
  }

 private:
  template <class T>
  GRADOPS_FN static T Find(const WeightArgs<T>& args, const ImagePixel& element, int64_t example) {
    const double denominator = args.Denominator(example);
    if (!(denominator > 0)) return static_cast<T>(denominator);  // 0, or NaN for bad weights
    const bool per_channel = args.maps.weights.per_channel;
    const int64_t planes = per_channel ? 1 : args.shape.planes;
    const int channels = per_channel ? 1 : args.stencil.grid.channels;
    const auto factor = [&](int axis) {
      return static_cast<T>(static_cast<double>(args.upstream.At(example, axis)) / denominator);
    };
    const math::Gradient<T> factors = {factor(0), factor(args.last_axis)};
    T sum = 0, plain_sum = 0;
    int64_t number = 0;
    for (int64_t i = 0; i < planes * channels; ++i) {
      ImagePixel pixel = element;
      if (!per_channel) {
        pixel.plane = example * planes + i / channels;
        pixel.channel = static_cast<int>(i % channels);
      }
      bool y, x;
      FindKept(args, pixel, example, &y, &x, &number);
      if (!y && !x) continue;
      const math::Gradient<T> values = Values(args, pixel);
      plain_sum += (y ? values.y : T(0)) + (x ? values.x : T(0));
      sum += (y ? factors.y * values.y : T(0)) + (x ? factors.x * values.x : T(0));
    }
    const bool is_weighted = args.maps.weights.data[element.Index(args.grid)] != T(0);
    if (!is_weighted && !(plain_sum - plain_sum == T(0))) return T(0);  // infinite or NaN
    if (args.count_factors == nullptr || number == 0) return sum;
    return sum - static_cast<T>(args.count_factors[example]) * static_cast<T>(number);
  }
  /// Sets `y` and `x` to which values of a pixel mask and border keep; of a joint residual, `y`.
  /// Adds to the number of what the denominator counts.
  template <class T>
  GRADOPS_FN static void FindKept(const WeightArgs<T>& args, const ImagePixel& pixel,
                                  int64_t example, bool* y, bool* x, int64_t* number) {
    const ImageStencil<T>& stencil = args.stencil;
    const Maps<T> maps = Maps<T>{args.maps, args.shape, example, pixel.plane}.WithoutWeights();
    maps.FindCounts(stencil.taps.down.forward[stencil.RowEdge(pixel.row)],
                    stencil.taps.along.forward[stencil.ColumnEdge(pixel.pixel)],
                    Response::kResiduals == 1, pixel.row, pixel.pixel, pixel.channel, y, x);
    *x = *x && Response::kResiduals == 2;
    if (args.counted == Counted::kResiduals) {
      *number += int{*y} + int{*x};
    } else {
      *number += int{maps.IsValid(pixel.row, pixel.pixel, pixel.channel)};
    }
  }
  /// What the residuals at a pixel add to the loss; of a joint residual, in .y.
  template <class T>
  GRADOPS_FN static math::Gradient<T> Values(const WeightArgs<T>& args, const ImagePixel& pixel) {
    if (args.are_ones) return {T(1), T(1)};
    const auto gradient = [&](auto read) { return GradientAt(args.stencil, pixel, read); };
    math::Gradient<T> pred, target = {T(0), T(0)};
    if constexpr (Response::kDifference) {
      pred = gradient([&](int64_t at) { return args.y_pred.At(at) - args.y_true.At(at); });
    } else {
      pred = gradient([&](int64_t at) { return args.y_pred.At(at); });
      target = gradient([&](int64_t at) { return args.y_true.At(at); });
    }
    const Response response(args.response_epsilon);
    const AnyPenalty rho{args.penalty, args.penalty_parameter};
    if (!args.has_vector) return response.Values(rho, pred, target);
    const math::Gradient<T> slopes = response.Slopes(rho, pred, target),
                            vector = gradient([&](int64_t at) { return args.vector.At(at); });
    if (Response::kResiduals == 1) return {math::Dot(slopes, vector), T(0)};
    return {slopes.y * vector.y, slopes.x * vector.x};
  }
};

}  // namespace gradops::cuda
