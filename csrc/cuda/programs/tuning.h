#pragma once

// Choices that only measurements on a device can settle (docs/performance.md, "Waiting for rows").
// Variants can be built side by side with CMake's GRADOPS_CUDA_DEFINES.

/// How rows are fetched from global memory:
/// - 0: into registers, as elements; those of 16 bits are split, and waited for, where loaded
/// - 1: into registers, as words of 32 bits
/// - 2: as 1, but in ChosenStatically, from sm_80 on, past the registers into a ring of rows in
///   shared memory
#ifndef GRADOPS_CUDA_FETCH
#define GRADOPS_CUDA_FETCH 2
#endif

/// The most threads of a block: 64, 128 or 256.
#ifndef GRADOPS_CUDA_MOST_THREADS
#define GRADOPS_CUDA_MOST_THREADS 128
#endif

/// How many rows a strip has:
///   0  as many as keep a large device busy (RowsByThreads)
///   1  as many as lead to the fewest steps on the device at hand (RowsByWaves)
#ifndef GRADOPS_CUDA_WAVES
#define GRADOPS_CUDA_WAVES 1
#endif

namespace gradops::cuda {

enum class Fetch { kElements, kWords, kRing };
inline constexpr Fetch kFetch = static_cast<Fetch>(GRADOPS_CUDA_FETCH);
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
inline constexpr bool kHasRing = false;  // no instruction copies past registers
#else
inline constexpr bool kHasRing = kFetch == Fetch::kRing;
#endif

inline constexpr int kMaxThreads = GRADOPS_CUDA_MOST_THREADS;
inline constexpr bool kByWaves = GRADOPS_CUDA_WAVES != 0;

/// The threads that a multiprocessor holds if each has 128 registers.
inline constexpr int kThreadsAtOnce = 512;

}  // namespace gradops::cuda
