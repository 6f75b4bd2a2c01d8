// What the custom call of a compiled program runs: xla_kernels.cc writes it, XLA looks it up here.

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "bindings/tf/op_names.h"
#include "op/launch.h"
#include "xla/ffi/api/ffi.h"

namespace xla::ffi {
// In TensorFlow's libraries. Its header, xla/ffi/ffi_api.h, needs others that are not installed.
const XLA_FFI_Api* GetXlaFfiApi();
}  // namespace xla::ffi

namespace gradops::tf_ops {
namespace {

namespace ffi = ::xla::ffi;

/// Units of work that are handed out one by one, to whoever has time.
class SharedUnits {
 public:
  SharedUnits(int64_t count, const std::function<void(int64_t)>* run_unit)
      : count_(count), run_unit_(run_unit) {}

  /// Runs units until there are none left. A helper that comes late finds none and touches nothing
  /// of the caller's.
  void Work() {
    for (int64_t unit; (unit = next_.fetch_add(1)) < count_;) {
      (*run_unit_)(unit);
      if (done_.fetch_add(1) + 1 == count_) {
        const std::lock_guard<std::mutex> lock(mutex_);
        all_done_.notify_all();
      }
    }
  }
  void Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    all_done_.wait(lock, [this] { return done_.load() == count_; });
  }

 private:
  const int64_t count_;
  const std::function<void(int64_t)>* const run_unit_;
  std::atomic<int64_t> next_{0}, done_{0};
  std::mutex mutex_;
  std::condition_variable all_done_;
};

/// XLA's pool, which is TensorFlow's. The calling thread may be one of its own: it works too, and
/// waits for nobody but those who are at a unit, so that a busy pool cannot lock up.
ParallelFor PoolParallelFor(const ffi::ThreadPool& pool) {
  return [&pool](int64_t count, const std::function<void(int64_t)>& run_unit) {
    if (count == 0) return;
    const auto units = std::make_shared<SharedUnits>(count, &run_unit);
    const int64_t helpers = std::min<int64_t>(count, pool.num_threads()) - 1;
    for (int64_t i = 0; i < helpers; ++i) {
      const_cast<ffi::ThreadPool&>(pool).Schedule([units] { units->Work(); });
    }
    units->Work();
    units->Wait();
  };
}

Buffer BufferOf(const ffi::AnyBuffer& buffer) {
  const auto sizes = buffer.dimensions();
  return {buffer.untyped_data(), {sizes.begin(), sizes.end()}};
}

/// Reads the call of an op whose shapes were checked when the program was compiled.
std::string ReadCall(const ffi::RemainingArgs& args, const ffi::RemainingRets& rets,
                     const ffi::Dictionary& attributes, OpCall* call) {
  const auto get = [&](const std::string& name, std::string* text) {
    const auto value = attributes.get<std::string_view>(name);
    if (value.has_value()) *text = std::string(*value);
    return value.has_value();
  };
  std::string op, dtype;
  if (!get(kXlaOp, &op) || (call->op = FindOp(op)) == nullptr || !get(kXlaDtype, &dtype) ||
      !FindDtype(dtype, &call->dtype)) {
    return "the custom call gradops needs an op and a dtype, got '" + op + "' and '" + dtype + "'";
  }
  for (size_t i = 0; i < args.size(); ++i) {
    call->inputs.push_back(BufferOf(args.get<ffi::AnyBuffer>(i).value()));
  }
  for (size_t i = 0; i < rets.size(); ++i) {
    call->outputs.push_back(BufferOf(*rets.get<ffi::AnyBuffer>(i).value()));
  }
  return call->op->ReadOptions(get, &call->options);
}

/// Calls launch(call) with the op that the attributes name.
template <class Launch>
ffi::Error Run(const ffi::RemainingArgs& args, const ffi::RemainingRets& rets,
               const ffi::Dictionary& attributes, Launch&& launch) {
  OpCall call{};
  std::string message = ReadCall(args, rets, attributes, &call);
  if (message.empty()) message = launch(call);
  if (message.empty()) return ffi::Error::Success();
  if (message.rfind(cuda::kCudaError, 0) == 0) return ffi::Error::Internal(message);
  return ffi::Error::InvalidArgument(message);
}

ffi::Error HandleOnHost(ffi::ThreadPool pool, ffi::RemainingArgs args, ffi::RemainingRets rets,
                        ffi::Dictionary attributes) {
  return Run(args, rets, attributes,
             [&](const OpCall& call) { return Launch(call, PoolParallelFor(pool)); });
}
XLA_FFI_DEFINE_HANDLER(
    kHostHandler, HandleOnHost,
    ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().RemainingArgs().RemainingRets().Attrs());
XLA_FFI_REGISTER_HANDLER(ffi::GetXlaFfiApi(), kXlaCall, "Host", kHostHandler);

#ifdef GRADOPS_CUDA
ffi::Error HandleOnCuda(void* stream, ffi::ScratchAllocator scratch, ffi::RemainingArgs args,
                        ffi::RemainingRets rets, ffi::Dictionary attributes) {
  constexpr size_t kAlignment = 16;  // the most that XLA allows
  const cuda::Queue queue = {
      stream, [&](size_t bytes) { return scratch.Allocate(bytes, kAlignment).value_or(nullptr); }};
  return Run(args, rets, attributes, [&](const OpCall& call) { return Launch(call, queue); });
}
XLA_FFI_DEFINE_HANDLER(kCudaHandler, HandleOnCuda,
                       ffi::Ffi::Bind()
                           .Ctx<ffi::PlatformStream<void*>>()
                           .Ctx<ffi::ScratchAllocator>()
                           .RemainingArgs()
                           .RemainingRets()
                           .Attrs());
XLA_FFI_REGISTER_HANDLER(ffi::GetXlaFfiApi(), kXlaCall, "CUDA", kCudaHandler);
#endif

}  // namespace
}  // namespace gradops::tf_ops
