#pragma once

#include "cpu/kernels.h"
#include "cpu/rows/coarser_rows.h"
#include "cpu/sweeps/tile.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// Writes, or adds to, rows of a map: one value per channel, or per pixel the sum over channels.
template <class T>
class MapOutput {
 public:
  MapOutput(const Tile& tile, const WeightsOutput<T>& output) : tile_(tile), output_(output) {}

  bool IsWanted() const { return output_.plane != nullptr; }
  math::Gradient<T> Scale() const { return {output_.scale_y, output_.scale_x}; }

  /// Writes the tile's columns of row `row` from a row buffer. Adds to a sum that others have
  /// begun.
  void Write(int64_t row, const T* values) const {
    Put(row, values, output_.adds || (!output_.per_channel && tile_.channel_begin > 0));
  }
  /// Adds them to what is there.
  void Add(int64_t row, const T* values) const { Put(row, values, true); }

 private:
  void Put(int64_t row, const T* values, bool adds) const {
    adds ? PutRow<true>(row, values) : PutRow<false>(row, values);
  }
  template <bool kAdds>
  void PutRow(int64_t row, const T* values) const {
    const int64_t columns = tile_.column_end - tile_.column_begin, channels = tile_.channels;
    values += tile_.Position(tile_.column_begin);
    T* out = output_.plane;
    if (output_.per_channel) {
      out += tile_.ImageOffset(row, tile_.column_begin);
      const bool one_run = channels == tile_.shape.channels;
      const int64_t runs = one_run ? 1 : columns, size = one_run ? columns * channels : channels;
      for (int64_t i = 0; i < runs; ++i) {
        PutRun<kAdds>(values + i * channels, size, out + i * tile_.shape.channels);
      }
      return;
    }
    out += row * tile_.shape.width + tile_.column_begin;
    VisitChannels(channels, [=](auto constant) GRADOPS_LAMBDA {
      constexpr int kChannels = decltype(constant)::value;
      const int64_t count = kChannels == 0 ? channels : kChannels;
      for (int64_t x = 0; x < columns; ++x) {
        T sum = values[x * count];
        for (int64_t c = 1; c < count; ++c) sum += values[x * count + c];
        out[x] = kAdds ? out[x] + sum : sum;
      }
    });
  }
  template <bool kAdds>
  static void PutRun(const T* values, int64_t size, T* out) {
    for (int64_t i = 0; i < size; ++i) out[i] = kAdds ? out[i] + values[i] : values[i];
  }

  const Tile& tile_;
  const WeightsOutput<T> output_;
};

}  // namespace gradops::cpu::GRADOPS_TARGET
