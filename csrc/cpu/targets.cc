#include "cpu/targets.h"

#include <cstdlib>
#include <new>

#include "core/cpu_target.h"

namespace gradops {
namespace {

struct TargetRow {
  const cpu::Target& (*get)();
  bool runnable;
};

/// Narrowest first.
const std::vector<TargetRow>& AllTargets() {
  static const auto* const rows = new std::vector<TargetRow>{
      {cpu::baseline::GetTarget, true},
#if defined(GRADOPS_X86_TARGETS)
      {cpu::avx2::GetTarget, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")},
      {cpu::avx512::GetTarget,
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
    choice.target = &row.get();
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
    if (row.runnable || !only_runnable) names.push_back(row.get().name);
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
