#pragma once

#include <type_traits>

#include "cpu/kernels.h"
#include "cpu/rows/image_rows.h"

// From a level of a loss over several scales to the next one, and the gradient back.

namespace gradops::cpu::GRADOPS_TARGET {

/// Calls visitor(std::integral_constant) with the channels of common images, else with 0: loops
/// over so many are then unrolled.
template <class Visitor>
GRADOPS_FN void VisitChannels(int64_t channels, Visitor&& visitor) {
  switch (channels) {
    case 1:
      return visitor(std::integral_constant<int, 1>());
    case 2:
      return visitor(std::integral_constant<int, 2>());
    case 3:
      return visitor(std::integral_constant<int, 3>());
    case 4:
      return visitor(std::integral_constant<int, 4>());
    default:
      return visitor(std::integral_constant<int, 0>());
  }
}

/// The channels of a pixel, in one register where there are few. Loads and stores of three take a
/// fourth number along.
template <class T, int kChannels>
struct Pixel {
  static constexpr int kNumbers = kChannels == 3 ? 4 : kChannels;
  using Numbers __attribute__((vector_size(kNumbers * sizeof(T)))) = T;

  Numbers numbers;

  static GRADOPS_FN Pixel Load(const T* from) {
    Pixel pixel;
    __builtin_memcpy(&pixel.numbers, from, sizeof(Numbers));
    return pixel;
  }
  GRADOPS_FN void Store(T* to) const { __builtin_memcpy(to, &numbers, sizeof(Numbers)); }
  GRADOPS_FN Pixel operator+(Pixel other) const { return {numbers + other.numbers}; }
  GRADOPS_FN Pixel Times(T factor) const { return {numbers * factor}; }
};

/// out: every second pixel of `row`, or the means of pairs of them, if row is the sum of two rows.
template <class T>
void TakeEverySecond(const T* row, int64_t width, int64_t channels, DownsampleId downsample,
                     T* out) {
  const bool stride = downsample == DownsampleId::kStride;
  VisitChannels(channels, [&](auto constant) GRADOPS_LAMBDA {
    constexpr int kChannels = decltype(constant)::value;
    int64_t x = 0;
    if constexpr (kChannels != 0) {
      using P = Pixel<T, kChannels>;
      if (stride) {
        for (; x + 1 < width; ++x) P::Load(row + 2 * x * kChannels).Store(out + x * kChannels);
      } else {
        for (; x + 1 < width; ++x) {
          const T* const pair = row + 2 * x * kChannels;
          const P sum = P::Load(pair) + P::Load(pair + kChannels);
          sum.Times(T(0.25)).Store(out + x * kChannels);
        }
      }
    }
    for (int64_t i = x * channels; i < width * channels; ++i) {
      const T* const at = row + (2 * (i / channels)) * channels + i % channels;
      out[i] = stride ? at[0] : T(0.25) * (at[0] + at[channels]);
    }
  });
}

/// KernelTable::coarser_row.
template <class S>
void CoarserRow(const S* a, const S* b, const CoarserShape& shape, ComputeType<S>* out) {
  using T = ComputeType<S>;
  constexpr int64_t kSize = 4096;
  const int64_t channels = shape.channels;
  const bool stride = shape.downsample == DownsampleId::kStride;
  // In pieces of some columns (and channels, if there are very many), in the type that is computed.
  alignas(64) T rows[2][kSize + 64];
  const int64_t at_once = math::Max<int64_t>(kSize / (2 * channels), 1);
  const int64_t most = kSize / 2;
  for (int64_t x = 0; x < shape.width; x += at_once) {
    const int64_t count = math::Min(at_once, shape.width - x);
    if (2 * channels > kSize) {
      for (int64_t c = 0; c < channels; c += most) {
        const int64_t taken = math::Min(most, channels - c);
        for (int64_t i = 0; i < (stride ? 1 : 4); ++i) {
          const int64_t from = 2 * x * channels + c + i % 2 * channels + i / 2 * shape.row_size;
          LoadRun(a + from, b == nullptr ? b : b + from, rows[0], taken);
          for (int64_t k = 0; k < taken; ++k) {
            rows[1][k] = i == 0 ? rows[0][k] : rows[1][k] + rows[0][k];
          }
        }
        for (int64_t k = 0; k < taken; ++k) {
          out[x * channels + c + k] = stride ? rows[1][k] : T(0.25) * rows[1][k];
        }
      }
      continue;
    }
    // A last odd column has no second one.
    const int64_t from = 2 * x * channels;
    const int64_t size = math::Min(2 * count * channels, shape.row_size - from);
    LoadRun(a + from, b == nullptr ? b : b + from, rows[0], size);
    if (!stride) {
      const int64_t below = from + shape.row_size;
      LoadRun(a + below, b == nullptr ? b : b + below, rows[1], size);
      for (int64_t i = 0; i < size; i += Simd<T>::kLanes) {
        (Simd<T>::Load(rows[0] + i) + Simd<T>::Load(rows[1] + i)).Store(rows[0] + i);
      }
    }
    TakeEverySecond(rows[0], count, channels, shape.downsample, out + x * channels);
  }
}

/// What row `row` of a tile's columns gets of the gradient of the next level: out is a row buffer.
template <class T>
void SpreadRow(const Tile& tile, const CoarserGradient<T>& coarser, int64_t row, T* out) {
  const int64_t begin = tile.column_begin, end = tile.column_end;
  T* const numbers = out + tile.Position(begin) - begin * tile.channels;  // of column 0
  const bool stride = coarser.downsample == DownsampleId::kStride;
  const int64_t step = tile.shape.channels;
  if (stride ? row % 2 != 0 : row / 2 >= coarser.height) {
    for (int64_t i = begin * tile.channels; i < end * tile.channels; ++i) numbers[i] = 0;
    return;
  }
  const T* const from = coarser.plane + row / 2 * coarser.width * step + tile.channel_begin;
  const T factor = stride ? T(1) : T(0.25);
  // Columns that the next level has something for. (What it has not gets 0, and no product with 0:
  // the gradient may be NaN.)
  const int64_t last = math::Min(end, 2 * coarser.width);
  VisitChannels(tile.channels == step ? step : 0, [&](auto constant) GRADOPS_LAMBDA {
    constexpr int kChannels = decltype(constant)::value;
    const int64_t channels = kChannels == 0 ? tile.channels : kChannels;
    int64_t x = begin;
    const auto one = [&]() GRADOPS_LAMBDA {
      const bool has = x < last && !(stride && x % 2 != 0);
      for (int64_t c = 0; c < channels; ++c) {
        numbers[x * channels + c] = has ? factor * from[x / 2 * step + c] : T(0);
      }
      ++x;
    };
    if constexpr (kChannels != 0) {
      using P = Pixel<T, kChannels>;
      const P nothing = {};
      if (x % 2 != 0 && x < end) one();
      for (; x + 3 < last; x += 2) {
        const P pixel = P::Load(from + x / 2 * kChannels).Times(factor);
        pixel.Store(numbers + x * kChannels);
        (stride ? nothing : pixel).Store(numbers + (x + 1) * kChannels);
      }
    }
    while (x < end) one();
  });
}

}  // namespace gradops::cpu::GRADOPS_TARGET
