#pragma once

#include <vector>

#include "cpu/launch/denominators.h"
#include "cpu/launch/level_rows.h"
#include "cpu/launch/level_unit.h"
#include "cpu/launch/targets.h"
#include "cpu/launch/weight_maps.h"
#include "family/counts.h"

namespace gradops::cpu {

/// Runs a unit at every level, the coarsest first, because the gradient of each level is added
/// where that of the level before it is written.
template <class S>
class UnitSweep {
 public:
  using T = ComputeType<S>;

  /// `maps_are_final`: WeightMaps::Finish will not run. `sums` has one of each term, which begin as
  /// 0.
  UnitSweep(const std::vector<KernelParams>& params, const ByTerm& denominators,
            const WeightMaps<S>& weight_maps, bool maps_are_final, PerExample<T> upstream,
            int64_t example, int64_t unit, AxisSums* sums)
      : params_(params),
        denominators_(denominators),
        weight_maps_(weight_maps),
        maps_are_final_(maps_are_final),
        upstream_(upstream),
        example_(example),
        unit_(unit),
        sums_(sums) {}

  /// Everything is that of the unit's plane. The vector and the gradients may be null.
  void Run(const LossInputs<S>& inputs, const S* vector, RowRange rows, S* by_pred, S* by_true) {
    const int gradients = (by_pred != nullptr ? 1 : 0) + (by_true != nullptr ? 1 : 0);
    const LevelUnit<S> levels(params_, inputs, vector, rows, gradients);
    CoarserGradient<T> coarser_by_pred, coarser_by_true;
    for (size_t s = params_.size() - 1; s > 0; --s) {
      const auto& level = levels[s];
      GradientOutputs<T> outputs;
      outputs.by_pred = level.by_pred;
      outputs.by_true = level.by_true;
      outputs.coarser_by_pred = coarser_by_pred;
      outputs.coarser_by_true = coarser_by_true;
      outputs.read_soon = true;
      RunLevel(s, level.inputs, level.vector, level.own, outputs);
      const ImageShape& shape = params_[s].shape;
      const DownsampleId downsample = params_[s].levels.downsample;
      coarser_by_pred = {level.by_pred, shape.height, shape.width, downsample};
      coarser_by_true = {level.by_true, shape.height, shape.width, downsample};
    }
    GradientOutputs<S> outputs;
    outputs.by_pred = by_pred;
    outputs.by_true = by_true;
    outputs.coarser_by_pred = coarser_by_pred;
    outputs.coarser_by_true = coarser_by_true;
    RunLevel(0, inputs, vector, rows, outputs);
  }

 private:
  template <class R>
  void RunLevel(size_t s, const LossInputs<R>& inputs, const R* vector, RowRange rows,
                GradientOutputs<R> outputs) {
    if (rows.begin >= rows.end) return;
    const KernelParams& params = params_[s];
    const double weight = params.levels.weights[s], denominator = denominators_[s][example_];
    const bool has_upstream = outputs.by_pred != nullptr || weight_maps_.AreWanted();
    const auto upstream = [&](int axis) { return upstream_.At(example_, axis); };
    const bool is_pixel_level = params.levels.pixel_weight > 0;
    const double pixel_factor = PixelFactor(params, denominators_, example_);
    const bool has_pixels = pixel_factor > 0;
    if (has_pixels && has_upstream) {
      outputs.pixel_scale = static_cast<T>(static_cast<double>(upstream(0)) * pixel_factor);
    }
    if (is_pixel_level && !has_pixels) weight_maps_.Clear(weight_maps_.PixelMap(), unit_, rows);
    if (!(denominator > 0) || weight == 0) {
      return WriteWithoutSums(s, inputs, vector, rows, has_pixels, outputs);
    }
    if (has_upstream) {
      const auto map_scale = [&](int axis) {
        return static_cast<T>(static_cast<double>(upstream(axis)) * weight / denominator);
      };
      const int last_axis = AxesOf(params) - 1;
      outputs.scale_y = GradientScale(params, upstream(0), denominator / weight);
      outputs.scale_x = GradientScale(params, upstream(last_axis), denominator / weight);
      outputs.by_weights =
          weight_maps_.Output(s, unit_, map_scale(0), map_scale(last_axis), maps_are_final_);
      if (has_pixels) {
        outputs.by_weights_of_pixels = weight_maps_.Output(weight_maps_.PixelMap(), unit_, 0, 0);
      }
    }
    const LossSums sums = ActiveTarget().Of<R>().loss(params, inputs, vector, rows, outputs);
    sums_[s] = sums.residuals;
    if (is_pixel_level) sums_[params_.size()] = {sums.pixels, 0};
  }

  /// What is left of a level in which no residual counts.
  template <class R>
  void WriteWithoutSums(size_t s, const LossInputs<R>& inputs, const R* vector, RowRange rows,
                        bool has_pixels, const GradientOutputs<R>& outputs) {
    const KernelParams& params = params_[s];
    weight_maps_.Clear(s, unit_, rows);
    const LossInputs<R>* const to_pred = has_pixels && vector == nullptr ? &inputs : nullptr;
    WriteWithoutResiduals(params, rows, outputs.coarser_by_pred, to_pred, outputs.pixel_scale,
                          outputs.by_pred);
    WriteWithoutResiduals<R>(params, rows, outputs.coarser_by_true, nullptr, 0, outputs.by_true);
    if (!has_pixels) return;
    sums_[params_.size()] = {SumPixels(params, inputs, vector, rows), 0};
    weight_maps_.Clear(weight_maps_.PixelMap(), unit_, rows);
    AddPixelsByWeight(params, inputs, vector, rows, outputs.pixel_scale,
                      weight_maps_.Output(weight_maps_.PixelMap(), unit_, 0, 0));
  }

  const std::vector<KernelParams>& params_;
  const ByTerm& denominators_;
  const WeightMaps<S>& weight_maps_;
  const bool maps_are_final_;
  const PerExample<T> upstream_;
  const int64_t example_, unit_;
  AxisSums* const sums_;
};

}  // namespace gradops::cpu
