#ifndef GRADOPS_CUDA_STRIP_THREAD_H_
#define GRADOPS_CUDA_STRIP_THREAD_H_

#include "cuda/strip_choices.h"
#include "cuda/strip_memory.h"
#include "math/response.h"

// One thread of a block that sweeps a strip. See strip_layout.h for the cut and math/stencil.h for
// the passes. In step r all threads
//   Stage(r)    put row r of the images into shared memory and fetch one of the next rows;
//   (barrier)
//   Consume(r)  read their neighbours: horizontal pass of row r, gradient of row r - 3, residuals
//               of row r - 1, vertical adjoint of row r - 2, which goes to shared memory.
// Shared memory has two buffers, so one barrier a step is enough. The kernel runs the threads at
// once, an emulation on the host one after the other between barriers: the same functions.

namespace gradops::cuda {

/// Of the sweeps that most people run also the shift is chosen once a row.
template <class S, class Response, bool kPlain>
using ChoicesFor =
    StripChoices<S, kPlain, kPlain && Response::kDifference && sizeof(ComputeType<S>) == 4>;

template <class S, class Response, Order kOrder, bool kPlain>
class StripThread : private ChoicesFor<S, Response, kPlain> {
  using Choices = ChoicesFor<S, Response, kPlain>;
  using Choices::args_;
  using Choices::block_;
  using Choices::place_;

 public:
  using T = ComputeType<S>;
  using G = math::Gradient<T>;
  static constexpr int kN = kVec<S>;
  static constexpr int kImages = Response::kDifference ? 1 : 2;
  static constexpr int kSources = kImages + (kOrder == Order::kSecond ? 1 : 0);
  static constexpr int kOutputs = kOrder == Order::kValue ? 0 : (kOrder == Order::kSlope ? 1 : 2);
  using Memory = StripMemory<T, kSources, kOutputs>;
  /// Blocks that a multiprocessor should hold at least, where there are registers for that.
  static constexpr int kBlocks = kPlain && kImages == 1 ? 2 : 1;

  GRADOPS_FN StripThread(const StripArgs<S>& args, int64_t block_index, int thread, T* shared)
      : Choices(args, block_index, thread),
        memory_(args.layout, shared, thread * kN),
        scale_(static_cast<T>(args.params.stencil.scale)) {
    if constexpr (kOutputs > 0) {
      const double denominator = args.Denominator(block_.example);
      const int last = args.params.normalizer == NormalizerId::kNone ? Response::kResiduals - 1 : 0;
      const auto factor = [&](int axis) {
        const T upstream =
            args.upstream.data == nullptr ? T(1) : args.upstream.At(block_.example, axis);
        return GradientScale(args.params, upstream, denominator);
      };
      factor_ = {factor(0), factor(last)};
      nothing_ = denominator == 0;
    }
    GRADOPS_UNROLL
    for (int ahead = 0; ahead < kAhead; ++ahead) Fetch(FirstStep() + ahead, &next_[ahead]);
  }

  GRADOPS_FN int FirstStep() const { return block_.row_begin - kReach; }
  GRADOPS_FN int EndStep() const { return block_.row_end + (kOutputs > 0 ? 3 : 1); }
  GRADOPS_FN AxisSums Sums() const { return sums_; }

  GRADOPS_FN void Stage(int r) {
    if (HasImageRow(r)) {
      GRADOPS_UNROLL
      for (int v = 0; v < kN; ++v) {
        const T pred = math::Widen(next_[0].pred.numbers[v]);
        const T target = math::Widen(next_[0].target.numbers[v]);
        own_[0].numbers[v] = Response::kDifference ? pred - target : pred;
        if constexpr (kImages == 2) own_[1].numbers[v] = target;
        if constexpr (kSources > kImages) {
          own_[kImages].numbers[v] = math::Widen(next_[0].vector.numbers[v]);
        }
      }
      GRADOPS_UNROLL
      for (int s = 0; s < kSources; ++s) StorePack<T, kN>(own_[s], memory_.Source(r, s));
    }
    GRADOPS_UNROLL
    for (int ahead = 1; ahead < kAhead; ++ahead) next_[ahead - 1] = next_[ahead];
    Fetch(r + kAhead, &next_[kAhead - 1]);
  }

