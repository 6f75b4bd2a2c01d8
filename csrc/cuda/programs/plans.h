#pragma once

#include <string>
#include <type_traits>

#include "cuda/programs/image_pixels.h"
#include "cuda/programs/strip_thread.h"
#include "cuda/programs/sums.h"

// Which program sweeps, and with which arguments: decided on the host, for the device and for the
// emulation.

namespace gradops::cuda {

/// The arguments of a sweep on a device with that many multiprocessors, without the memory of its
/// results.
template <class S>
StripArgs<S> MakeStripArgs(const KernelParams& params, const LossInputs<S>& inputs,
                           int processors) {
  StripArgs<S> args{};
  args.params = params;
  args.layout = MakeStripLayout(params, kVec<S>, processors);
  args.taps = FindBorderTaps<ComputeType<S>>(params);
  args.scale = static_cast<ComputeType<S>>(params.stencil.scale);
  args.inputs = inputs;
  return args;
}

/// Sets the denominator of all examples if it follows from the shape, and returns whether it does.
template <class S>
bool SetDenominatorByShape(StripArgs<S>* args) {
  if (args->HasMaps()) return false;
  KernelParams params = args->params;
  params.shape.batch = 1;
  const AxisSums counts = CountByShape(params, CountedFor(params.normalizer));
  WriteDenominators(params, &counts, &args->denominator);
  return true;
}

/// Calls visitor(TypeTag<ChosenStatically<...>>) if the arguments allow it, and returns whether
/// they do.
template <class S, class Visitor>
bool VisitStatic(const StripArgs<S>& args, Visitor&& visitor) {
  using math::TapsKind;
  const math::Stencil& stencil = args.params.stencil;
  const StripLayout& layout = args.layout;
  if (args.HasMaps() || !args.is_aligned || !args.HasTarget() || !stencil.IsSmoothedCentral() ||
      layout.row_size > kMaxStaticElements)
    return false;
  const auto with_shift = [&](auto shift) {
    constexpr int kShift = decltype(shift)::value;
    if (stencil.smoothing[0] == 1) {
      visitor(TypeTag<ChosenStatically<kShift, TapsKind::kUnit>>());
    } else {
      visitor(TypeTag<ChosenStatically<kShift, TapsKind::kSmoothing>>());
    }
    return true;
  };
  switch (layout.far - layout.step) {
    case 0:
      return with_shift(std::integral_constant<int, 0>());
    case 1:
      return layout.step == 3 && with_shift(std::integral_constant<int, 1>());
    case 2:
      return layout.step == 2 && with_shift(std::integral_constant<int, 2>());
    default:
      return layout.step == 1 && with_shift(std::integral_constant<int, 3>());
  }
}

/// Calls visitor(TypeTag<StripThread<...>>) with the program for a sweep of this order.
template <class S, Order kOrder, class Visitor>
void VisitStripThread(const StripArgs<S>& args, Visitor&& visitor) {
  const bool is_plain = args.is_contiguous && IsLight(args.params.penalty);
  VisitResponse(args.params.response, [&](auto tag) {
    using R = typename decltype(tag)::Type;
    if constexpr (kOrder != Order::kSecond && R::kHasFastPaths) {
      if constexpr (R::kDifference && sizeof(ComputeType<S>) == 4) {
        if (is_plain && VisitStatic(args, [&](auto when) {
              visitor(TypeTag<StripThread<S, R, kOrder, typename decltype(when)::Type>>());
            })) {
          return;
        }
      }
      if (is_plain) return visitor(TypeTag<StripThread<S, R, kOrder, ChosenPerRow>>());
    }
    visitor(TypeTag<StripThread<S, R, kOrder, ChosenPerElement>>());
  });
}

/// The program, of which it calls visitor(TypeTag<StripThread<...>>), and the arguments of the
/// sweep that finds gradient = upstream * d magnitude / d images.
template <class S, class Visitor>
void VisitMagnitudeThread(const StripArgs<S>& args, Visitor&& visitor) {
  if (args.is_contiguous) {
    visitor(TypeTag<StripThread<S, MagnitudeAlone, Order::kSlope, ChosenPerRow>>());
  } else {
    visitor(TypeTag<StripThread<S, MagnitudeAlone, Order::kSlope, ChosenPerElement>>());
  }
}
template <class S>
StripArgs<S> MakeMagnitudeArgs(const KernelParams& params, const S* images, const S* upstream,
                               S* gradient, int processors) {
  StripArgs<S> args = MakeStripArgs<S>(params, {nullptr, images, {}, {}}, processors);
  args.pixel_weights = upstream;
  args.denominator = 1;
  args.by_pred = gradient;
  SetAccess(&args);
  return args;
}

/// "" or what is wrong with the size of the images.
inline std::string CheckRows(const ImageShape& shape) {
  if (shape.RowSize() <= kMaxRowElements && shape.height <= kMaxRowElements) return "";
  return "images on a GPU must have at most 2^30 rows, and at most 2^30 numbers in each, got "
         "height " +
         std::to_string(shape.height) + ", width " + std::to_string(shape.width) +
         " and channels " + std::to_string(shape.channels);
}

}  // namespace gradops::cuda
