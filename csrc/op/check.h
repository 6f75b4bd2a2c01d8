#pragma once

#include <optional>
#include <string>

#include "op/call.h"

// The checks of a call, which all front ends share. Errors name arguments as Python does.

namespace gradops {

/// What is known of a shape: its sizes, negative where unknown, or nothing if its rank is unknown.
using KnownShape = std::optional<Sizes>;

/// "[2,8,8,3]", with "?" for what is unknown.
std::string ShapeText(const KnownShape& shape);

/// "" or what is wrong with the shapes of an op's inputs, as far as they are known.
std::string CheckShapes(const Op& op, const LossOptions& options,
                        const std::vector<KnownShape>& inputs);

/// "" or what is wrong with the shapes of a call's inputs.
std::string CheckShapes(const OpCall& call);

/// The shape of an output. The call's inputs must have been checked.
Sizes OutputSizes(const Argument& output, const OpCall& call);

}  // namespace gradops
