#ifndef GRADOPS_CORE_VALIDATE_H_
#define GRADOPS_CORE_VALIDATE_H_

#include <cstdint>
#include <string>

#include "core/options.h"

namespace gradops {

/// "" if the border is defined for images of this size, else a message that names the argument,
/// what it got and what it needs. A negative height or width is unknown and passes.
std::string CheckImageSize(const char* argument, int64_t height, int64_t width, BorderId border);

}  // namespace gradops

#endif  // GRADOPS_CORE_VALIDATE_H_
