"""The front ends of the ops: each runs a call and returns its results as arrays."""

import functools
import os
import tempfile
from pathlib import Path

import numpy as np

from gradops import _kernels, _library

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def numpy_module(case):
    call = case.call
    results = getattr(_kernels, call.function)(**call.inputs, **call.options, **call.extras)
    return results if isinstance(results, tuple) else (results,)


def tensors(call):
    """The inputs of a call as tensors, by TensorFlow's own rules; none as an empty one."""
    import tensorflow as tf

    images = call.inputs[call.row.images]
    wide = isinstance(images, np.ndarray) and images.dtype == "float64"
    images_type = getattr(images, "dtype", "float32")
    absent = {
        "images": images_type if str(images_type) in ("float16", "bfloat16") else None,
        "mask": "bool",
    }
    compute = "float64" if wide else "float32"
    return [
        tf.zeros([0], absent.get(name) or absent.get(call.row.inputs[name]) or compute)
        if x is None
        else tf.convert_to_tensor(x)
        for name, x in call.inputs.items()
    ]


def op_of(call):
    return getattr(_library.ops(), f"gradops_{call.function}")


def arrays(results):
    import tensorflow as tf

    return tuple(x.numpy() for x in tf.nest.flatten(results))


def eager(case):
    call = case.call
    return arrays(op_of(call)(*tensors(call), **call.options, **call.extras))


def in_function(case, known, jit_compile=False):
    import tensorflow as tf

    call = case.call
    given = tensors(call)
    specs = [tf.TensorSpec(x.shape if known else None, x.dtype) for x in given]

    @tf.function(input_signature=specs, jit_compile=jit_compile, autograph=False)
    def function(*inputs):
        return op_of(call)(*inputs, **call.options, **call.extras)

    return arrays(function(*given))


def graph(case):
    return in_function(case, known=True)


def unknown(case):
    """In a graph that knows no shape, not even ranks."""
    return in_function(case, known=False)


def xla(case):
    return in_function(case, known=True, jit_compile=True)


@functools.cache
def model_of(op, **options):
    """A saved model with an op on float32 images of any shape: its folder and its graph's bytes."""
    import tensorflow as tf

    row = _library.op_table()[op]
    specs = [tf.TensorSpec(None, "bool" if n == "mask" else "float32", name=n) for n in row.inputs]
    extras = {"wants_true": True} if "by_true" in row.outputs else {}
    snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in op)

    class Model(tf.Module):
        @tf.function(input_signature=specs, autograph=False)
        def run(self, *inputs):
            return getattr(_library.ops(), f"gradops{snake}")(*inputs, **extras, **options)

    folder = tempfile.TemporaryDirectory()
    tf.saved_model.save(Model(), folder.name)
    return folder, Path(folder.name, "saved_model.pb").read_bytes()


def saved(case):
    """Of a saved model whose graph was edited."""
    import tensorflow as tf
    from fuzz import malformed_saved
    from tensorflow.core.protobuf import saved_model_pb2

    # The file has the shapes of results, which follow from these options.
    shaping = ("response", "normalizer")
    options = {name: value for name, value in case.options.items() if name in shaping}
    folder, graph = model_of(case.call.op, **options)
    model = saved_model_pb2.SavedModel.FromString(graph)
    malformed_saved.edit(model, case)
    Path(folder.name, "saved_model.pb").write_bytes(model.SerializeToString())
    return arrays(tf.saved_model.load(folder.name).run(*tensors(case.call)))
