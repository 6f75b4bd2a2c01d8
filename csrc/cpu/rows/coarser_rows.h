#pragma once

#include <type_traits>

#include "cpu/kernels.h"
#include "cpu/rows/image_rows.h"

// A loss over several scales: from one level to the next coarser one, and its gradient back.

namespace gradops::cpu::GRADOPS_TARGET {

/// Calls visitor with a std::integral_constant: the channels if they are few, so that loops over
/// them are unrolled, else 0.
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

/// The channels of a pixel in one register. With three channels, loads and stores include a fourth
/// element.
template <class T, int kChannels>
struct Pixel {
  static constexpr int kElements = kChannels == 3 ? 4 : kChannels;
  using Elements __attribute__((vector_size(kElements * sizeof(T)))) = T;

  Elements elements;

  static GRADOPS_FN Pixel Load(const T* from) {
    Pixel pixel;
    __builtin_memcpy(&pixel.elements, from, sizeof(Elements));
    return pixel;
  }
  GRADOPS_FN void Store(T* to) const { __builtin_memcpy(to, &elements, sizeof(Elements)); }
  GRADOPS_FN Pixel operator+(Pixel other) const { return {elements + other.elements}; }
  GRADOPS_FN Pixel Times(T factor) const { return {elements * factor}; }
};

/// Writes every second pixel of `row` or, for the means, a quarter of the sums of its pairs of
/// pixels, where `row` is the sum of two image rows.
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
  // Goes through the row in pieces of some columns and, if there are very many channels, of some
  // channels of one column.
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
          LoadRun(a + from, OffsetIfGiven(b, from), rows[0], taken);
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
    // The last column of an odd width has no second one.
    const int64_t from = 2 * x * channels;
    const int64_t size = math::Min(2 * count * channels, shape.row_size - from);
    LoadRun(a + from, OffsetIfGiven(b, from), rows[0], size);
    if (!stride) {
      const int64_t below = from + shape.row_size;
      LoadRun(a + below, OffsetIfGiven(b, below), rows[1], size);
      for (int64_t i = 0; i < size; i += Simd<T>::kLanes) {
        (Simd<T>::Load(rows[0] + i) + Simd<T>::Load(rows[1] + i)).Store(rows[0] + i);
      }
    }
    TakeEverySecond(rows[0], count, channels, shape.downsample, out + x * channels);
  }
}

/// Writes to the row buffer `out` what row `row` of a tile gets from the gradient of the next
/// level.
template <class T>
void SpreadRow(const Tile& tile, const CoarserGradient<T>& coarser, int64_t row, T* out) {
  const int64_t begin = tile.column_begin, end = tile.column_end;
  T* const elements = out + tile.Position(begin) - begin * tile.channels;  // of column 0
  const bool stride = coarser.downsample == DownsampleId::kStride;
  const int64_t step = tile.shape.channels;
  if (stride ? row % 2 != 0 : row / 2 >= coarser.height) {
    for (int64_t i = begin * tile.channels; i < end * tile.channels; ++i) elements[i] = 0;
    return;
  }
  const T* const from = coarser.plane + row / 2 * coarser.width * step + tile.channel_begin;
  const T factor = stride ? T(1) : T(0.25);
  // Columns from `last` on get nothing from the next level: 0, not a product with 0, because the
  // gradient may be NaN.
  const int64_t last = math::Min(end, 2 * coarser.width);
  VisitChannels(tile.channels == step ? step : 0, [&](auto constant) GRADOPS_LAMBDA {
    constexpr int kChannels = decltype(constant)::value;
    const int64_t channels = kChannels == 0 ? tile.channels : kChannels;
    int64_t x = begin;
    const auto one = [&]() GRADOPS_LAMBDA {
      const bool has = x < last && !(stride && x % 2 != 0);
      for (int64_t c = 0; c < channels; ++c) {
        elements[x * channels + c] = has ? factor * from[x / 2 * step + c] : T(0);
      }
      ++x;
    };
    if constexpr (kChannels != 0) {
      using P = Pixel<T, kChannels>;
      const P nothing = {};
      if (x % 2 != 0 && x < end) one();
      for (; x + 3 < last; x += 2) {
        const P pixel = P::Load(from + x / 2 * kChannels).Times(factor);
        pixel.Store(elements + x * kChannels);
        (stride ? nothing : pixel).Store(elements + (x + 1) * kChannels);
      }
    }
    while (x < end) one();
  });
}

}  // namespace gradops::cpu::GRADOPS_TARGET
