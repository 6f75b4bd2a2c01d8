#pragma once

#include <vector>

#include "cpu/launch/units.h"
#include "family/levels.h"

// One unit of work of a loss over several scales: a strip of rows of one plane at every level. The
// coarser levels of the strip, and the rows next to it that its gradient depends on, are made in
// the thread's own memory and stay in its caches, so the images are read from memory once.

namespace gradops::cpu {

/// The parameters of each level, with its shape.
inline std::vector<KernelParams> ParamsOfLevels(KernelParams params) {
  std::vector<KernelParams> levels;
  for (int s = 0; s < params.levels.count; ++s) {
    levels.push_back(params);
    params.levels.pixel_weight = 0;  // the pixel term is one of the images alone
    params.shape.height = CoarserSize(params.shape.height, params.levels.downsample);
    params.shape.width = CoarserSize(params.shape.width, params.levels.downsample);
  }
  return levels;
}

/// Those of the images alone, as one term.
inline std::vector<KernelParams> OneTerm(KernelParams params) {
  params.levels = Levels();
  return {params};
}

/// A number for each example [B] by term: one of each level and, if there is one, of the pixels.
using ByTerm = std::vector<std::vector<double>>;

/// Strips that end where a pixel of the last level does. With several terms and border circular a
/// unit is a whole plane, because its first row depends on its last.
inline Units UnitsOfLevels(const KernelParams& params) {
  const int64_t step = int64_t{1} << (params.levels.count - 1);
  const int64_t rows = math::Max(Units::RowsOf(params.shape), 16 * step);
  const bool whole = params.border == BorderId::kCircular && !params.levels.IsSingleTerm();
  const int64_t all = math::Max<int64_t>(params.shape.height, 1);
  return Units(params.shape, whole ? all : math::CeilDiv(rows, step) * step);
}

/// The levels of one unit in the thread's memory.
template <class S>
class LevelUnit {
 public:
  using T = ComputeType<S>;

  /// Pointers are to whole planes, of which only the rows `there` exist. `own` are the rows that
  /// the unit adds up and writes.
  struct Level {
    RowRange own, there;
    LossInputs<T> inputs = {};
    const T* vector = nullptr;
    T *by_pred = nullptr, *by_true = nullptr;
  };

  /// `inputs` and `vector` (may be null) are those of the unit's plane. Without images, only the
  /// levels of the maps are made. `gradients`: how many of by_pred and by_true are wanted.
  LevelUnit(const std::vector<KernelParams>& levels, const LossInputs<S>& inputs, const S* vector,
            RowRange rows, int gradients)
      : params_(levels), levels_(levels.size()) {
    FindRows(rows);
    const bool difference = IsOfDifference(levels[0].response);
    size_t bytes = 0;
    ForEachBuffer(inputs, vector != nullptr, gradients, difference,
                  [&](auto**, size_t size, int64_t, int64_t) { bytes += size; });
    char* next = static_cast<char*>(LevelScratch(bytes));
    ForEachBuffer(inputs, vector != nullptr, gradients, difference,
                  [&](auto** plane, size_t size, int64_t row_size, int64_t first) {
                    using M = std::remove_const_t<std::remove_pointer_t<decltype(*plane + 0)>>;
                    *plane = reinterpret_cast<M*>(next) - first * row_size;
                    next += size;
                  });
    for (size_t s = 1; s < levels_.size(); ++s) {
      if (s == 1) {
        FillLevel(s, inputs, vector);
      } else {
        FillLevel(s, levels_[s - 1].inputs, levels_[s - 1].vector);
      }
    }
  }

  const Level& operator[](size_t s) const { return levels_[s]; }

 private:
  static constexpr int64_t kHalo = 2;    // rows that a gradient depends on, on each side
  static constexpr size_t kSlack = 256;  // bytes after a buffer that loops may read and write

  void FindRows(RowRange rows) {
    const bool stride = params_[0].levels.downsample == DownsampleId::kStride;
    const int last = static_cast<int>(params_.size()) - 1;
    for (int s = 0; s <= last; ++s) {
      const int64_t height = params_[s].shape.height;
      levels_[s].own = {math::Min(rows.begin, height), math::Min(rows.end, height)};
      rows = {stride ? math::CeilDiv<int64_t>(rows.begin, 2) : rows.begin / 2,
              stride ? math::CeilDiv<int64_t>(rows.end, 2) : rows.end / 2};
    }
    RowRange needed = levels_[last].own;
    for (int s = last; s >= 0; --s) {
      const int64_t height = params_[s].shape.height;
      const RowRange own = levels_[s].own;
      levels_[s].there = {math::Max<int64_t>(math::Min(needed.begin, own.begin - kHalo), 0),
                          math::Min(math::Max(needed.end, own.end + kHalo), height)};
      needed = {2 * levels_[s].there.begin, 2 * levels_[s].there.end};
    }
  }

