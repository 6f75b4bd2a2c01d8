#pragma once

#include <type_traits>

#include "cuda/programs/shared_rows.h"
#include "cuda/programs/tuning.h"

// Where a thread keeps its numbers of the kAhead rows that it has asked global memory for and does
// not need yet. Before the first step it asks for each of them (AskPacks, AskNumbers); then step r
//   Wait()               for row r, the oldest
//   Take(r, image)       the thread's pack of each image in it
//   Advance()            makes room for another
//   AskPacks or AskNumbers   for row r + kAhead, in the place kAhead - 1

namespace gradops::cuda {

/// Keeps the rows in registers. kAsWords: numbers of 16 bits that are taken apart where they are
/// loaded are waited for there.
template <class S, int kVec, int kImages, int kTheAhead, bool kAsWords>
class RowsInRegisters {
 public:
  using P = Pack<S, kVec>;
  static constexpr int kAhead = kTheAhead;

  GRADOPS_FN static int Bytes() { return 0; }
  GRADOPS_FN RowsInRegisters(unsigned char*, int) {}

  /// `in_bounds`: whether there is such a row; `from`: the thread's numbers of an image in it.
  template <class From>
  GRADOPS_FN void AskPacks(int, int ahead, bool in_bounds, From&& from) {
    if (!in_bounds) return;
    GRADOPS_UNROLL
    for (int i = 0; i < kImages; ++i) {
      kept_[ahead][i] = *reinterpret_cast<const Kept*>(from(i));
    }
  }
  /// The same of numbers that may lie anywhere: load(image, pack) sets those that are there.
  template <class Load>
  GRADOPS_FN void AskNumbers(int ahead, bool in_bounds, Load&& load) {
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
  /// What is taken is gone.
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
/// Asks for kBytes bytes to be copied from global to shared memory while the thread goes on.
template <int kBytes>
__device__ __forceinline__ void CopyAsync(uint32_t to, const void* from) {
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(to), "l"(from), "n"(kBytes)
                 : "memory");
  }
}
/// A pack that lies in shared memory.
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
    static_assert(sizeof(P) == 8, "of 4 numbers of 16 bits");
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

/// Keeps the rows in a ring in shared memory, of which each thread reads its own numbers alone: no
/// barrier is needed, and each row is waited for by itself.
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
    asm volatile("cp.async.commit_group;" ::: "memory");  // a row that is not there counts too
#endif
  }
  /// Until the oldest row is there.
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

  // The same for blocks of fewer threads, so that it is known when a program is compiled.
  static constexpr int kStride = kMaxThreads * static_cast<int>(sizeof(P));
  Address ring_;
};

}  // namespace gradops::cuda
