#pragma once

#include "xla/ffi/api/c_api.h"

// XLA's C interface for functions that compiled programs call.

namespace xla::ffi {
// In TensorFlow's libraries. Its header, xla/ffi/ffi_api.h, needs others that are not installed.
const XLA_FFI_Api* GetXlaFfiApi();
}  // namespace xla::ffi

namespace gradops::tf_ops {

/// The arguments of a function of the C interface, which begin with their size.
#define GRADOPS_XLA_ARGUMENTS(Type, name) \
  Type name = {};                         \
  name.struct_size = Type##_STRUCT_SIZE

/// Whether a function of the interface succeeded; an error of it is dropped.
inline bool Succeeded(const XLA_FFI_Api* api, XLA_FFI_Error* error) {
  if (error == nullptr) return true;
  GRADOPS_XLA_ARGUMENTS(XLA_FFI_Error_Destroy_Args, dropped);
  dropped.error = error;
  api->XLA_FFI_Error_Destroy(&dropped);
  return false;
}

}  // namespace gradops::tf_ops
