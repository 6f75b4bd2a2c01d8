#pragma once

#include <cstring>

#include "cpu/sweeps/tile.h"
#include "family/inputs.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// Rows of a map that will be read soon: RowsAhead for maps.
struct MapAhead {
  const char* data = nullptr;
  int64_t stride = 0, size = 0;  // in bytes: from row to row, and of one row

  /// Prefetches the line of row `row` that holds byte `at`, unless that is past the row's end.
  GRADOPS_FN void Prefetch(int64_t row, int64_t at) const {
    if (at < size) __builtin_prefetch(data + row * stride + at);
  }
};

/// Reads a tile's rows of a map of weights or of a mask, which has one value per pixel or one per
/// channel. The rows that it writes begin with the tile's column `origin`.
template <class T>
class MapRows {
 public:
  explicit MapRows(const Tile& tile) : tile_(tile) {
    for (int64_t k = 0; k < tile.channels; ++k) {
      for (int i = 0; i < kLanes; ++i) pixels_[k][i] = (k * kLanes + i) / tile.channels;
      byte_first_[k] = k * kBytes / tile.channels;
      for (int i = 0; i < kBytes; ++i) {
        byte_pixels_[k][i] = (k * kBytes + i) / tile.channels - byte_first_[k];
      }
    }
  }

  /// How many values a column has.
  template <class M>
  int64_t Step(const PixelMap<M>& map) const {
    return map.per_channel ? tile_.channels : 1;
  }
  /// Copies row `row` of the map.
  template <class M>
  void Load(const PixelMap<M>& map, int64_t row, void* out) const {
    const int64_t step = Step(map);
    tile_.ForEachRun(tile_.origin, tile_.end, [&](int64_t begin, int64_t end) {
      const int64_t pixel =
          (tile_.ImageOffset(row, begin) - tile_.channel_begin) / tile_.shape.channels;
      const M* const in =
          map.data + (map.per_channel ? pixel * tile_.shape.channels + tile_.channel_begin : pixel);
      const int64_t bytes = (end - begin) * step * sizeof(M);
      std::memcpy(static_cast<char*>(out) + (begin - tile_.origin) * step * sizeof(M), in, bytes);
    });
  }
  /// Rows row .. row + count - 1 of a map, or the last `count` rows if it ends before.
  template <class M>
  MapAhead Ahead(const PixelMap<M>& map, int64_t row, int64_t count) const {
    const ImageShape& shape = tile_.shape;
    row = math::Max<int64_t>(math::Min(row, shape.height - count), 0);
    const int64_t begin = math::Max<int64_t>(tile_.origin, 0);
    const int64_t end = math::Min(tile_.end, shape.width);
    const int64_t pixel = (map.per_channel ? shape.channels : 1) * sizeof(M);
    return {reinterpret_cast<const char*>(map.data) + (row * shape.width + begin) * pixel,
            shape.width * pixel, (end - begin) * pixel};
  }
  /// Expands a row with one value per pixel into a row buffer with one value per channel.
  void Repeat(const T* in, T* out) const {
    const int64_t count = tile_.end - tile_.origin, channels = tile_.channels;
    T* const to = out + tile_.Position(tile_.origin);
    int64_t x = 0;
    for (; x + kLanes <= count; x += kLanes) {
      const Simd<T> values = Simd<T>::Load(in + x);
      for (int64_t k = 0; k < channels; ++k) {
        Simd<T>(Shuffled(values.v, pixels_[k])).Store(to + x * channels + k * kLanes);
      }
    }
    for (; x < count; ++x) {
      for (int64_t c = 0; c < channels; ++c) to[x * channels + c] = in[x];
    }
  }
  /// The same for bytes. Reads and writes up to 15 bytes past the end.
  void Repeat(const uint8_t* in, uint8_t* out) const {
    const int64_t channels = tile_.channels, size = (tile_.end - tile_.origin) * channels;
    uint8_t* const to = out + tile_.Position(tile_.origin);
    for (int64_t x = 0; x < size;) {
      for (int64_t k = 0; k < channels && x < size; ++k, x += kBytes) {
        Bytes bytes;
        std::memcpy(&bytes, in + byte_first_[k], kBytes);
        bytes = Shuffled(bytes, byte_pixels_[k]);
        std::memcpy(to + x, &bytes, kBytes);
      }
      in += kBytes;
    }
  }

 private:
  static constexpr int kBytes = 16;
  typedef uint8_t Bytes __attribute__((vector_size(kBytes)));
  using Indices = typename Simd<T>::RegisterMask;
  static constexpr int kLanes = Simd<T>::kLanes;

  const Tile& tile_;
  // Which pixel each lane of the k-th register takes; for bytes, counted from byte_first_[k].
  Indices pixels_[kMaxChannels];
  Bytes byte_pixels_[kMaxChannels];
  int64_t byte_first_[kMaxChannels];
};

}  // namespace gradops::cpu::GRADOPS_TARGET
