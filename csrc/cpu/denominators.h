#ifndef GRADOPS_CPU_DENOMINATORS_H_
#define GRADOPS_CPU_DENOMINATORS_H_

#include <string>
#include <vector>

#include "core/counts.h"
#include "core/launch.h"
#include "cpu/kernels.h"

namespace gradops::cpu {

/// What each example's sum over what is counted is divided by, [B]; all 1 for normalizer "none".
/// Reads weights and mask, if there are any, once. Returns "" or what is wrong with them.
template <class S>
std::string FindDenominators(const KernelParams& params, const LossInputs<S>& inputs,
                             Counted counted, const ParallelFor& parallel_for,
                             std::vector<double>* denominators);

}  // namespace gradops::cpu

#endif  // GRADOPS_CPU_DENOMINATORS_H_
