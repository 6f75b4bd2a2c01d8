#pragma once

#include "cpu/kernels.h"
#include "cpu/passes/factor_rows.h"
#include "cpu/passes/horizontal_adjoint.h"
#include "cpu/passes/residual_row.h"
#include "cpu/passes/vertical_adjoint.h"
#include "cpu/rows/source_rows.h"

// The image ops: an image's gradients, their adjoint and their magnitude, tile by tile and row by
// row.

namespace gradops::cpu::GRADOPS_TARGET {

/// The gradients of an image, row after row.
template <class S>
class GradientRows {
 public:
  using T = ComputeType<S>;
  static constexpr int64_t kRows = SourceRows<S>::Rows(1) + FactorRows<T>::kRows;

  /// `first`: the first row that At is called for. `reach`: columns that are needed on each side of
  /// the tile's. `joint`: whether a gradient counts only if both of its components do, as Mask
  /// says.
  GradientRows(const KernelParams& params, const Tile& tile, const S* image, int64_t first,
               int64_t reach, bool joint, RowAllocator<T>* memory)
      : params_(params),
        tile_(tile),
        columns_(ColumnsAround(params, tile, reach)),
        drops_(joint && params.border == BorderId::kValid),
        edges_(params, tile, /*adjoint=*/false),
        image_(image, nullptr, 1, memory),
        factors_(params, tile, LossInputs<S>{}, memory),
        loaded_(RowsAround(params, {first, first}, 1).begin) {
    image_.SetFirst(first);
    factors_.Mask().SetFirst(first);
    factors_.Mask().SetColumns(columns_);
  }

  /// The gradients of row `row`, valid until the next call. Rows must be asked for in order.
  GradientRow<T> At(int64_t row) {
    for (const int64_t end = RowsAround(params_, {row, row + 1}, 1).end; loaded_ < end; ++loaded_) {
      image_.Load(tile_, loaded_);
      if (drops_) factors_.Mask().Load(loaded_, 1);
    }
    image_.Find(params_, tile_, edges_, columns_, row, 1);
    if (drops_) factor_ = factors_.Find(row);
    return image_.Gradients(0);
  }
  /// `value` at position x of the current row, and 0 where the joint gradient does not count.
  GRADOPS_FN Simd<T> Mask(int64_t x, Simd<T> value) const {
    if (!drops_) return value;
    return KeptLanes<T>(factor_.y + x).Of(value);
  }

 private:
  const KernelParams& params_;
  const Tile& tile_;
  const ColumnRange columns_;
  const bool drops_;
  const ColumnEdges edges_;
  SourceRows<S> image_;
  FactorRows<T> factors_;
  FactorRow<T> factor_;
  int64_t loaded_;
};

/// The register of elements at, at + 1, ... of the sequence y[0], x[0], y[1], x[1], ...
template <class T>
GRADOPS_FN Simd<T> Interleaved(const T* y, const T* x, int64_t at) {
  constexpr int kLanes = Simd<T>::kLanes;
  T pairs[kLanes + 2];
  const int64_t first = at / 2;
#pragma GCC unroll 16
  for (int i = 0; i <= kLanes / 2; ++i) {
    pairs[2 * i] = y[first + i];
    pairs[2 * i + 1] = x[first + i];
  }
  return Simd<T>::Load(pairs + at % 2);
}

/// KernelTable::image_gradients.
template <class S>
void ImageGradientsUnit(const KernelParams& params, const S* image, RowRange rows, S* gradients) {
  using T = ComputeType<S>;
  ForEachTile<T>(params, [&](const Tile& tile) {
    RowAllocator<T> memory(GradientRows<S>::kRows);
    GradientRows<S> source(params, tile, image, rows.begin, 0, false, &memory);
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      const GradientRow<T> g = source.At(row);
      tile.ForEachRun(tile.column_begin, tile.column_end, [&](int64_t begin, int64_t end) {
        const T *const y = g.y + tile.Position(begin), *const x = g.x + tile.Position(begin);
        WriteRun(
            gradients + 2 * tile.ImageOffset(row, begin), 2 * (end - begin) * tile.channels,
            [=](int64_t at) GRADOPS_LAMBDA { return Interleaved(y, x, at); }, /*read_soon=*/false);
      });
    }
  });
  StreamFence();
}

inline constexpr int64_t kAdjointRows = 2 * 4 + 2;

