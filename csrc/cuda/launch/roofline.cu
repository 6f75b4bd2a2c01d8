#include "cuda/launch/ops.h"

namespace gradops::cuda {

GRADOPS_DEFINE_LAUNCHER(Triad)
GRADOPS_DEFINE_LAUNCHER(StreamingTriad)
GRADOPS_DEFINE_LAUNCHER(SumAbsoluteDifference)

}  // namespace gradops::cuda
