#pragma once

// Marks functions for host and device. They are always inlined, so that a translation unit that is
// compiled for a wide instruction set never provides the copy that another one calls.
#if defined(__CUDACC__)
#define GRADOPS_FN __host__ __device__ __forceinline__
#else
#define GRADOPS_FN inline __attribute__((always_inline))
#endif
// Stands before loops over arrays that a thread holds in registers: they stay there only if every
// index is known at compile time.
#if defined(__CUDA_ARCH__)
#define GRADOPS_UNROLL _Pragma("unroll")
#else
#define GRADOPS_UNROLL
#endif
// GRADOPS_FN for a lambda: [&](int x) GRADOPS_LAMBDA { ... }
#define GRADOPS_LAMBDA __attribute__((always_inline))
// Hides where an int comes from, so that the compiler recomputes what depends on it where it is
// used instead of keeping it in registers.
#if defined(__CUDA_ARCH__)
#define GRADOPS_OPAQUE(value) asm volatile("" : "+r"(value))
#else
#define GRADOPS_OPAQUE(value) static_cast<void>(value)
#endif
