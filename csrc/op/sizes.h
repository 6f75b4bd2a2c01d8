#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace gradops {

/// The sizes of a tensor's axes, without allocating memory: every call of an op has several.
/// Arguments of ops have at most five axes, so beyond kMaxRank sizes are not kept and only the rank
/// is.
class Sizes {
 public:
  static constexpr size_t kMaxRank = 8;

  Sizes() = default;
  Sizes(std::initializer_list<int64_t> sizes) : Sizes(sizes.begin(), sizes.end()) {}
  template <class Iterator>
  Sizes(Iterator begin, Iterator end) {
    for (; begin != end; ++begin) push_back(*begin);
  }

  void push_back(int64_t size) {
    if (rank_ < kMaxRank) sizes_[rank_] = size;
    ++rank_;
  }
  size_t size() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  int64_t& operator[](size_t axis) { return sizes_[axis]; }
  int64_t operator[](size_t axis) const { return sizes_[axis]; }
  const int64_t* begin() const { return sizes_; }
  /// The end of the sizes that are kept: at most kMaxRank.
  const int64_t* end() const { return sizes_ + (rank_ < kMaxRank ? rank_ : kMaxRank); }

  bool operator==(const Sizes& other) const {
    if (rank_ != other.rank_) return false;
    for (const int64_t *a = begin(), *b = other.begin(); a != end(); ++a, ++b) {
      if (*a != *b) return false;
    }
    return true;
  }
  bool operator!=(const Sizes& other) const { return !(*this == other); }

 private:
  int64_t sizes_[kMaxRank];
  size_t rank_ = 0;
};

}  // namespace gradops
