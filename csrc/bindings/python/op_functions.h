#pragma once

#include <pybind11/pybind11.h>

#include <functional>
#include <string>

#include "op/call.h"

// Python functions for the ops of the table, with snake_case names: loss_grad(y_true, y_pred, memo,
// expected, upstream, weights=weights, penalty="l2"). Inputs are given in the order of the table or
// by name; weights, mask and options by name. None stands for an input that is not given. Images
// may be given as unsigned integers of the same size; `dtype` then says what they are.

namespace gradops::python {

/// Runs a call on that many threads, 0 for one per core. Returns "" or what is wrong.
using RunOnHost = std::string (*)(const OpCall& call, int threads);

/// Defines the functions for NumPy arrays, with the argument `threads`. They return the output, or
/// a tuple of outputs, and write to arrays that are given under an output's name.
void DefineOnNumpy(pybind11::module_ m, RunOnHost run);

/// Defines the functions for arrays of a CUDA device, with the argument `stream`. The caller gives
/// the outputs, after the inputs or by name. Work is enqueued and not waited for.
void DefineOnDevice(pybind11::module_ m);

/// A call of an op on NumPy arrays, whose memory `keeper` keeps alive. For tests.
struct NumpyCall {
  OpCall call;
  pybind11::object keeper;
};
NumpyCall ReadNumpyCall(const Op& op, const pybind11::args& positional,
                        const pybind11::kwargs& named);

}  // namespace gradops::python
