#pragma once

#include "cuda/programs/strip_stage.h"
#include "math/response.h"

// One thread of a block that sweeps a strip. strip_layout.h says how images are divided, and
// math/stencil.h derives the passes. In step r all threads
//   Stage(r)    put row r of the images into shared memory and ask for a later row;
//   (barrier)
//   Consume(r)  read their neighbours: horizontal pass of row r, gradient of row r - 3, residuals
//               of row r - 1, and vertical adjoint of row r - 2, which goes to shared memory.
// Shared memory has two buffers, so one barrier per step is enough. A kernel runs the threads at
// the same time, the emulation on the host one after the other between barriers.
//
// Most steps of a long strip are steady: every row that they touch exists and is away from the
// border. kSteady says so at compile time.

namespace gradops::cuda {

template <class S, class Response, Order kOrder, class When>
class StripThread : public StripStage<S, Response, kOrder, When> {
  using Base = StripStage<S, Response, kOrder, When>;
  using Base::args_;
  using Base::block_;
  using Base::memory_;
  using Base::own_;
  using Base::place_;
  using Base::rows_;

 public:
  using T = ComputeType<S>;
  using G = math::Gradient<T>;
  using Base::kImages;
  using Base::kN;
  using Base::kOutputs;
  using Base::kSources;
  /// The blocks that a multiprocessor should hold at least, if there are registers for them.
  static constexpr int kBlocks = When::kPlain && kImages == 1 ? kThreadsAtOnce / kMaxThreads : 1;

  GRADOPS_FN StripThread(const StripArgs<S>& args, int block_index, int thread, T* shared)
      : Base(args, block_index, thread, shared),
        gradient_(args.by_pred + (kOutputs > 0 ? this->First() : 0)),
        scale_(args.scale) {
    if constexpr (kOutputs > 0) {
      const double denominator = args.Denominator(block_.example);
      const int last = args.params.normalizer == NormalizerId::kNone ? Response::kResiduals - 1 : 0;
      const auto factor = [&](int axis) {
        const T upstream =
            args.upstream.data == nullptr ? T(1) : args.upstream.At(block_.example, axis);
        return GradientScale(args.params, upstream, denominator);
      };
      nothing_ = denominator == 0;
      factor_ = {factor(0), factor(last)};
      // Without maps the slopes are then all 0, and must not meet an infinite factor.
      if (When::kStatic && nothing_) factor_ = {T(0), T(0)};
    }
    this->AskForFirstRows();
  }

  /// The thread's part of the sums of its block.
  GRADOPS_FN AxisSums Sums() const {
    if (When::kStatic && !place_.IsOwn(0)) return {0, 0};
    return sums_;
  }

  template <bool kSteady>
  GRADOPS_FN void Consume(int r) {
    HorizontalPass<kSteady>(r);
    if constexpr (kOutputs > 0) {
      if (kSteady || rows_.IsOwn(r - 3)) WriteRow(r, r - 3);
    }
    ResidualPass<kSteady>(r - 1);
    if constexpr (kOutputs > 0) {
      if (kSteady || rows_.IsOwn(r - 2)) VerticalAdjoint<kSteady>(r, r - 2);
    }
  }

 private:
  static constexpr int kWritten = kOutputs > 0 ? kOutputs : 1;

