#ifndef GRADOPS_TF_OP_INPUTS_H_
#define GRADOPS_TF_OP_INPUTS_H_

#include <string>
#include <vector>

#include "core/cpu_target.h"
#include "core/huge_pages.h"
#include "core/launch.h"
#include "core/validate.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tf/status.h"

// What every kernel does before it launches: read the options, check the inputs at run time (shapes
// may have been unknown when the graph was built), find the thread pool.

namespace gradops::tf_ops {

using ::absl::Status;
using ::tensorflow::OpKernelConstruction;
using ::tensorflow::OpKernelContext;
using ::tensorflow::Tensor;

/// Reads the options that the op has as attributes.
inline Status ReadOptions(OpKernelConstruction* context, LossOptions* options) {
  for (const OptionNames& row : AllOptions()) {
    if (!context->HasAttr(row.option)) continue;
    std::string name;
    TF_RETURN_IF_ERROR(context->GetAttr(row.option, &name));
    TF_RETURN_IF_ERROR(FromMessage(SetOption(row.option, name, options)));
  }
  return FromMessage(CheckCpuTarget());
}

/// The shape of images [B, H, W, C, ...] of the given rank.
inline Status ReadImageShape(const Tensor& tensor, const char* argument, int rank,
                             const char* layout, BorderId border, ImageShape* shape) {
  if (tensor.dims() != rank) {
    return InvalidArgument(argument, " must have rank ", rank, " ", layout, ", got shape ",
                           tensor.shape().DebugString());
  }
  *shape = {tensor.dim_size(0), tensor.dim_size(1), tensor.dim_size(2), tensor.dim_size(3)};
  return FromMessage(CheckImageSize(argument, shape->height, shape->width, border));
}

/// The common shape of y_true (input 0) and y_pred (input 1).
inline Status ReadImagePair(OpKernelContext* context, BorderId border, ImageShape* shape) {
  const Tensor &y_true = context->input(0), &y_pred = context->input(1);
  TF_RETURN_IF_ERROR(ReadImageShape(y_true, "y_true", 4, "[B, H, W, C]", border, shape));
  TF_RETURN_IF_ERROR(ReadImageShape(y_pred, "y_pred", 4, "[B, H, W, C]", border, shape));
  if (y_true.shape() == y_pred.shape()) return absl::OkStatus();
  return InvalidArgument("y_true and y_pred must have the same shape, got ",
                         y_true.shape().DebugString(), " and ", y_pred.shape().DebugString());
}

/// Input `index` as one value per example, from a scalar or a [B] tensor.
template <class U>
Status ReadPerExample(OpKernelContext* context, int index, const char* argument, int64_t batch,
                      PerExample<U>* values) {
  const Tensor& tensor = context->input(index);
  const bool scalar = tensor.dims() == 0;
  if (!scalar && (tensor.dims() != 1 || tensor.dim_size(0) != batch)) {
    return InvalidArgument(argument, " must be a scalar or have shape [", batch, "], got ",
                           tensor.shape().DebugString());
  }
  *values = {tensor.flat<U>().data(), scalar ? 0 : 1};
  return absl::OkStatus();
}

/// The data of an output that is about to be written.
template <class T>
T* FreshData(Tensor* output) {
  T* const data = output->flat<T>().data();
  AdviseHugePages(data, output->TotalBytes());
  return data;
}

/// TensorFlow's intra-op pool, one unit at a time.
inline ParallelFor IntraOpParallelFor(OpKernelContext* context) {
  using Pool = ::tensorflow::thread::ThreadPool;
  Pool* const pool = context->device()->tensorflow_cpu_worker_threads()->workers;
  return [pool](int64_t count, const std::function<void(int64_t)>& run_unit) {
    if (count == 0) return;
    pool->ParallelFor(count, Pool::SchedulingParams::Fixed(1), [&](int64_t begin, int64_t end) {
      for (int64_t unit = begin; unit < end; ++unit) run_unit(unit);
    });
  };
}

}  // namespace gradops::tf_ops

#endif  // GRADOPS_TF_OP_INPUTS_H_
