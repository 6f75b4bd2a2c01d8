// The kernels of one instruction set. Compiled once per target with GRADOPS_TARGET (a namespace)
// and GRADOPS_VECTOR_BYTES defined and that target's compiler flags; see CMakeLists.txt.

#include "cpu/image_gradients_sweep.h"
#include "cpu/loss_sweep.h"
#include "cpu/targets.h"
#include "cpu/yardsticks.h"

#define GRADOPS_STRING_(text) #text
#define GRADOPS_STRING(text) GRADOPS_STRING_(text)

namespace gradops::cpu::GRADOPS_TARGET {
namespace {

template <class T>
void Scale(const T* in, T factor, T* out, int64_t size) {
  constexpr int kLanes = Simd<T>::kLanes;
  int64_t x = 0;
  for (; x + kLanes <= size; x += kLanes) (Simd<T>(factor) * Simd<T>::Load(in + x)).Store(out + x);
  for (; x < size; ++x) out[x] = factor * in[x];
}

template <class T>
constexpr KernelTable<T> MakeTable() {
  return {LossUnit<T>, ImageGradientsUnit<T>,   ImageGradientsAdjointUnit<T>, Scale<T>,
          Triad<T>,    SumAbsoluteDifference<T>};
}

}  // namespace

const Target& GetTarget() {
  static constexpr Target kTarget = {GRADOPS_STRING(GRADOPS_TARGET), MakeTable<float>(),
                                     MakeTable<double>()};
  return kTarget;
}

}  // namespace gradops::cpu::GRADOPS_TARGET
