#ifndef GRADOPS_TF_XLA_CALL_H_
#define GRADOPS_TF_XLA_CALL_H_

// What xla_kernels.cc writes into a compiled program and xla_handler.cc reads when it runs.

namespace gradops::tf_ops {

/// The custom call's name.
inline constexpr const char* kXlaCall = "gradops";
/// Its attribute that holds the op's name; the op's options are attributes under their own names.
inline constexpr const char* kXlaOpAttribute = "op";

}  // namespace gradops::tf_ops

#endif  // GRADOPS_TF_XLA_CALL_H_
