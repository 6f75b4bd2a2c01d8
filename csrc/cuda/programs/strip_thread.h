#pragma once

#include "cuda/programs/row_fetch.h"
#include "cuda/programs/strip_choices.h"
#include "cuda/programs/strip_memory.h"
#include "cuda/programs/strip_rows.h"
#include "math/response.h"

// One thread of a block that sweeps a strip. See strip_layout.h for the cut and math/stencil.h for
// the passes. In step r all threads
//   Stage(r)    put row r of the images into shared memory and fetch one of the next rows;
//   (barrier)
//   Consume(r)  read their neighbours: horizontal pass of row r, gradient of row r - 3, residuals
//               of row r - 1, vertical adjoint of row r - 2, which goes to shared memory.
// Shared memory has two buffers, so one barrier a step is enough. The kernel runs the threads at
// once, an emulation on the host one after the other between barriers: the same functions.
//
// Most steps of a long strip are steady: every row that they touch is there and away from the
// border. kSteady says so when the step is compiled.

namespace gradops::cuda {

template <class S, class Response, Order kOrder, class When>
class StripThread : private StripChoices<S, When> {
  using Choices = StripChoices<S, When>;
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
  using Memory = StripMemory<T, kSources, kOutputs, When::kMaxFar>;
  /// Images of which rows are fetched: y_pred, y_true, the vector.
  static constexpr int kFetched = kOrder == Order::kSecond ? 3 : 2;
  // Rows that are fetched ahead into registers: as many as keep enough bytes on their way from
  // memory, and as there are registers for.
  static constexpr int kAheadInRegisters =
      (sizeof(S) == 2 || kOutputs == 0 ? 2 : 1) + (When::kFixed ? 1 : 0);
  using Fetched = std::conditional_t<
      When::kFixed && kHasRing, RowsInRing<S, kN, kFetched>,
      RowsInRegisters<S, kN, kFetched, kAheadInRegisters, kFetch != Fetch::kNumbers>>;
  /// Blocks that a multiprocessor should hold at least, where there are registers for that.
  static constexpr int kBlocks = When::kPlain && kImages == 1 ? kThreadsAtOnce / kMaxThreads : 1;
  /// Steps that are done together: what is kept of three rows is then never moved.
  static constexpr int kSteps = When::kFixed ? 3 : 1;