  GRADOPS_FN void Consume(int r) {
    HorizontalPass(r);
    if constexpr (kOutputs > 0) {
      if (r - 3 >= block_.row_begin) WriteRow(r, r - 3);
    }
    ResidualPass(r - 1);
    if constexpr (kOutputs > 0) {
      if (r - 2 >= block_.row_begin && r - 2 < block_.row_end) VerticalAdjoint(r, r - 2);
    }
  }

 private:
  // Rows that are looked at beyond the strip, and rows that are fetched ahead: as many as keep
  // enough bytes on their way from memory.
  static constexpr int kReach = kOutputs > 0 ? 2 : 1;
  static constexpr int kAhead = sizeof(S) == 2 || kOutputs == 0 ? 2 : 1;
  static constexpr int kWritten = kOutputs > 0 ? kOutputs : 1;

  struct ImagePacks {
    Pack<S, kN> pred, target, vector;
  };

  GRADOPS_FN bool HasImageRow(int r) const {
    return r < block_.row_end + kReach && args_.layout.Row(r) >= 0;
  }
  GRADOPS_FN void Fetch(int r, ImagePacks* packs) const {
    if (!HasImageRow(r)) return;
    const int64_t begin = this->RowBegin(args_.layout.Row(r));
    packs->pred = place_.Load(args_.inputs.y_pred + begin, args_.is_aligned);
    packs->target = args_.inputs.y_true == nullptr
                        ? Pack<S, kN>{}
                        : place_.Load(args_.inputs.y_true + begin, args_.is_aligned);
    if constexpr (kOrder == Order::kSecond) {
      packs->vector = place_.Load(args_.vector + begin, args_.is_aligned);
    }
  }
  /// U and V of row r; zeros where there is no such row.
  GRADOPS_FN void HorizontalPass(int r) {
    if (!HasImageRow(r)) {
      GRADOPS_UNROLL
      for (int s = 0; s < kSources; ++s) {
        GRADOPS_UNROLL
        for (int v = 0; v < kN; ++v) Push(&u_[s][v], T(0)), Push(&v_[s][v], T(0));
      }
      return;
    }
    this->VisitReader([&](const auto& read) {
      T before[kSources][kN], after[kSources][kN];
      GRADOPS_UNROLL
      for (int s = 0; s < kSources; ++s) {
        read(memory_.Source(r, s), own_[s], before[s], after[s]);
      }
      this->VisitColumns([&](int v, const auto& taps) {
        GRADOPS_UNROLL
        for (int s = 0; s < kSources; ++s) {
          const T b = before[s][v], here = own_[s].numbers[v], a = after[s][v];
          Push(&u_[s][v], taps.Derivative(b, here, a));
          Push(&v_[s][v], taps.Smooth(b, here, a));
        }
      });
    });
  }
  /// The rows that end with the one that came last.
  struct Rows {
    T before = 0, here = 0, after = 0;
  };
  GRADOPS_FN static void Push(Rows* rows, T row) { *rows = {rows->here, rows->after, row}; }

