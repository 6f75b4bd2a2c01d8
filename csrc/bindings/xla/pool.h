#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <thread>

#include "bindings/tf/compat.h"
#include "bindings/xla/c_interface.h"
#include "op/launch.h"

// Work on the pool of threads that XLA offers to a handler.

namespace gradops::tf_ops {

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

/// XLA's pool, which is TensorFlow's.
class Pool {
 public:
  explicit Pool(const XLA_FFI_CallFrame& frame) : api_(frame.api), context_(frame.ctx) {}

  int64_t Size() const {
#if GRADOPS_XLA_POOL_SIZE
    int64_t size = 1;
    GRADOPS_XLA_ARGUMENTS(XLA_FFI_ThreadPool_NumThreads_Args, asked);
    asked.ctx = context_;
    asked.num_threads = &size;
    return Succeeded(api_, api_->XLA_FFI_ThreadPool_NumThreads(&asked)) ? size : 1;
#else
    return std::max(std::thread::hardware_concurrency(), 1u);  // takes some 20 us
#endif
  }

  /// Has a thread of the pool work on units, if there is a pool.
  void Help(const std::shared_ptr<SharedUnits>& units) const {
    GRADOPS_XLA_ARGUMENTS(XLA_FFI_ThreadPool_Schedule_Args, asked);
    auto owned = std::make_unique<std::shared_ptr<SharedUnits>>(units);
    asked.ctx = context_;
    asked.data = owned.get();
    asked.task = [](void* data) {
      const std::unique_ptr<std::shared_ptr<SharedUnits>> units(
          static_cast<std::shared_ptr<SharedUnits>*>(data));
      (*units)->Work();
    };
    if (Succeeded(api_, api_->XLA_FFI_ThreadPool_Schedule(&asked))) owned.release();
  }

 private:
  const XLA_FFI_Api* const api_;
  XLA_FFI_ExecutionContext* const context_;
};

/// The calling thread may be one of the pool's own: it works too, and waits for nobody but those
/// who are at a unit, so that a busy pool cannot lock up.
inline ParallelFor ParallelForOf(const Pool& pool) {
  return [&pool](int64_t count, const std::function<void(int64_t)>& run_unit) {
    if (count == 0) return;
    const auto units = std::make_shared<SharedUnits>(count, &run_unit);
    const int64_t helpers = std::min<int64_t>(count, pool.Size()) - 1;
    try {
      for (int64_t i = 0; i < helpers; ++i) pool.Help(units);
    } catch (const std::bad_alloc&) {
      // Those who were called and this thread do all the work.
    }
    units->Work();
    units->Wait();
  };
}

}  // namespace gradops::tf_ops
