#pragma once

#include <string>
#include <vector>

namespace gradops {

/// The instruction sets compiled in, narrowest first, and those of them that this machine can run.
std::vector<std::string> CompiledCpuTargets();
std::vector<std::string> RunnableCpuTargets();

/// The instruction set that runs.
std::string ActiveCpuTarget();

/// "" or what is wrong with the environment variable GRADOPS_CPU_TARGET. The launchers then use the
/// widest runnable target, so whoever can raise an error asks here first.
std::string CheckCpuTarget();

}  // namespace gradops
