#ifndef GRADOPS_CPU_FACTOR_ROWS_H_
#define GRADOPS_CPU_FACTOR_ROWS_H_

#include "cpu/horizontal_pass.h"
#include "cpu/map_rows.h"
#include "cpu/residual_row.h"
#include "cpu/simd_convert.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// The factors of the residuals of a tile: the weight where a residual counts, below 0 where it is
/// dropped, because its support leaves the image (border valid) or holds an invalid pixel. A
/// support is a product of rows and columns, so "all valid" goes through the same passes as the
/// stencil: in bytes, 1 or 0, as many as the mask has.
template <class T>
class FactorRows {
  using Mask = typename Simd<T>::Mask;
  static constexpr int kByteRows = 8 + 8 + 4 + 2;
  static constexpr int64_t kRowsOfBytes = (kByteRows + sizeof(T) - 1) / sizeof(T);

 public:
  static constexpr int64_t kRows = kRowsOfBytes + 4;

  template <class S>
  FactorRows(const KernelParams& params, const Tile& tile, const LossInputs<S>& inputs,
             RowAllocator<T>* memory)
      : params_(params),
        tile_(tile),
        edges_(params, tile, /*adjoint=*/false),
        weights_(inputs.weights),
        mask_(inputs.mask),
        maps_(tile),
        step_(maps_.Step(mask_)),
        joint_(ResidualsOf(params.response) == 1),
        drops_(inputs.mask.data != nullptr || params.border == BorderId::kValid),
        stride_(memory->Stride()),
        bytes_(reinterpret_cast<uint8_t*>(memory->Take(kRowsOfBytes))),
        weight_map_(memory->Take(1)),
        factor_map_(memory->Take(1)),
        weight_row_(memory->Take(1)),
        spare_(memory->Take(1)) {
    for (T* row : {weight_map_, weight_row_, spare_}) std::memset(row, 0, stride_ * sizeof(T));
  }

  template <class S>
  static bool AreNeeded(const KernelParams& params, const LossInputs<S>& inputs) {
    return inputs.weights.data != nullptr || inputs.mask.data != nullptr ||
           params.border == BorderId::kValid;
  }

  /// The row that comes first in the rings, as for Ring::first.
  void SetFirst(int64_t row) { first_ = row; }

  /// Loads the mask of image rows row .. row + count - 1, up to 4; residuals of columns [begin,
  /// end) will be asked for.
  void LoadRows(int64_t row, int64_t count, int64_t begin, int64_t end) {
    if (!drops_) return;
    for (int64_t i = 0; i < count; ++i) {
      LoadMask(row + i, Valid(i));
      HorizontalAll(Valid(i), begin, end, AllU(row + i), AllV(row + i));
    }
  }
  /// Puts 0 for the invalid pixels of row i of those loaded last.
  void Hide(int64_t i, T* image_row) {
    if (mask_.data == nullptr || std::memchr(Valid(i), 0, Count()) == nullptr) return;
    WriteBytes(Valid(i), spare_);
    const T* const valid = spare_;
    ForEachRegister<T>(0, tile_.BufferedSize(), [=](int64_t x) GRADOPS_LAMBDA {
      const Simd<T> zero(0);
      Select(Simd<T>::Load(valid + x) > zero, Simd<T>::Load(image_row + x), zero)
          .Store(image_row + x);
    });
  }
  /// Writes the factors of residual row `row`.
  void Write(int64_t row, GradientRow<T> factor) {
    const T* const weights = LoadWeights(row);
    if (!drops_) {
      WriteWeights(weights, factor.y);
      return WriteWeights(weights, factor.x);
    }
    const math::AxisTaps taps = TapsOfRow(row);
    uint8_t *const y = bytes_ + 20 * stride_, *const x = bytes_ + 21 * stride_;
    VerticalAll(taps.derivative_counts, taps.derivative_support, AllV(row - 1), AllV(row),
                AllV(row + 1), y);
    VerticalAll(taps.smoothing_counts, taps.smoothing_support, AllU(row - 1), AllU(row),
                AllU(row + 1), x);
    if (joint_) And(y, x, x, y, Count());
    const auto factor_of = [](Mask all, Simd<T> weight)
                               GRADOPS_LAMBDA { return Select(all, weight, Simd<T>(-1)); };
    Write(y, weights, factor.y, factor_of);
    Write(joint_ ? y : x, weights, factor.x, factor_of);
  }
  /// weight * valid of every element of image row `row`; also whether a weight is below 0 or NaN.
  const T* WriteElements(int64_t row, bool* negative_weight) {
    const T* const weights = LoadWeights(row);
    Simd<T> negative(0);
    if (weights != nullptr) {
      ForEachRegister<T>(0, Count(weights_), [&](int64_t x) GRADOPS_LAMBDA {
        const Simd<T> zero(0), weight = Simd<T>::Load(weights + x);
        negative = negative + Select(weight >= zero, zero, Simd<T>(1));
      });
    }
    for (int i = 0; i < Simd<T>::kLanes; ++i) {
      *negative_weight = *negative_weight || negative.v[i] > 0;
    }
    uint8_t* const valid = bytes_ + 20 * stride_;
    LoadMask(row, valid);
    Write(valid, weights, spare_, [](Mask is_valid, Simd<T> weight) GRADOPS_LAMBDA {
      return Select(is_valid, weight, Simd<T>(0));
    });
    return spare_;
  }

