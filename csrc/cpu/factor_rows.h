#ifndef GRADOPS_CPU_FACTOR_ROWS_H_
#define GRADOPS_CPU_FACTOR_ROWS_H_

#include "cpu/horizontal_pass.h"
#include "cpu/map_rows.h"
#include "cpu/residual_row.h"
#include "cpu/vertical_pass.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// The factors of the residuals of a tile: the weight where a residual counts, below 0 where it is
/// dropped, because its support leaves the image (border valid) or holds an invalid pixel. A
/// support is a product of rows and columns, so "all valid" goes through the same passes as the
/// stencil.
template <class T>
class FactorRows {
 public:
  static constexpr int64_t kRows = 2 * 8 + 4 + 2;

  template <class S>
  FactorRows(const KernelParams& params, const Tile& tile, const LossInputs<S>& inputs,
             RowAllocator<T>* memory)
      : params_(params),
        tile_(tile),
        edges_(params, tile, /*adjoint=*/false),
        weights_(inputs.weights),
        mask_(inputs.mask),
        joint_(ResidualsOf(params.response) == 1),
        drops_(inputs.mask.data != nullptr || params.border == BorderId::kValid),
        maps_(tile),
        all_u_(memory),
        all_v_(memory),
        stride_(memory->Stride()),
        valid_(memory->Take(4)),
        weight_row_(memory->Take(1)),
        spare_(memory->Take(1)) {}

  template <class S>
  static bool AreNeeded(const KernelParams& params, const LossInputs<S>& inputs) {
    return inputs.weights.data != nullptr || inputs.mask.data != nullptr ||
           params.border == BorderId::kValid;
  }

  /// The row that comes first in the ring, as for Ring::first.
  void SetFirst(int64_t row) { all_u_.first = all_v_.first = row; }

  /// Loads the mask of image rows row .. row + count - 1, up to 4; columns [begin, end) of all_u_
  /// and all_v_ will be asked for.
  void LoadRows(int64_t row, int64_t count, int64_t begin, int64_t end) {
    if (!drops_) return;
    for (int64_t i = 0; i < count; ++i) {
      T* const valid = valid_ + i * stride_;
      if (mask_.data != nullptr) {
        maps_.Expand(mask_, row + i, valid);
      } else {
        for (int64_t x = 0; x < tile_.BufferedSize(); ++x) valid[x] = 1;
      }
    }
    for (int64_t i = 0; i < count; ++i) {
      HorizontalAll(valid_ + i * stride_, begin, end, all_u_[row + i], all_v_[row + i]);
    }
  }
  /// Puts 0 for the invalid pixels of row i of those loaded last.
  void Hide(int64_t i, T* image_row) const {
    if (mask_.data == nullptr) return;
    const T* const valid = valid_ + i * stride_;
    ForEachRegister<T>(0, tile_.BufferedSize(), [=](int64_t x) GRADOPS_LAMBDA {
      const Simd<T> zero(0);
      Select(Simd<T>::Load(valid + x) > zero, Simd<T>::Load(image_row + x), zero)
          .Store(image_row + x);
    });
  }
  /// Writes the factors of residual row `row`.
  void Write(int64_t row, GradientRow<T> factor) {
    if (!drops_) {
      maps_.Expand(weights_, row, factor.y);
      ForEachRegister<T>(0, tile_.BufferedSize(), [=](int64_t x) GRADOPS_LAMBDA {
        Simd<T>::Load(factor.y + x).Store(factor.x + x);
      });
      return;
    }
    const int64_t height = tile_.shape.height;
    math::AxisTaps taps;
    if (math::IsForwardEdge(row, height) && !math::Wraps(params_.stencil, params_.border, height)) {
      taps = ForwardTaps(params_.stencil, params_.border, row, height);
    } else {
      taps = InteriorSupport();
    }
    All(taps.derivative_counts, taps.derivative_support, all_v_, row, factor.y);
    All(taps.smoothing_counts, taps.smoothing_support, all_u_, row, factor.x);
    const T* weights = nullptr;
    if (weights_.data != nullptr) {
      maps_.Expand(weights_, row, weight_row_);
      weights = weight_row_;
    }
    const bool joint = joint_;
    ForEachRegister<T>(0, tile_.BufferedSize(), [=](int64_t x) GRADOPS_LAMBDA {
      const Simd<T> zero(0), weight = weights == nullptr ? Simd<T>(1) : Simd<T>::Load(weights + x);
      math::Gradient<Simd<T>> all = factor.Load(x);
      if (joint) all.y = all.x = all.y * all.x;
      factor.Store(x, {Select(all.y > zero, weight, Simd<T>(-1)),
                       Select(all.x > zero, weight, Simd<T>(-1))});
    });
  }
  /// weight * valid of every element of image row `row`; also whether a weight is below 0 or NaN.
  const T* WriteElements(int64_t row, bool* negative_weight) {
    const int64_t size = tile_.BufferedSize();
    if (mask_.data != nullptr) {
      maps_.Expand(mask_, row, spare_);
    } else {
      for (int64_t x = 0; x < size; ++x) spare_[x] = 1;
    }
    if (weights_.data == nullptr) return spare_;
    maps_.Expand(weights_, row, weight_row_);
    bool negative = false;
    for (int64_t x = tile_.Position(tile_.origin); x < size; ++x) {
      negative = negative || !(weight_row_[x] >= 0);
      spare_[x] = spare_[x] > 0 ? weight_row_[x] : 0;
    }
    *negative_weight = *negative_weight || negative;
    return spare_;
  }

