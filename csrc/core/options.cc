#include "core/options.h"

namespace gradops {
namespace {

#define GRADOPS_NAME(enumerator, name, ...) name,
const std::vector<OptionNames>& BuildOptions() {
  static const auto* const options = new std::vector<OptionNames>{
      {"stencil", {GRADOPS_STENCILS(GRADOPS_NAME)}},
      {"penalty", {GRADOPS_PENALTIES(GRADOPS_NAME)}},
      {"response", {GRADOPS_RESPONSES(GRADOPS_NAME)}},
      {"border", {GRADOPS_BORDERS(GRADOPS_NAME)}},
      {"scale", {GRADOPS_SCALES(GRADOPS_NAME)}},
  };
  return *options;
}
#undef GRADOPS_NAME

// Enumerators count up from 0 in the order of the registry, so a name's position is its value.
template <class Id>
bool SetIfNamed(const std::vector<std::string>& names, const std::string& name, Id* id) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] != name) continue;
    *id = static_cast<Id>(i);
    return true;
  }
  return false;
}

std::string Join(const std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "'" : ", '") + name + "'";
  return joined;
}

}  // namespace

const std::vector<OptionNames>& AllOptions() { return BuildOptions(); }

std::string SetOption(const std::string& option, const std::string& name, LossOptions* options) {
  for (const OptionNames& row : AllOptions()) {
    if (row.option != option) continue;
    const bool known = option == "stencil"    ? SetIfNamed(row.names, name, &options->stencil)
                       : option == "penalty"  ? SetIfNamed(row.names, name, &options->penalty)
                       : option == "response" ? SetIfNamed(row.names, name, &options->response)
                       : option == "border"   ? SetIfNamed(row.names, name, &options->border)
                       : option == "scale"    ? SetIfNamed(row.names, name, &options->scale)
                                              : false;
    if (known) return "";
    return option + " must be one of " + Join(row.names) + ", got '" + name + "'";
  }
  return "unknown option '" + option + "'";
}

math::Stencil ScaledStencil(const LossOptions& options) {
  math::Stencil stencil = TapsOf(options.stencil);
  switch (options.scale) {
    case ScaleId::kRaw:
      break;
  }
  return stencil;
}

}  // namespace gradops
