#include "core/options.h"

#include <cmath>
#include <locale>
#include <sstream>

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
      {"normalizer", {GRADOPS_NORMALIZERS(GRADOPS_NAME)}},
      {"data_format", {GRADOPS_DATA_FORMATS(GRADOPS_NAME)}},
      {"downsample", {GRADOPS_DOWNSAMPLES(GRADOPS_NAME)}},
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

bool SetNamed(const OptionNames& row, const std::string& name, LossOptions* options) {
  if (row.option == "stencil") return SetIfNamed(row.names, name, &options->stencil);
  if (row.option == "penalty") return SetIfNamed(row.names, name, &options->penalty);
  if (row.option == "response") return SetIfNamed(row.names, name, &options->response);
  if (row.option == "border") return SetIfNamed(row.names, name, &options->border);
  if (row.option == "scale") return SetIfNamed(row.names, name, &options->scale);
  if (row.option == "normalizer") return SetIfNamed(row.names, name, &options->normalizer);
  if (row.option == "downsample") return SetIfNamed(row.names, name, &options->levels.downsample);
  return SetIfNamed(row.names, name, &options->data_format);
}

std::string Join(const std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "'" : ", '") + name + "'";
  return joined;
}

bool ReadNumber(const std::string& text, double* number) {
  std::istringstream stream(text);
  stream.imbue(std::locale::classic());  // a decimal point, whatever the user's language
  return static_cast<bool>(stream >> *number) && stream.eof() && std::isfinite(*number);
}

std::string SetScaleWeights(const std::string& text, Levels* levels) {
  levels->count = 1;
  levels->weights[0] = 1;
  if (text.empty()) return "";
  std::istringstream numbers(text);
  levels->count = 0;
  for (std::string number; std::getline(numbers, number, ',');) {
    double weight = -1;
    if (levels->count == Levels::kMaximum || !ReadNumber(number, &weight) || weight < 0) {
      return std::string(kScaleWeights) + " must be at most " + std::to_string(Levels::kMaximum) +
             " finite numbers of at least 0, separated by commas, got '" + text + "'";
    }
    levels->weights[levels->count++] = weight;
  }
  return "";
}

std::string SetPixelWeight(const std::string& text, double* weight) {
  *weight = 0;
  if (text.empty() || (ReadNumber(text, weight) && *weight >= 0)) return "";
  return std::string(kPixelWeight) + " must be a finite number of at least 0, got '" + text + "'";
}

std::string SetParameter(const std::string& option, const std::string& text, LossOptions* options) {
  const bool of_penalty = option == kPenaltyParameter;
  bool* const given = of_penalty ? &options->has_penalty_parameter : &options->has_response_epsilon;
  double* const number = of_penalty ? &options->penalty_parameter : &options->response_epsilon;
  *given = !text.empty();
  if (text.empty()) return "";
  if (ReadNumber(text, number) && *number >= 0 && (*number > 0 || !of_penalty)) return "";
  return option + " must be a finite number " + (of_penalty ? "above 0" : "of at least 0") +
         ", got '" + text + "'";
}

}  // namespace

const std::vector<OptionNames>& AllOptions() { return BuildOptions(); }

const std::vector<ParameterRow>& PenaltyParameters() {
#define GRADOPS_PARAMETER(enumerator, name, Functor, ...) {name, __VA_ARGS__},
  static const auto* const rows =
      new std::vector<ParameterRow>{GRADOPS_PENALTIES(GRADOPS_PARAMETER)};
  return *rows;
}

const std::vector<ParameterRow>& ResponseParameters() {
  static const auto* const rows =
      new std::vector<ParameterRow>{GRADOPS_RESPONSES(GRADOPS_PARAMETER)};
#undef GRADOPS_PARAMETER
  return *rows;
}

std::string SetOption(const std::string& option, const std::string& value, LossOptions* options) {
  if (option == kPenaltyParameter || option == kResponseEpsilon) {
    return SetParameter(option, value, options);
  }
  if (option == kScaleWeights) return SetScaleWeights(value, &options->levels);
  if (option == kPixelWeight) return SetPixelWeight(value, &options->levels.pixel_weight);
  for (const OptionNames& row : AllOptions()) {
    if (row.option != option) continue;
    if (SetNamed(row, value, options)) return "";
    return option + " must be one of " + Join(row.names) + ", got '" + value + "'";
  }
  return "unknown option '" + option + "'";
}

math::Stencil ScaledStencil(const LossOptions& options) {
  math::Stencil stencil = TapsOf(options.stencil);
  if (options.scale == ScaleId::kUnit) stencil.scale = 1 / stencil.unit_divisor;
  return stencil;
}

std::string CheckOptions(const LossOptions& options) {
  if (options.normalizer == NormalizerId::kNone && !options.levels.AreOne()) {
    return "normalizer 'none' needs one scale of weight 1 and no pixel_weight, got " +
           std::to_string(options.levels.count) + " scales and pixel_weight " +
           std::to_string(options.levels.pixel_weight);
  }
  if (options.penalty != PenaltyId::kPower || PenaltyParameterOf(options) >= 1) return "";
  return "penalty_parameter of penalty 'power' must be at least 1, got " +
         std::to_string(PenaltyParameterOf(options));
}

double PenaltyParameterOf(const LossOptions& options) {
  if (options.has_penalty_parameter) return options.penalty_parameter;
  return PenaltyParameters()[static_cast<size_t>(options.penalty)].default_value;
}

double ResponseEpsilonOf(const LossOptions& options) {
  if (options.has_response_epsilon) return options.response_epsilon;
  return ResponseParameters()[static_cast<size_t>(options.response)].default_value;
}

}  // namespace gradops