  GRADOPS_FN StripThread(const StripArgs<S>& args, int block_index, int thread, T* shared)
      : Choices(args, block_index, thread),
        memory_(args.layout, shared, thread * kN),
        fetched_(reinterpret_cast<unsigned char*>(shared + Memory::Numbers(args.layout)), thread),
        rows_(args.layout, block_, kOutputs > 0, kAhead),
        pred_(args.inputs.y_pred + this->First()),
        target_(args.inputs.y_true + (args.HasTarget() ? this->First() : 0)),
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
      // All slopes are 0 then.
      if (When::kPlain && nothing_) factor_ = {T(0), T(0)};
    }
    GRADOPS_UNROLL
    for (int ahead = 0; ahead < kAhead; ++ahead) Ask<false>(FirstStep() + ahead, ahead);
  }

  GRADOPS_FN int FirstStep() const { return rows_.FirstStep(); }
  GRADOPS_FN int EndStep() const { return rows_.EndStep(); }
  /// Whether the next kSteps steps may be steady ones.
  GRADOPS_FN bool AreSteady(int r) const { return When::kFixed && rows_.AreSteady(r, kSteps); }
  GRADOPS_FN AxisSums Sums() const {
    if (When::kFixed && !place_.IsOwn(0)) return {0, 0};
    return sums_;
  }

  template <bool kSteady>
  GRADOPS_FN void Stage(int r) {
    fetched_.Wait();
    if (kSteady || rows_.HasImage(r)) {
      const Pack<S, kN> preds = fetched_.Take(r, 0), targets = fetched_.Take(r, 1);
      const Pack<S, kN> vectors = fetched_.Take(r, kFetched - 1);
      GRADOPS_UNROLL
      for (int v = 0; v < kN; ++v) {
        const T pred = math::Widen(preds.numbers[v]), target = math::Widen(targets.numbers[v]);
        own_[0].numbers[v] = Response::kDifference ? pred - target : pred;
        if constexpr (kImages == 2) own_[1].numbers[v] = target;
        if constexpr (kSources > kImages) {
          own_[kImages].numbers[v] = math::Widen(vectors.numbers[v]);
        }
      }
      GRADOPS_UNROLL
      for (int s = 0; s < kSources; ++s) memory_.Source(r, s).Store(own_[s]);
    }
    fetched_.Advance();
    Ask<kSteady>(r + kAhead, kAhead - 1);
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
  static constexpr int kAhead = Fetched::kAhead;
  static constexpr int kWritten = kOutputs > 0 ? kOutputs : 1;

  /// Asks for row r of the images, as the one so many rows ahead.
  template <bool kSteady>
  GRADOPS_FN void Ask(int r, int ahead) {
    const bool in_bounds = kSteady || rows_.HasImage(r);
    const int row = kSteady ? r : args_.layout.Row(r);
    if constexpr (When::kFixed) {
      fetched_.AskPacks(r, ahead, in_bounds,
                        [&](int image) { return this->RowOf(image == 0 ? pred_ : target_, row); });
    } else {
      fetched_.AskNumbers(ahead, in_bounds, [&](int image, Pack<S, kN>* pack) {
        if (image == 0) return this->Load(pred_, row, pack);
        if (image == 2) return this->Load(args_.vector + this->First(), row, pack);
        if (args_.HasTarget()) this->Load(target_, row, pack);
      });
    }
  }
  /// U and V of row r; zeros where there is no such row.
  template <bool kSteady>
  GRADOPS_FN void HorizontalPass(int r) {
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
      this->VisitPenalty([&](const auto& rho) {
        G terms[kN];
        Compare(rho, g, terms, out);
        const bool adds = kSteady || rows_.IsOwn(i);
        if (!When::kPlain || this->DropsAny(is_inside)) {
          Weigh(i, is_inside, terms, out);
          if (adds) AddTerms(terms);
        } else if (adds) {
          AddTerms(terms);
        }
      });
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
  /// Adds the terms of the thread's own numbers. (Fixed programs leave out the others at the end.)
  GRADOPS_FN void AddTerms(const G terms[kN]) {
    const auto own = [&](int v) {
      return When::kFixed || place_.IsOwn(v) ? terms[v] : G{T(0), T(0)};
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
          y.numbers[v] = taps.DerivativeAdjoint(sy.before, sy.here, sy.after);
          x.numbers[v] = taps.SmoothAdjoint(sx.before, sx.here, sx.after);
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
        if (!When::kFixed && image == nullptr) continue;
        image = When::kFixed ? gradient_ : image + this->First();
        const SharedAt<T> at_y = memory_.AdjointY(r, o), at_x = memory_.AdjointX(r, o);
        const Pack<T, kN> y = at_y.template Load<kN>(), x = at_x.template Load<kN>();
        T before_y[kN], after_y[kN], before_x[kN], after_x[kN];
        read(at_y, y, before_y, after_y);
        read(at_x, x, before_x, after_x);
        Pack<S, kN> gradient;
        this->VisitColumns([&](int v, const auto& taps) {
          const T down = taps.SmoothAdjoint(before_y[v], y.numbers[v], after_y[v]);
          const T along = taps.DerivativeAdjoint(before_x[v], x.numbers[v], after_x[v]);
          const T sum = math::MultiplyAdd(factor_.y, down, factor_.x * along);
          math::Narrow(!When::kPlain && nothing_ ? T(0) : sum, &gradient.numbers[v]);
        });
        this->Store(gradient, image, i);
      }
    });
  }

  const Memory memory_;
  Fetched fetched_;
  const StripRows rows_;
  const S *const pred_, *const target_;
  S* const gradient_;
  const T scale_;
  G factor_ = {};
  bool nothing_ = false;
  AxisSums sums_ = {0, 0};
  Pack<T, kN> own_[kSources] = {};
  Rows u_[kSources][kN], v_[kSources][kN], sy_[kWritten][kN], sx_[kWritten][kN];
};

/// Shared memory for a block's numbers, in bytes.
template <class Thread, class S>
size_t SharedNumbersBytes(const StripLayout& layout) {
  return Thread::Memory::Numbers(layout) * sizeof(ComputeType<S>) + Thread::Fetched::Bytes();
}

}  // namespace gradops::cuda
