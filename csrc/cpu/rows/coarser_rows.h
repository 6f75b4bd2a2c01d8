#pragma once

#include <numeric>
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

/// Registers of a row of pixels of kChannels channels in which every pixel of another row stands
/// twice, or every second one once. Their lanes repeat after kPeriod registers.
template <class T, int kChannels, bool kTwice>
struct PixelRegisters {
  static constexpr int kLanes = Simd<T>::kLanes;
  static constexpr int kFromPixel = kTwice ? 2 * kChannels : kChannels;  // elements
  static constexpr int kPeriod = kFromPixel / std::gcd(kFromPixel, kLanes);
  /// Elements of a period, and of what it is made of.
  static constexpr int kSize = kPeriod * kLanes, kSourceSize = kTwice ? kSize / 2 : kSize * 2;

  /// Where element x comes from.
  static GRADOPS_FN constexpr int Source(int x) {
    const int pixel = x / kChannels;
    return (kTwice ? pixel / 2 : pixel * 2) * kChannels + x % kChannels;
  }
  /// The k-th register of a period, where load(x) gives the register of elements x, x + 1, ... of
  /// what it is made of.
  template <class Load>
  static GRADOPS_FN Simd<T> At(int k, Load&& load) {
    static_assert(FitsTwoRegisters());
    const int first = First(k), second = Second(k);
    typename Simd<T>::RegisterMask from = {};
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) {
      const int at = Source(k * kLanes + i);
      from[i] = at - first < kLanes ? at - first : at - second + kLanes;
    }
    if (second <= first) return Simd<T>(Shuffled(load(first).v, from));
    return Simd<T>(Shuffled(load(first).v, load(second).v, from));
  }
  /// Which lanes of the k-th register are of the first of two equal pixels.
  static GRADOPS_FN typename Simd<T>::Mask IsFirst(int k) {
    typename Simd<T>::RegisterMask mask = {};
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) mask[i] = (k * kLanes + i) / kChannels % 2 == 0 ? -1 : 0;
    return {mask};
  }

 private:
  /// The elements that the k-th register is made of are in the registers from First(k) and from
  /// Second(k) on; if Second(k) is not greater, in the former alone.
  static GRADOPS_FN constexpr int First(int k) {
    int first = Source(k * kLanes);
    for (int i = 1; i < kLanes; ++i) first = math::Min(first, Source(k * kLanes + i));
    return first;
  }
  static GRADOPS_FN constexpr int Second(int k) {
    int last = Source(k * kLanes);
    for (int i = 1; i < kLanes; ++i) last = math::Max(last, Source(k * kLanes + i));
    return last - kLanes + 1;
  }
  static constexpr bool FitsTwoRegisters() {
    for (int x = 0; x < kSize; ++x) {
      const int k = x / kLanes, at = Source(x);
      if (at >= First(k) + kLanes && at < Second(k)) return false;
    }
    return true;
  }
};

/// Writes every second pixel of `row` or, for the means, a quarter of the sums of its pairs of
/// pixels, where `row` is the sum of two image rows. May read 512 bytes past it, and write 256
/// bytes past the end.
template <class T>
void TakeEverySecond(const T* row, int64_t width, int64_t channels, DownsampleId downsample,
                     T* out) {
  const bool stride = downsample == DownsampleId::kStride;
  const int64_t size = width * channels;
  VisitChannels(channels, [&](auto constant) GRADOPS_LAMBDA {
    constexpr int kChannels = decltype(constant)::value;
    if constexpr (kChannels == 0) {
      for (int64_t i = 0; i < size; ++i) {
        const T* const at = row + (2 * (i / channels)) * channels + i % channels;
        out[i] = stride ? at[0] : T(0.25) * (at[0] + at[channels]);
      }
    } else {
      using P = PixelRegisters<T, kChannels, false>;
      for (int64_t i = 0; i < size; i += P::kSize) {
        const T* const from = row + 2 * i;
#pragma GCC unroll 4
        for (int k = 0; k < P::kPeriod; ++k) {
          T* const to = out + i + k * P::kLanes;
          if (stride) {
            P::At(k, [=](int x) GRADOPS_LAMBDA { return Simd<T>::Load(from + x); }).Store(to);
          } else {
            const Simd<T> sum = P::At(k, [=](int x) GRADOPS_LAMBDA {
              return Simd<T>::Load(from + x) + Simd<T>::Load(from + x + kChannels);
            });
            (Simd<T>(0.25) * sum).Store(to);
          }
        }
      }
    }
  });
}

