#pragma once

#include <pybind11/pybind11.h>

#include <functional>
#include <string>

#include "op/call.h"

// Functions for the ops of the table, under their names in lower case: loss_grad(y_true, y_pred,
// memo, expected, upstream, weights=weights, penalty="l2"). Inputs but for weights and mask are
// given in the order of the table or by name, options by name. None stands for an input that is not
// given. For images of 16 bits as uint16, `dtype` says what they are.

namespace gradops::python {

/// Runs a call on so many threads, 0 for one per core. Returns "" or what is wrong.
using RunOnHost = std::string (*)(const OpCall& call, int threads);

/// On NumPy arrays, with the argument `threads`. Returns the output, or a tuple of them; an array
/// that is given under an output's name is written to.
void DefineOnNumpy(pybind11::module_ m, RunOnHost run);

/// On arrays of a CUDA device, on the stream of the argument `stream`. Outputs are given by the
/// caller, after the inputs or by name. Work is enqueued; nothing waits for it.
void DefineOnDevice(pybind11::module_ m);

/// Reads a call of an op on NumPy arrays; the keeper holds their memory. For tests.
struct NumpyCall {
  OpCall call;
  pybind11::object keeper;
};
NumpyCall ReadNumpyCall(const Op& op, const pybind11::args& positional,
                        const pybind11::kwargs& named);

}  // namespace gradops::python
