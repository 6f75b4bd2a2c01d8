#pragma once

#include <limits>

#include "cpu/kernels.h"
#include "cpu/rows/coarser_rows.h"
#include "cpu/rows/image_rows.h"
#include "cpu/sweeps/tile.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// The sums of kChannels channels of as many pixels as a register has lanes.
template <int kChannels, class T>
GRADOPS_FN Simd<T> SumChannels(const T* pixels) {
  constexpr int kLanes = Simd<T>::kLanes;
  Simd<T> sum;
#pragma GCC unroll 4
  for (int channel = 0; channel < kChannels; ++channel) {
    Simd<T> values = Simd<T>::Load(pixels);
#pragma GCC unroll 4
    for (int k = kChannels == 1 ? 1 : 0; k < kChannels; ++k) {
      typename Simd<T>::RegisterMask from = {};
      for (int i = 0; i < kLanes; ++i) {
        const int at = i * kChannels + channel - k * kLanes;  // in the k-th register
        from[i] = at >= 0 && at < kLanes ? kLanes + at : i;
      }
      values.v = Shuffled(values.v, Simd<T>::Load(pixels + k * kLanes).v, from);
    }
    sum = channel == 0 ? values : sum + values;
  }
  return sum;
}

/// Writes value(x), value(x + 1), ... to `size` elements of a map from `offset` on. value gives
/// registers, also some past the end.
template <class T, class Value>
void PutRun(const WeightsOutput<T>& output, int64_t offset, int64_t size, Value&& value) {
  T* const out = output.plane + offset;
  const T* const weights = OffsetIfGiven(output.weights, offset);
  const bool adds = output.adds;
  const auto complete = [=](Simd<T> sum, auto load) GRADOPS_LAMBDA {
    if (adds) sum = load(out) + sum;
    if (weights == nullptr) return sum;
    const Simd<T> zero(0), most(std::numeric_limits<T>::max());
    return Select(load(weights) > zero, sum, Select(most >= Abs(sum), sum, zero));
  };
  const auto inside = [=](int64_t x) GRADOPS_LAMBDA {
    return complete(value(x), [=](const T* map) GRADOPS_LAMBDA { return Simd<T>::Load(map + x); });
  };
  const auto edge = [=](int64_t x) {  // reads nothing past the end
    return complete(value(x), [=](const T* map) {
      Simd<T> part;
      for (int i = 0; i < Simd<T>::kLanes && x + i < size; ++i) part.v[i] = map[x + i];
      return part;
    });
  };
  WriteRun(out, size, {0, size}, inside, edge, output.read_soon);
}

/// Writes rows of a map: one value per channel or, per pixel, the sum over its channels.
template <class T>
class MapOutput {
 public:
  MapOutput(const Tile& tile, const WeightsOutput<T>& output) : tile_(tile), output_(output) {
    const bool is_last = tile.channel_begin + tile.channels == tile.shape.channels;
    if (!output.per_channel && !is_last) output_.weights = nullptr;
    if (!output.per_channel && tile.channel_begin > 0) output_.adds = true;
  }

  bool IsWanted() const { return output_.plane != nullptr; }
  math::Gradient<T> Scale() const { return {output_.scale_y, output_.scale_x}; }

  /// Writes the tile's columns of row `row` from a row buffer, or adds them to what is there.
  void Write(int64_t row, const T* values) const {
    const int64_t columns = tile_.column_end - tile_.column_begin, channels = tile_.channels;
    values += tile_.Position(tile_.column_begin);
    if (output_.per_channel) {
      const int64_t step = tile_.shape.channels,
                    offset = tile_.ImageOffset(row, tile_.column_begin);
      const bool one_run = channels == step;
      for (int64_t i = 0; i < (one_run ? 1 : columns); ++i) {
        const T* const run = values + i * channels;
        PutRun(output_, offset + i * step, one_run ? columns * channels : channels,
               [=](int64_t x) GRADOPS_LAMBDA { return Simd<T>::Load(run + x); });
      }
      return;
    }
    VisitChannels(channels, [&](auto constant) {
      constexpr int kChannels = decltype(constant)::value;
      PutRun(output_, row * tile_.shape.width + tile_.column_begin, columns,
             [=](int64_t x) GRADOPS_LAMBDA {
               if constexpr (kChannels != 0) return SumChannels<kChannels>(values + x * kChannels);
               Simd<T> sums;
               for (int i = 0; i < Simd<T>::kLanes && x + i < columns; ++i) {
                 const T* const pixel = values + (x + i) * channels;
                 T sum = pixel[0];
                 for (int64_t c = 1; c < channels; ++c) sum += pixel[c];
                 sums.v[i] = sum;
               }
               return sums;
             });
    });
  }

 private:
  const Tile& tile_;
  WeightsOutput<T> output_;
};

}  // namespace gradops::cpu::GRADOPS_TARGET
