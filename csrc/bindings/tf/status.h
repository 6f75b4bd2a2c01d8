#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "op/launch.h"

namespace gradops::tf_ops {

/// OK for an empty message, else an error of the kind that the message is about.
inline absl::Status FromMessage(const std::string& message) {
  if (message.empty()) return absl::OkStatus();
  switch (FailureOf(message)) {
    case Failure::kMemory:
      return absl::ResourceExhaustedError(message);
    case Failure::kDevice:
      return absl::InternalError(message);
    default:
      return absl::InvalidArgumentError(message);
  }
}

}  // namespace gradops::tf_ops
