#include "op/upstream_history.h"

#include <limits>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace gradops {
namespace {

struct Remembered {
  std::vector<double> upstream;
  bool is_steady;  // whether it is the first, or is what was remembered before it
};

/// Where a function is traced again and again, its sites are new every time.
constexpr size_t kMaxSites = 4096;

struct History {
  std::mutex mutex;
  std::unordered_map<std::string, Remembered> sites;
};

History& TheHistory() {
  static auto* const history = new History();
  return *history;
}

/// `losses`: how many values are remembered.
std::string KeyOf(const OpCall& call, size_t losses) {
  std::string key = call.options.site + "," + std::to_string(losses);
  for (const int64_t size : call.inputs[call.op->ImagesInput()].sizes) {
    key += "," + std::to_string(size);
  }
  return key;
}

}  // namespace

void RememberUpstream(const OpCall& call, std::vector<double> upstream) {
  if (call.options.site.empty()) return;
  History& history = TheHistory();
  const std::string key = KeyOf(call, upstream.size());
  const std::lock_guard<std::mutex> lock(history.mutex);
  if (history.sites.size() >= kMaxSites) history.sites.clear();
  const auto found = history.sites.find(key);
  const bool is_steady = found == history.sites.end() || found->second.upstream == upstream;
  history.sites[key] = {std::move(upstream), is_steady};
}

std::vector<double> PredictUpstream(const OpCall& call, std::vector<double> expected) {
  History& history = TheHistory();
  const std::lock_guard<std::mutex> lock(history.mutex);
  const auto found = history.sites.find(KeyOf(call, expected.size()));
  if (found == history.sites.end()) return expected;
  if (found->second.is_steady) return found->second.upstream;
  return std::vector<double>(expected.size(), std::numeric_limits<double>::quiet_NaN());
}

}  // namespace gradops
