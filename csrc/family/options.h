#pragma once

#include <optional>
#include <string>
#include <vector>

#include "family/levels.h"

namespace gradops {

/// All options of a loss: every choice that is not a tensor.
struct LossOptions {
  StencilId stencil = StencilId::kSobel;
  PenaltyId penalty = PenaltyId::kL1;
  ResponseId response = ResponseId::kComponent;
  BorderId border = BorderId::kReflect;
  ScaleId scale = ScaleId::kRaw;
  NormalizerId normalizer = NormalizerId::kResiduals;
  DataFormatId data_format = DataFormatId::kChannelsLast;
  // If not given, the default of the chosen penalty or response holds.
  std::optional<double> penalty_parameter, response_epsilon;
  Levels levels;
  std::string site;
};

/// Which options an op has as attributes. Each set includes the ones before it.
enum class OptionSet { kImages, kMagnitude, kLoss };

/// One option: a choice among names, or text, such as a number, because TensorFlow has no
/// attributes of type double.
struct Option {
  std::string name;
  OptionSet set;
  std::vector<std::string> choices;  // in the order of the registry, the default first; or none
  std::string doc;
  /// For a choice: sets it by its position among the choices.
  void (*choose)(size_t position, LossOptions* options);
  /// For text: sets it, "" for the default. Returns "" or what the text must be.
  std::string (*read)(const std::string& text, LossOptions* options);
};

const std::vector<Option>& AllOptions();

/// The parameter that a penalty or a response may have.
struct ParameterRow {
  std::string of;         // the penalty's or the response's name
  std::string parameter;  // "" for none
  double default_value;
};
const std::vector<ParameterRow>& PenaltyParameters();
const std::vector<ParameterRow>& ResponseParameters();

/// Sets an option from the name of a choice or from text. Returns "" or an error that says what the
/// option must be and what it got.
std::string SetOption(const std::string& option, const std::string& value, LossOptions* options);

/// "" or what is wrong with the options together.
std::string CheckOptions(const LossOptions& options);

math::Stencil ScaledStencil(const LossOptions& options);

/// The parameter that the penalty (response) is made from: the one that is given or the default.
double PenaltyParameterOf(const LossOptions& options);
double ResponseEpsilonOf(const LossOptions& options);

}  // namespace gradops
