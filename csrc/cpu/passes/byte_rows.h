#pragma once

#include <cstring>

#include "cpu/simd/simd.h"

// Rows of bytes that are 0 or 1. Unless noted, functions read and write up to 63 bytes past the
// end.

namespace gradops::cpu::GRADOPS_TARGET {

/// The distance between rows of up to `size` bytes.
constexpr int64_t ByteRowStride(int64_t size) { return (size + 127) / 64 * 64; }

typedef uint8_t UnalignedBytes
    __attribute__((vector_size(GRADOPS_VECTOR_BYTES), aligned(1), may_alias));
GRADOPS_FN UnalignedBytes LoadBytes(const uint8_t* from) {
  return *reinterpret_cast<const UnalignedBytes*>(from);
}
GRADOPS_FN void StoreBytes(uint8_t* to, UnalignedBytes bytes) {
  *reinterpret_cast<UnalignedBytes*>(to) = bytes;
}

/// out = a & b & c; no alignment is needed.
inline void AndBytes(const uint8_t* a, const uint8_t* b, const uint8_t* c, uint8_t* out,
                     int64_t size) {
  for (int64_t x = 0; x < size; x += GRADOPS_VECTOR_BYTES) {
    StoreBytes(out + x, LoadBytes(a + x) & LoadBytes(b + x) & LoadBytes(c + x));
  }
}

/// How many bytes are 1. Reads nothing past the end.
inline int64_t CountSet(const uint8_t* bytes, int64_t size) {
  constexpr int kWords = GRADOPS_VECTOR_BYTES / 8;
  typedef uint64_t Words __attribute__((vector_size(GRADOPS_VECTOR_BYTES)));
  int64_t count = 0, x = 0;
  while (x + GRADOPS_VECTOR_BYTES <= size) {
    // Eight registers are packed into one, a bit of every byte for each, and counted at once.
    Words packed = {};
    for (int bit = 0; bit < 8 && x + GRADOPS_VECTOR_BYTES <= size; ++bit) {
      Words words;
      std::memcpy(&words, bytes + x, sizeof(words));
      packed |= words << bit;
      x += GRADOPS_VECTOR_BYTES;
    }
    for (int i = 0; i < kWords; ++i) count += __builtin_popcountll(packed[i]);
  }
  for (; x < size; ++x) count += bytes[x];
  return count;
}

}  // namespace gradops::cpu::GRADOPS_TARGET
