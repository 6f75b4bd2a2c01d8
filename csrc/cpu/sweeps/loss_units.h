#pragma once

#include "cpu/sweeps/loss_sweep.h"

namespace gradops::cpu::GRADOPS_TARGET {

template <class S, Order kOrder>
LossSums SweepTile(const KernelParams& params, const Tile& tile, const LossInputs<S>& inputs,
                   const S* vector, const GradientOutputs<S>& outputs, RowRange rows) {
  LossSweep<S, kOrder> sweep(params, tile, inputs, vector, outputs, /*may_keep_signs=*/true);
  const LossSums sums = sweep.Run(rows);
  if (!sweep.MetNaN()) return sums;
  return LossSweep<S, kOrder>(params, tile, inputs, vector, outputs, /*may_keep_signs=*/false)
      .Run(rows);
}

template <class S, Order kOrder>
LossSums SweepUnit(const KernelParams& params, const LossInputs<S>& inputs, const S* vector,
                   RowRange rows, const GradientOutputs<S>& outputs) {
  LossSums sums;
  ForEachTile<ComputeType<S>>(
      params,
      [&](const Tile& tile) {
        const LossSums of_tile = SweepTile<S, kOrder>(params, tile, inputs, vector, outputs, rows);
        sums.residuals.y += of_tile.residuals.y;
        sums.residuals.x += of_tile.residuals.x;
        sums.pixels += of_tile.pixels;
      },
      LayoutOf<S, kOrder>(params, WeightingOf(params, inputs, outputs)).row_bytes);
  if (kOrder != Order::kValue || outputs.by_weights.plane != nullptr) StreamFence();
  return sums;
}

/// KernelTable::loss.
template <class S>
LossSums LossUnit(const KernelParams& params, const LossInputs<S>& inputs, const S* vector,
                  RowRange rows, const GradientOutputs<S>& outputs) {
  const auto sweep = vector != nullptr            ? SweepUnit<S, Order::kSecond>
                     : outputs.by_pred != nullptr ? SweepUnit<S, Order::kSlope>
                                                  : SweepUnit<S, Order::kValue>;
  return sweep(params, inputs, vector, rows, outputs);
}

}  // namespace gradops::cpu::GRADOPS_TARGET
