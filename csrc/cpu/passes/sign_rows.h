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
            PositionRange needed, float* nan_check) {
    const SignRow to = (*this)[row];
    Simd<float> check = Simd<float>::Load(nan_check);
    for (int64_t block = 0; block < size; block += kBlock<float>) {
      SignBlock signs;
      for (int index = 0; index < kRegistersPerBlock; ++index) {
        const int64_t x = block + index * Simd<float>::kLanes;
        const math::Gradient<Simd<float>> above = first.Load(x), below = second.Load(x);
        signs.Set(index, above, below);
        const math::Gradient<Simd<float>> sizes =
            Masked<float>(needed, x, {Abs(above.y) + Abs(below.y), Abs(above.x) + Abs(below.x)});
        check = check + (sizes.y + sizes.x);
      }
      signs.Store(to.y + block, to.x + block, kSignStride);
    }
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

/// The horizontal pass of the adjoint for a register of signs at `at`, away from the border.
struct InteriorSigns {
  int64_t step;
  SimdSigns twice;  // all ones where the centre of the smoothing is 2, and 0 where it is 1

  GRADOPS_FN SimdSigns Derivative(const int8_t* at) const {
    return SimdSigns::Load(at - step) - SimdSigns::Load(at + step);
  }
  GRADOPS_FN SimdSigns Smoothed(const int8_t* at) const {
    return Smooth(SimdSigns::Load(at - step), SimdSigns::Load(at), SimdSigns::Load(at + step));
  }
  GRADOPS_FN SimdSigns Smooth(SimdSigns before, SimdSigns here, SimdSigns after) const {
    return (before + after) + (here + (here & twice));
  }
};

/// The same at position x near the border, where every position has weights of its own.
class EdgeSigns {
 public:
  EdgeSigns(const EdgeWeights<int8_t>& edges, int64_t step, int64_t x)
      : side_(edges.SideOf(x)), step_(step), i_(x - side_.first) {}

  GRADOPS_FN SimdSigns Derivative(const int8_t* at) const { return Sum(side_.derivative, at); }
  GRADOPS_FN SimdSigns Smoothed(const int8_t* at) const { return Sum(side_.smoothing, at); }

 private:
  static constexpr int64_t kSize = EdgeWeights<int8_t>::kSize;

  GRADOPS_FN SimdSigns Sum(const int8_t weights[3][kSize], const int8_t* at) const {
    const auto term = [&](int k) GRADOPS_LAMBDA {
      return Weighted(SimdSigns::Load(weights[k] + i_), SimdSigns::Load(at + (k - 1) * step_));
    };
    return term(0) + term(1) + term(2);
  }

  const EdgeWeights<int8_t>::Side& side_;
  const int64_t step_, i_;
};

/// Rows r - 2, r - 1 and r .. r + 3 of signs, of which GroupAdjoint writes the rows from r - 1 +
/// begin to r + 2 of a gradient.
struct SignGroup {
  static constexpr bool kAreSigns = true;
  SignRow above, rows;
  bool is_twice;  // whether the centre of the smoothing is 2, not 1
  int64_t begin;
  const EdgeWeights<int8_t>* edges;

  /// See AdjointRows. All horizontal passes come first here: they need no buffer.
  template <class Taps, class S, class Writer>
  GRADOPS_FN void WriteLines(const Taps&, float the_scale, int64_t step, PositionRange lines,
                             S* out, int64_t out_stride, const RowsAhead& the_ahead,
                             Writer writer) const {
    constexpr int64_t kLine = 64 / sizeof(S);
    const SignGroup group = *this;
    const RowsAhead ahead = the_ahead;
    const Simd<float> scale(the_scale);
    const InteriorSigns horizontal = {step, group.Twice()};
    const auto write = [=](int64_t x, int64_t count) GRADOPS_LAMBDA {
      for (int64_t line = 0; line < SimdSigns::kLanes; line += kLine) ahead.Prefetch(0, x + line);
      group.VisitSums(horizontal, x, [=](int64_t i, SimdSigns sum) GRADOPS_LAMBDA {
        if (i >= group.begin) WriteSum(sum, scale, i, x, count, out + i * out_stride, writer);
      });
    };
    int64_t x = lines.begin;
    for (; x + SimdSigns::kLanes <= lines.end; x += SimdSigns::kLanes) {
      write(x, SimdSigns::kLanes);
    }
    if (x < lines.end) write(x, lines.end - x);
  }
  /// The same for lines that the border changes.
  template <class S, class Writer>
  void WriteEdgeLines(float scale, int64_t step, PositionRange lines, S* out, int64_t out_stride,
                      Writer writer) const {
    int8_t sums[kGroupRows * SimdSigns::kLanes];
    for (int64_t x = lines.begin; x < lines.end; x += SimdSigns::kLanes) {
      FindEdgeSums(step, x, sums);
      const int64_t count = math::Min<int64_t>(lines.end - x, SimdSigns::kLanes);
      for (int64_t i = begin; i < kGroupRows; ++i) {
        const SimdSigns sum = SimdSigns::Load(sums + i * SimdSigns::kLanes);
        WriteSum(sum, Simd<float>(scale), i, x, count, out + i * out_stride, writer);
      }
    }
  }

 private:
  /// The i-th of the rows r .. r + 3; i may be -2 or -1.
  GRADOPS_FN SignRow Row(int64_t i) const {
    return i < 0 ? above.Row(i + 2, kSignStride) : rows.Row(i, kSignStride);
  }
  SimdSigns Twice() const {
    return SimdSigns{SimdSigns::Register{} - static_cast<uint8_t>(is_twice)};
  }
  /// Calls visitor(i, sum) with a register of the unscaled gradient at x, for each of the four
  /// rows.
  template <class Horizontal, class Visitor>
  GRADOPS_FN void VisitSums(const Horizontal& horizontal, int64_t x, Visitor&& visitor) const {
    const SignGroup group = *this;
    const InteriorSigns vertical = {0, group.Twice()};
    const auto derivative = [=](int64_t i) GRADOPS_LAMBDA {
      return horizontal.Derivative(group.Row(i).x + x);
    };
    const auto smoothed = [=](int64_t i)
                              GRADOPS_LAMBDA { return horizontal.Smoothed(group.Row(i).y + x); };
    SimdSigns x_above = derivative(-2), x_here = derivative(-1);
    SimdSigns y_above = smoothed(-2), y_here = smoothed(-1);
#pragma GCC unroll 4
    for (int64_t i = 0; i < kGroupRows; ++i) {
      const SimdSigns x_below = derivative(i), y_below = smoothed(i);
      visitor(i, vertical.Smooth(x_above, x_here, x_below) + (y_above - y_below));
      x_above = x_here;
      x_here = x_below;
      y_above = y_here;
      y_here = y_below;
    }
  }
  /// Writes the first `count` of a register of the i-th row at x, which is `out` there.
  template <class S, class Writer>
  static GRADOPS_FN void WriteSum(SimdSigns sum, Simd<float> scale, int64_t i, int64_t x,
                                  int64_t count, S* out, Writer writer) {
    constexpr int64_t kLanes = Simd<float>::kLanes;
    if constexpr (ScaledIntegers<S>::kAreUsed && std::is_same_v<Writer, StreamedRows<S>>) {
      writer.scaled->Stream(sum, count, out + x);
    } else {
      const WidenedSigns widened(sum);
#pragma GCC unroll 4
      for (int64_t k = 0; k < SimdSigns::kLanes / kLanes; ++k) {
        if (k * kLanes >= count) break;
        writer.Write(scale * widened[k], i, x + k * kLanes, out + x + k * kLanes);
      }
    }
  }
  /// A register of each row where the border changes it. Compiled once for all writers.
  __attribute__((noinline)) void FindEdgeSums(int64_t step, int64_t x, int8_t* sums) const {
    VisitSums(EdgeSigns(*edges, step, x), x, [=](int64_t i, SimdSigns sum) GRADOPS_LAMBDA {
      sum.Store(sums + i * SimdSigns::kLanes);
    });
  }
};

}  // namespace gradops::cpu::GRADOPS_TARGET