  /// Calls visit(plane, bytes, row_size, first_row) for every buffer of levels 1 and up.
  template <class Visit>
  void ForEachBuffer(const LossInputs<S>& inputs, bool has_vector, int gradients, bool difference,
                     Visit&& visit) {
    for (size_t s = 1; s < levels_.size(); ++s) {
      Level& level = levels_[s];
      const ImageShape& shape = params_[s].shape;
      const int64_t rows = level.there.end - level.there.begin;
      const auto add = [&](auto** plane, int64_t row_size) {
        const size_t bytes = rows * row_size * sizeof(**plane) + kSlack;
        visit(plane, (bytes + 63) / 64 * 64, row_size, level.there.begin);
      };
      if (inputs.y_pred != nullptr) add(&level.inputs.y_pred, shape.RowSize());
      if (!difference && inputs.y_true != nullptr) add(&level.inputs.y_true, shape.RowSize());
      if (has_vector) add(&level.vector, shape.RowSize());
      if (gradients > 0) add(&level.by_pred, shape.RowSize());
      if (gradients > 1) add(&level.by_true, shape.RowSize());
      if (inputs.weights.data != nullptr) {
        level.inputs.weights.per_channel = inputs.weights.per_channel;
        add(&level.inputs.weights.data, shape.MapRowSize(inputs.weights.per_channel));
      }
      if (inputs.mask.data != nullptr) {
        level.inputs.mask.per_channel = inputs.mask.per_channel;
        add(&level.inputs.mask.data, shape.MapRowSize(inputs.mask.per_channel));
      }
    }
  }

  /// Makes level s from what the one before it has. With a response of the difference, y_pred of
  /// all levels but the images is that.
  template <class R>
  void FillLevel(size_t s, const LossInputs<R>& from, const R* vector) {
    Level& level = levels_[s];
    const bool difference = IsOfDifference(params_[0].response);
    FillImage<R>(s, from.y_pred, difference ? from.y_true : nullptr, level.inputs.y_pred);
    if (!difference) FillImage<R>(s, from.y_true, nullptr, level.inputs.y_true);
    FillImage<R>(s, vector, nullptr, level.vector);
    FillMap(s, from.weights, level.inputs.weights,
            [](T a, T b, T c, T d) { return T(0.25) * ((a + b) + (c + d)); });
    FillMap(s, from.mask, level.inputs.mask,
            [](bool a, bool b, bool c, bool d) { return a && b && c && d; });
  }
  /// From a - b (a if b is null), or nothing if a is null.
  template <class R>
  void FillImage(size_t s, const R* a, const R* b, const T* out) const {
    if (a == nullptr) return;
    const ImageShape &from = params_[s - 1].shape, &to = params_[s].shape;
    const CoarserShape shape = {from.RowSize(), to.width, to.channels,
                                params_[s].levels.downsample};
    const auto coarser_row = ActiveTarget().Of<R>().coarser_row;
    for (int64_t row = levels_[s].there.begin; row < levels_[s].there.end; ++row) {
      const int64_t offset = 2 * row * from.RowSize();
      coarser_row(a + offset, OffsetIfGiven(b, offset), shape,
                  const_cast<T*>(out) + row * to.RowSize());
    }
  }
  template <class M, class Join>
  void FillMap(size_t s, const PixelMap<M>& from, const PixelMap<M>& to, Join&& join) const {
    if (from.data == nullptr) return;
    const ImageShape& shape = params_[s].shape;
    const bool stride = params_[s].levels.downsample == DownsampleId::kStride;
    const int64_t step = from.per_channel ? shape.channels : 1;
    const int64_t below = params_[s - 1].shape.MapRowSize(from.per_channel);
    for (int64_t row = levels_[s].there.begin; row < levels_[s].there.end; ++row) {
      const M* in = from.data + 2 * row * below;
      M* const out = const_cast<M*>(to.data) + row * shape.MapRowSize(to.per_channel);
      for (int64_t x = 0; x < shape.width; ++x) {
        for (int64_t c = 0; c < step; ++c) {
          const M* const at = in + 2 * x * step + c;
          out[x * step + c] = stride ? at[0] : join(at[0], at[step], at[below], at[below + step]);
        }
      }
    }
  }

  const std::vector<KernelParams>& params_;
  std::vector<Level> levels_;
};

}  // namespace gradops::cpu
