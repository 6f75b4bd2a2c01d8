#include "bindings/python/op_functions.h"

#include <algorithm>
#include <cctype>
#include <new>
#include <stdexcept>
#include <vector>

#include "bindings/python/array.h"
#include "op/check.h"
#include "op/launch.h"
#include "op/queue.h"

namespace gradops::python {
namespace {

using Read = std::function<Array(py::handle array, const char* name)>;

/// "loss_grad_grad" for LossGradGrad.
std::string SnakeCase(const std::string& name) {
  std::string snake;
  for (const char c : name) {
    if (std::isupper(c) && !snake.empty()) snake += '_';
    snake += static_cast<char>(std::tolower(c));
  }
  return snake;
}

void ThrowIf(const std::string& error) {
  if (error.empty()) return;
  switch (FailureOf(error)) {
    case Failure::kMemory:
      throw std::bad_alloc();  // MemoryError
    case Failure::kDevice:
      throw std::runtime_error(error);
    default:
      throw std::invalid_argument(error);
  }
}

/// Removes an argument from those given by name and returns it, or None.
py::object Take(py::kwargs* named, const char* name) {
  if (!named->contains(name)) return py::none();
  py::object value = (*named)[name];
  PyDict_DelItemString(named->ptr(), name);
  return value;
}

std::string TextOf(py::handle value, const std::string& argument) {
  try {
    return py::str(value).cast<std::string>();
  } catch (const py::cast_error&) {  // not all of Python's texts can be encoded
    throw std::invalid_argument(argument + " must be text, got " +
                                py::repr(value).cast<std::string>());
  }
}

/// How many threads are asked for; 0 for one per core.
int ReadThreads(const py::object& threads) {
  if (threads.is_none()) return 0;
  try {
    const int count = threads.cast<int>();
    if (count >= 0) return count;
  } catch (const py::cast_error&) {
  }
  throw std::invalid_argument("threads must be an integer from 0 to 2147483647, got " +
                              py::repr(threads).cast<std::string>());
}

/// The arguments of a call of an op, read and checked. Outputs may be missing.
class Arguments {
 public:
  Arguments(const Op& op, const py::args& positional, py::kwargs named, const Read& read)
      : call{&op, Dtype::kFloat32, {}} {
    dtype_ = Take(&named, "dtype");
    size_t next = 0;
    for (const Argument& input : op.inputs) {
      const bool by_name = input.shape == ShapeRule::kMap || input.shape == ShapeRule::kWeights;
      inputs.push_back(ReadArgument(input, by_name ? nullptr : &positional, &next, &named, read));
      const Array& array = inputs.back();
      if (array.keeper.is_none() && !input.is_optional) {
        throw std::invalid_argument(SnakeCase(op.name) + " needs " + input.name);
      }
      call.inputs.push_back(array.buffer);
    }
    for (const Argument& output : op.outputs) {
      outputs.push_back(ReadArgument(output, &positional, &next, &named, read));
    }
    if (next < positional.size()) {
      throw std::invalid_argument(SnakeCase(op.name) + " takes " + std::to_string(next) +
                                  " arrays, got " + std::to_string(positional.size()));
    }
    ReadOptions(std::move(named));
    SetDtype();
    for (size_t i = 0; i < inputs.size(); ++i) CheckDtype(op.inputs[i], inputs[i]);
    ThrowIf(CheckShapes(call));
  }

  /// Checks an output and adds it to the call.
  void TakeOutput(const Argument& argument, const Array& output) {
    if (!output.is_writeable) throw std::invalid_argument(output.name + " must be writeable");
    CheckDtype(argument, output);
    const Sizes wanted = OutputSizes(argument, call);
    if (output.buffer.sizes != wanted) {
      throw std::invalid_argument(output.name + " must have shape " + ShapeText(wanted) + ", got " +
                                  ShapeText(output.buffer.sizes));
    }
    for (const Array& input : inputs) CheckApart(argument, output, input);
    for (size_t i = 0; i < call.outputs.size(); ++i) CheckApart(argument, output, outputs[i]);
    call.outputs.push_back(output.buffer);
  }
  /// The dtype of an output for NumPy. Where images are given as bits, so are the outputs.
  py::object DtypeOf(const Argument& argument) const {
    if (argument.dtype == DtypeRule::kImage) {
      return inputs[call.op->ImagesInput()].keeper.attr("dtype");
    }
    return py::str(ComputeNameOf(call.dtype));
  }

  OpCall call;
  std::vector<Array> inputs, outputs;

