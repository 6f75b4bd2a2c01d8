// What the custom call of a compiled program runs: xla_kernels.cc writes it, XLA looks it up here.
//
// In terms of XLA's C interface, which every TensorFlow from 2.18 on has; its C++ wrapper is
// missing from the headers of some.

#include "bindings/tf/compat.h"

#if GRADOPS_XLA_CALLS

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bindings/tf/op_names.h"
#include "bindings/xla/c_interface.h"
#include "bindings/xla/pool.h"
#include "cpu/launch/huge_pages.h"
#include "op/launch.h"

namespace gradops::tf_ops {
namespace {

XLA_FFI_Error_Code CodeOf(Failure failure) {
  switch (failure) {
    case Failure::kMemory:
      return XLA_FFI_Error_Code_RESOURCE_EXHAUSTED;
    case Failure::kDevice:
      return XLA_FFI_Error_Code_INTERNAL;
    default:
      return XLA_FFI_Error_Code_INVALID_ARGUMENT;
  }
}

XLA_FFI_Error* ErrorOf(const XLA_FFI_Api* api, const std::string& message) {
  if (message.empty()) return nullptr;
  GRADOPS_XLA_ARGUMENTS(XLA_FFI_Error_Create_Args, error);
  error.message = message.c_str();
  error.errc = CodeOf(FailureOf(message));
  return api->XLA_FFI_Error_Create(&error);
}

Buffer BufferOf(void* argument) {
  const auto& buffer = *static_cast<XLA_FFI_Buffer*>(argument);
  return {buffer.data, {buffer.dims, buffer.dims + buffer.rank}};
}

/// Reads an attribute that is a string; returns whether it is there.
bool GetAttribute(const XLA_FFI_Attrs& attributes, std::string_view name, std::string* text) {
  for (int64_t i = 0; i < attributes.size; ++i) {
    const XLA_FFI_ByteSpan& found = *attributes.names[i];
    if (std::string_view(found.ptr, found.len) != name ||
        attributes.types[i] != XLA_FFI_AttrType_STRING) {
      continue;
    }
    const auto& value = *static_cast<XLA_FFI_ByteSpan*>(attributes.attrs[i]);
    text->assign(value.ptr, value.len);
    return true;
  }
  return false;
}

/// Reads the call of an op whose shapes were checked when the program was compiled.
std::string ReadCall(const XLA_FFI_CallFrame& frame, OpCall* call) {
  const auto get = [&frame](const std::string& name, std::string* text) {
    return GetAttribute(frame.attrs, name, text);
  };
  std::string op, dtype;
  if (!get(kXlaOp, &op) || (call->op = FindOp(op)) == nullptr || !get(kXlaDtype, &dtype) ||
      !FindDtype(dtype, &call->dtype)) {
    return "the custom call gradops needs an op and a dtype, got '" + op + "' and '" + dtype + "'";
  }
  for (int64_t i = 0; i < frame.args.size; ++i)
    call->inputs.push_back(BufferOf(frame.args.args[i]));
  for (int64_t i = 0; i < frame.rets.size; ++i) {
    call->outputs.push_back(BufferOf(frame.rets.rets[i]));
  }
  return call->op->ReadOptions(get, &call->options);
}

/// Whether XLA only asks what interface a handler was compiled for, and the answer.
bool AnswersQuery(const XLA_FFI_CallFrame& frame) {
  XLA_FFI_Extension_Base* const extension = frame.extension_start;
  if (extension == nullptr || extension->type != XLA_FFI_Extension_Metadata) return false;
  XLA_FFI_Metadata* const answer =
      reinterpret_cast<XLA_FFI_Metadata_Extension*>(extension)->metadata;
  answer->api_version = {};
  answer->api_version.struct_size = XLA_FFI_Api_Version_STRUCT_SIZE;
  answer->api_version.major_version = XLA_FFI_API_MAJOR;
  answer->api_version.minor_version = XLA_FFI_API_MINOR;
  answer->traits = 0;
  return true;
}

/// A handler: calls launch(call, frame) with the op that the attributes name.
template <std::string (*launch)(const OpCall& call, const XLA_FFI_CallFrame& frame)>
XLA_FFI_Error* Handle(XLA_FFI_CallFrame* frame) {
  if (AnswersQuery(*frame)) return nullptr;
  OpCall call{};
  std::string message = ReadCall(*frame, &call);
  if (message.empty()) message = launch(call, *frame);
  return ErrorOf(frame->api, message);
}

std::string LaunchOnHost(const OpCall& call, const XLA_FFI_CallFrame& frame) {
  AdviseHugePages(call);
  const Pool pool(frame);
  return Launch(call, ParallelForOf(pool));
}

#ifdef GRADOPS_CUDA
/// On XLA's stream, with scratch memory of its allocator, which is given back when the handler
/// returns and reused by what is enqueued on this stream later.
class XlaQueue {
 public:
  explicit XlaQueue(const XLA_FFI_CallFrame& frame) : api_(frame.api), context_(frame.ctx) {}
  ~XlaQueue() {
    for (const auto& [data, bytes] : scratch_) {
      GRADOPS_XLA_ARGUMENTS(XLA_FFI_DeviceMemory_Free_Args, freed);
      freed.ctx = context_;
      freed.size = bytes;
      freed.data = data;
      Succeeded(api_, api_->XLA_FFI_DeviceMemory_Free(&freed));
    }
  }

  std::string Launch(const OpCall& call) {
    GRADOPS_XLA_ARGUMENTS(XLA_FFI_Stream_Get_Args, asked);
    asked.ctx = context_;
    if (!Succeeded(api_, api_->XLA_FFI_Stream_Get(&asked))) {
      return std::string(cuda::kCudaError) + "XLA has no stream";
    }
    return gradops::Launch(
        call, cuda::Queue{asked.stream, [this](size_t bytes) { return Allocate(bytes); }});
  }

 private:
  void* Allocate(size_t bytes) {
    GRADOPS_XLA_ARGUMENTS(XLA_FFI_DeviceMemory_Allocate_Args, asked);
    asked.ctx = context_;
    asked.size = bytes;
    asked.alignment = 16;  // the most that XLA allows
    if (!Succeeded(api_, api_->XLA_FFI_DeviceMemory_Allocate(&asked))) return nullptr;
    scratch_.emplace_back(asked.data, bytes);
    return asked.data;
  }

  const XLA_FFI_Api* const api_;
  XLA_FFI_ExecutionContext* const context_;
  std::vector<std::pair<void*, size_t>> scratch_;
};

std::string LaunchOnCuda(const OpCall& call, const XLA_FFI_CallFrame& frame) {
  return XlaQueue(frame).Launch(call);
}
#endif

bool Register(std::string_view platform, XLA_FFI_Handler* handler) {
  const XLA_FFI_Api* const api = ::xla::ffi::GetXlaFfiApi();
  GRADOPS_XLA_ARGUMENTS(XLA_FFI_Handler_Register_Args, asked);
  asked.name = {kXlaCall, std::string_view(kXlaCall).size()};
  asked.platform = {platform.data(), platform.size()};
  asked.bundle.execute = handler;
  return Succeeded(api, api->XLA_FFI_Handler_Register(&asked));
}

[[maybe_unused]] const bool kIsOnHost = Register("Host", Handle<LaunchOnHost>);
#ifdef GRADOPS_CUDA
[[maybe_unused]] const bool kIsOnCuda = Register("CUDA", Handle<LaunchOnCuda>);
#endif

}  // namespace
}  // namespace gradops::tf_ops

#endif  // GRADOPS_XLA_CALLS
