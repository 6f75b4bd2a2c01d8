#pragma once

// Marks the functions of math/: one definition for host and device. Always inlined, so that a
// translation unit compiled for a wide instruction set never lends its copy to another one.
#if defined(__CUDACC__)
#define GRADOPS_FN __host__ __device__ __forceinline__
#else
#define GRADOPS_FN inline __attribute__((always_inline))
#endif
// Before a loop over what a thread holds in registers: arrays that are indexed by a number known
// when it is compiled stay there.
#if defined(__CUDA_ARCH__)
#define GRADOPS_UNROLL _Pragma("unroll")
#else
#define GRADOPS_UNROLL
#endif
// GRADOPS_FN for a lambda: [&](int x) GRADOPS_LAMBDA { ... }
#define GRADOPS_LAMBDA __attribute__((always_inline))
// Hides where an int comes from, so that a thread finds what depends on it where it is used,
// instead of holding it in registers all along.
#if defined(__CUDA_ARCH__)
#define GRADOPS_OPAQUE(number) asm volatile("" : "+r"(number))
#else
#define GRADOPS_OPAQUE(number) static_cast<void>(number)
#endif