  /// Values, slopes of the residuals of row i; zeros where there are none.
  GRADOPS_FN void ResidualPass(int i) {
    constexpr int reach = kOutputs > 0 ? 1 : 0;
    G out[kWritten][kN] = {};
    if (i >= block_.row_begin - reach && i < block_.row_end + reach && args_.layout.Row(i) >= 0) {
      G g[kSources][kN];
      this->VisitRow(i, [&](const auto& taps) {
        GRADOPS_UNROLL
        for (int s = 0; s < kSources; ++s) {
          GRADOPS_UNROLL
          for (int v = 0; v < kN; ++v) {
            const Rows &u = u_[s][v], &w = v_[s][v];
            g[s][v] = scale_ * G{taps.Derivative(w.before, w.here, w.after),
                                 taps.Smooth(u.before, u.here, u.after)};
          }
        }
      });
      const bool adds = i >= block_.row_begin && i < block_.row_end;
      if (kPlain && !this->DropsAny(i)) {
        this->VisitPenalty([&](const auto& rho) { Compare<false>(rho, i, g, adds, out); });
      } else {
        this->VisitPenalty([&](const auto& rho) { Compare<true>(rho, i, g, adds, out); });
      }
    }
    if constexpr (kOutputs > 0) {
      GRADOPS_UNROLL
      for (int o = 0; o < kOutputs; ++o) {
        GRADOPS_UNROLL
        for (int v = 0; v < kN; ++v) Push(&sy_[o][v], out[o][v].y), Push(&sx_[o][v], out[o][v].x);
      }
    }
  }
  /// The response and its penalty, of the gradients of row i. kWeighed: not all count alike.
  template <bool kWeighed, class Penalty>
  GRADOPS_FN void Compare(const Penalty& rho, int i, const G g[kSources][kN], bool adds,
                          G out[kWritten][kN]) {
    const Response response(args_.params.response_epsilon);
    T sum_y = 0, sum_x = 0;
    GRADOPS_UNROLL
    for (int v = 0; v < kN; ++v) {
      bool y = true, x = true;
      T weight = 1;
      if (kWeighed && place_.IsThere(v))
        this->Count(i, v, Response::kResiduals == 1, &weight, &y, &x);
      const auto weighed = [&](G values) {
        if constexpr (!kWeighed) return values;
        return G{y ? weight * values.y : T(0), x ? weight * values.x : T(0)};
      };
      const G pred = g[0][v], target = g[kImages - 1][v];
      G terms;
      if constexpr (kOrder == Order::kSecond) {
        const G vector = g[kImages][v], slopes = response.Slopes(rho, pred, target);
        terms = weighed({slopes.y * vector.y, slopes.x * vector.x});
        const auto second = response.Second(rho, pred, target, vector);
        out[0][v] = weighed(second.by_pred);
        out[1][v] = weighed(second.by_true);
      } else {
        terms = weighed(response.Values(rho, pred, target));
        if constexpr (kOutputs > 0) out[0][v] = weighed(response.Slopes(rho, pred, target));
      }
      sum_y += place_.IsOwn(v) ? terms.y : T(0);
      sum_x += place_.IsOwn(v) ? terms.x : T(0);
    }
    if (!adds) return;
    sums_.y += static_cast<double>(sum_y);
    sums_.x += static_cast<double>(sum_x);
  }
  /// A and B of row i, of the slopes of the rows i - 1, i, i + 1; for step r + 1.
  GRADOPS_FN void VerticalAdjoint(int r, int i) {
    this->VisitRow(i, [&](const auto& taps) {
      GRADOPS_UNROLL
      for (int o = 0; o < kOutputs; ++o) {
        Pack<T, kN> y, x;
        GRADOPS_UNROLL
        for (int v = 0; v < kN; ++v) {
          const Rows &sy = sy_[o][v], &sx = sx_[o][v];
          y.numbers[v] = taps.DerivativeAdjoint(sy.before, sy.here, sy.after);
          x.numbers[v] = taps.SmoothAdjoint(sx.before, sx.here, sx.after);
        }
        StorePack<T, kN>(y, memory_.AdjointY(r + 1, o));
        StorePack<T, kN>(x, memory_.AdjointX(r + 1, o));
      }
    });
  }

  /// The gradient of row i, of which the vertical adjoint was stored for step r.
  GRADOPS_FN void WriteRow(int r, int i) {
    this->VisitReader([&](const auto& read) {
      GRADOPS_UNROLL
      for (int o = 0; o < kOutputs; ++o) {
        S* const image = o == 0 ? args_.by_pred : args_.by_true;
        if (image == nullptr) continue;
        const T *const at_y = memory_.AdjointY(r, o), *const at_x = memory_.AdjointX(r, o);
        const Pack<T, kN> y = LoadPack<T, kN>(at_y), x = LoadPack<T, kN>(at_x);
        T before_y[kN], after_y[kN], before_x[kN], after_x[kN];
        read(at_y, y, before_y, after_y);
        read(at_x, x, before_x, after_x);
        Pack<S, kN> gradient;
        this->VisitColumns([&](int v, const auto& taps) {
          const T down = taps.SmoothAdjoint(before_y[v], y.numbers[v], after_y[v]);
          const T along = taps.DerivativeAdjoint(before_x[v], x.numbers[v], after_x[v]);
          const T sum = factor_.y * down + factor_.x * along;
          math::Narrow(nothing_ ? T(0) : sum, &gradient.numbers[v]);
        });
        place_.Store(gradient, image + this->RowBegin(i), args_.is_aligned);
      }
    });
  }

  const Memory memory_;
  const T scale_;
  G factor_ = {};
  bool nothing_ = false;
  AxisSums sums_ = {0, 0};
  ImagePacks next_[kAhead] = {};
  Pack<T, kN> own_[kSources] = {};
  Rows u_[kSources][kN], v_[kSources][kN], sy_[kWritten][kN], sx_[kWritten][kN];
};

}  // namespace gradops::cuda

#endif  // GRADOPS_CUDA_STRIP_THREAD_H_
