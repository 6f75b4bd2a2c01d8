#ifndef GRADOPS_CPU_COUNTS_SWEEP_H_
#define GRADOPS_CPU_COUNTS_SWEEP_H_

#include "cpu/factor_rows.h"
#include "cpu/kernels.h"
#include "cpu/row_sums.h"

namespace gradops::cpu::GRADOPS_TARGET {

/// KernelTable::counts.
template <class S>
Counts CountsUnit(const KernelParams& params, const LossInputs<S>& inputs, RowRange rows) {
  using T = ComputeType<S>;
  Counts counts{{0, 0}, 0, false};
  ForEachTile<T>(params, [&](const Tile& tile) {
    RowAllocator<T> memory(FactorRows<T>::kRows + 2);
    FactorRows<T> factors(params, tile, inputs, &memory);
    const GradientRow<T> factor(&memory, 1);
    const CountedPositions<T> own = {tile.Position(tile.column_begin),
                                     tile.Position(tile.column_end)};
    const int64_t height = tile.shape.height;
    const bool wraps = math::Wraps(params.stencil, params.border, height);
    TileSums<T> residuals, pixels;
    factors.SetFirst(rows.begin);
    int64_t loaded = wraps ? rows.begin - 1 : math::Max<int64_t>(rows.begin - 1, 0);
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      for (; loaded <= (wraps ? row + 1 : math::Min(row + 1, height - 1)); ++loaded) {
        factors.LoadRows(loaded, 1, tile.column_begin, tile.column_end);
      }
      const T* const elements = factors.WriteElements(row, &counts.negative_weight);
      factors.Write(row, factor);
      LaneSums<T> of_residuals, of_pixels;
      const auto add = [&](LaneSums<T>* lanes, auto&& values) {
        for (int64_t block = 0; block < tile.BufferedSize(); block += kBlock<T>) {
          lanes->ForEach([&](math::Gradient<Simd<T>>& sum, int number) {
            const int64_t x = block + number * Simd<T>::kLanes;
            sum = sum + own.Counted(x, values(x));
          });
        }
      };
      const Simd<T> zero(0);
      add(&of_residuals, [&](int64_t x) {
        const auto f = factor.Load(x);
        return math::Gradient<Simd<T>>{Select(f.y > zero, f.y, zero),
                                       Select(f.x > zero, f.x, zero)};
      });
      add(&of_pixels,
          [&](int64_t x) { return math::Gradient<Simd<T>>{Simd<T>::Load(elements + x), zero}; });
      residuals.Add(of_residuals);
      pixels.Add(of_pixels);
    }
    counts.residuals.y += residuals.Total().y;
    counts.residuals.x += residuals.Total().x;
    counts.pixels += pixels.Total().y;
  });
  if (ResidualsOf(params.response) == 1) counts.residuals.x = 0;
  return counts;
}

}  // namespace gradops::cpu::GRADOPS_TARGET

#endif  // GRADOPS_CPU_COUNTS_SWEEP_H_
