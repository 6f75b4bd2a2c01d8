#pragma once

#include "cpu/simd/simd_convert.h"
#include "cpu/sweeps/tile.h"

// Loads and stores between image memory of type S and row buffers of the type it is computed in.

namespace gradops::cpu::GRADOPS_TARGET {

/// Rows of one or two images that will be read soon. They are prefetched line by line while the
/// processor computes.
struct RowsAhead {
  const char *pred = nullptr, *target = nullptr;
  int64_t stride = 0, element_size = 0;  // in bytes; stride: from row to row

  RowsAhead() = default;
  /// Rows from two pointers on, the second of which may be null.
  template <class S>
  RowsAhead(const S* the_pred, const S* the_target, int64_t row_size)
      : pred(reinterpret_cast<const char*>(the_pred)),
        target(the_target == nullptr ? pred : reinterpret_cast<const char*>(the_target)),
        stride(row_size * sizeof(S)),
        element_size(sizeof(S)) {}
  /// Rows row .. row + count - 1 of the tile, or the last `count` rows if the images end before.
  /// The second image may be null.
  template <class S>
  RowsAhead(const Tile& tile, const S* the_pred, const S* the_target, int64_t row, int64_t count)
      : RowsAhead(the_pred, the_target, tile.shape.RowSize()) {
    row = math::Max<int64_t>(math::Min(row, tile.shape.height - count), 0);
    const int64_t offset = tile.ImageOffset(row, math::Max<int64_t>(tile.origin, 0)) * element_size;
    pred += offset;
    target += offset;
  }

  /// The rows from the i-th on.
  GRADOPS_FN RowsAhead Row(int64_t i) const {
    RowsAhead rows = *this;
    rows.pred += i * stride;
    rows.target += i * stride;
    return rows;
  }
  /// Prefetches the line of row `row` that holds its element at `position` into the second cache:
  /// the first one holds less than is fetched before it is used.
  GRADOPS_FN void Prefetch(int row, int64_t position) const {
    const int64_t at = row * stride + position * element_size;
    __builtin_prefetch(pred + at, /*rw=*/0, /*locality=*/2);
    __builtin_prefetch(target + at, /*rw=*/0, /*locality=*/2);
  }
};

/// Writes `size` positions of a row buffer, where value(x) gives the register of elements x, x + 1,
/// ...: aligned registers, and one at each end that overlaps them.
template <class T, class Value>
GRADOPS_FN void FillRun(T* out, int64_t size, Value&& value) {
  constexpr int64_t kLanes = Simd<T>::kLanes;
  value(0).Store(out);
  const int64_t misaligned = reinterpret_cast<uintptr_t>(out) / sizeof(T) % kLanes;
  for (int64_t x = kLanes - misaligned; x + kLanes <= size; x += kLanes) value(x).Store(out + x);
  value(size - kLanes).Store(out + size - kLanes);
}

/// Calls visitor(f), where f(x) gives the register of elements x, x + 1, ... of a - b, or of a if b
/// is null.
template <class S, class Visitor>
GRADOPS_FN void VisitDifference(const S* a, const S* b, Visitor&& visitor) {
  if (b == nullptr) {
    visitor([=](int64_t x) GRADOPS_LAMBDA { return LoadWide(a + x); });
  } else {
    visitor([=](int64_t x) GRADOPS_LAMBDA { return LoadWide(a + x) - LoadWide(b + x); });
  }
}

/// out = a - b, or a if b is null.
template <class S, class T = ComputeType<S>>
void LoadRun(const S* a, const S* b, T* out, int64_t size) {
  if (size < Simd<T>::kLanes) {
    for (int64_t x = 0; x < size; ++x) {
      out[x] = b == nullptr ? math::Widen(a[x]) : math::Widen(a[x]) - math::Widen(b[x]);
    }
  } else {
    VisitDifference(a, b, [=](auto value) GRADOPS_LAMBDA { FillRun(out, size, value); });
  }
}

/// out = the tile's part of row `row` of a - b, or of a if b is null.
template <class S, class T = ComputeType<S>>
void LoadRow(const Tile& tile, const S* a, const S* b, int64_t row, T* out) {
  tile.ForEachRun(tile.origin, tile.end, [&](int64_t begin, int64_t end) {
    const int64_t offset = tile.ImageOffset(row, begin);
    LoadRun(a + offset, OffsetIfGiven(b, offset), out + tile.Position(begin),
            (end - begin) * tile.channels);
  });
}

/// Writes `size` elements to image memory, where value(x) gives the register of elements x, x + 1,
/// ... in the interior, and edge(x) elsewhere. Both may be called for elements past the end. Unless
/// they are read soon, whole lines of 64 bytes go past the caches, so the unit of work must end
/// with StreamFence().
template <class S, class Value, class Edge>
GRADOPS_FN void WriteRun(S* out, int64_t size, PositionRange interior, Value&& value, Edge&& edge,
                         bool read_soon) {
  constexpr int64_t kLine = 64 / sizeof(S), kLanes = Simd<ComputeType<S>>::kLanes;
  const auto store_part = [&](int64_t x, int64_t count) {
    S line[kLine];
    for (int64_t i = 0; i < count; i += kLanes) StoreNarrow(edge(x + i), line + i);
    __builtin_memcpy(out + x, line, count * sizeof(S));
  };
  const auto store = [=](Simd<ComputeType<S>> a, S* to) GRADOPS_LAMBDA {
    if (read_soon) {
      StoreNarrow(a, to);
    } else {
      StreamNarrow(a, to);
    }
  };
  const auto store_edge = [&](int64_t x) {
    for (int64_t i = 0; i < kLine; i += kLanes) store(edge(x + i), out + x + i);
  };
  const int64_t misaligned = reinterpret_cast<uintptr_t>(out) % 64 / sizeof(S);
  int64_t x = math::Min<int64_t>(misaligned == 0 ? 0 : kLine - misaligned, size);
  if (x > 0) store_part(0, x);
  for (; x < interior.begin && x + kLine <= size; x += kLine) store_edge(x);
  const int64_t inside_end = math::Min(interior.end, size);
  for (; x + kLine <= inside_end; x += kLine) {
#pragma GCC unroll 4
    for (int64_t i = 0; i < kLine; i += kLanes) store(value(x + i), out + x + i);
  }
  for (; x + kLine <= size; x += kLine) store_edge(x);
  if (x < size) store_part(x, size - x);
}

/// The same without edges.
template <class S, class Value>
GRADOPS_FN void WriteRun(S* out, int64_t size, Value&& value, bool read_soon) {
  WriteRun(out, size, {0, size}, value, value, read_soon);
}

}  // namespace gradops::cpu::GRADOPS_TARGET
