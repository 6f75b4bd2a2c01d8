#pragma once

#include "cpu/passes/group_adjoint.h"
#include "cpu/passes/row_group.h"
#include "cpu/simd/simd_signs.h"

// The adjoint where every slope is -1, 0 or 1 and the stencil's weights are small integers: then
// all that it adds up are integers below 128, so bytes give the bits that floats would.

namespace gradops::cpu::GRADOPS_TARGET {

/// The last eight rows of signs of slopes. Those of a RowGroup are kSignStride bytes apart, and so
/// are the two before them.
class SignRows {
 public:
  static constexpr int kRows = 8;
  static constexpr int64_t kBytes = 2 * kRows * kSignStride;

  SignRows() = default;
  explicit SignRows(float* memory)
      : y_(reinterpret_cast<int8_t*>(memory), kSignStride, 0),
        x_(reinterpret_cast<int8_t*>(memory) + kRows * kSignStride, kSignStride, 0) {}

  void SetFirst(int64_t row) { y_.first = x_.first = row; }
  SignRow operator[](int64_t row) const { return {y_[row], x_[row]}; }

  /// Takes rows row and row + 1 from slopes. A lane of nan_check becomes NaN if one of `needed` is.
  void Take(int64_t row, GradientRow<float> first, GradientRow<float> second, int64_t size,
            KeptPositions<float> needed, float* nan_check) {
    const SignRow to = (*this)[row];
    Simd<float> check = Simd<float>::Load(nan_check);
    ForEachRegister<float>(0, size, [&](int64_t x) GRADOPS_LAMBDA {
      const math::Gradient<Simd<float>> above = first.Load(x), below = second.Load(x);
      StoreSigns(above, below, to.y + x, to.x + x, kSignStride);
      const math::Gradient<Simd<float>> sizes =
          needed.Mask(x, {Abs(above.y) + Abs(below.y), Abs(above.x) + Abs(below.x)});
      check = check + (sizes.y + sizes.x);
    });
    check.Store(nan_check);
  }
  /// Makes slopes of row `row` again.
  void Give(int64_t row, int64_t size, GradientRow<float> slopes) const {
    const SignRow from = (*this)[row];
    ForEachRegister<float>(0, size, [=](int64_t x) GRADOPS_LAMBDA {
      slopes.Store(x, {LoadSigns(from.y + x), LoadSigns(from.x + x)});
    });
  }

 private:
  Ring<int8_t, kRows> y_, x_;
};

/// Rows r - 2, r - 1 and r .. r + 3 of signs, of which GroupAdjoint writes the rows from r - 1 +
/// begin to r + 2 of a gradient.
struct SignGroup {
  static constexpr bool kHasSmallTaps = true;
  SignRow above, rows;
  bool is_twice;  // whether the centre of the smoothing is 2, not 1
  int64_t begin;

  /// See AdjointRows. All horizontal passes come first here: they need no buffer.
  template <class Taps, class S, class Writer>
  GRADOPS_FN void WriteLines(const Taps&, float the_scale, int64_t step, PositionRange lines,
                             S* out, int64_t out_stride, const RowsAhead& the_ahead,
                             Writer writer) const {
    constexpr int kRegisters = SimdSigns::kLanes / Simd<float>::kLanes;
    constexpr int64_t kLine = 64 / sizeof(S);
    [[maybe_unused]] constexpr bool kLooksUp =
        ScaledIntegers<S>::kAreUsed && std::is_same_v<Writer, StreamedRows<S>>;
    const SignGroup group = *this;
    const RowsAhead ahead = the_ahead;
    const Simd<float> scale(the_scale);
    const SimdSigns twice = group.Twice();
    const auto write = [=](int64_t x, int64_t count) GRADOPS_LAMBDA {
      for (int64_t line = 0; line < SimdSigns::kLanes; line += kLine) ahead.Prefetch(0, x + line);
      const auto derivative = [=](int64_t i) GRADOPS_LAMBDA {
        const int8_t* const at = group.Row(i).x + x;
        return SimdSigns::Load(at - step) - SimdSigns::Load(at + step);
      };
      const auto smoothed = [=](int64_t i) GRADOPS_LAMBDA {
        const int8_t* const at = group.Row(i).y + x;
        return Smooth(SimdSigns::Load(at - step), SimdSigns::Load(at), SimdSigns::Load(at + step),
                      twice);
      };
      SimdSigns x_above = derivative(-2), x_here = derivative(-1);
      SimdSigns y_above = smoothed(-2), y_here = smoothed(-1);
#pragma GCC unroll 4
      for (int64_t i = 0; i < kGroupRows; ++i) {
        const SimdSigns x_below = derivative(i), y_below = smoothed(i);
        const SimdSigns sum = Smooth(x_above, x_here, x_below, twice) + (y_above - y_below);
        if (i >= group.begin) {
          if constexpr (kLooksUp) {
            writer.scaled->Stream(sum, count, out + i * out_stride + x);
          } else {
#pragma GCC unroll 4
            for (int k = 0; k < kRegisters; ++k) {
              const int64_t at = x + k * Simd<float>::kLanes;
              if (k * Simd<float>::kLanes >= count) break;
              writer.Write(scale * Widened(sum, k), i, at, out + i * out_stride + at);
            }
          }
        }
        x_above = x_here;
        x_here = x_below;
        y_above = y_here;
        y_here = y_below;
      }
    };
    int64_t x = lines.begin;
    for (; x + SimdSigns::kLanes <= lines.end; x += SimdSigns::kLanes) {
      write(x, SimdSigns::kLanes);
    }
    if (x < lines.end) write(x, lines.end - x);
  }

  /// See AdjointRows.
  GRADOPS_FN Neighbours<float> A(int64_t i, int64_t x, int64_t step) const {
    const Simd<float> centre(is_twice ? 2 : 1);
    const auto at = [=](int64_t position) GRADOPS_LAMBDA {
      const auto slope = [=](int64_t row) { return LoadSigns(Row(row).x + position); };
      return slope(i - 2) + centre * slope(i - 1) + slope(i);
    };
    return {at(x - step), at(x), at(x + step)};
  }
  GRADOPS_FN Neighbours<float> B(int64_t i, int64_t x, int64_t step) const {
    const auto at = [=](int64_t position) GRADOPS_LAMBDA {
      return LoadSigns(Row(i - 2).y + position) - LoadSigns(Row(i).y + position);
    };
    return {at(x - step), at(x), at(x + step)};
  }

 private:
  /// The i-th of the rows r .. r + 3; i may be -2 or -1.
  GRADOPS_FN SignRow Row(int64_t i) const {
    return i < 0 ? above.Row(i + 2, kSignStride) : rows.Row(i, kSignStride);
  }
  /// All ones where the centre is 2, and 0 where it is 1.
  SimdSigns Twice() const {
    return SimdSigns{SimdSigns::Register{} - static_cast<uint8_t>(is_twice)};
  }
  static GRADOPS_FN SimdSigns Smooth(SimdSigns before, SimdSigns here, SimdSigns after,
                                     SimdSigns twice) {
    return (before + after) + (here + (here & twice));
  }
};

}  // namespace gradops::cpu::GRADOPS_TARGET
