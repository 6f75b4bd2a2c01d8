#ifndef GRADOPS_CORE_OPTIONS_H_
#define GRADOPS_CORE_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/registry.h"

namespace gradops {

/// Which member of the family: every choice that is not a tensor.
struct LossOptions {
  StencilId stencil = StencilId::kSobel;
  PenaltyId penalty = PenaltyId::kL1;
  ResponseId response = ResponseId::kComponent;
  BorderId border = BorderId::kReflect;
  ScaleId scale = ScaleId::kRaw;
};

/// One option and the names it may take, in the order of the registry; the first is the default.
struct OptionNames {
  std::string option;
  std::vector<std::string> names;
};

/// Every option of the family.
const std::vector<OptionNames>& AllOptions();

/// Sets options->`option` by name. Returns "" or a message that lists the allowed names.
std::string SetOption(const std::string& option, const std::string& name, LossOptions* options);

/// The stencil with the scale applied to its smoothing taps.
math::Stencil ScaledStencil(const LossOptions& options);

}  // namespace gradops

#endif  // GRADOPS_CORE_OPTIONS_H_
