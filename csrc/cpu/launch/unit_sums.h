#pragma once

#include <vector>

#include "cpu/launch/denominators.h"
#include "cpu/launch/units.h"
#include "cpu/launch/weight_maps.h"
#include "family/counts.h"

namespace gradops::cpu {

/// The sums of all units by term; what losses and derivatives by the weights are made from. With
/// one term the units of an example are added up before they are divided, with several terms
/// afterwards.
class UnitSums {
 public:
  UnitSums(const std::vector<KernelParams>& params, const Units& units, const ByTerm& denominators)
      : params_(params),
        units_(units),
        denominators_(denominators),
        has_one_term_(params[0].levels.IsSingleTerm()),
        sums_(units.count * denominators.size(), AxisSums{0, 0}) {}

  /// One of each term; the pixels' has one axis.
  AxisSums* OfUnit(int64_t unit) { return sums_.data() + unit * denominators_.size(); }

  /// Adds up what belongs to each example. Where nothing counts the loss is 0.
  template <class T>
  void WriteLosses(T* losses) const {
    const int axes = AxesOf(params_[0]);
    for (int64_t example = 0; example < params_[0].shape.batch; ++example) {
      if (has_one_term_) {
        WriteLoss(SumsOf(example), denominators_[0][example], axes, losses + example * axes);
        continue;
      }
      losses[example] = static_cast<T>(SumOverUnits(units_, example, [&](int64_t unit) {
        double sum = 0;
        for (size_t s = params_.size() - 1; s > 0; --s) sum += Part(unit, s);
        const bool has_pixels = denominators_.size() > params_.size();
        return sum + (Part(unit, 0) + (has_pixels ? Part(unit, params_.size()) : 0));
      }));
    }
  }

  /// The factors of the counts in the derivatives by the weights (weight_maps.h).
  template <class T>
  ByTerm Factors(PerExample<T> upstream) const {
    ByTerm factors;
    for (size_t term = 0; term < denominators_.size(); ++term) {
      const std::vector<double>& of = denominators_[term];
      const auto loss_of = [&](int64_t example) {
        const double sum = SumOverUnits(units_, example, [&](int64_t unit) {
          return has_one_term_ ? Joint(unit, 0) : Part(unit, term);
        });
        return (has_one_term_ ? sum / of[example] : sum) *
               static_cast<double>(upstream.At(example, 0));
      };
      factors.emplace_back(of.size());
      WriteCountFactors(params_[0].normalizer, params_[0].shape.batch, loss_of, of.data(),
                        factors.back().data());
    }
    return factors;
  }

 private:
  const AxisSums& At(int64_t unit, size_t term) const {
    return sums_[unit * denominators_.size() + term];
  }
  double Joint(int64_t unit, size_t term) const { return At(unit, term).y + At(unit, term).x; }
  AxisSums SumsOf(int64_t example) const {
    return {SumOverUnits(units_, example, [&](int64_t unit) { return At(unit, 0).y; }),
            SumOverUnits(units_, example, [&](int64_t unit) { return At(unit, 0).x; })};
  }
  /// A unit's part of the weighted mean of a term.
  double Part(int64_t unit, size_t term) const {
    const int64_t example = units_.Example(unit);
    const double denominator = denominators_[term][example], sum = Joint(unit, term);
    if (term == params_.size()) return PixelFactor(params_[0], denominators_, example) * sum;
    const double weight = params_[0].levels.weights[term];
    return denominator == 0 || weight == 0 ? 0 : sum / (denominator / weight);
  }

  const std::vector<KernelParams>& params_;
  const Units& units_;
  const ByTerm& denominators_;
  const bool has_one_term_;
  std::vector<AxisSums> sums_;
};

}  // namespace gradops::cpu
