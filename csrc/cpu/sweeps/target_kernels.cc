// The kernels of one instruction set for images that are computed in one type. Compiled once for
// each pair of them, with GRADOPS_TARGET (a namespace), GRADOPS_VECTOR_BYTES, GRADOPS_COMPUTE
// (float or double) and the compiler flags of the instruction set: see cmake/CpuTargets.cmake. The
// code between the stencil's passes is in target_rows.cc.

#include "cpu/rows/coarser_rows.h"
#include "cpu/sweeps/counts_sweep.h"
#include "cpu/sweeps/image_sweeps.h"
#include "cpu/sweeps/loss_units.h"
#include "cpu/sweeps/roofline.h"

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

}  // namespace

/// The table is a constant, because looking it up must not run an instruction of this set.
template <class S>
const KernelTable<S>& Kernels() {
  static constexpr KernelTable<S> kTable = {LossUnit<S>,
                                            CountsUnit<S>,
                                            AddCountedUnit<S>,
                                            CoarserRow<S>,
                                            SpreadRows<S>,
                                            ImageGradientsUnit<S>,
                                            ImageGradientsAdjointUnit<S>,
                                            MagnitudeUnit<S>,
                                            MagnitudeGradientUnit<S>,
                                            Scale<S>,
                                            Triad<S>,
                                            SumAbsoluteDifference<S>};
  return kTable;
}

#define GRADOPS_INSTANTIATE(enumerator, S, name) template const KernelTable<S>& Kernels<S>();
#define GRADOPS_DTYPES_(type) GRADOPS_DTYPES_IN_##type
#define GRADOPS_DTYPES_IN(type) GRADOPS_DTYPES_(type)
GRADOPS_DTYPES_IN(GRADOPS_COMPUTE)(GRADOPS_INSTANTIATE)

}  // namespace gradops::cpu::GRADOPS_TARGET
