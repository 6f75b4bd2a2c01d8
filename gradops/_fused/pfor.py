"""tf.vectorized_map, tape.jacobian and tape.batch_jacobian: the loop becomes part of the batch.

Examples do not depend on each other, so n iterations of an op on batches of B are the op on one
batch of n * B. With normalizer "batch" they do, and the iterations run one by one in a loop.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.python.ops.parallel_for import pfor

from gradops import _library


def _convert(loop: Any) -> Any:
    op, count = loop.op, loop.pfor.loop_len_vector[0]
    inputs = [loop.input(i)[:2] for i in range(loop.num_inputs)]
    row = _library.op_table()[op.type.removeprefix("Gradops>")]
    if "normalizer" in row.options and op.get_attr("normalizer") == b"batch":
        return _convert_in_turn(op, inputs, count)
    images, is_stacked = inputs[list(row.inputs).index(row.images)]
    batch = tf.shape(images)[1 if is_stacked else 0]
    folded = [
        _folded_losses(tensor, is_stacked, count, batch)
        if shape == "losses"
        else _folded(tensor, is_stacked, count)
        for shape, (tensor, is_stacked) in zip(row.inputs.values(), inputs, strict=True)
    ]
    return [_unfolded(output, count, batch) for output in _run(op, folded)]


def _run(op: tf.Operation, inputs: list[tf.Tensor]) -> list[tf.Tensor]:
    """The outputs of the op for these inputs."""
    types = ("T", "Tloss")  # follow from the inputs
    names = [attribute.name for attribute in op.op_def.attr if attribute.name not in types]
    values = {name: op.get_attr(name) for name in names}
    options = {n: tf.compat.as_str(v) if isinstance(v, bytes) else v for n, v in values.items()}
    name = "".join("_" + c.lower() if c.isupper() else c for c in op.type.split(">")[1])
    return tf.nest.flatten(getattr(_library.ops(), f"gradops{name}")(*inputs, **options))


def _is_absent(tensor: tf.Tensor, is_stacked: bool) -> bool:
    return tensor.shape.rank == (2 if is_stacked else 1)


def _folded(tensor: tf.Tensor, is_stacked: bool, count: tf.Tensor) -> tf.Tensor:
    """[n, B, ...] as [n * B, ...]; [B, ...] is repeated n times."""
    if _is_absent(tensor, is_stacked):
        return tf.zeros([0], tensor.dtype)
    if not is_stacked:
        tensor = tf.repeat(tensor[None], count, axis=0)
    return tf.reshape(tensor, tf.concat([[-1], tf.shape(tensor)[2:]], axis=0))


def _folded_losses(
    tensor: tf.Tensor, is_stacked: bool, count: tf.Tensor, batch: tf.Tensor
) -> tf.Tensor:
    """The same for a scalar, n scalars, or a tensor of the shape of the losses."""
    rank = tensor.shape.rank
    if rank == 0:
        return tensor
    if rank == 1 and is_stacked:
        return tf.repeat(tensor, batch)
    if not is_stacked:
        tensor = tf.repeat(tensor[None], count, axis=0)
    return tf.reshape(tensor, tf.concat([[-1], tf.shape(tensor)[2:]], axis=0))


def _unfolded(output: tf.Tensor, count: tf.Tensor, batch: tf.Tensor) -> Any:
    rest = tf.shape(output)[1:]
    # An output that is not wanted is an empty tensor.
    size = 0 if output.shape.rank == 1 and output.shape[0] == 0 else batch
    return pfor.wrap(tf.reshape(output, tf.concat([[count, size], rest], axis=0)), True)


def _convert_in_turn(
    op: tf.Operation, inputs: list[tuple[tf.Tensor, bool]], count: tf.Tensor
) -> list[Any]:
    def step(i: tf.Tensor) -> list[tf.Tensor]:
        return _run(op, [tensor[i] if is_stacked else tensor for tensor, is_stacked in inputs])

    signature = [output.dtype for output in op.outputs]
    outputs = tf.map_fn(step, tf.range(count), fn_output_signature=signature)
    return [pfor.wrap(output, True) for output in outputs]


for _op in _library.op_table():
    _library.registered_once(pfor.RegisterPFor(f"Gradops>{_op}"))(_convert)
