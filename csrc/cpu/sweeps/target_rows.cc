// The code between the stencil's passes for every response and penalty: most of the code of an
// instruction set. Compiled as often as target_kernels.cc.

#include "cpu/passes/residual_row_visit.h"
#include "cpu/passes/row_group_visit.h"

namespace gradops::cpu::GRADOPS_TARGET {

template ResidualRowFunction<GRADOPS_COMPUTE> FindResidualRow(const KernelParams&, Order, bool);
template ByWeightRowFunction<GRADOPS_COMPUTE> FindByWeightRow(const KernelParams&, Order);
template RowGroupFunction<GRADOPS_COMPUTE> FindRowGroup(const KernelParams&, GroupSlopes,
                                                        Weighting);

}  // namespace gradops::cpu::GRADOPS_TARGET
