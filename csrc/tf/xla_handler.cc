// What the custom call of a compiled program runs: xla_kernels.cc writes it, XLA looks it up here.

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "tf/shapes.h"
#include "tf/xla_buffers.h"
#include "tf/xla_call.h"
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

std::string ReadCall(const ffi::RemainingArgs& args, const ffi::RemainingRets& rets,
                     const ffi::Dictionary& attributes, BufferCall* call) {
  const auto get = [&](const std::string& name, std::string* text) {
    const auto value = attributes.get<std::string_view>(name);
    if (value.has_value()) *text = std::string(*value);
    return value.has_value();
  };
  if (!get(kXlaOpAttribute, &call->op)) return "the custom call gradops needs the name of an op";
  const absl::Status status = ReadOptionAttrs(get, &call->options);
  if (!status.ok()) return std::string(status.message());
  const auto buffer_of = [](const ffi::AnyBuffer& buffer) {
    const auto sizes = buffer.dimensions();
    return Buffer{buffer.untyped_data(), {sizes.begin(), sizes.end()}};
  };
  for (size_t i = 0; i < args.size(); ++i) {
    call->inputs.push_back(buffer_of(args.get<ffi::AnyBuffer>(i).value()));
  }
  for (size_t i = 0; i < rets.size(); ++i) {
    call->outputs.push_back(buffer_of(*rets.get<ffi::AnyBuffer>(i).value()));
  }
  return "";
}

/// Runs the op that the call names, with what the launchers of this device take.
template <class Queue>
ffi::Error Run(const ffi::RemainingArgs& args, const ffi::RemainingRets& rets,
               const ffi::Dictionary& attributes, const Queue& queue) {
  BufferCall call;
  std::string message = ReadCall(args, rets, attributes, &call);
  if (message.empty()) {
    switch (args.get<ffi::AnyBuffer>(ImagesOf(call.op)).value().element_type()) {
      case ffi::DataType::F16:
        message = BufferOp<math::Half, Queue>::Run(call, queue);
        break;
      case ffi::DataType::BF16:
        message = BufferOp<math::BFloat16, Queue>::Run(call, queue);
        break;
      case ffi::DataType::F64:
        message = BufferOp<double, Queue>::Run(call, queue);
        break;
      default:
        message = BufferOp<float, Queue>::Run(call, queue);
    }
  }
  if (message.empty()) return ffi::Error::Success();
  if (message.rfind(cuda::kCudaError, 0) == 0) return ffi::Error::Internal(message);
  return ffi::Error::InvalidArgument(message);
}

ffi::Error HandleOnHost(ffi::ThreadPool pool, ffi::RemainingArgs args, ffi::RemainingRets rets,
                        ffi::Dictionary attributes) {
  return Run(args, rets, attributes, PoolParallelFor(pool));
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
  return Run(args, rets, attributes, queue);
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
