#pragma once

#include <string>
#include <vector>

namespace gradops {

/// The instruction sets that are compiled in, narrowest first, and those that this machine can run.
std::vector<std::string> CompiledCpuTargets();
std::vector<std::string> RunnableCpuTargets();

/// The one that is used.
std::string ActiveCpuTarget();

/// "" or what is wrong: with the environment variable GRADOPS_CPU_TARGET, or that this machine can
/// run no target. Launchers do not look again, so front ends check it first.
std::string CheckCpuTarget();

}  // namespace gradops