 private:
  uint8_t* AllU(int64_t row) const { return bytes_ + ((row - first_) & 7) * stride_; }
  uint8_t* AllV(int64_t row) const { return bytes_ + (8 + ((row - first_) & 7)) * stride_; }
  uint8_t* Valid(int64_t i) const { return bytes_ + (16 + i) * stride_; }
  /// Where a column begins in a row of bytes, and how many there are.
  int64_t Index(int64_t column) const { return (column - tile_.origin) * step_; }
  int64_t Count() const { return Index(tile_.end); }
  /// Values in a row of the weights.
  int64_t Count(const PixelMap<T>& map) const {
    return (tile_.end - tile_.origin) * maps_.Step(map);
  }

  void LoadMask(int64_t row, uint8_t* out) const {
    static_assert(sizeof(bool) == 1, "a mask is bytes");
    if (mask_.data == nullptr) {
      std::memset(out, 1, Count());
    } else {
      maps_.Load(mask_, row, out);
    }
  }
  /// Null where there are none. Past their end are zeros.
  const T* LoadWeights(int64_t row) {
    if (weights_.data == nullptr) return nullptr;
    maps_.Load(weights_, row, weight_map_);
    return weight_map_;
  }

  void WriteWeights(const T* weights, T* out) const {
    if (weights_.per_channel || tile_.channels == 1) {
      std::memcpy(out + tile_.Position(tile_.origin), weights, Count(weights_) * sizeof(T));
    } else {
      maps_.Repeat(weights, out);
    }
  }
  /// out = value(byte is set, weight) for each of the tile's numbers; 1 for weights where they are
  /// null.
  template <class Value>
  void Write(const uint8_t* bytes, const T* weights, T* out, Value&& value) const {
    if (weights == nullptr || maps_.Step(weights_) == step_) {
      return WriteAlike(bytes, weights, out, value);
    }
    // One has a value for each channel and the other has not: both are written out.
    WriteWeights(weights, weight_row_);
    WriteBytes(bytes, out);
    const T* const weight_row = weight_row_;
    ForEachRegister<T>(0, tile_.BufferedSize(), [=](int64_t x) GRADOPS_LAMBDA {
      value(Simd<T>::Load(out + x) > Simd<T>(0), Simd<T>::Load(weight_row + x)).Store(out + x);
    });
  }
  void WriteBytes(const uint8_t* bytes, T* out) const {
    WriteAlike(bytes, nullptr, out, [](Mask set, Simd<T>) GRADOPS_LAMBDA {
      return Select(set, Simd<T>(1), Simd<T>(0));
    });
  }
  /// The same for weights with as many values as there are bytes.
  template <class Value>
  void WriteAlike(const uint8_t* bytes, const T* weights, T* out, Value&& value) const {
    const bool expanded = step_ == tile_.channels;
    T* const to = expanded ? out + tile_.Position(tile_.origin) : factor_map_;
    ForEachRegister<T>(0, Count(), [=](int64_t x) GRADOPS_LAMBDA {
      const Simd<T> weight = weights == nullptr ? Simd<T>(1) : Simd<T>::Load(weights + x);
      value(AreSet<T>(bytes + x), weight).Store(to + x);
    });
    if (!expanded) maps_.Repeat(factor_map_, out);
  }

