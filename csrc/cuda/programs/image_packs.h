#pragma once

#include "cuda/programs/image_passes.h"
#include "cuda/programs/image_pixels.h"

// The image ops with a thread for kPackRows rows of a pack of elements, away from the border: rows
// are read in packs, and the pass along each is found once. What is left at the border, or all of
// images that FindInsidePacks finds no packs in, has a thread for each element (image_pixels.h).

namespace gradops::cuda {

inline constexpr int kImageThreads = 128, kPackRows = 4;

// The image ops: what is read, the op of a single element, and the pass down the rows with what is
// written. `rows`: those above, here and below.

struct ImageGradientsOp {
  using Element = GradientFunction;
  template <class S>
  using Source = ImagesAt<S>;

  template <class S, class Taps>
  GRADOPS_FN static void Write(const ImageArgs<S>& args, const Taps& taps,
                               const PassedPack<S>* const (&rows)[3], int64_t at) {
    constexpr int kN = kVec<S>;
    Pack<S, kN> out[2];
    GRADOPS_UNROLL
    for (int v = 0; v < kN; ++v) {
      const auto g = GradientOf(args, taps, rows, v);
      S* const pair = out[2 * v / kN].elements + 2 * v % kN;
      math::Narrow(g.y, pair);
      math::Narrow(g.x, pair + 1);
    }
    StorePack(out[0], args.out + 2 * at);
    StorePack(out[1], args.out + 2 * at + kN);
  }
  /// The gradient of element v of the pack.
  template <class S, class Taps>
  GRADOPS_FN static math::Gradient<ComputeType<S>> GradientOf(const ImageArgs<S>& args,
                                                              const Taps& taps,
                                                              const PassedPack<S>* const (&rows)[3],
                                                              int v) {
    return {args.scale *
                taps.Derivative(rows[0]->smoothed[v], rows[1]->smoothed[v], rows[2]->smoothed[v]),
            args.scale * taps.Smooth(rows[0]->derivative[v], rows[1]->derivative[v],
                                     rows[2]->derivative[v])};
  }
};

struct GradientMagnitudeOp {
  using Element = MagnitudeFunction;
  template <class S>
  using Source = ImagesAt<S>;

  template <class S, class Taps>
  GRADOPS_FN static void Write(const ImageArgs<S>& args, const Taps& taps,
                               const PassedPack<S>* const (&rows)[3], int64_t at) {
    const math::MagnitudeResponse response(args.response_epsilon);
    Pack<S, kVec<S>> out;
    GRADOPS_UNROLL
    for (int v = 0; v < kVec<S>; ++v) {
      math::Narrow(response.Magnitude(ImageGradientsOp::GradientOf(args, taps, rows, v)),
                   out.elements + v);
    }
    StorePack(out, args.out + at);
  }
};

struct ImageGradientsAdjointOp {
  using Element = AdjointFunction;
  template <class S>
  using Source = PairsAt<S>;

  template <class S, class Taps>
  GRADOPS_FN static void Write(const ImageArgs<S>& args, const Taps& taps,
                               const PassedPack<S>* const (&rows)[3], int64_t at) {
    Pack<S, kVec<S>> out;
    GRADOPS_UNROLL
    for (int v = 0; v < kVec<S>; ++v) {
      const auto y =
          taps.DerivativeAdjoint(rows[0]->smoothed[v], rows[1]->smoothed[v], rows[2]->smoothed[v]);
      const auto x = taps.SmoothAdjoint(rows[0]->derivative[v], rows[1]->derivative[v],
                                        rows[2]->derivative[v]);
      math::Narrow(args.scale * (y + x), out.elements + v);
    }
    StorePack(out, args.out + at);
  }
};

/// a / b for a >= 0 and b > 0, in 32 bits where both fit.
GRADOPS_FN int64_t Quotient(int64_t a, int64_t b) {
  return (a | b) >> 32 == 0 ? static_cast<uint32_t>(a) / static_cast<uint32_t>(b) : a / b;
}

/// The part of each plane that is found in packs, away from the border.
struct InsidePacks {
  int row_begin = 0, row_end = 0;
  int begin = 0, end = 0;  // positions in a row, where packs begin

  GRADOPS_FN int Rows() const { return row_end - row_begin; }
  GRADOPS_FN int Positions() const { return end - begin; }
};

/// The packs of a plane, if rows begin at packs and neighbours are as VisitShift needs them.
template <class S>
InsidePacks FindInsidePacks(const PixelGrid& grid, const S* in, const S* out) {
  constexpr int kN = kVec<S>;
  if (grid.height < 5 || grid.width < 5) return {};
  const int channels = grid.channels, far = FarOf<kN>(channels), row_size = grid.RowSize();
  const uintptr_t bits = reinterpret_cast<uintptr_t>(in) | reinterpret_cast<uintptr_t>(out);
  if (row_size % kN != 0 || bits % (kN * sizeof(S)) != 0) return {};
  if (far != channels && far != kN) return {};
  InsidePacks inside;
  inside.row_begin = 2;  // the border changes two rows and columns of the adjoint
  inside.row_end = grid.height - 2;
  inside.begin = math::Max(FarOf<kN>(2 * channels), far);
  inside.end = math::Min((row_size - 2 * channels) / kN * kN, row_size - far);
  if (inside.Positions() <= 0) return {};
  return inside;
}

/// How the threads of an image op are counted: those of packs first, up to a whole block, and then
/// those of elements.
template <class S>
struct ImageThreads {
  InsidePacks inside;
  int packs_per_row, bands;  // of a plane; a band has kPackRows rows
  int64_t packs, elements;

