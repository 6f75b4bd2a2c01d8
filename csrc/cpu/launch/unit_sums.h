#pragma once

#include <vector>

#include "cpu/launch/denominators.h"
#include "cpu/launch/units.h"
#include "cpu/launch/weight_maps.h"
#include "family/counts.h"

namespace gradops::cpu {

/// The sums of all units by level, and those of the pixel term; what losses and derivatives by the
/// weights are made from. With one term the units of an example are added up before they are
/// divided, with several terms afterwards.
class UnitSums {
 public:
  UnitSums(const std::vector<KernelParams>& params, const Units& units,
           const Denominators& denominators)
      : params_(params),
        units_(units),
        denominators_(denominators),
        has_one_term_(params[0].levels.IsSingleTerm()),
        sums_(units.count * params.size(), AxisSums{0, 0}),
        pixels_(has_one_term_ ? 0 : units.count, 0) {}

  /// One of each level.
  AxisSums* OfUnit(int64_t unit) { return sums_.data() + unit * params_.size(); }
  /// Null if there is one term.
  double* PixelsOfUnit(int64_t unit) { return has_one_term_ ? nullptr : &pixels_[unit]; }

  /// Adds up what belongs to each example. Where nothing counts the loss is 0.
  template <class T>
  void WriteLosses(T* losses) const {
    const int axes = AxesOf(params_[0]);
    for (int64_t example = 0; example < params_[0].shape.batch; ++example) {
      if (has_one_term_) {
        WriteLoss(SumsOf(example), denominators_.levels[0][example], axes, losses + example * axes);
        continue;
      }
      losses[example] = static_cast<T>(SumOverUnits(units_, example, [&](int64_t unit) {
        double sum = 0;
        for (size_t s = params_.size() - 1; s > 0; --s) sum += Part(unit, s);
        return sum + (Part(unit, 0) + PixelPart(unit));
      }));
    }
  }

  /// The factors of the counts in the derivatives by the weights (weight_maps.h).
  template <class T>
  CountFactors Factors(PerExample<T> upstream) const {
    CountFactors factors(params_.size(), params_[0].shape.batch);
    const auto write = [&](auto loss_of, const std::vector<double>& of, std::vector<double>* to) {
      const auto times_upstream = [&](int64_t example) {
        return loss_of(example) * static_cast<double>(upstream.At(example, 0));
      };
      WriteCountFactors(params_[0].normalizer, params_[0].shape.batch, times_upstream, of.data(),
                        to->data());
    };
    for (size_t s = 0; s < params_.size(); ++s) {
      const auto loss_of = [&](int64_t example) {
        if (!has_one_term_) {
          return SumOverUnits(units_, example, [&](int64_t unit) { return Part(unit, s); });
        }
        return SumOverUnits(units_, example, [&](int64_t unit) { return Joint(unit, 0); }) /
               denominators_.levels[0][example];
      };
      write(loss_of, denominators_.levels[s], &factors.levels[s]);
    }
    if (!denominators_.pixels.empty()) {
      const auto loss_of = [&](int64_t example) {
        return SumOverUnits(units_, example, [&](int64_t unit) { return PixelPart(unit); });
      };
      write(loss_of, denominators_.pixels, &factors.pixels);
    }
    return factors;
  }

 private:
  const AxisSums& At(int64_t unit, size_t s) const { return sums_[unit * params_.size() + s]; }
  double Joint(int64_t unit, size_t s) const { return At(unit, s).y + At(unit, s).x; }
  AxisSums SumsOf(int64_t example) const {
    return {SumOverUnits(units_, example, [&](int64_t unit) { return At(unit, 0).y; }),
            SumOverUnits(units_, example, [&](int64_t unit) { return At(unit, 0).x; })};
  }
  /// A unit's part of the weighted mean of a level, and of the pixel term.
  double Part(int64_t unit, size_t s) const {
    const double weight = params_[s].levels.weights[s];
    const double denominator = denominators_.levels[s][units_.Example(unit)];
    return denominator == 0 || weight == 0 ? 0 : Joint(unit, s) / (denominator / weight);
  }
  double PixelPart(int64_t unit) const {
    if (denominators_.pixels.empty()) return 0;
    return denominators_.PixelFactor(params_[0], units_.Example(unit)) * pixels_[unit];
  }

  const std::vector<KernelParams>& params_;
  const Units& units_;
  const Denominators& denominators_;
  const bool has_one_term_;
  std::vector<AxisSums> sums_;
  std::vector<double> pixels_;
};

}  // namespace gradops::cpu
