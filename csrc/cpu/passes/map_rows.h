#pragma once

#include <cstring>

#include "cpu/passes/byte_rows.h"
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
/// channel.
template <class T>
class MapRows {
 public:
  explicit MapRows(const Tile& tile) : tile_(tile) {
    int64_t pixel = 0, channel = 0;  // counted, as divisions would take longer than a small row
    const auto next_pixel = [&] {
      const int64_t here = pixel;
      if (++channel == tile.channels) ++pixel, channel = 0;
      return here;
    };
    for (int64_t k = 0; k < tile.channels; ++k) {
      for (int i = 0; i < kLanes; ++i) pixels_[k][i] = next_pixel();
    }
    pixel = 0;
    for (int64_t k = 0; k < tile.channels; ++k) {
      byte_first_[k] = pixel;
      for (int i = 0; i < kBytes; ++i) byte_pixels_[k][i] = next_pixel() - byte_first_[k];
    }
  }

  /// Row `row` of the map in a row buffer, one value per channel; of a mask, 1 for all but 0,
  /// and up to 15 bytes past the end.
  template <class M>
  void Load(const PixelMap<M>& map, int64_t row, M* out) const {
    const int64_t channels = tile_.channels;
    tile_.ForEachRun(tile_.origin, tile_.end, [&](int64_t begin, int64_t end) {
      const int64_t offset = tile_.ImageOffset(row, begin), columns = end - begin;
      M* const to = out + tile_.Position(begin);
      if (map.per_channel) return Copy(map.data + offset, columns * channels, to);
      const M* const pixels = map.data + (offset - tile_.channel_begin) / tile_.shape.channels;
      if (channels == 1) return Copy(pixels, columns, to);
      if (channels == 3) return Repeat<3>(pixels, columns, to);
      Repeat<0>(pixels, columns, to);
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

 private:
  static constexpr int kBytes = 16;
  typedef uint8_t Bytes __attribute__((vector_size(kBytes)));
  using Indices = typename Simd<T>::RegisterMask;
  static constexpr int kLanes = Simd<T>::kLanes;

  /// 1 for all bytes but 0.
  template <class V>
  static GRADOPS_FN V Ones(V bytes) {
    return bytes < 1 ? bytes : V{} + 1;
  }
  static void Copy(const T* in, int64_t size, T* out) { std::memcpy(out, in, size * sizeof(T)); }
  static void Copy(const uint8_t* in, int64_t size, uint8_t* out) {
    int64_t x = 0;
    for (; x + GRADOPS_VECTOR_BYTES <= size; x += GRADOPS_VECTOR_BYTES) {
      StoreBytes(out + x, Ones(LoadBytes(in + x)));
    }
    const auto copy = [=](int64_t at) GRADOPS_LAMBDA {
      Bytes bytes;
      std::memcpy(&bytes, in + at, kBytes);
      bytes = Ones(bytes);
      std::memcpy(out + at, &bytes, kBytes);
    };
    for (; x + kBytes <= size; x += kBytes) copy(x);
    if (x == size) return;
    if (size >= kBytes) return copy(size - kBytes);
    for (; x < size; ++x) out[x] = in[x] != 0;
  }
  /// `count` pixels, each as often as there are channels. kChannels is their number, or 0.
  template <int kChannels>
  void Repeat(const T* in, int64_t count, T* out) const {
    const int64_t channels = kChannels == 0 ? tile_.channels : kChannels;
    int64_t x = 0;
    for (; x + kLanes <= count; x += kLanes) {
      const Simd<T> values = Simd<T>::Load(in + x);
      for (int64_t k = 0; k < channels; ++k) {
        Simd<T>(Shuffled(values.v, pixels_[k])).Store(out + x * channels + k * kLanes);
      }
    }
    for (; x < count; ++x) {
      for (int64_t c = 0; c < channels; ++c) out[x * channels + c] = in[x];
    }
  }
  template <int kChannels>
  void Repeat(const uint8_t* in, int64_t count, uint8_t* out) const {
    const int64_t channels = kChannels == 0 ? tile_.channels : kChannels;
    const auto repeat = [=](const uint8_t* pixels, int64_t k, uint8_t* to) GRADOPS_LAMBDA {
      Bytes bytes;
      std::memcpy(&bytes, pixels + byte_first_[k], kBytes);
      bytes = Shuffled(Ones(bytes), byte_pixels_[k]);
      std::memcpy(to + k * kBytes, &bytes, kBytes);
    };
    int64_t x = 0;
    // A register of a pixel's channels is loaded from the first of them on.
    for (; x + 2 * kBytes <= count; x += kBytes) {
      for (int64_t k = 0; k < channels; ++k) repeat(in + x, k, out + x * channels);
    }
    uint8_t rest[3 * kBytes] = {};
    std::memcpy(rest, in + x, count - x);
    const int64_t left = (count - x) * channels;
    for (int64_t k = 0; k * kBytes < left; ++k) {
      const int64_t chunk = k / channels;
      repeat(rest + chunk * kBytes, k % channels, out + (x + chunk * kBytes) * channels);
    }
  }

  const Tile& tile_;
  // Which pixel each lane of the k-th register takes; for bytes, counted from byte_first_[k].
  Indices pixels_[kMaxChannels];
  Bytes byte_pixels_[kMaxChannels];
  int64_t byte_first_[kMaxChannels];
};

}  // namespace gradops::cpu::GRADOPS_TARGET
