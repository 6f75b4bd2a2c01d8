#ifndef GRADOPS_TF_STATUS_H_
#define GRADOPS_TF_STATUS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace gradops::tf_ops {

/// An InvalidArgumentError with the pieces of its message joined.
template <class... Pieces>
absl::Status InvalidArgument(const Pieces&... pieces) {
  return absl::InvalidArgumentError(absl::StrCat(pieces...));
}

/// OK for an empty message, else an InvalidArgumentError.
inline absl::Status FromMessage(const std::string& message) {
  return message.empty() ? absl::OkStatus() : absl::InvalidArgumentError(message);
}

}  // namespace gradops::tf_ops

#endif  // GRADOPS_TF_STATUS_H_
