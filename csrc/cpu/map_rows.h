#ifndef GRADOPS_CPU_MAP_ROWS_H_
#define GRADOPS_CPU_MAP_ROWS_H_

#include <cstring>

#include "core/launch.h"
#include "cpu/tile.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// Rows of a tile of a map of weights or of a mask, which has one value for each pixel or one for
/// each of its channels. They begin with column `origin`.
template <class T>
class MapRows {
 public:
  explicit MapRows(const Tile& tile) : tile_(tile) {
    for (int64_t k = 0; k < tile.channels; ++k) {
      for (int i = 0; i < kLanes; ++i) pixels_[k][i] = (k * kLanes + i) / tile.channels;
    }
  }

  /// Values of a column.
  template <class M>
  int64_t Step(const PixelMap<M>& map) const {
    return map.per_channel ? tile_.channels : 1;
  }
  /// Copies row `row` of the map.
  template <class M>
  void Load(const PixelMap<M>& map, int64_t row, void* out) const {
    const int64_t step = Step(map), height = tile_.shape.height;
    const int64_t row_size = tile_.shape.width * (map.per_channel ? tile_.shape.channels : 1);
    // A row that will be asked for soon is fetched, unless rows wrap here.
    const int64_t fetched = row >= 0 && row + kAhead < height ? kAhead : 0;
    tile_.ForEachRun(tile_.origin, tile_.end, [&](int64_t begin, int64_t end) {
      const int64_t pixel =
          (tile_.ImageOffset(row, begin) - tile_.channel_begin) / tile_.shape.channels;
      const M* const in =
          map.data + (map.per_channel ? pixel * tile_.shape.channels + tile_.channel_begin : pixel);
      const int64_t bytes = (end - begin) * step * sizeof(M);
      std::memcpy(static_cast<char*>(out) + (begin - tile_.origin) * step * sizeof(M), in, bytes);
      const char* const ahead = reinterpret_cast<const char*>(in + fetched * row_size);
      for (int64_t x = 0; x < bytes; x += 64) __builtin_prefetch(ahead + x);
    });
  }
  /// Writes a row with one value for each pixel as a row buffer, with each value as often as there
  /// are channels.
  void Repeat(const T* in, T* out) const {
    const int64_t count = tile_.end - tile_.origin, channels = tile_.channels;
    T* const to = out + tile_.Position(tile_.origin);
    int64_t x = 0;
    for (; x + kLanes <= count; x += kLanes) {
      const Simd<T> values = Simd<T>::Load(in + x);
      for (int64_t k = 0; k < channels; ++k) {
        Shuffled(values, pixels_[k]).Store(to + x * channels + k * kLanes);
      }
    }
    for (; x < count; ++x) {
      for (int64_t c = 0; c < channels; ++c) to[x * channels + c] = in[x];
    }
  }

 private:
  using Indices = typename Simd<T>::RegisterMask;
  static constexpr int kLanes = Simd<T>::kLanes;
  static constexpr int64_t kAhead = 5;

  static GRADOPS_FN Simd<T> Shuffled(Simd<T> values, Indices indices) {
#if defined(__clang__)
    Simd<T> shuffled;
    for (int i = 0; i < kLanes; ++i) shuffled.v[i] = values.v[indices[i]];
    return shuffled;
#else
    return Simd<T>(__builtin_shuffle(values.v, indices));
#endif
  }

  const Tile& tile_;
  Indices pixels_[kMaximumChannels];  // of the k-th register's lanes, within kLanes pixels
};

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_MAP_ROWS_H_
