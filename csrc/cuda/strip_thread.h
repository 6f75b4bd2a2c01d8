#ifndef GRADOPS_CUDA_STRIP_THREAD_H_
#define GRADOPS_CUDA_STRIP_THREAD_H_

#include "cuda/strip_args.h"
#include "cuda/taps.h"
#include "math/response.h"

// One thread of a block that sweeps a strip. See strip_layout.h for the cut and math/stencil.h for
// the passes. In step r all threads
//   Stage(r)    put row r of the images, and row r - 3 of the vertical adjoint, into shared memory;
//   (barrier)
//   Consume(r)  read their neighbours: horizontal pass of row r, residuals of row r - 1, vertical
//               adjoint of row r - 2, gradient of row r - 3.
// Shared memory has two buffers, so one barrier a step is enough. The kernel runs the threads at
// once, an emulation on the host one after the other between barriers: the same functions.

namespace gradops::cuda {

template <class S, class Response, class Penalty, Order kOrder>
class StripThread {
 public:
  using T = ComputeType<S>;
  using G = math::Gradient<T>;
  static constexpr int kN = kVec<S>;
  static constexpr int kImages = Response::kDifference ? 1 : 2;
  static constexpr int kSources = kImages + (kOrder == Order::kSecond ? 1 : 0);
  static constexpr int kOutputs = kOrder == Order::kValue ? 0 : (kOrder == Order::kSlope ? 1 : 2);

  /// Numbers of shared memory.
  GRADOPS_FN static int64_t SharedNumbers(const StripLayout& layout) {
    return 2 * (kSources * (layout.size + 2 * layout.halo) + 2 * kOutputs * layout.size);
  }

  GRADOPS_FN StripThread(const StripArgs<S>& args, int64_t block_index, int thread, T* shared)
      : args_(args),
        block_(args.layout.Block(block_index)),
        thread_(thread),
        shared_(shared),
        maps_{args.inputs, args.layout, block_.example, block_.plane} {
    const int64_t at = int64_t{thread} * kN, halo = args.layout.halo;
    halo_at_ = at < halo ? at - halo : args.layout.size + at - halo;
    has_halo_ = at < 2 * halo;
    int64_t unused;
    GRADOPS_UNROLL
    for (int v = 0; v < kN; ++v) {
      position_[v] = args.layout.Position(block_, at + v, &column_[v]);
      halo_position_[v] = has_halo_ ? args.layout.Position(block_, halo_at_ + v, &unused) : -1;
    }
    const double scale = args.params.stencil.scale;
    scale_ = static_cast<T>(scale);
    if constexpr (kOutputs > 0) {
      const double denominator = args.denominators[block_.example];
      const int last = args.params.normalizer == NormalizerId::kNone ? Response::kResiduals - 1 : 0;
      const auto factor = [&](int axis) {
        return static_cast<T>(static_cast<double>(args.upstream.At(block_.example, axis)) * scale /
                              denominator);
      };
      factor_ = {factor(0), factor(last)};
    }
  }

  GRADOPS_FN int64_t FirstStep() const { return block_.row_begin - 2; }
  GRADOPS_FN int64_t EndStep() const { return block_.row_end + (kOutputs > 0 ? 3 : 1); }
  GRADOPS_FN AxisSums Sums() const { return sums_; }

  GRADOPS_FN void Stage(int64_t r) {
    const int64_t row = r < block_.row_end + 2 ? args_.layout.Row(r) : -1;
    if (row >= 0) {
      StageVector(r, row, int64_t{thread_} * kN, position_);
      if (has_halo_) StageVector(r, row, halo_at_, halo_position_);
    }
    GRADOPS_UNROLL
    for (int output = 0; output < kOutputs; ++output) {
      GRADOPS_UNROLL
      for (int v = 0; v < kN; ++v) {
        const int64_t at = int64_t{thread_} * kN + v;
        *Adjoint(r, output, 0, at) = adjoint_[output][v].y;
        *Adjoint(r, output, 1, at) = adjoint_[output][v].x;
      }
    }
  }

