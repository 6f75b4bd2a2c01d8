#include "cpu/kernels.h"

#if defined(GRADOPS_CPU_AVX2) || defined(GRADOPS_CPU_AVX512)
#include <cpuid.h>
#endif

#include <cstdlib>
#include <string>
#include <vector>

#include "cpu/launch/cpu_target.h"

namespace gradops {
namespace cpu {

// Defined by target_kernels.cc for the instruction sets that are compiled in.
#define GRADOPS_DECLARE_KERNELS(name) \
  namespace name {                    \
  template <class S>                  \
  const KernelTable<S>& Kernels();    \
  }
GRADOPS_DECLARE_KERNELS(baseline)
GRADOPS_DECLARE_KERNELS(avx2)
GRADOPS_DECLARE_KERNELS(avx512)

}  // namespace cpu

namespace {

struct TargetRow {
  cpu::Target target;
  bool runnable;
};

#define GRADOPS_KERNELS_OF_A_DTYPE(enumerator, S, dtype) Kernels<S>(),
#define GRADOPS_TARGET_OF(name)                                            \
  [] {                                                                     \
    using namespace cpu::name;                                             \
    return cpu::Target{#name, GRADOPS_DTYPES(GRADOPS_KERNELS_OF_A_DTYPE)}; \
  }()

#if defined(GRADOPS_CPU_AVX2) || defined(GRADOPS_CPU_AVX512)
/// With the instructions that convert float16, of which older compilers' __builtin_cpu_supports
/// knows nothing.
bool HasAvx2() {
  unsigned int a, b, c, d;
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) != 0;
}
#endif

/// Narrowest first. cmake/CpuTargets.cmake defines GRADOPS_CPU_<NAME> for those that are compiled.
const std::vector<TargetRow>& AllTargets() {
  static const auto* const rows = new std::vector<TargetRow>{
#if defined(GRADOPS_CPU_BASELINE)
      {GRADOPS_TARGET_OF(baseline), true},
#endif
#if defined(GRADOPS_CPU_AVX2)
      {GRADOPS_TARGET_OF(avx2), HasAvx2()},
#endif
#if defined(GRADOPS_CPU_AVX512)
      {GRADOPS_TARGET_OF(avx512),
       HasAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")},
#endif
  };
  return *rows;
}

std::string Joined(const std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ", ") + name;
  return joined;
}

struct Choice {
  const cpu::Target* target;
  std::string error;
};

Choice Choose() {
  Choice choice{nullptr, ""};
  const char* const wanted = std::getenv("GRADOPS_CPU_TARGET");
  bool found = wanted == nullptr || *wanted == '\0';
  for (const TargetRow& row : AllTargets()) {
    if (!row.runnable) continue;
    choice.target = &row.target;
    if (!found && std::string(wanted) == choice.target->name) return choice;
  }
  if (choice.target == nullptr) {
    choice.error =
        "this machine can run none of the instruction sets that gradops was compiled for (" +
        Joined(CompiledCpuTargets()) + ")";
    return choice;
  }
  if (found) return choice;
  choice.error = "GRADOPS_CPU_TARGET must name an instruction set that this machine can run (" +
                 Joined(RunnableCpuTargets()) + "), got '" + std::string(wanted) + "'";
  return choice;
}

const Choice& TheChoice() {
  static const auto* const choice = new Choice(Choose());
  return *choice;
}

std::vector<std::string> Names(bool only_runnable) {
  std::vector<std::string> names;
  for (const TargetRow& row : AllTargets()) {
    if (row.runnable || !only_runnable) names.push_back(row.target.name);
  }
  return names;
}

}  // namespace

std::vector<std::string> CompiledCpuTargets() { return Names(false); }
std::vector<std::string> RunnableCpuTargets() { return Names(true); }
std::string ActiveCpuTarget() { return cpu::ActiveTarget().name; }
std::string CheckCpuTarget() { return TheChoice().error; }

namespace cpu {

const Target& ActiveTarget() { return *TheChoice().target; }

}  // namespace cpu
}  // namespace gradops