/// Writes the tile's rows of S^T slopes, where slopes(row, y, x) writes the slopes of one row.
template <class S, class Slopes>
void AdjointTile(const KernelParams& params, const Tile& tile, RowRange rows,
                 RowAllocator<ComputeType<S>>* memory, S* image, Slopes&& slopes) {
  using T = ComputeType<S>;
  const AdjointEdges<T> edges(params, tile);
  const T scale = static_cast<T>(params.stencil.scale);
  const int64_t height = tile.shape.height;
  const Ring<T, 4> y(memory, rows.begin), x(memory, rows.begin);
  T *const a = memory->Take(1), *const b = memory->Take(1);
  int64_t made = RowsAround(params, rows, 1).begin;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    for (const int64_t end = RowsAround(params, {row, row + 1}, 1).end; made < end; ++made) {
      slopes(made, y[made], x[made]);
    }
    VerticalAdjoint(params, height, tile.BufferedSize(), y, x, row, a, b);
    HorizontalAdjoint(params, tile, edges, a, b, {scale, scale}, row, image);
  }
}
/// KernelTable::image_gradients_adjoint.
template <class S>
void ImageGradientsAdjointUnit(const KernelParams& params, const S* upstream, RowRange rows,
                               S* image) {
  using T = ComputeType<S>;
  ForEachTile<T>(params, [&](const Tile& tile) {
    RowAllocator<T> memory(kAdjointRows);
    AdjointTile(params, tile, rows, &memory, image, [&](int64_t row, T* y, T* x) {
      tile.ForEachRun(tile.origin, tile.end, [&](int64_t begin, int64_t end) {
        const S* const in = upstream + 2 * tile.ImageOffset(row, begin);
        const int64_t to = tile.Position(begin), size = (end - begin) * tile.channels;
        for (int64_t i = 0; i < size; ++i) {
          y[to + i] = math::Widen(in[2 * i]);
          x[to + i] = math::Widen(in[2 * i + 1]);
        }
      });
    });
  });
  StreamFence();
}

/// KernelTable::magnitude.
template <class S>
void MagnitudeUnit(const KernelParams& params, const S* image, RowRange rows, S* magnitudes) {
  using T = ComputeType<S>;
  const math::MagnitudeResponse response(params.response_epsilon);
  ForEachTile<T>(params, [&](const Tile& tile) {
    RowAllocator<T> memory(GradientRows<S>::kRows);
    GradientRows<S> source(params, tile, image, rows.begin, 0, true, &memory);
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      const GradientRow<T> g = source.At(row);
      tile.ForEachRun(tile.column_begin, tile.column_end, [&](int64_t begin, int64_t end) {
        const int64_t from = tile.Position(begin);
        const auto value = [&](int64_t x) GRADOPS_LAMBDA {
          return source.Mask(from + x, response.Magnitude(g.Load(from + x)));
        };
        WriteRun(magnitudes + tile.ImageOffset(row, begin), (end - begin) * tile.channels, value,
                 /*read_soon=*/false);
      });
    }
  });
  StreamFence();
}

/// KernelTable::magnitude_gradient: S^T (upstream * gradient / magnitude).
template <class S>
void MagnitudeGradientUnit(const KernelParams& params, const S* image, const S* upstream,
                           RowRange rows, S* gradient) {
  using T = ComputeType<S>;
  const math::MagnitudeResponse response(params.response_epsilon);
  ForEachTile<T>(params, [&](const Tile& tile) {
    constexpr int64_t kRows = GradientRows<S>::kRows + kAdjointRows + 1;
    RowAllocator<T> memory(kRows);
    const int64_t first = RowsAround(params, rows, 1).begin;
    GradientRows<S> source(params, tile, image, first, 1, true, &memory);
    T* const up = memory.Take(1);
    AdjointTile(params, tile, rows, &memory, gradient, [&](int64_t row, T* y, T* x) {
      const GradientRow<T> g = source.At(row);
      LoadRow<S>(tile, upstream, nullptr, row, up);
      ForEachRegister<T>(0, tile.BufferedSize(), [&](int64_t at) GRADOPS_LAMBDA {
        const auto unit = response.Unit(g.Load(at));
        const Simd<T> factor = Simd<T>::Load(up + at);
        source.Mask(at, factor * unit.y).Store(y + at);
        source.Mask(at, factor * unit.x).Store(x + at);
      });
    });
  });
  StreamFence();
}

}  // namespace gradops::cpu::GRADOPS_TARGET
