"""One table names the family; every layer agrees with it."""

import inspect

import pytest
import tensorflow as tf
from tensorflow.python.framework import op_def_registry

import gradops
from gradops import _kernels, _options, composite, reference

TABLES = {
    "stencil": "STENCILS",
    "penalty": "PENALTIES",
    "response": "RESPONSES",
    "border": "BORDERS",
    "scale": "SCALES",
}
LOSS_OPS = ["Gradops>Loss", "Gradops>LossMemo", "Gradops>LossGrad"]
IMAGE_OPS = ["Gradops>ImageGradients", "Gradops>ImageGradientsAdjoint"]


@pytest.mark.parametrize("option", TABLES)
@pytest.mark.parametrize("module", [reference, composite])
def test_the_references_know_the_whole_family_and_nothing_else(module, option):
    assert tuple(getattr(module, TABLES[option])) == tuple(_kernels.options()[option])


def test_the_table_has_no_other_option():
    assert set(_kernels.options()) == set(TABLES)


@pytest.mark.parametrize("op", LOSS_OPS + IMAGE_OPS)
def test_op_attributes_are_the_table(op):
    attributes = {a.name: a for a in op_def_registry.get(op).attr}
    options = list(TABLES) if op in LOSS_OPS else ["stencil", "border", "scale"]
    for option in options:
        allowed = [name.decode() for name in attributes[option].allowed_values.list.s]
        assert allowed == _kernels.options()[option]
        assert attributes[option].default_value.s.decode() == allowed[0]
    assert set(attributes) - set(options) <= {"T", "Tloss"}


@pytest.mark.parametrize("op", LOSS_OPS + IMAGE_OPS)
def test_every_op_has_a_registered_gradient(op):
    assert tf.raw_ops is not None
    from tensorflow.python.framework import ops

    assert ops.gradient_registry.lookup(op)


@pytest.mark.parametrize(
    "function",
    [
        gradops.gradient_loss,
        gradops.value_and_gradient,
        gradops.GradientLoss,
        composite.gradient_loss,
        composite.value_and_gradient,
    ],
)
def test_defaults_are_the_first_of_each_table(function):
    parameters = inspect.signature(function).parameters
    for option, names in _options.allowed_names().items():
        assert parameters[option].default == names[0]


def test_fused_and_composite_have_the_same_signatures():
    for name in ("gradient_loss", "value_and_gradient", "sobel_edges"):
        fused, composed = (inspect.signature(getattr(m, name)) for m in (gradops, composite))
        assert list(fused.parameters) == list(composed.parameters)
