#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "op/queue.h"

namespace gradops::tf_ops {

/// An InvalidArgumentError with the pieces of its message joined.
template <class... Pieces>
absl::Status InvalidArgument(const Pieces&... pieces) {
  return absl::InvalidArgumentError(absl::StrCat(pieces...));
}

/// OK for an empty message, else an error: of the inputs or, by its beginning, of CUDA.
inline absl::Status FromMessage(const std::string& message) {
  if (message.empty()) return absl::OkStatus();
  if (message.rfind(cuda::kCudaError, 0) == 0) return absl::InternalError(message);
  return absl::InvalidArgumentError(message);
}

}  // namespace gradops::tf_ops