  math::AxisTaps InteriorSupport() const {
    math::AxisTaps taps;
    for (int k = 0; k < 3; ++k) {
      taps.derivative_support[k] = params_.stencil.derivative[k] != 0;
      taps.smoothing_support[k] = params_.stencil.smoothing[k] != 0;
    }
    return taps;
  }
  math::AxisTaps TapsOfRow(int64_t row) const {
    const int64_t height = tile_.shape.height;
    const bool wraps = math::Wraps(params_.stencil, params_.border, height);
    return math::IsForwardEdge(row, height) && !wraps
               ? ForwardTaps(params_.stencil, params_.border, row, height)
               : InteriorSupport();
  }

  /// out = a & b & c.
  static void And(const uint8_t* a, const uint8_t* b, const uint8_t* c, uint8_t* out,
                  int64_t size) {
    for (int64_t x = 0; x < size; ++x) out[x] = a[x] & b[x] & c[x];
  }
  /// out = 1 where all of the rows that support it are 1; 0 where it does not count.
  void VerticalAll(bool counts, const bool support[3], const uint8_t* above, const uint8_t* here,
                   const uint8_t* below, uint8_t* out) const {
    const uint8_t* const any = support[1] ? here : (support[0] ? above : below);
    if (!counts) {
      std::memset(out, 0, Count());
    } else if (!support[0] && !support[1] && !support[2]) {
      std::memset(out, 1, Count());
    } else {
      And(support[0] ? above : any, any, support[2] ? below : any, out, Count());
    }
  }
  void HorizontalAll(const uint8_t* valid, int64_t begin, int64_t end, uint8_t* u,
                     uint8_t* v) const {
    const int64_t step = step_, from = Index(edges_.InteriorBegin(begin, end));
    const int64_t size = Index(edges_.InteriorEnd(begin, end)) - from;
    const auto all = [=](const bool support[3], uint8_t* out) {
      const uint8_t *const here = valid + from, *const before = here - step, *after = here + step;
      const uint8_t* const any = support[1] ? here : (support[0] ? before : after);
      And(support[0] ? before : any, any, support[2] ? after : any, out + from, size);
    };
    const math::AxisTaps taps = InteriorSupport();
    all(taps.derivative_support, u);
    all(taps.smoothing_support, v);
    edges_.ForEach(begin, end, [&](const math::AxisTaps& edge, int64_t column) {
      for (int64_t i = Index(column); i < Index(column + 1); ++i) {
        u[i] = edge.derivative_counts;
        v[i] = edge.smoothing_counts;
        for (int k = 0; k < 3; ++k) {
          if (edge.derivative_support[k]) u[i] &= valid[i + (k - 1) * step];
          if (edge.smoothing_support[k]) v[i] &= valid[i + (k - 1) * step];
        }
      }
    });
  }

  const KernelParams& params_;
  const Tile& tile_;
  const ColumnEdges edges_;
  const PixelMap<T> weights_;
  const PixelMap<bool> mask_;
  const MapRows<T> maps_;
  const int64_t step_;        // bytes of a column
  const bool joint_, drops_;  // drops_: residuals may be dropped
  const int64_t stride_;
  int64_t first_ = 0;
  uint8_t* bytes_;  // eight rows "all valid along the row, over the support of U", eight of V, ...
  T *weight_map_, *factor_map_, *weight_row_, *spare_;
};

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_FACTOR_ROWS_H_
