#ifndef GRADOPS_CORE_VALIDATE_H_
#define GRADOPS_CORE_VALIDATE_H_

#include <cstdint>
#include <string>

#include "core/options.h"

namespace gradops {

/// "" if stencil and border are defined for images of this size, else a message that names the
/// argument, what it got and what it needs. A negative height or width is unknown and passes.
std::string CheckImageSize(const char* argument, int64_t height, int64_t width,
                           const LossOptions& options);

/// "" if `map` are the sizes of the axes of weights or a mask for images of sizes `images`, both in
/// the order of the data format and negative where unknown; else a message.
std::string CheckPixelMap(const char* argument, const int64_t map[4], const int64_t images[4],
                          DataFormatId data_format);

}  // namespace gradops

#endif  // GRADOPS_CORE_VALIDATE_H_
