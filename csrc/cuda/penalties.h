#ifndef GRADOPS_CUDA_PENALTIES_H_
#define GRADOPS_CUDA_PENALTIES_H_

#include "core/params.h"

namespace gradops::cuda {

/// One penalty of the registry, chosen when a kernel is compiled.
template <class Penalty>
struct OnePenalty : Penalty {
  GRADOPS_FN explicit OnePenalty(const KernelParams& params) : Penalty(params.penalty_parameter) {}
};

/// Any of them, chosen when it runs: all threads take the same branch.
struct AnyPenalty {
  PenaltyId id;
  double parameter;
  GRADOPS_FN explicit AnyPenalty(const KernelParams& params)
      : id(params.penalty), parameter(params.penalty_parameter) {}

#define GRADOPS_CASE(enumerator, name, Functor, ...) \
  case PenaltyId::enumerator:                        \
    return Functor(parameter).GRADOPS_FUNCTION(r);
#define GRADOPS_SWITCH                            \
  switch (id) { GRADOPS_PENALTIES(GRADOPS_CASE) } \
  return r;
  template <class V>
  GRADOPS_FN V Value(V r) const {
#define GRADOPS_FUNCTION Value
    GRADOPS_SWITCH
#undef GRADOPS_FUNCTION
  }
  template <class V>
  GRADOPS_FN V Slope(V r) const {
#define GRADOPS_FUNCTION Slope
    GRADOPS_SWITCH
#undef GRADOPS_FUNCTION
  }
  template <class V>
  GRADOPS_FN V Curvature(V r) const {
#define GRADOPS_FUNCTION Curvature
    GRADOPS_SWITCH
#undef GRADOPS_FUNCTION
  }
#undef GRADOPS_SWITCH
#undef GRADOPS_CASE
};

}  // namespace gradops::cuda

#endif  // GRADOPS_CUDA_PENALTIES_H_
