#include "family/options.h"

#include <algorithm>
#include <cmath>
#include <locale>
#include <sstream>

namespace gradops {
namespace {

std::string Join(const std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "'" : ", '") + name + "'";
  return joined;
}

/// Reads a text that is a number and nothing else.
bool ReadNumber(const std::string& text, double* number) {
  std::istringstream stream(text);
  stream.unsetf(std::ios::skipws);
  stream.imbue(std::locale::classic());  // a decimal point, whatever the user's language
  return static_cast<bool>(stream >> *number) && stream.eof() && std::isfinite(*number);
}

/// Reads a text that is a number, or empty.
bool ReadOptional(const std::string& text, std::optional<double>* number) {
  number->reset();
  return text.empty() || ReadNumber(text, &number->emplace());
}

std::string ReadPenaltyParameter(const std::string& text, LossOptions* options) {
  std::optional<double>& parameter = options->penalty_parameter;
  const bool ok = ReadOptional(text, &parameter) && parameter.value_or(1) > 0;
  return ok ? "" : "a finite number above 0";
}

constexpr const char* kAtLeast0 = "a finite number of at least 0";

std::string ReadResponseEpsilon(const std::string& text, LossOptions* options) {
  std::optional<double>& epsilon = options->response_epsilon;
  return ReadOptional(text, &epsilon) && epsilon.value_or(0) >= 0 ? "" : kAtLeast0;
}

std::string ReadScaleWeights(const std::string& text, LossOptions* options) {
  Levels& levels = options->levels;
  levels.count = 1;
  levels.weights[0] = 1;
  if (text.empty()) return "";
  std::istringstream numbers(text + ",");  // so that what follows the last comma is read too
  levels.count = 0;
  for (std::string number; std::getline(numbers, number, ',');) {
    double weight = -1;
    if (levels.count == Levels::kMax || !ReadNumber(number, &weight) || weight < 0) {
      return "at most " + std::to_string(Levels::kMax) +
             " finite numbers of at least 0, separated by commas";
    }
    levels.weights[levels.count++] = weight;
  }
  return "";
}

std::string ReadPixelWeight(const std::string& text, LossOptions* options) {
  std::optional<double> weight;
  const bool is_number = ReadOptional(text, &weight);
  options->levels.pixel_weight = weight.value_or(0);
  return is_number && options->levels.pixel_weight >= 0 ? "" : kAtLeast0;
}

std::string ReadSite(const std::string& text, LossOptions* options) {
  options->site = text;
  const bool is_number = text.find_first_not_of("0123456789") == std::string::npos;
  return is_number && text.size() <= 9 ? "" : "a whole number of at most 9 digits";
}

}  // namespace

const std::vector<Option>& AllOptions() {
#define GRADOPS_NAME(enumerator, name, ...) name,
// Enumerators count up from 0 in the order of the registry, so a name's position is its value.
#define GRADOPS_CHOICE(set, name, member, ROWS, doc)   \
  {                                                    \
    name, OptionSet::set, {ROWS(GRADOPS_NAME)}, doc,   \
        [](size_t position, LossOptions* options) {    \
          using Id = decltype(options->member);        \
          options->member = static_cast<Id>(position); \
        },                                             \
        nullptr                                        \
  }
  const auto text = [](OptionSet set, const char* name, auto read, const char* doc) {
    return Option{name, set, {}, doc, nullptr, read};
  };
  constexpr OptionSet kMagnitude = OptionSet::kMagnitude, kLoss = OptionSet::kLoss;
  static const auto* const options = new std::vector<Option>{
      GRADOPS_CHOICE(kImages, "stencil", stencil, GRADOPS_STENCILS, "The derivative filter."),
      GRADOPS_CHOICE(kImages, "border", border, GRADOPS_BORDERS,
                     "What the stencil sees outside the image."),
      GRADOPS_CHOICE(kImages, "scale", scale, GRADOPS_SCALES,
                     "Taps as they are, or divided so that a unit ramp has gradient 1."),
      GRADOPS_CHOICE(kImages, "data_format", data_format, GRADOPS_DATA_FORMATS,
                     "Where the channels are."),
      text(kMagnitude, "response_epsilon", ReadResponseEpsilon,
           "The parameter of the response, as decimal text; empty for the default."),
      GRADOPS_CHOICE(kLoss, "response", response, GRADOPS_RESPONSES, "What is compared."),
      GRADOPS_CHOICE(kLoss, "penalty", penalty, GRADOPS_PENALTIES,
                     "rho, applied to each residual."),
      text(kLoss, "penalty_parameter", ReadPenaltyParameter,
           "The parameter of the penalty, as decimal text; empty for the default."),
      GRADOPS_CHOICE(kLoss, "normalizer", normalizer, GRADOPS_NORMALIZERS,
                     "What the sum is divided by; none keeps the sums by axis."),
      text(kLoss, "scale_weights", ReadScaleWeights,
           "The weights of the levels of a loss over several scales, as decimal texts separated by "
           "commas; empty for one level of weight 1."),
      text(kLoss, "pixel_weight", ReadPixelWeight,
           "The weight of the mean of |y_pred - y_true| that is added to the loss; empty for 0."),
      GRADOPS_CHOICE(kLoss, "downsample", levels.downsample, GRADOPS_DOWNSAMPLES,
                     "How a level is made from the one before."),
      text(kLoss, "site", ReadSite,
           "The number of this call of a loss in a program, under which its upstream gradients are "
           "remembered for Gradops>ExpectedUpstream; empty for none. No result depends on it."),
  };
#undef GRADOPS_CHOICE
#undef GRADOPS_NAME
  return *options;
}

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

std::string SetOption(const std::string& name, const std::string& value, LossOptions* options) {
  for (const Option& option : AllOptions()) {
    if (option.name != name) continue;
    const std::vector<std::string>& choices = option.choices;
    std::string wanted;
    if (choices.empty()) {
      wanted = option.read(value, options);
    } else {
      const auto found = std::find(choices.begin(), choices.end(), value);
      if (found == choices.end()) {
        wanted = "one of " + Join(choices);
      } else {
        option.choose(static_cast<size_t>(found - choices.begin()), options);
      }
    }
    return wanted.empty() ? "" : name + " must be " + wanted + ", got '" + value + "'";
  }
  return "unknown option '" + name + "'";
}

math::Stencil ScaledStencil(const LossOptions& options) {
  math::Stencil stencil = TapsOf(options.stencil);
  if (options.scale == ScaleId::kUnit) stencil.scale = 1 / stencil.unit_divisor;
  return stencil;
}

std::string CheckOptions(const LossOptions& options) {
  if (options.normalizer == NormalizerId::kNone && !options.levels.IsSingleTerm()) {
    return "normalizer 'none' needs one scale of weight 1 and no pixel_weight, got " +
           std::to_string(options.levels.count) + " scales and pixel_weight " +
           std::to_string(options.levels.pixel_weight);
  }
  if (options.penalty != PenaltyId::kPower || PenaltyParameterOf(options) >= 1) return "";
  return "penalty_parameter of penalty 'power' must be at least 1, got " +
         std::to_string(PenaltyParameterOf(options));
}

double PenaltyParameterOf(const LossOptions& options) {
  return options.penalty_parameter.value_or(
      PenaltyParameters()[static_cast<size_t>(options.penalty)].default_value);
}

double ResponseEpsilonOf(const LossOptions& options) {
  return options.response_epsilon.value_or(
      ResponseParameters()[static_cast<size_t>(options.response)].default_value);
}

}  // namespace gradops