  /// U and V of row r; zeros where there is no such row.
  template <bool kSteady>
  GRADOPS_FN void HorizontalPass(int r) {
    this->TakeMask(r, kSteady || rows_.HasImage(r));
    if (!kSteady && !rows_.HasImage(r)) {
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
          const T b = before[s][v], here = own_[s].elements[v], a = after[s][v];
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
  template <bool kSteady>
  GRADOPS_FN void ResidualPass(int i) {
    G out[kWritten][kN] = {};
    if (kSteady || rows_.HasResiduals(i)) {
      const bool is_inside = kSteady || rows_.IsInside(i);
      G g[kSources][kN];
      this->VisitRow(i, is_inside, [&](const auto& taps) {
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
      const auto compare = [&](const auto& rho) {
        G terms[kN];
        Compare(rho, g, terms, out);
        const bool adds = kSteady || rows_.IsOwn(i);
        if (!When::kPlain || this->MayWeigh(is_inside)) {
          Weigh(i, is_inside, terms, out);
          if (adds) AddTerms(terms);
        } else if (adds) {
          AddTerms(terms);
        }
      };
      if constexpr (kTakesPenalty<Response>) {
        this->VisitPenalty(compare);
      } else {
        compare(math::L1Penalty(0));
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
  /// The response and its penalty, of the gradients of a row.
  template <class Penalty>
  GRADOPS_FN void Compare(const Penalty& rho, const G g[kSources][kN], G terms[kN],
                          G out[kWritten][kN]) const {
    const Response response(args_.params.response_epsilon);
    GRADOPS_UNROLL
    for (int v = 0; v < kN; ++v) {
      const G pred = g[0][v], target = g[kImages - 1][v];
      if constexpr (kOrder == Order::kSecond) {
        const G vector = g[kImages][v], slopes = response.Slopes(rho, pred, target);
        terms[v] = {slopes.y * vector.y, slopes.x * vector.x};
        const auto second = response.Second(rho, pred, target, vector);
        out[0][v] = second.by_pred;
        out[1][v] = second.by_true;
      } else {
        terms[v] = response.Values(rho, pred, target);
        if constexpr (kOutputs > 0) out[0][v] = response.Slopes(rho, pred, target);
      }
    }
  }
  /// Weighs what was found of row i; 0 where it does not count.
  GRADOPS_FN void Weigh(int i, bool is_inside, G terms[kN], G out[kWritten][kN]) const {
    this->VisitCounts(i, is_inside, Response::kResiduals == 1,
                      [&](int v, bool y, bool x, T weight) {
                        const auto weigh = [&](G* values) {
                          *values = {y ? weight * values->y : T(0), x ? weight * values->x : T(0)};
                        };
                        weigh(&terms[v]);
                        GRADOPS_UNROLL
                        for (int o = 0; o < kOutputs; ++o) weigh(&out[o][v]);
                      });
  }
  /// Adds the terms of the thread's own elements. (Static programs leave out the others at the
  /// end.)
  GRADOPS_FN void AddTerms(const G terms[kN]) {
    const auto own = [&](int v) {
      return When::kStatic || place_.IsOwn(v) ? terms[v] : G{T(0), T(0)};
    };
    G sum = own(0);
    GRADOPS_UNROLL
    for (int v = 1; v < kN; ++v) sum = sum + own(v);
    sums_.y += static_cast<double>(sum.y);
    sums_.x += static_cast<double>(sum.x);
  }
  /// A and B of row i, of the slopes of the rows i - 1, i, i + 1; for step r + 1.
  template <bool kSteady>
  GRADOPS_FN void VerticalAdjoint(int r, int i) {
    this->VisitRow(i, kSteady || rows_.IsInside(i), [&](const auto& taps) {
      GRADOPS_UNROLL
      for (int o = 0; o < kOutputs; ++o) {
        Pack<T, kN> y, x;
        GRADOPS_UNROLL
        for (int v = 0; v < kN; ++v) {
          const Rows &sy = sy_[o][v], &sx = sx_[o][v];
          y.elements[v] = taps.DerivativeAdjoint(sy.before, sy.here, sy.after);
          x.elements[v] = taps.SmoothAdjoint(sx.before, sx.here, sx.after);
        }
        memory_.AdjointY(r + 1, o).Store(y);
        memory_.AdjointX(r + 1, o).Store(x);
      }
    });
  }

  /// The gradient of row i, of which the vertical adjoint was stored for step r.
  GRADOPS_FN void WriteRow(int r, int i) {
    this->VisitReader([&](const auto& read) {
      GRADOPS_UNROLL
      for (int o = 0; o < kOutputs; ++o) {
        S* image = o == 0 ? args_.by_pred : args_.by_true;
        if (!When::kStatic && image == nullptr) continue;
        image = When::kStatic ? gradient_ : image + this->First();
        const SharedAt<T> at_y = memory_.AdjointY(r, o), at_x = memory_.AdjointX(r, o);
        const Pack<T, kN> y = at_y.template Load<kN>(), x = at_x.template Load<kN>();
        T before_y[kN], after_y[kN], before_x[kN], after_x[kN];
        read(at_y, y, before_y, after_y);
        read(at_x, x, before_x, after_x);
        Pack<S, kN> gradient;
        this->VisitColumns([&](int v, const auto& taps) {
          const T down = taps.SmoothAdjoint(before_y[v], y.elements[v], after_y[v]);
          const T along = taps.DerivativeAdjoint(before_x[v], x.elements[v], after_x[v]);
          const T sum = math::MultiplyAdd(factor_.y, down, factor_.x * along);
          math::Narrow(!When::kStatic && nothing_ ? T(0) : sum, &gradient.elements[v]);
        });
        this->Store(gradient, image, i);
      }
    });
  }

  S* const gradient_;
  const T scale_;
  G factor_ = {};
  bool nothing_ = false;
  AxisSums sums_ = {0, 0};
  Rows u_[kSources][kN], v_[kSources][kN], sy_[kWritten][kN], sx_[kWritten][kN];
};

}  // namespace gradops::cuda
