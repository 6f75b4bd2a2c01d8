// cuda_emulation, a module for tests: what the CUDA kernels compute, without a device.

#include "math/dtype.h"
#include "python/emulation.h"

namespace gradops::python {

PYBIND11_MODULE(cuda_emulation, m) {
  m.doc() =
      "The programs of the CUDA kernels on NumPy arrays; narrow types in submodules, as uint16.";
  DefineEmulation<float>(m);
  DefineEmulation<double>(m);
  DefineEmulation<math::Half>(
      m.def_submodule("float16", "Images of float16, given as their bits."));
  DefineEmulation<math::BFloat16>(
      m.def_submodule("bfloat16", "Images of bfloat16, given as their bits."));
}

}  // namespace gradops::python
