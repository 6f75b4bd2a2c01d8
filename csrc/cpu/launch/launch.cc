#include "cpu/launch/launch.h"

namespace gradops::cpu {

GRADOPS_DEFINE_LAUNCH

}  // namespace gradops::cpu
