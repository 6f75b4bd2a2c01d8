#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include "op/queue.h"

namespace gradops {

/// A ParallelFor on `threads` threads (0: one per core), including the caller's. It starts them
/// anew for each call: it is for tests and measurements without TensorFlow's pool.
inline ParallelFor ThreadsParallelFor(int threads) {
  const int wanted = threads > 0 ? threads : static_cast<int>(std::thread::hardware_concurrency());
  return [wanted](int64_t count, const std::function<void(int64_t)>& run_unit) {
    std::atomic<int64_t> next{0};
    const auto work = [&] {
      for (int64_t unit = next++; unit < count; unit = next++) run_unit(unit);
    };
    std::vector<std::thread> helpers;
    try {
      for (int64_t i = 1; i < std::min<int64_t>(wanted, count); ++i) helpers.emplace_back(work);
    } catch (const std::exception&) {
      // The system has no more threads or memory, so those that were started do all the work.
    }
    work();
    for (std::thread& helper : helpers) helper.join();
  };
}

}  // namespace gradops
