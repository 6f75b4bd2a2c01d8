#pragma once

#include <string>

#include "bindings/tf/dtypes.h"
#include "bindings/tf/status.h"
#include "op/op.h"

namespace gradops::tf_ops {

/// Reads the options that an op has as attributes, and checks all of them; Context: of a shape
/// function or of a kernel's construction.
template <class Context>
absl::Status ReadAttributes(const Op& op, Context* context, LossOptions* options) {
  TF_RETURN_IF_ERROR(FromMessage(
      op.ReadOptions([context](const std::string& name,
                               std::string* text) { return context->GetAttr(name, text).ok(); },
                     options)));
  if (op.option_set != OptionSet::kLoss) return absl::OkStatus();
  ::tensorflow::DataType images, losses;
  TF_RETURN_IF_ERROR(context->GetAttr("T", &images));
  TF_RETURN_IF_ERROR(context->GetAttr("Tloss", &losses));
  const std::string wanted = ComputeNameOf(DtypeOf(images)), found = NameOf(DtypeOf(losses));
  if (wanted == found) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("Tloss must be ", wanted, " for images of ",
                                                 NameOf(DtypeOf(images)), ", got ", found));
}

}  // namespace gradops::tf_ops
