#ifndef GRADOPS_CPU_IMAGE_ROWS_H_
#define GRADOPS_CPU_IMAGE_ROWS_H_

#include "cpu/simd_convert.h"
#include "cpu/tile.h"

// Between image memory of type S and row buffers of the type it is computed in.

namespace gradops::cpu::GRADOPS_TARGET {

/// out = a - b, or a where b is null.
template <class S, class T = ComputeType<S>>
void LoadRun(const S* a, const S* b, T* out, int64_t size) {
  constexpr int kLanes = Simd<T>::kLanes;
  int64_t x = 0;
  if (b != nullptr) {
    for (; x + kLanes <= size; x += kLanes) (LoadWide(a + x) - LoadWide(b + x)).Store(out + x);
    for (; x < size; ++x) out[x] = math::Widen(a[x]) - math::Widen(b[x]);
  } else {
    for (; x + kLanes <= size; x += kLanes) LoadWide(a + x).Store(out + x);
    for (; x < size; ++x) out[x] = math::Widen(a[x]);
  }
}

/// out = the tile's part of row `row` of a - b, or of a where b is null.
template <class S, class T = ComputeType<S>>
void LoadRow(const Tile& tile, const S* a, const S* b, int64_t row, T* out) {
  tile.ForEachRun(tile.origin, tile.end, [&](int64_t begin, int64_t end) {
    const int64_t offset = tile.ImageOffset(row, begin);
    LoadRun(a + offset, b == nullptr ? b : b + offset, out + tile.Position(begin),
            (end - begin) * tile.channels);
  });
}

/// Positions [left, right) of a run; the others, if any, are found one by one.
struct Interior {
  int64_t left, right;
};

/// Writes `size` numbers to image memory: value(x), a function that gives a register, for x in the
/// interior, and edges[x] for the others. Values outside of the interior are asked for too and not
/// used. Whole lines of 64 bytes go past the caches, and a line is never written in both ways. The
/// unit of work ends with StreamFence().
template <class S, class Value>
GRADOPS_FN void StreamRun(S* out, int64_t size, Interior interior, const ComputeType<S>* edges,
                          Value&& value) {
  using T = ComputeType<S>;
  constexpr int64_t kLine = 64 / sizeof(S), kLanes = Simd<T>::kLanes;
  const auto compose = [&](int64_t x, S* line) {
    for (int64_t i = 0; i < kLine; i += kLanes) StoreNarrow(value(x + i), line + i);
    for (int64_t i = 0; i < kLine; ++i) {
      const bool inside = x + i >= interior.left && x + i < interior.right;
      if (!inside && x + i < size) math::Narrow(edges[x + i], line + i);
    }
  };
  const auto store_part = [&](int64_t x, int64_t count) {
    S line[kLine];
    compose(x, line);
    __builtin_memcpy(out + x, line, count * sizeof(S));
  };
  const auto stream_edge = [&](int64_t x) {
    S line[kLine];
    compose(x, line);
    for (int64_t i = 0; i < kLine; i += kLanes) StreamNarrow(LoadWide(line + i), out + x + i);
  };
  const int64_t misaligned = reinterpret_cast<uintptr_t>(out) % 64 / sizeof(S);
  int64_t x = math::Min<int64_t>(misaligned == 0 ? 0 : kLine - misaligned, size);
  if (x > 0) store_part(0, x);
  for (; x < interior.left && x + kLine <= size; x += kLine) stream_edge(x);
  for (; x + kLine <= interior.right; x += kLine) {
#pragma GCC unroll 4
    for (int64_t i = 0; i < kLine; i += kLanes) StreamNarrow(value(x + i), out + x + i);
  }
  for (; x + kLine <= size; x += kLine) stream_edge(x);
  if (x < size) store_part(x, size - x);
}

/// The same without edges.
template <class S, class Value>
GRADOPS_FN void StreamRun(S* out, int64_t size, Value&& value) {
  StreamRun(out, size, {0, size}, static_cast<const ComputeType<S>*>(nullptr), value);
}

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_IMAGE_ROWS_H_