 private:
  math::AxisTaps InteriorSupport() const {
    math::AxisTaps taps;
    for (int k = 0; k < 3; ++k) {
      taps.derivative_support[k] = params_.stencil.derivative[k] != 0;
      taps.smoothing_support[k] = params_.stencil.smoothing[k] != 0;
    }
    return taps;
  }

  /// out = 1 where `counts` and all supporting neighbours are 1, else 0.
  void All(bool counts, const bool support[3], const Ring<T, 8>& ring, int64_t row, T* out) const {
    const T* const rows[3] = {ring[row - 1], ring[row], ring[row + 1]};
    const bool s0 = support[0], s1 = support[1], s2 = support[2];
    ForEachRegister<T>(0, tile_.BufferedSize(), [=](int64_t x) GRADOPS_LAMBDA {
      Simd<T> all(counts ? 1 : 0);
      if (s0) all = all * Simd<T>::Load(rows[0] + x);
      if (s1) all = all * Simd<T>::Load(rows[1] + x);
      if (s2) all = all * Simd<T>::Load(rows[2] + x);
      all.Store(out + x);
    });
  }

  void HorizontalAll(const T* valid, int64_t begin, int64_t end, T* u, T* v) const {
    const int64_t step = tile_.channels;
    const auto all = [=](const bool support[3], int64_t from, int64_t to, T* out) {
      const bool s0 = support[0], s1 = support[1], s2 = support[2];
      ForEachRegister<T>(from, to, [=](int64_t x) GRADOPS_LAMBDA {
        Simd<T> product(1);
        if (s0) product = product * Simd<T>::Load(valid + x - step);
        if (s1) product = product * Simd<T>::Load(valid + x);
        if (s2) product = product * Simd<T>::Load(valid + x + step);
        product.Store(out + x);
      });
    };
    const math::AxisTaps taps = InteriorSupport();
    const int64_t from = tile_.Position(edges_.InteriorBegin(begin, end));
    const int64_t to = tile_.Position(edges_.InteriorEnd(begin, end));
    all(taps.derivative_support, from, to, u);
    all(taps.smoothing_support, from, to, v);
    edges_.ForEach(begin, end, [&](const math::AxisTaps& edge, int64_t column) {
      const int64_t x = tile_.Position(column);
      for (int64_t i = x; i < x + step; ++i) {
        T of_u = edge.derivative_counts ? 1 : 0, of_v = edge.smoothing_counts ? 1 : 0;
        for (int k = 0; k < 3; ++k) {
          if (edge.derivative_support[k]) of_u *= valid[i + (k - 1) * step];
          if (edge.smoothing_support[k]) of_v *= valid[i + (k - 1) * step];
        }
        u[i] = of_u;
        v[i] = of_v;
      }
    });
  }

  const KernelParams& params_;
  const Tile& tile_;
  const ColumnEdges edges_;
  const PixelMap<T> weights_;
  const PixelMap<bool> mask_;
  const bool joint_,
      drops_;  // drops_: residuals may be dropped; if not, all_u_ and all_v_ are unused
  const MapRows<T> maps_;
  Ring<T, 8> all_u_, all_v_;  // all valid along the row, over the support of U and of V
  const int64_t stride_;
  T *valid_, *weight_row_, *spare_;
};

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_FACTOR_ROWS_H_
