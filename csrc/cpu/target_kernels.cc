// The kernels of one instruction set. Compiled once per target with GRADOPS_TARGET (a namespace)
// and GRADOPS_VECTOR_BYTES defined and that target's compiler flags; see CMakeLists.txt.

#include "cpu/coarser_rows.h"
#include "cpu/counts_sweep.h"
#include "cpu/image_sweeps.h"
#include "cpu/loss_units.h"
#include "cpu/targets.h"
#include "cpu/yardsticks.h"

#define GRADOPS_STRING_(text) #text
#define GRADOPS_STRING(text) GRADOPS_STRING_(text)

namespace gradops::cpu::GRADOPS_TARGET {
namespace {

template <class S>
void Scale(const S* in, ComputeType<S> factor, S* out, int64_t size) {
  constexpr int kLanes = Simd<ComputeType<S>>::kLanes;
  int64_t x = 0;
  for (; x + kLanes <= size; x += kLanes) {
    StoreNarrow(Simd<ComputeType<S>>(factor) * LoadWide(in + x), out + x);
  }
  for (; x < size; ++x) math::Narrow(factor * math::Widen(in[x]), out + x);
}

template <class S>
constexpr KernelTable<S> MakeTable() {
  return {LossUnit<S>,
          SecondUnit<S>,
          CountsUnit<S>,
          CoarserRow<S>,
          ImageGradientsUnit<S>,
          ImageGradientsAdjointUnit<S>,
          MagnitudeUnit<S>,
          MagnitudeGradientUnit<S>,
          Scale<S>,
          Triad<S>,
          SumAbsoluteDifference<S>};
}

}  // namespace

const Target& GetTarget() {
  static constexpr Target kTarget = {GRADOPS_STRING(GRADOPS_TARGET), MakeTable<float>(),
                                     MakeTable<double>(), MakeTable<math::Half>(),
                                     MakeTable<math::BFloat16>()};
  return kTarget;
}

}  // namespace gradops::cpu::GRADOPS_TARGET