  GRADOPS_FN void Consume(int64_t r) {
    if (args_.layout.Row(r) >= 0 && r < block_.row_end + 2) HorizontalPass(r);
    if constexpr (kOutputs > 0) {
      if (r - 3 >= block_.row_begin) WriteRow(r, r - 3);
    }
    const int64_t reach = kOutputs > 0 ? 1 : 0;
    if (r - 1 >= block_.row_begin - reach && r - 1 < block_.row_end + reach &&
        args_.layout.Row(r - 1) >= 0) {
      ResidualPass(r - 1);
    } else {
      ShiftSlopes();
    }
    if constexpr (kOutputs > 0) {
      if (r - 2 >= block_.row_begin && r - 2 < block_.row_end) VerticalAdjoint(r - 2);
    }
  }

 private:
  GRADOPS_FN T* Source(int64_t r, int source, int64_t at) const {
    const int64_t width = args_.layout.size + 2 * args_.layout.halo;
    return shared_ + ((r & 1) * kSources + source) * width + args_.layout.halo + at;
  }
  GRADOPS_FN T* Adjoint(int64_t r, int output, int axis, int64_t at) const {
    const int64_t size = args_.layout.size, width = size + 2 * args_.layout.halo;
    return shared_ + 2 * kSources * width + (((r & 1) * kOutputs + output) * 2 + axis) * size + at;
  }

  /// kN numbers of an image, of which none may be at the position; 0 for those that are not there.
  struct alignas(kN * sizeof(S)) Pack {
    S numbers[kN];
  };
  GRADOPS_FN void Load(const S* image, int64_t begin, const int64_t position[kN],
                       T numbers[kN]) const {
    if (image != nullptr && args_.is_aligned && position[0] >= 0 &&
        position[kN - 1] == position[0] + kN - 1) {
      const Pack pack = *reinterpret_cast<const Pack*>(image + begin + position[0]);
      GRADOPS_UNROLL
      for (int v = 0; v < kN; ++v) numbers[v] = math::Widen(pack.numbers[v]);
      return;
    }
    GRADOPS_UNROLL
    for (int v = 0; v < kN; ++v) {
      const bool is_there = image != nullptr && position[v] >= 0;
      numbers[v] = is_there ? math::Widen(image[begin + position[v]]) : T(0);
    }
  }
  GRADOPS_FN void StageVector(int64_t r, int64_t row, int64_t at, const int64_t position[kN]) {
    const ImageShape& shape = args_.layout.shape;
    const int64_t begin = (block_.plane * shape.height + row) * shape.RowSize();
    T pred[kN], target[kN], vector[kN];
    Load(args_.inputs.y_pred, begin, position, pred);
    Load(args_.inputs.y_true, begin, position, target);
    if constexpr (kOrder == Order::kSecond) Load(args_.vector, begin, position, vector);
    GRADOPS_UNROLL
    for (int v = 0; v < kN; ++v) {
      *Source(r, 0, at + v) = Response::kDifference ? pred[v] - target[v] : pred[v];
      if constexpr (!Response::kDifference) *Source(r, 1, at + v) = target[v];
      if constexpr (kOrder == Order::kSecond) *Source(r, kImages, at + v) = vector[v];
    }
  }

  /// The taps of a row or column; `size` is that of the axis.
  GRADOPS_FN Taps<T> RowTaps(int64_t row, bool adjoint) const {
    const math::Stencil& stencil = args_.params.stencil;
    const int64_t height = args_.layout.shape.height;
    const int edge = args_.layout.wraps_down ? -1 : EdgeOf(row, height);
    if (edge < 0) return InteriorTaps<T>(stencil, adjoint);
    return adjoint ? args_.taps.down.adjoint[edge] : args_.taps.down.forward[edge];
  }
  GRADOPS_FN Taps<T> ColumnTaps(int v, bool adjoint) const {
    const int edge = args_.layout.wraps_along ? -1 : EdgeOf(column_[v], args_.layout.shape.width);
    if (edge < 0) return InteriorTaps<T>(args_.params.stencil, adjoint);
    return adjoint ? args_.taps.along.adjoint[edge] : args_.taps.along.forward[edge];
  }

