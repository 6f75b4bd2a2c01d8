#pragma once

// What a card has to choose (docs/performance.md, "Waiting for rows"). Each can be set when it is
// compiled, so that variants lie side by side: GRADOPS_CUDA_DEFINES of CMake.

/// How rows come from global memory, for the programs that are fixed before they run:
///   0  into registers, number by number: the compiler waits where it takes 16-bit numbers apart
///   1  into registers, as words of 32 bits
///   2  into a ring of rows in shared memory, past the registers (sm_80 and later; else as 1)
#ifndef GRADOPS_CUDA_FETCH
#define GRADOPS_CUDA_FETCH 2
#endif

/// Threads of a block, at most: 64, 128 or 256.
#ifndef GRADOPS_CUDA_MOST_THREADS
#define GRADOPS_CUDA_MOST_THREADS 128
#endif

/// How many rows a strip has: 0, as many as leave a large device busy; 1, as many as leave the
/// multiprocessors that are there the fewest rows to wait for.
#ifndef GRADOPS_CUDA_WAVES
#define GRADOPS_CUDA_WAVES 1
#endif

namespace gradops::cuda {

enum class Fetch { kNumbers, kWords, kRing };
inline constexpr Fetch kFetch = static_cast<Fetch>(GRADOPS_CUDA_FETCH);
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
inline constexpr bool kHasRing = false;  // nothing copies past registers
#else
inline constexpr bool kHasRing = kFetch == Fetch::kRing;
#endif

/// The most threads of a block.
inline constexpr int kMaxThreads = GRADOPS_CUDA_MOST_THREADS;
inline constexpr bool kByWaves = GRADOPS_CUDA_WAVES != 0;

/// The threads that a multiprocessor holds at 128 registers each.
inline constexpr int kThreadsAtOnce = 512;

}  // namespace gradops::cuda
