#include "cuda/launch/launch.h"

namespace gradops::cuda {

GRADOPS_DEFINE_LAUNCH

}  // namespace gradops::cuda
