#pragma once

#include "cuda/programs/row_fetch.h"
#include "cuda/programs/strip_choices.h"
#include "cuda/programs/strip_memory.h"
#include "cuda/programs/strip_rows.h"

namespace gradops::cuda {

/// How a thread of a sweep gets rows of the images: it fetches them from global memory some steps
/// ahead, keeps its elements in registers and puts them into shared memory for the other threads.
template <class S, class Response, Order kOrder, class When>
class StripStage : protected StripChoices<S, When> {
  using Choices = StripChoices<S, When>;

 protected:
  using Choices::args_;
  using Choices::block_;

 public:
  using T = ComputeType<S>;
  static constexpr int kN = kVec<S>;
  static constexpr int kImages = Response::kDifference ? 1 : 2;
  static constexpr int kSources = kImages + (kOrder == Order::kSecond ? 1 : 0);
  static constexpr int kOutputs = kOrder == Order::kValue ? 0 : (kOrder == Order::kSlope ? 1 : 2);
  using Memory = StripMemory<T, kSources, kOutputs, When::kMaxFar>;
  /// The images of which rows are fetched: y_pred, y_true and, in second order, the vector.
  static constexpr int kFetched = kOrder == Order::kSecond ? 3 : 2;
  // Rows that are fetched ahead into registers: enough to keep memory busy, as far as there are
  // registers for them.
  static constexpr int kAheadInRegisters =
      (sizeof(S) == 2 || kOutputs == 0 ? 2 : 1) + (When::kStatic ? 1 : 0);
  using Fetched = std::conditional_t<
      When::kStatic && kHasRing, RowsInRing<S, kN, kFetched>,
      RowsInRegisters<S, kN, kFetched, kAheadInRegisters, kFetch != Fetch::kElements>>;
  /// Steps that are done together, so that what is kept of three rows is never moved.
  static constexpr int kSteps = When::kStatic ? 3 : 1;

  GRADOPS_FN int FirstStep() const { return rows_.FirstStep(); }
  GRADOPS_FN int EndStep() const { return rows_.EndStep(); }
  /// Whether the next kSteps steps are steady.
  GRADOPS_FN bool AreSteady(int r) const { return When::kStatic && rows_.AreSteady(r, kSteps); }

  template <bool kSteady>
  GRADOPS_FN void Stage(int r) {
    fetched_.Wait();
    if (kSteady || rows_.HasImage(r)) {
      const Pack<S, kN> preds = fetched_.Take(r, 0), targets = fetched_.Take(r, 1);
      const Pack<S, kN> vectors = fetched_.Take(r, kFetched - 1);
      GRADOPS_UNROLL
      for (int v = 0; v < kN; ++v) {
        const T pred = math::Widen(preds.elements[v]), target = math::Widen(targets.elements[v]);
        own_[0].elements[v] = Response::kDifference ? pred - target : pred;
        if constexpr (kImages == 2) own_[1].elements[v] = target;
        if constexpr (kSources > kImages) {
          own_[kImages].elements[v] = math::Widen(vectors.elements[v]);
        }
      }
      GRADOPS_UNROLL
      for (int s = 0; s < kSources; ++s) memory_.Source(r, s).Store(own_[s]);
    }
    fetched_.Advance();
    Ask<kSteady>(r + kAhead, kAhead - 1);
  }

 protected:
  GRADOPS_FN StripStage(const StripArgs<S>& args, int block_index, int thread, T* shared)
      : Choices(args, block_index, thread),
        memory_(args.layout, shared, thread * kN),
        fetched_(reinterpret_cast<unsigned char*>(shared + Memory::Elements(args.layout)), thread),
        rows_(args.layout, block_, kOutputs > 0, kAhead),
        pred_(args.inputs.y_pred + this->First()),
        target_(args.inputs.y_true + (args.HasTarget() ? this->First() : 0)) {}

  /// Asks for the rows that the first steps need.
  GRADOPS_FN void AskForFirstRows() {
    GRADOPS_UNROLL
    for (int ahead = 0; ahead < kAhead; ++ahead) Ask<false>(FirstStep() + ahead, ahead);
  }

 private:
  static constexpr int kAhead = Fetched::kAhead;

  /// Asks for row r of the images; `ahead`: how many rows are kept before it.
  template <bool kSteady>
  GRADOPS_FN void Ask(int r, int ahead) {
    const bool in_bounds = kSteady || rows_.HasImage(r);
    const int row = kSteady ? r : args_.layout.Row(r);
    if constexpr (When::kStatic) {
      fetched_.AskPacks(r, ahead, in_bounds,
                        [&](int image) { return this->RowOf(image == 0 ? pred_ : target_, row); });
    } else {
      fetched_.AskElements(ahead, in_bounds, [&](int image, Pack<S, kN>* pack) {
        if (image == 0) return this->Load(pred_, row, pack);
        if (image == 2) return this->Load(args_.vector + this->First(), row, pack);
        if (args_.HasTarget()) this->Load(target_, row, pack);
      });
    }
  }

 protected:
  const Memory memory_;
  Fetched fetched_;
  const StripRows rows_;
  const S *const pred_, *const target_;
  Pack<T, kN> own_[kSources] = {};  // the thread's elements of the row that was staged last
};

/// Shared memory for the rows of a block, in bytes.
template <class Thread, class S>
size_t SharedRowsBytes(const StripLayout& layout) {
  return Thread::Memory::Elements(layout) * sizeof(ComputeType<S>) + Thread::Fetched::Bytes();
}

}  // namespace gradops::cuda