  /// U and V of row r.
  GRADOPS_FN void HorizontalPass(int64_t r) {
    const int64_t step = args_.layout.step;
    GRADOPS_UNROLL
    for (int v = 0; v < kN; ++v) {
      if (position_[v] < 0) continue;
      const Taps<T> taps = ColumnTaps(v, /*adjoint=*/false);
      GRADOPS_UNROLL
      for (int s = 0; s < kSources; ++s) {
        const T* const at = Source(r, s, int64_t{thread_} * kN + v);
        const T before = at[-step], here = at[0], after = at[step];
        Push(u_[s][v], Apply(taps.derivative, before, here, after));
        Push(v_[s][v], Apply(taps.smoothing, before, here, after));
      }
    }
    pushed_ = r;
  }
  /// The rows that end with the one that came last.
  GRADOPS_FN static void Push(T rows[3], T row) {
    rows[0] = rows[1];
    rows[1] = rows[2];
    rows[2] = row;
  }
  GRADOPS_FN void ShiftSlopes() {
    GRADOPS_UNROLL
    for (int output = 0; output < kOutputs; ++output) {
      GRADOPS_UNROLL
      for (int v = 0; v < kN; ++v) {
        Push(slope_y_[output][v], T(0));
        Push(slope_x_[output][v], T(0));
      }
    }
  }

  /// Values, slopes of the residuals of row i.
  GRADOPS_FN void ResidualPass(int64_t i) {
    const Taps<T> row = RowTaps(i, /*adjoint=*/false);
    // Below the last row nothing was pushed: then its neighbours are one place further on.
    const int shift = pushed_ == i ? 1 : 0;
    const Penalty rho(args_.params);
    const Response response(args_.params.response_epsilon);
    T sum_y = 0, sum_x = 0;
    GRADOPS_UNROLL
    for (int v = 0; v < kN; ++v) {
      G out[kOutputs > 0 ? kOutputs : 1] = {};
      if (position_[v] >= 0) {
        G g[3];
        GRADOPS_UNROLL
        for (int s = 0; s < kSources; ++s) {
          const T *const u = u_[s][v], *const w = v_[s][v];
          g[s] = shift ? G{Apply(row.derivative, w[1], w[2], T(0)),
                           Apply(row.smoothing, u[1], u[2], T(0))}
                       : G{Apply(row.derivative, w[0], w[1], w[2]),
                           Apply(row.smoothing, u[0], u[1], u[2])};
          g[s] = scale_ * g[s];
        }
        bool y, x;
        const T weight = Counted(i, v, row, &y, &x);
        const auto weighed = [&](G values) {
          return G{y ? weight * values.y : T(0), x ? weight * values.x : T(0)};
        };
        const G pred = g[0], target = g[kImages - 1];
        G terms;
        if constexpr (kOrder == Order::kSecond) {
          const G vector = g[kImages], slopes = response.Slopes(rho, pred, target);
          terms = weighed({slopes.y * vector.y, slopes.x * vector.x});
          const auto second = response.Second(rho, pred, target, vector);
          out[0] = weighed(second.by_pred);
          out[1] = weighed(second.by_true);
        } else {
          terms = weighed(response.Values(rho, pred, target));
          if constexpr (kOutputs > 0) out[0] = weighed(response.Slopes(rho, pred, target));
        }
        const bool is_own = i >= block_.row_begin && i < block_.row_end && IsOwn(v);
        sum_y += is_own ? terms.y : T(0);
        sum_x += is_own ? terms.x : T(0);
      }
      GRADOPS_UNROLL
      for (int output = 0; output < kOutputs; ++output) {
        Push(slope_y_[output][v], out[output].y);
        Push(slope_x_[output][v], out[output].x);
      }
    }
    sums_.y += static_cast<double>(sum_y);
    sums_.x += static_cast<double>(sum_x);
  }

