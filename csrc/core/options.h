#ifndef GRADOPS_CORE_OPTIONS_H_
#define GRADOPS_CORE_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/levels.h"

namespace gradops {

/// Which member of the family: every choice that is not a tensor.
struct LossOptions {
  StencilId stencil = StencilId::kSobel;
  PenaltyId penalty = PenaltyId::kL1;
  ResponseId response = ResponseId::kComponent;
  BorderId border = BorderId::kReflect;
  ScaleId scale = ScaleId::kRaw;
  NormalizerId normalizer = NormalizerId::kResiduals;
  DataFormatId data_format = DataFormatId::kChannelsLast;
  // Set by SetParameter, else the default of the chosen penalty and response.
  bool has_penalty_parameter = false, has_response_epsilon = false;
  double penalty_parameter = 0, response_epsilon = 0;
  Levels levels;
};

/// One option and the names it may take, in the order of the registry; the first is the default.
struct OptionNames {
  std::string option;
  std::vector<std::string> names;
};

/// Every option of the family.
const std::vector<OptionNames>& AllOptions();

/// The number that a penalty or a response may take.
struct ParameterRow {
  std::string of;         // the penalty's or the response's name
  std::string parameter;  // "" for none
  double default_value;
};
const std::vector<ParameterRow>& PenaltyParameters();
const std::vector<ParameterRow>& ResponseParameters();

/// The options that hold a number: as text, because a TensorFlow attribute has no double. "" stands
/// for the default.
inline constexpr const char* kPenaltyParameter = "penalty_parameter";
inline constexpr const char* kResponseEpsilon = "response_epsilon";
/// The weights of the levels of a loss over several scales, separated by commas: as many as there
/// are levels. "" stands for one level of weight 1.
inline constexpr const char* kScaleWeights = "scale_weights";
/// The weight of the mean of |y_pred - y_true|, which is added to the loss. "" stands for 0.
inline constexpr const char* kPixelWeight = "pixel_weight";
/// The options above.
inline constexpr const char* kNumberOptions[] = {kPenaltyParameter, kResponseEpsilon, kScaleWeights,
                                                 kPixelWeight};

/// Sets options->`option` by name, or a number from its text. Returns "" or a message that names
/// the option, what it got and what it needs.
std::string SetOption(const std::string& option, const std::string& value, LossOptions* options);

/// "" or what is wrong with the options together.
std::string CheckOptions(const LossOptions& options);

/// The stencil with its scale.
math::Stencil ScaledStencil(const LossOptions& options);

/// The number that the penalty (response) is made from.
double PenaltyParameterOf(const LossOptions& options);
double ResponseEpsilonOf(const LossOptions& options);

}  // namespace gradops

#endif  // GRADOPS_CORE_OPTIONS_H_