/// out = a - b (a if b is null), or the sum of that and the same of the next row if `two_rows`.
/// Prefetches what the next coarser row will need, unless the run is shorter than a register.
template <class S, class T = ComputeType<S>>
void LoadRows(const S* a, const S* b, int64_t row_size, bool two_rows, T* out, int64_t size) {
  if (size < Simd<T>::kLanes) {
    T below[Simd<T>::kLanes] = {};
    LoadRun(a, b, out, size);
    if (!two_rows) return;
    LoadRun(a + row_size, OffsetIfGiven(b, row_size), below, size);
    for (int64_t x = 0; x < size; ++x) out[x] += below[x];
    return;
  }
  const RowsAhead ahead(a + 2 * row_size, OffsetIfGiven(b, 2 * row_size), row_size);
  VisitDifference(a, b, [=](auto value) GRADOPS_LAMBDA {
    if (two_rows) {
      FillRun(out, size, [=](int64_t x) GRADOPS_LAMBDA {
        ahead.Prefetch(0, x);
        ahead.Prefetch(1, x);
        return value(x) + value(row_size + x);
      });
    } else {
      FillRun(out, size, [=](int64_t x) GRADOPS_LAMBDA {
        ahead.Prefetch(0, x);
        return value(x);
      });
    }
  });
}

/// KernelTable::coarser_row.
template <class S>
void CoarserRow(const S* a, const S* b, const CoarserShape& shape, ComputeType<S>* out) {
  using T = ComputeType<S>;
  // The most elements of a pair of columns that `rows` holds, and those of a piece of a row, which
  // are few, so that reads and arithmetic overlap.
  constexpr int64_t kMost = 4096, kPiece = 512;
  const int64_t channels = shape.channels;
  const bool stride = shape.downsample == DownsampleId::kStride;
  // Goes through the row in pieces of some columns, or number by number if there are very many
  // channels.
  alignas(64) T rows[kMost + 512 / sizeof(T)];
  // Whole periods of PixelRegisters, if possible.
  const int64_t columns = math::Max<int64_t>(kPiece / (2 * channels), 1);
  const int64_t at_once = columns < kBlock<T> ? columns : columns / kBlock<T> * kBlock<T>;
  for (int64_t x = 0; x < shape.width; x += at_once) {
    const int64_t count = math::Min(at_once, shape.width - x);
    if (2 * channels > kMost) {
      for (int64_t c = 0; c < channels; ++c) {
        const auto at = [&](int64_t row, int64_t column) {
          const int64_t i = row * shape.row_size + (2 * x + column) * channels + c;
          return b == nullptr ? math::Widen(a[i]) : math::Widen(a[i]) - math::Widen(b[i]);
        };
        const T first = at(0, 0);
        out[x * channels + c] = stride ? first : T(0.25) * (first + at(0, 1) + at(1, 0) + at(1, 1));
      }
      continue;
    }
    // The last column of an odd width has no second one.
    const int64_t from = 2 * x * channels;
    const int64_t size = math::Min(2 * count * channels, shape.row_size - from);
    LoadRows(a + from, OffsetIfGiven(b, from), shape.row_size, !stride, rows, size);
    TakeEverySecond(rows, count, channels, shape.downsample, out + x * channels);
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
  int64_t x = begin;
  VisitChannels(tile.channels == step ? step : 0, [&](auto constant) GRADOPS_LAMBDA {
    constexpr int kChannels = decltype(constant)::value;
    if constexpr (kChannels != 0) {
      using P = PixelRegisters<T, kChannels, true>;
      // From an even column on: the one before an odd `begin` is in the row buffer too.
      const T* source = from + begin / 2 * kChannels;
      for (int64_t i = begin / 2 * 2 * kChannels; i < last * kChannels; i += P::kSize) {
#pragma GCC unroll 4
        for (int k = 0; k < P::kPeriod; ++k) {
          Simd<T> pixels =
              P::At(k, [=](int at) GRADOPS_LAMBDA { return Simd<T>::Load(source + at); });
          pixels = stride ? Select(P::IsFirst(k), pixels, Simd<T>(0)) : Simd<T>(factor) * pixels;
          pixels.Store(elements + i + k * P::kLanes);
        }
        source += P::kSourceSize;
      }
      x = math::Max(begin, last);
    }
  });
  for (; x < end; ++x) {
    const bool has = x < last && !(stride && x % 2 != 0);
    for (int64_t c = 0; c < tile.channels; ++c) {
      elements[x * tile.channels + c] = has ? factor * from[x / 2 * step + c] : T(0);
    }
  }
}

/// KernelTable::spread.
template <class S, class T = ComputeType<S>>
void SpreadRows(const KernelParams& params, const CoarserGradient<T>& coarser, RowRange rows,
                S* plane) {
  ForEachTile<T>(params, [&](const Tile& tile) {
    T* const spread = RowAllocator<T>(1).Take(1);
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      SpreadRow(tile, coarser, row, spread);
      tile.ForEachRun(tile.column_begin, tile.column_end, [&](int64_t begin, int64_t end) {
        const T* const from = spread + tile.Position(begin);
        const auto value = [=](int64_t x) GRADOPS_LAMBDA { return Simd<T>::Load(from + x); };
        const int64_t size = (end - begin) * tile.channels;
        WriteRun(plane + tile.ImageOffset(row, begin), size, value, /*read_soon=*/true);
      });
    }
  });
}

}  // namespace gradops::cpu::GRADOPS_TARGET