  /// The weight of the residuals at (i, v), and whether each of them counts.
  GRADOPS_FN T Counted(int64_t i, int v, const Taps<T>& row, bool* y, bool* x) const {
    const int64_t at = args_.layout.Row(i);
    *y = *x = true;
    if (args_.params.border == BorderId::kValid || args_.inputs.mask.data != nullptr) {
      const Taps<T> column = ColumnTaps(v, /*adjoint=*/false);
      const int64_t channels = args_.layout.shape.channels, pixel = position_[v] / channels;
      const int64_t channel = position_[v] % channels;
      *y = row.derivative_counts && column.smoothing_counts &&
           maps_.IsValid(row.derivative_support, column.smoothing_support, at, pixel, channel);
      *x = row.smoothing_counts && column.derivative_counts &&
           maps_.IsValid(row.smoothing_support, column.derivative_support, at, pixel, channel);
      if (Response::kResiduals == 1) *y = *x = *y && *x;
    }
    return maps_.Weight(at, position_[v]);
  }

  GRADOPS_FN bool IsOwn(int v) const {
    return position_[v] >= 0 && column_[v] >= 0 && column_[v] < args_.layout.shape.width &&
           args_.layout.IsInner(int64_t{thread_} * kN + v);
  }

  /// A and B of row i, of the slopes of the rows i - 1, i, i + 1.
  GRADOPS_FN void VerticalAdjoint(int64_t i) {
    const Taps<T> row = RowTaps(i, /*adjoint=*/true);
    GRADOPS_UNROLL
    for (int output = 0; output < kOutputs; ++output) {
      GRADOPS_UNROLL
      for (int v = 0; v < kN; ++v) {
        const T *const y = slope_y_[output][v], *const x = slope_x_[output][v];
        adjoint_[output][v] = {Apply(row.derivative, y[0], y[1], y[2]),
                               Apply(row.smoothing, x[0], x[1], x[2])};
      }
    }
  }

  /// The gradient of row i, staged in step r.
  GRADOPS_FN void WriteRow(int64_t r, int64_t i) {
    const ImageShape& shape = args_.layout.shape;
    const int64_t begin = (block_.plane * shape.height + i) * shape.RowSize();
    const int64_t step = args_.layout.step;
    const bool nothing = args_.denominators[block_.example] == 0;
    GRADOPS_UNROLL
    for (int v = 0; v < kN; ++v) {
      if (!IsOwn(v)) continue;
      const Taps<T> taps = ColumnTaps(v, /*adjoint=*/true);
      GRADOPS_UNROLL
      for (int output = 0; output < kOutputs; ++output) {
        S* const image = output == 0 ? args_.by_pred : args_.by_true;
        if (image == nullptr) continue;
        const T* const y = Adjoint(r, output, 0, int64_t{thread_} * kN + v);
        const T* const x = Adjoint(r, output, 1, int64_t{thread_} * kN + v);
        const T along = Apply(taps.derivative, x[-step], x[0], x[step]);
        const T down = Apply(taps.smoothing, y[-step], y[0], y[step]);
        const T gradient = factor_.y * down + factor_.x * along;
        math::Narrow(nothing ? T(0) : gradient, image + begin + position_[v]);
      }
    }
  }

  const StripArgs<S>& args_;
  const StripBlock block_;
  const int thread_;
  T* const shared_;
  const Maps<S> maps_;
  int64_t position_[kN], column_[kN], halo_position_[kN], halo_at_;
  bool has_halo_;
  T scale_;
  G factor_ = {};
  AxisSums sums_ = {0, 0};
  int64_t pushed_ = 0;
  T u_[kSources][kN][3] = {}, v_[kSources][kN][3] = {};
  T slope_y_[kOutputs > 0 ? kOutputs : 1][kN][3] = {},
                                       slope_x_[kOutputs > 0 ? kOutputs : 1][kN][3] = {};
  G adjoint_[kOutputs > 0 ? kOutputs : 1][kN] = {};
};

}  // namespace gradops::cuda

#endif  // GRADOPS_CUDA_STRIP_THREAD_H_
