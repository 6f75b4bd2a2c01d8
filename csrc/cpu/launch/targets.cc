#include "cpu/launch/targets.h"

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

/// Narrowest first. cmake/CpuTargets.cmake defines GRADOPS_CPU_<NAME> for those that are compiled.
const std::vector<TargetRow>& AllTargets() {
  static const auto* const rows = new std::vector<TargetRow>{
#if defined(GRADOPS_CPU_BASELINE)
      {GRADOPS_TARGET_OF(baseline), true},
#endif
#if defined(GRADOPS_CPU_AVX2)
      {GRADOPS_TARGET_OF(avx2), __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")},
#endif
#if defined(GRADOPS_CPU_AVX512)
      {GRADOPS_TARGET_OF(avx512),
       __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")},
#endif
  };
  return *rows;
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
  if (found) return choice;
  choice.error = "GRADOPS_CPU_TARGET must name an instruction set that this machine can run (";
  const char* separator = "";
  for (const std::string& name : RunnableCpuTargets()) {
    choice.error += separator + name;
    separator = ", ";
  }
  choice.error += "), got '" + std::string(wanted) + "'";
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
