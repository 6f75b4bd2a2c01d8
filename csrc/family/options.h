#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "family/levels.h"

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
  // Where not given, the default of the chosen penalty and response.
  bool has_penalty_parameter = false, has_response_epsilon = false;
  double penalty_parameter = 0, response_epsilon = 0;
  Levels levels;
};

/// Sets of options, each with those of the sets before it: which ops have an option as attribute.
enum class OptionSet { kImages, kMagnitude, kLoss };

/// One option: a choice among names, or a number given as text, because a TensorFlow attribute has
/// no double.
struct Option {
  std::string name;
  OptionSet set;
  std::vector<std::string> choices;  // in the order of the registry, the default first; or none
  std::string doc;
  /// For a choice: sets options to the one of that position.
  void (*choose)(size_t position, LossOptions* options);
  /// For a number: sets options from its text, "" for the default. Returns "" or what it must be.
  std::string (*read)(const std::string& text, LossOptions* options);
};

/// Every option of the family.
const std::vector<Option>& AllOptions();

/// The number that a penalty or a response may take.
struct ParameterRow {
  std::string of;         // the penalty's or the response's name
  std::string parameter;  // "" for none
  double default_value;
};
const std::vector<ParameterRow>& PenaltyParameters();
const std::vector<ParameterRow>& ResponseParameters();

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
