#ifndef GRADOPS_CPU_MAP_ROWS_H_
#define GRADOPS_CPU_MAP_ROWS_H_

#include "core/launch.h"
#include "cpu/tile.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// Rows of a map of weights or of a mask, with one value for each of a tile's numbers.
template <class T>
class MapRows {
 public:
  explicit MapRows(const Tile& tile) : tile_(tile) {
    for (int64_t k = 0; k < tile.channels; ++k) {
      for (int i = 0; i < kLanes; ++i) pixels_[k][i] = (k * kLanes + i) / tile.channels;
    }
  }

  /// out = row `row` of the map.
  template <class M>
  void Expand(const PixelMap<M>& map, int64_t row, T* out) const {
    const int64_t stride = map.per_channel ? tile_.shape.channels : 1;
    tile_.ForEachRun(tile_.origin, tile_.end, [&](int64_t begin, int64_t end) {
      const int64_t pixel =
          (tile_.ImageOffset(row, begin) - tile_.channel_begin) / tile_.shape.channels;
      const M* const in = map.data + pixel * stride + (map.per_channel ? tile_.channel_begin : 0);
      T* const to = out + tile_.Position(begin);
      const int64_t count = end - begin, channels = tile_.channels;
      if (map.per_channel || channels == 1) {
        for (int64_t x = 0; x < count * channels; ++x) to[x] = static_cast<T>(in[x]);
      } else {
        Repeat(in, count, to);
      }
    });
  }

 private:
  using Register = typename Simd<T>::Register;
  using Indices = typename Simd<T>::RegisterMask;
  static constexpr int kLanes = Simd<T>::kLanes;

  /// Each of `count` values as often as there are channels.
  template <class M>
  void Repeat(const M* in, int64_t count, T* out) const {
    const int64_t channels = tile_.channels;
    int64_t x = 0;
    for (; x + kLanes <= count; x += kLanes) {
      const Simd<T> values = Load(in + x);
      for (int64_t k = 0; k < channels; ++k) {
        Shuffled(values, pixels_[k]).Store(out + x * channels + k * kLanes);
      }
    }
    for (; x < count; ++x) {
      for (int64_t c = 0; c < channels; ++c) out[x * channels + c] = static_cast<T>(in[x]);
    }
  }
  static GRADOPS_FN Simd<T> Load(const T* in) { return Simd<T>::Load(in); }
  static GRADOPS_FN Simd<T> Load(const bool* in) {
    typedef uint8_t Bytes __attribute__((vector_size(kLanes)));
    Bytes bytes;
    __builtin_memcpy(&bytes, in, sizeof(bytes));
    return Simd<T>(__builtin_convertvector(bytes, Register));
  }
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
  Indices pixels_[kMaximumChannels];  // of k-th register's lanes, within kLanes pixels
};

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_MAP_ROWS_H_
