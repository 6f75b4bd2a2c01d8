#include "cpu/launch/huge_pages.h"

#include <cstddef>
#include <cstdint>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace gradops {
namespace {

void Advise(void* memory, size_t bytes) {
#if defined(__linux__)
  constexpr uintptr_t kHugePage = uintptr_t{1} << 21;
  constexpr size_t kWorthwhile = 2 * kHugePage;
  if (bytes < kWorthwhile) return;
  const uintptr_t begin = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t first = (begin + kHugePage - 1) / kHugePage * kHugePage;
  const uintptr_t last = (begin + bytes) / kHugePage * kHugePage;
  // A refusal is fine: the memory works either way.
  if (first < last) (void)madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#else
  (void)memory;
  (void)bytes;
#endif
}

size_t ElementSize(DtypeRule rule, Dtype images) {
  return VisitDtype(images, [rule](auto tag) {
    using S = typename decltype(tag)::Type;
    if (rule == DtypeRule::kBool) return sizeof(bool);
    return rule == DtypeRule::kImage ? sizeof(S) : sizeof(ComputeType<S>);
  });
}

}  // namespace

void AdviseHugePages(const OpCall& call) {
  for (size_t i = 0; i < call.outputs.size(); ++i) {
    size_t bytes = ElementSize(call.op->outputs[i].dtype, call.dtype);
    for (int64_t size : call.outputs[i].sizes) bytes *= size;
    Advise(call.outputs[i].data, bytes);
  }
}

}  // namespace gradops
