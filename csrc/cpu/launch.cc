#include "cpu/launch.h"

namespace gradops::cpu {

GRADOPS_DEFINE_LAUNCH

}  // namespace gradops::cpu