  explicit ImageThreads(const ImageArgs<S>& args)
      : inside(FindInsidePacks(args.grid, args.in, args.out)),
        packs_per_row(inside.Positions() / kVec<S>),
        bands(math::CeilDiv(inside.Rows(), kPackRows)) {
    const PixelGrid& grid = args.grid;
    packs = grid.planes * bands * packs_per_row;
    elements = grid.planes * OutsideSize(grid);
  }
  GRADOPS_FN int64_t PackBlocks() const { return math::CeilDiv<int64_t>(packs, kImageThreads); }
  GRADOPS_FN int64_t Blocks() const {
    return PackBlocks() + math::CeilDiv<int64_t>(elements, kImageThreads);
  }
  /// Element `index` of those outside of the packs: whole rows at the border, then ends of rows.
  GRADOPS_FN ImagePixel Outside(const PixelGrid& grid, int64_t index) const {
    const int64_t whole = WholeRows(grid) * grid.RowSize(), size = OutsideSize(grid);
    const int64_t plane = Quotient(index, size);
    const int64_t rest = index - plane * size;
    const bool is_whole = rest < whole;
    const int count = is_whole ? grid.RowSize() : Ends(grid);
    const int64_t in_part = is_whole ? rest : rest - whole;
    const int row = static_cast<int>(Quotient(in_part, count));
    const int position = static_cast<int>(in_part - int64_t{row} * count);
    if (is_whole) {
      const int below = row < inside.row_begin ? 0 : inside.Rows();
      return ImagePixel::At(grid, plane, row + below, position);
    }
    const int beyond = position < inside.begin ? 0 : inside.Positions();
    return ImagePixel::At(grid, plane, row + inside.row_begin, position + beyond);
  }

 private:
  GRADOPS_FN int64_t WholeRows(const PixelGrid& grid) const { return grid.height - inside.Rows(); }
  GRADOPS_FN int Ends(const PixelGrid& grid) const { return grid.RowSize() - inside.Positions(); }
  GRADOPS_FN int64_t OutsideSize(const PixelGrid& grid) const {
    return WholeRows(grid) * grid.RowSize() + int64_t{inside.Rows()} * Ends(grid);
  }
};

/// Finds kPackRows rows of a pack, or as many as there are.
template <class Op, class S>
GRADOPS_FN void FindPack(const ImageArgs<S>& args, const ImageThreads<S>& threads, int64_t index) {
  const InsidePacks& inside = threads.inside;
  const int64_t line = Quotient(index, threads.packs_per_row);
  const int64_t plane = Quotient(line, threads.bands);
  const int row = inside.row_begin + static_cast<int>(line - plane * threads.bands) * kPackRows;
  const int64_t position = inside.begin + (index - line * threads.packs_per_row) * kVec<S>;
  const int count = math::Min(kPackRows, inside.row_end - row), row_size = args.grid.RowSize();
  const int64_t first = (plane * args.grid.height + row) * row_size + position;
  using Source = typename Op::template Source<S>;
  const auto find = [&](const auto& taps) {
    VisitShift<kVec<S>, false>(args.grid.channels, [&](const auto& neighbours) {
      PassedPack<S> rows[kPackRows + 2];
      GRADOPS_UNROLL
      for (int i = 0; i < kPackRows + 2; ++i) {
        if (i < count + 2) {
          const int64_t at = first + int64_t{i - 1} * row_size;
          rows[i] = PassAlong<S>(taps, neighbours, Source{args.in} + at);
        }
      }
      GRADOPS_UNROLL
      for (int i = 0; i < kPackRows; ++i) {
        if (i < count) {
          Op::Write(args, taps, {&rows[i], &rows[i + 1], &rows[i + 2]},
                    first + int64_t{i} * row_size);
        }
      }
    });
  };
  const Taps<ComputeType<S>>& inside_taps = args.taps.along.forward[kInside];
  // Of VisitTapsInside only the most common kind, as there is code for each Shift.
  if (args.is_smoothed_central) {
    find(math::InteriorTaps<ComputeType<S>, math::TapsKind::kSmoothing>{inside_taps.smoothing[0],
                                                                        inside_taps.smoothing[1]});
  } else {
    find(AtEdge(args.taps.along, kInside));
  }
}

/// What a thread of a block does.
template <class Op, class S>
GRADOPS_FN void RunImageThread(const ImageArgs<S>& args, const ImageThreads<S>& threads,
                               int64_t block, int thread) {
  if (block < threads.PackBlocks()) {
    const int64_t index = block * kImageThreads + thread;
    if (index < threads.packs) FindPack<Op>(args, threads, index);
    return;
  }
  const int64_t index = (block - threads.PackBlocks()) * kImageThreads + thread;
  if (index < threads.elements) {
    typename Op::Element()(args, threads.Outside(args.grid, index));
  }
}

template <class S>
ImageArgs<S> MakeImageArgs(const KernelParams& params, const S* in, S* out) {
  const ImageStencil<ComputeType<S>> stencil = MakeImageStencil<ComputeType<S>>(params);
  return {stencil, params.response_epsilon, in, out, params.stencil.IsSmoothedCentral()};
}

}  // namespace gradops::cuda
