#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "op/launch.h"

namespace gradops::tf_ops {

/// An InvalidArgumentError with the pieces of its message joined.
template <class... Pieces>
absl::Status InvalidArgument(const Pieces&... pieces) {
  return absl::InvalidArgumentError(absl::StrCat(pieces...));
}

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
