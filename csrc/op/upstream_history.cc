#include "op/upstream_history.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>

namespace gradops {
namespace {

struct Remembered {
  std::vector<double> upstream;
  bool is_steady;
};

/// 8 MiB at most. Where functions are traced again and again their sites are new every time; then
/// all are forgotten now and then.
constexpr size_t kMaxEntries = 1024, kMaxLosses = 1024;

/// Site, dtype and number of losses.
using Key = std::tuple<std::string, Dtype, size_t>;

struct History {
  std::mutex mutex;
  std::map<Key, Remembered> entries;
};

Key KeyOf(const OpCall& call, size_t losses) { return {call.options.site, call.dtype, losses}; }

History& TheHistory() {
  static auto* const history = new History();
  return *history;
}

}  // namespace

void RememberUpstream(const OpCall& call, std::vector<double> upstream) {
  const auto is_finite = [](double value) { return std::isfinite(value); };
  if (call.options.site.empty() || upstream.size() > kMaxLosses ||
      !std::all_of(upstream.begin(), upstream.end(), is_finite)) {
    return;
  }
  const Key key = KeyOf(call, upstream.size());
  History& history = TheHistory();
  const std::lock_guard<std::mutex> lock(history.mutex);
  const auto found = history.entries.find(key);
  const bool is_first = found == history.entries.end();
  const bool is_steady = is_first || found->second.upstream == upstream;
  if (is_first && history.entries.size() >= kMaxEntries) history.entries.clear();
  history.entries[key] = {std::move(upstream), is_steady};
}

std::vector<double> PredictUpstream(const OpCall& call, std::vector<double> expected) {
  History& history = TheHistory();
  const std::lock_guard<std::mutex> lock(history.mutex);
  const auto found = history.entries.find(KeyOf(call, expected.size()));
  const bool is_known = found != history.entries.end() && found->second.is_steady;
  return is_known ? found->second.upstream : expected;
}

}  // namespace gradops
