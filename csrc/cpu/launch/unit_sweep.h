#pragma once

#include <vector>

#include "cpu/launch/denominators.h"
#include "cpu/launch/level_rows.h"
#include "cpu/launch/level_unit.h"
#include "cpu/launch/weight_maps.h"
#include "family/counts.h"

namespace gradops::cpu {

/// Runs a unit at every level, the coarsest first, because the gradient of each level is added
/// where that of the level before it is written.
template <class S>
struct UnitSweep {
  using T = ComputeType<S>;

  const std::vector<KernelParams>& params;
  const ByTerm& denominators;
  const WeightMaps<S>& weight_maps;
  const bool maps_are_final;  // WeightMaps::Finish will not run
  const PerExample<T> upstream;
  const int64_t example, unit;
  AxisSums* const sums;  // one of each term, which begin as 0

  /// Everything is that of the unit's plane. The vector and the gradients may be null.
  void Run(const LossInputs<S>& inputs, const S* vector, RowRange rows, S* by_pred,
           S* by_true) const {
    const int gradients = (by_pred != nullptr ? 1 : 0) + (by_true != nullptr ? 1 : 0);
    const LevelUnit<S> levels(params, inputs, vector, rows, gradients);
    for (size_t s = params.size() - 1; s > 0; --s) {
      const auto& level = levels[s];
      RunLevel(s, levels, level.inputs, level.vector, level.own, level.by_pred, level.by_true);
    }
    RunLevel(0, levels, inputs, vector, rows, by_pred, by_true);
  }

 private:
  template <class R>
  void RunLevel(size_t s, const LevelUnit<S>& levels, const LossInputs<R>& inputs, const R* vector,
                RowRange rows, R* by_pred, R* by_true) const {
    if (rows.begin >= rows.end) return;
    const KernelParams& level = params[s];
    GradientOutputs<R> outputs;
    outputs.by_pred = by_pred;
    outputs.by_true = by_true;
    outputs.read_soon = s > 0;
    if (s + 1 < params.size()) {
      const ImageShape& shape = params[s + 1].shape;
      const auto coarser = [&](const T* plane) -> CoarserGradient<T> {
        return {plane, shape.height, shape.width, level.levels.downsample};
      };
      outputs.coarser_by_pred = coarser(levels[s + 1].by_pred);
      outputs.coarser_by_true = coarser(levels[s + 1].by_true);
    }
    const double weight = level.levels.weights[s], denominator = denominators[s][example];
    const bool has_upstream = by_pred != nullptr || weight_maps.AreWanted();
    const auto upstream_of = [&](int axis) {
      return static_cast<double>(upstream.At(example, axis));
    };
    const bool is_pixel_level = level.levels.pixel_weight > 0;
    const double pixel_factor = PixelFactor(level, denominators, example);
    const bool has_pixels = pixel_factor > 0;
    if (has_pixels && has_upstream) {
      outputs.pixel_scale = static_cast<T>(upstream_of(0) * pixel_factor);
    }
    if (is_pixel_level && !has_pixels) weight_maps.Clear(weight_maps.PixelMap(), unit, rows);
    if (!(denominator > 0) || weight == 0) {
      return WriteWithoutSums(s, inputs, vector, rows, has_pixels, outputs);
    }
    if (has_upstream) {
      const auto map_scale = [&](int axis) {
        return static_cast<T>(upstream_of(axis) * weight / denominator);
      };
      const int last_axis = AxesOf(level) - 1;
      outputs.scale_y = GradientScale(level, upstream.At(example, 0), denominator / weight);
      outputs.scale_x = GradientScale(level, upstream.At(example, last_axis), denominator / weight);
      outputs.by_weights =
          weight_maps.Output(s, unit, map_scale(0), map_scale(last_axis), maps_are_final);
      if (has_pixels) {
        outputs.by_weights_of_pixels = weight_maps.Output(weight_maps.PixelMap(), unit, 0, 0);
      }
    }
    const LossSums found = ActiveTarget().Of<R>().loss(level, inputs, vector, rows, outputs);
    sums[s] = found.residuals;
    if (is_pixel_level) sums[params.size()] = {found.pixels, 0};
  }

  /// What is left of a level in which no residual counts.
  template <class R>
  void WriteWithoutSums(size_t s, const LossInputs<R>& inputs, const R* vector, RowRange rows,
                        bool has_pixels, const GradientOutputs<R>& outputs) const {
    const KernelParams& level = params[s];
    weight_maps.Clear(s, unit, rows);
    const LossInputs<R>* const to_pred = has_pixels && vector == nullptr ? &inputs : nullptr;
    WriteWithoutResiduals(level, rows, outputs.coarser_by_pred, to_pred, outputs.pixel_scale,
                          outputs.by_pred);
    WriteWithoutResiduals<R>(level, rows, outputs.coarser_by_true, nullptr, 0, outputs.by_true);
    if (!has_pixels) return;
    sums[params.size()] = {SumPixels(level, inputs, vector, rows), 0};
    weight_maps.Clear(weight_maps.PixelMap(), unit, rows);
    AddPixelsByWeight(level, inputs, vector, rows, outputs.pixel_scale,
                      weight_maps.Output(weight_maps.PixelMap(), unit, 0, 0));
  }
};

}  // namespace gradops::cpu
