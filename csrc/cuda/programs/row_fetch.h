#pragma once

#include <type_traits>

#include "cuda/programs/shared_rows.h"
#include "cuda/programs/tuning.h"

// Where a thread keeps its elements of the kAhead rows that it fetches from global memory ahead of
// their use. It asks for all of them before the first step. Step r then calls
//   Wait()                    until row r, the oldest, is there
//   Take(r, image)            for the thread's pack of row r of each image
//   Advance()                 to make room for another row
//   AskPacks or AskElements   for row r + kAhead, at index kAhead - 1

namespace gradops::cuda {

/// Keeps the rows in registers. kAsWords: as words of 32 bits. Elements of 16 bits would be split
/// where they are loaded, and the thread would wait for them there.
template <class S, int kVec, int kImages, int kTheAhead, bool kAsWords>
class RowsInRegisters {
 public:
  using P = Pack<S, kVec>;
  static constexpr int kAhead = kTheAhead;

  GRADOPS_FN static int Bytes() { return 0; }
  GRADOPS_FN RowsInRegisters(unsigned char*, int) {}

  /// `in_bounds`: whether the row exists. from(image): where the thread's elements begin in it.
  template <class From>
  GRADOPS_FN void AskPacks(int, int ahead, bool in_bounds, From&& from) {
    if (!in_bounds) return;
    GRADOPS_UNROLL
    for (int i = 0; i < kImages; ++i) {
      kept_[ahead][i] = *reinterpret_cast<const Kept*>(from(i));
    }
  }
  /// The same for elements that may be anywhere: load(image, pack) sets those that exist.
  template <class Load>
  GRADOPS_FN void AskElements(int ahead, bool in_bounds, Load&& load) {
    if (!in_bounds) return;
    GRADOPS_UNROLL
    for (int i = 0; i < kImages; ++i) {
      P pack = Get(ahead, i);
      load(i, &pack);
      std::memcpy(&kept_[ahead][i], &pack, sizeof(pack));
    }
  }
  GRADOPS_FN void Wait() const {}
  GRADOPS_FN P Take(int, int image) const { return Get(0, image); }
  GRADOPS_FN void Advance() {
    GRADOPS_UNROLL
    for (int ahead = 1; ahead < kAhead; ++ahead) {
      GRADOPS_UNROLL
      for (int i = 0; i < kImages; ++i) kept_[ahead - 1][i] = kept_[ahead][i];
    }
  }

 private:
  using Kept = std::conditional_t<kAsWords, PackWords<P>, P>;

  GRADOPS_FN P Get(int ahead, int image) const {
    P pack;
    std::memcpy(&pack, &kept_[ahead][image], sizeof(pack));
    return pack;
  }

  Kept kept_[kAhead][kImages] = {};
};

#if defined(__CUDA_ARCH__)
/// Starts a copy of kBytes bytes from global to shared memory.
template <int kBytes>
__device__ __forceinline__ void CopyAsync(uint32_t to, const void* from) {
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(to), "l"(from), "n"(kBytes)
                 : "memory");
  }
}
/// Loads a pack from shared memory.
template <class P>
__device__ __forceinline__ P LoadShared(uint32_t at) {
  PackWords<P> words;
  if constexpr (sizeof(P) == 16) {
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(words.words[0]), "=r"(words.words[1]), "=r"(words.words[2]),
                   "=r"(words.words[3])
                 : "r"(at)
                 : "memory");
  } else {
    static_assert(sizeof(P) == 8, "a pack of 4 elements of 16 bits");
    asm volatile("ld.shared.v2.u32 {%0, %1}, [%2];"
                 : "=r"(words.words[0]), "=r"(words.words[1])
                 : "r"(at)
                 : "memory");
  }
  P pack;
  memcpy(&pack, &words, sizeof(pack));
  return pack;
}
#endif

/// Keeps the rows in a ring in shared memory. Each thread reads only its own elements, so it needs
/// no barrier and waits for one row at a time.
template <class S, int kVec, int kImages>
class RowsInRing {
 public:
  using P = Pack<S, kVec>;
  static constexpr int kDepth = 4, kAhead = kDepth - 1;

  GRADOPS_FN static int Bytes() { return kDepth * kImages * kStride; }
  GRADOPS_FN RowsInRing(unsigned char* memory, int thread)
      :
#if defined(__CUDA_ARCH__)
        ring_(static_cast<uint32_t>(__cvta_generic_to_shared(memory)) +
              thread * static_cast<int>(sizeof(P))) {
    GRADOPS_OPAQUE(ring_);
#else
        ring_(memory + thread * static_cast<int>(sizeof(P))) {
#endif
  }

  template <class From>
  GRADOPS_FN void AskPacks(int r, int, bool in_bounds, From&& from) {
    if (in_bounds) {
      GRADOPS_UNROLL
      for (int i = 0; i < kImages; ++i) {
#if defined(__CUDA_ARCH__)
        CopyAsync<sizeof(P)>(Slot(r, i), from(i));
#else
        std::memcpy(Slot(r, i), from(i), sizeof(P));
#endif
      }
    }
#if defined(__CUDA_ARCH__)
    asm volatile("cp.async.commit_group;" ::: "memory");  // one group per row, even if it is empty
#endif
  }
  GRADOPS_FN void Wait() const {
#if defined(__CUDA_ARCH__)
    asm volatile("cp.async.wait_group %0;" ::"n"(kAhead - 1) : "memory");
#endif
  }
  GRADOPS_FN P Take(int r, int image) const {
#if defined(__CUDA_ARCH__)
    return LoadShared<P>(Slot(r, image));
#else
    P pack;
    std::memcpy(&pack, Slot(r, image), sizeof(pack));
    return pack;
#endif
  }
  GRADOPS_FN void Advance() {}

 private:
#if defined(__CUDA_ARCH__)
  using Address = uint32_t;
#else
  using Address = unsigned char*;
#endif
  GRADOPS_FN Address Slot(int r, int image) const {
    return ring_ + ((r & (kDepth - 1)) * kImages + image) * kStride;
  }

  // The same for blocks of fewer threads, so that it is known at compile time.
  static constexpr int kStride = kMaxThreads * static_cast<int>(sizeof(P));
  Address ring_;
};

}  // namespace gradops::cuda
