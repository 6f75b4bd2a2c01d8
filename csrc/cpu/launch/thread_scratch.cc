#include <cstdlib>
#include <cstring>
#include <new>

#include "cpu/kernels.h"

namespace gradops::cpu {
namespace {

constexpr std::align_val_t kAlignment{64};

class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { ::operator delete(memory_, kAlignment); }

  void* AtLeast(size_t bytes) {
    if (bytes > size_) {
      ::operator delete(memory_, kAlignment);
      memory_ = nullptr;
      size_ = 0;
      memory_ = ::operator new(bytes, kAlignment);
      size_ = bytes;
      std::memset(memory_, 0, bytes);  // kernels read past the elements that they use
    }
    return memory_;
  }

 private:
  void* memory_ = nullptr;
  size_t size_ = 0;
};

}  // namespace

void* ThreadScratch(size_t bytes) {
  thread_local Scratch scratch;
  return scratch.AtLeast(bytes);
}

void* LevelScratch(size_t bytes) {
  thread_local Scratch scratch;
  return scratch.AtLeast(bytes);
}

}  // namespace gradops::cpu