 private:
  static Array ReadArgument(const Argument& argument, const py::args* positional, size_t* next,
                            py::kwargs* named, const Read& read) {
    py::object value = Take(named, argument.name);
    if (positional != nullptr && value.is_none() && *next < positional->size()) {
      value = (*positional)[(*next)++];
    }
    return value.is_none() ? Array{argument.name} : read(value, argument.name);
  }
  void ReadOptions(py::kwargs named) {
    const auto get = [&](const std::string& name, std::string* text) {
      const py::object value = Take(&named, name.c_str());
      if (!value.is_none()) *text = TextOf(value, name);
      return !value.is_none();
    };
    ThrowIf(call.op->ReadOptions(get, &call.options));
    for (const auto& item : named) {
      if (item.second.is_none()) continue;
      throw std::invalid_argument("unknown option " + py::repr(item.first).cast<std::string>());
    }
  }
  void SetDtype() {
    const Array& images = inputs[call.op->ImagesInput()];
    const std::string name = dtype_.is_none() ? images.dtype : TextOf(dtype_, "dtype");
    if (FindDtype(name, &call.dtype)) return;
    throw std::invalid_argument(images.name + " must be of dtype " + DtypeNames() + ", got " +
                                name);
  }
  void CheckDtype(const Argument& argument, const Array& array) const {
    if (array.keeper.is_none()) return;
    const std::string wanted = argument.dtype == DtypeRule::kBool      ? "bool"
                               : argument.dtype == DtypeRule::kCompute ? ComputeNameOf(call.dtype)
                                                                       : NameOf(call.dtype);
    const bool are_bits = argument.dtype == DtypeRule::kImage && !dtype_.is_none() &&
                          array.dtype == BitsNameOf(call.dtype);
    if (array.dtype == wanted || are_bits) return;
    throw std::invalid_argument(array.name + " must be of dtype " + wanted + ", got " +
                                array.dtype);
  }
  /// Kernels read the neighbours of elements that they have already written.
  static void CheckApart(const Argument& argument, const Array& output, const Array& other) {
    const char* const one = static_cast<const char*>(output.buffer.data);
    const char* const two = static_cast<const char*>(other.buffer.data);
    if (one + output.bytes <= two || two + other.bytes <= one) return;
    if (argument.reuses == other.name && one == two) return;
    throw std::invalid_argument(output.name + " must not overlap " + other.name);
  }

  py::object dtype_;
};

py::object Call(const Op& op, RunOnHost run, const py::args& positional, py::kwargs named) {
  const int threads = ReadThreads(Take(&named, "threads"));
  Arguments arguments(op, positional, std::move(named), ReadNumpyArray);
  py::list results;
  for (size_t i = 0; i < op.outputs.size(); ++i) {
    const Argument& argument = op.outputs[i];
    Array& output = arguments.outputs[i];
    if (output.keeper.is_none()) {
      output = NewNumpyArray(argument.name, OutputSizes(argument, arguments.call),
                             arguments.DtypeOf(argument));
    }
    arguments.TakeOutput(argument, output);
    results.append(output.keeper);
  }
  std::string error;
  {
    const py::gil_scoped_release unlocked;
    error = run(arguments.call, threads);
  }
  ThrowIf(error);
  return results.size() == 1 ? py::object(results[0]) : py::tuple(results);
}

#ifdef GRADOPS_CUDA
void CallOnDevice(const Op& op, const py::args& positional, py::kwargs named) {
  const py::object given = Take(&named, "stream");
  const uintptr_t stream = given.is_none() ? 0 : given.cast<uintptr_t>();
  Arguments arguments(op, positional, std::move(named),
                      [stream](py::handle array, const char* name) {
                        return ReadDeviceArray(array, name, stream);
                      });
  for (size_t i = 0; i < op.outputs.size(); ++i) {
    if (arguments.outputs[i].keeper.is_none()) {
      throw std::invalid_argument(SnakeCase(op.name) + " needs " + op.outputs[i].name);
    }
    arguments.TakeOutput(op.outputs[i], arguments.outputs[i]);
  }
  const std::string driver = cuda::CheckDriver();
  if (!driver.empty()) throw std::runtime_error(driver);
  cuda::StreamMemory memory(reinterpret_cast<void*>(stream));
  const cuda::Queue queue = {reinterpret_cast<void*>(stream),
                             [&](size_t bytes) { return memory.Allocate(bytes); }};
  ThrowIf(Launch(arguments.call, queue));
}
#endif

}  // namespace

NumpyCall ReadNumpyCall(const Op& op, const py::args& positional, const py::kwargs& named) {
  Arguments arguments(op, positional, named, ReadNumpyArray);
  return {arguments.call, arguments.inputs[op.ImagesInput()].keeper};
}

void DefineOnNumpy(py::module_ m, RunOnHost run) {
  for (const Op& op : Ops()) {
    m.def(
        SnakeCase(op.name).c_str(),
        [&op, run](const py::args& positional, const py::kwargs& named) {
          return Call(op, run, positional, named);
        },
        op.doc);
  }
}

#ifdef GRADOPS_CUDA
void DefineOnDevice(py::module_ m) {
  for (const Op& op : Ops()) {
    m.def(
        SnakeCase(op.name).c_str(),
        [&op](const py::args& positional, const py::kwargs& named) {
          CallOnDevice(op, positional, named);
        },
        op.doc);
  }
  m.def(
      "nothing",
      [](uintptr_t stream) {
        ThrowIf(cuda::LaunchNothing({reinterpret_cast<void*>(stream), nullptr}));
      },
      py::arg("stream") = 0, "Launches an empty kernel: the least that a launch costs.");
  m.def("check_driver", &cuda::CheckDriver, "'' or why the kernels cannot run here.");
}
#endif

}  // namespace gradops::python
