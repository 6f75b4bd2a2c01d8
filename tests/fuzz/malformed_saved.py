"""Edits of the graph of a saved model, such as a hostile file may have."""

import numpy as np
from tensorflow.core.framework import attr_value_pb2, types_pb2

from gradops import _library

TYPES = [
    types_pb2.DT_HALF,
    types_pb2.DT_DOUBLE,
    types_pb2.DT_INT32,
    types_pb2.DT_STRING,
    types_pb2.DT_RESOURCE,
    types_pb2.DT_INVALID,
    types_pb2.DT_FLOAT_REF,
    77,
]


def edit(model, case):
    """Writes the case's options into the model and makes its edits."""
    for definition, node in nodes(model):
        for name, value in case.call.options.items():
            if value is not None:
                node.attr[name].CopyFrom(attribute(value))
        for change, seed in case.edits:
            change(definition, node, np.random.default_rng(seed))


def nodes(model):
    """Our nodes, each with the function that has it."""
    for definition in model.meta_graphs[0].graph_def.library.function:
        for node in definition.node_def:
            if node.op.startswith("Gradops>"):
                yield definition, node


def attribute(value):
    result = attr_value_pb2.AttrValue()
    if isinstance(value, bytes | str):
        text = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        result.s = text
    elif isinstance(value, bool):
        result.b = value
    elif isinstance(value, int):
        result.i = value
    elif isinstance(value, float):
        result.f = value
    else:
        result.list.SetInParent()
    return result


def pick(rng, values):
    values = list(values)
    return values[rng.integers(len(values))]


def set_type(name):
    def change(definition, node, rng):
        if name in node.attr:
            node.attr[name].type = pick(rng, TYPES)

    return change


def delete_attribute(definition, node, rng):
    del node.attr[pick(rng, sorted(node.attr))]


def add_attribute(definition, node, rng):
    node.attr[pick(rng, ["nonsense", "", "_class", "x" * 1000])].s = b"\xff"


def type_of_attribute(definition, node, rng):
    attr = node.attr[pick(rng, sorted(node.attr))]
    kind = pick(rng, ["i", "f", "b", "placeholder", "list", "shape", "tensor", "func"])
    attr.Clear()
    if kind in ("i", "f", "b"):
        setattr(attr, kind, 3)
    elif kind == "placeholder":
        attr.placeholder = "T"
    else:
        getattr(attr, kind).SetInParent()


def other_op(definition, node, rng):
    names = [*_library.op_table(), "Nonsense", "", "Loss\x00"]
    node.op = f"Gradops>{pick(rng, names)}"


def drop_input(definition, node, rng):
    del node.input[rng.integers(len(node.input))]


def add_input(definition, node, rng):
    node.input.append(pick(rng, [*node.input, "nowhere", "", "^nowhere", "nowhere:out:7"]))


def other_input(definition, node, rng):
    others = [*node.input, "nowhere:0", "", f"{node.name}:0", "^y_pred", "y_pred:-1", "y_pred:99"]
    node.input[rng.integers(len(node.input))] = pick(rng, others)


def other_device(definition, node, rng):
    node.device = pick(rng, ["/device:GPU:0", "nonsense", "/job:x/task:9", "/device:XLA_CPU_JIT:0"])


def other_argument(definition, node, rng):
    pick(rng, definition.signature.input_arg).type = pick(rng, TYPES)


def other_result(definition, node, rng):
    name = pick(rng, sorted(definition.ret))
    definition.ret[name] = pick(rng, ["nowhere", f"{node.name}:by_pred:0", f"{node.name}:9", ""])


def shape_of_argument(definition, node, rng):
    """Shapes that the file says its arguments and results have."""
    attrs = definition.arg_attr[int(rng.integers(len(node.input)))].attr["_output_shapes"]
    shape = attrs.list.shape.add()
    for size in rng.choice([-2, -1, 0, 1, 2**31, 2**62], rng.integers(6)):
        shape.dim.add(size=int(size))


# What is edited, and the edit. Such a model may be refused or not.
EDITS = [
    ("the type T", set_type("T")),
    ("the type Tloss", set_type("Tloss")),
    ("an attribute less", delete_attribute),
    ("one attribute more", add_attribute),
    ("an attribute of another type", type_of_attribute),
    ("another op", other_op),
    ("an input less", drop_input),
    ("one input more", add_input),
    ("another input", other_input),
    ("another device", other_device),
    ("an argument of another type", other_argument),
    ("another result", other_result),
    ("shapes of an argument", shape_of_argument),
]
