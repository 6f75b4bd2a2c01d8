#pragma once

#include "cpu/rows/image_rows.h"
#include "cpu/simd/scaled_integers.h"

namespace gradops::cpu::GRADOPS_TARGET {

// How GroupAdjoint writes a register at position x of its i-th row. All but BufferedRows are for
// tiles that are whole lines of memory.

/// Past the caches. `scaled`: where rows are sums of signs, what these become.
template <class S>
struct StreamedRows {
  const ScaledIntegers<S>* scaled;

  template <class T>
  GRADOPS_FN void Write(Simd<T> value, int64_t, int64_t, S* to) const {
    StreamNarrow(value, to);
  }
};
/// Past the caches, with rows added, which are kStride apart.
template <class T, int64_t kStride>
struct StreamedSums {
  const T* added;

  template <class S>
  GRADOPS_FN void Write(Simd<T> value, int64_t i, int64_t x, S* to) const {
    StreamNarrow(value + Simd<T>::Load(added + i * kStride + x), to);
  }
};
/// To the caches, for a level that is read soon, with such rows added unless they are null.
template <class T, int64_t kStride>
struct CachedRows {
  const T* added;

  GRADOPS_FN void Write(Simd<T> value, int64_t i, int64_t x, T* to) const {
    if (added != nullptr) value = value + Simd<T>::Load(added + i * kStride + x);
    value.Store(to);
  }
};

/// To row buffers, kStride apart, to which it is added if `adds`: where lines of memory begin at
/// another position in every row. GroupAdjoint empties the buffers.
template <class T, int64_t kStride>
struct BufferedRows {
  T* rows;
  bool adds, read_soon;

  template <class S>
  GRADOPS_FN void Write(Simd<T> value, int64_t i, int64_t x, S*) const {
    T* const at = rows + i * kStride + x;
    if (adds) value = value + Simd<T>::Load(at);
    value.Store(at);
  }
  /// EmptyAll where [begin, end) is whole lines of memory, or nothing.
  template <class S>
  GRADOPS_FN void EmptyLines(int64_t i, int64_t begin, int64_t end, S* out) const {
    if (read_soon) return EmptyAll(i, begin, end, out);
    const T* const row = rows + i * kStride;
    for (int64_t x = begin; x < end; x += Simd<T>::kLanes) {
      StreamNarrow(Simd<T>::Load(row + x), out + x);
    }
  }
  /// out + x = what is in the i-th row's buffer at x, for x in [begin, end).
  template <class S>
  void EmptyAll(int64_t i, int64_t begin, int64_t end, S* out) const {
    const T* const row = rows + i * kStride + begin;
    const int64_t size = math::Max<int64_t>(end - begin, 0);
    const auto value = [=](int64_t x) GRADOPS_LAMBDA { return Simd<T>::Load(row + x); };
    WriteRun(out + begin, size, value, read_soon);
  }
};
template <class Writer>
inline constexpr bool kIsBuffered = false;
template <class T, int64_t kStride>
inline constexpr bool kIsBuffered<BufferedRows<T, kStride>> = true;

/// Whether the columns of a tile of all channels are whole lines of memory in every row.
template <class S>
bool IsOfWholeLines(const Tile& tile, const S* image) {
  const PositionRange own = tile.OwnPositions();
  const S* const begin = image + tile.ImageOffset(0, tile.column_begin);
  return tile.shape.RowSize() * sizeof(S) % 64 == 0 &&
         (own.end - own.begin) * sizeof(S) % 64 == 0 &&
         reinterpret_cast<uintptr_t>(begin) % 64 == 0;
}

}  // namespace gradops::cpu::GRADOPS_TARGET
