#ifndef GRADOPS_CPU_TARGETS_H_
#define GRADOPS_CPU_TARGETS_H_

#include <string>
#include <vector>

#include "cpu/kernels.h"

namespace gradops::cpu {

// One namespace, one translation unit and one line in AllTargets() per instruction set.
namespace baseline {
const Target& GetTarget();
}
#if defined(GRADOPS_X86_TARGETS)
namespace avx2 {
const Target& GetTarget();
}
namespace avx512 {
const Target& GetTarget();
}
#endif

/// The target that runs, chosen at first use: the widest one that this machine can run, or the one
/// that the environment variable GRADOPS_CPU_TARGET names (for tests and measurement).
const Target& ActiveTarget();

}  // namespace gradops::cpu

#endif  // GRADOPS_CPU_TARGETS_H_
