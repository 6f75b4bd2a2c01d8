"""One table names the family; every layer agrees with it."""

import importlib
import inspect
import itertools
import re

import family_tools
import numpy as np
import pytest
from tensorflow.python.framework import kernels as kernels_lib
from tensorflow.python.framework import op_def_registry, ops

import gradops
from gradops import _kernels, _library, composite, reference
from gradops._inputs import checks, convert

TABLE = _kernels.options()

TABLES = {
    "stencil": "STENCILS",
    "penalty": "PENALTIES",
    "response": "RESPONSES",
    "border": "BORDERS",
    "scale": "SCALES",
    "normalizer": "NORMALIZERS",
    "data_format": "DATA_FORMATS",
    "downsample": "DOWNSAMPLES",
}
PARAMETERS = {"penalty_parameter", "response_epsilon", "scale_weights", "pixel_weight", "site"}
IMAGE_OPTIONS = {"stencil", "border", "scale", "data_format"}
WANTED = {"wants_true"}
OPS = {
    **{
        f"Loss{suffix}": {*TABLES, *PARAMETERS}
        for suffix in ("", "Memo", "Grad", "Counts", "CountsGrad")
    },
    **{f"LossWeights{suffix}": {*TABLES, *PARAMETERS} for suffix in ("Memo", "Grad", "GradGrad")},
    "ExpectedUpstream": {*TABLES, *PARAMETERS},
    "LossGradGrad": {*TABLES, *PARAMETERS, *WANTED},
    **{f"ImageGradients{suffix}": IMAGE_OPTIONS for suffix in ("", "Adjoint")},
    **{
        f"GradientMagnitude{suffix}": {*IMAGE_OPTIONS, "response_epsilon"}
        for suffix in ("", "Grad")
    },
}
FUNCTIONS = ["gradient_loss", "value_and_gradient", "gradient_sums"]
IMAGE_FUNCTIONS = ["image_gradients", "gradient_magnitude"]


@pytest.mark.parametrize("module", [reference, composite])
def test_the_references_know_the_whole_family_and_nothing_else(module):
    for option, names in checks.allowed_names().items():
        assert tuple(getattr(module, TABLES[option])) == names


def test_what_is_allowed_is_the_table_of_the_kernels():
    table = {option: tuple(names) for option, names in _kernels.options().items()}
    *allowed, sums = table.pop("normalizer")
    assert sums == checks.SUMS
    assert {**table, "normalizer": tuple(allowed)} == checks.allowed_names()


def check_parameters(loss, names, keywords, table):
    """Each name takes its parameter alone, and without it is what it is with the default."""
    for name, keyword in itertools.product(names, keywords):
        parameter, default = table.get(name, (None, None))
        if keyword != parameter:
            with pytest.raises(ValueError, match=f"^{keyword} is not a parameter of "):
                loss(name, **{keyword: 1.5})
            continue
        np.testing.assert_array_equal(loss(name), loss(name, **{keyword: default}))
        assert not np.array_equal(loss(name), loss(name, **{keyword: 1.2 * default or 1e-9}))


@pytest.mark.parametrize("module", [gradops, composite, reference])
def test_penalties_have_the_same_parameters_and_defaults(module, rng):
    images = rng.normal(size=(2, 1, 5, 5, 1))

    def loss(name, **parameters):
        return np.asarray(module.gradient_loss(*images, penalty=name, **parameters))

    keywords, table = checks.PENALTY_PARAMETERS, _kernels.penalty_parameters()
    check_parameters(loss, TABLE["penalty"], keywords, table)


@pytest.mark.parametrize("module", [gradops, composite, reference])
def test_responses_have_the_same_parameters_and_defaults(module, rng):
    images = 3e-7 * rng.normal(size=(2, 1, 9, 9, 3))  # gradients around direction's default

    def loss(name, **parameters):
        return np.asarray(module.gradient_loss(*images, response=name, **parameters))

    keywords, table = checks.RESPONSE_PARAMETERS, _kernels.response_parameters()
    check_parameters(loss, TABLE["response"], keywords, table)


def test_the_table_has_no_other_option():
    assert set(TABLE) == set(TABLES)


def test_no_other_ops_are_registered():
    functions = {name for name in dir(_library.ops()) if name.startswith("gradops_")}
    functions = {name for name in functions if not name.endswith("_eager_fallback")}
    assert functions == {"gradops" + re.sub("([A-Z])", r"_\1", op).lower() for op in OPS}
    assert {op: set(row[2]) for op, row in _kernels.ops().items()} == {
        op: options - WANTED for op, options in OPS.items()
    }


@pytest.mark.parametrize("op", OPS)
def test_attributes_and_kernels_of_an_op_are_the_table(op):
    attributes = {a.name: a for a in op_def_registry.get(f"Gradops>{op}").attr}
    for option in OPS[op] & set(TABLES):
        allowed = [name.decode() for name in attributes[option].allowed_values.list.s]
        assert allowed == TABLE[option]
        assert attributes[option].default_value.s.decode() == allowed[0]
    for wanted in OPS[op] & WANTED:
        assert attributes[wanted].type == "bool" and not attributes[wanted].default_value.b
    for parameter in OPS[op] & PARAMETERS:
        assert attributes[parameter].type == "string"
        assert attributes[parameter].default_value.s == b""
    assert set(attributes) - {"T", "Tloss"} == OPS[op]
    assert ops.gradient_registry.lookup(f"Gradops>{op}")
    # Computed in every dtype.
    dtypes = [dtype.as_datatype_enum for dtype in convert.DTYPES]
    assert list(attributes["T"].allowed_values.list.type) == dtypes
    (kernel,) = (
        kernel
        for kernel in kernels_lib.get_registered_kernels_for_op(f"Gradops>{op}").kernel
        if kernel.device_type == "CPU"
    )
    assert not kernel.constraint


def test_the_family_tests_draw_every_dtype():
    assert set(family_tools.DTYPES) == {dtype.name for dtype in convert.DTYPES}


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("module", ["gradops._kernels", "cuda_emulation"])
def test_every_op_has_a_launcher(module, op):
    inputs, outputs, *_ = _kernels.ops()[op]
    shapes = {
        "images": (1, 4, 4, 1),
        "gradients": (1, 4, 4, 1, 2),
        "losses": (1,),
        "counts": (1, 2),
    }
    values = {
        name: np.ones(shapes[rule], "float32") for name, rule in inputs.items() if rule in shapes
    }
    if "weights" in outputs.values():
        values["weights"] = np.ones((1, 4, 4, 1), "float32")
    name = re.sub("(?!^)([A-Z])", r"_\1", op).lower()
    found = getattr(importlib.import_module(module), name)(**values)
    assert len(found if isinstance(found, tuple) else [found]) == len(outputs)


def defaults_of(function):
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


@pytest.mark.parametrize("name", [*FUNCTIONS, *IMAGE_FUNCTIONS, "GradientLoss"])
def test_defaults_are_the_first_of_each_table(name):
    modules = [module for module in (gradops, composite) if hasattr(module, name)]
    for module in modules:
        check_defaults(module, name)
    assert gradops in modules


def check_defaults(module, name):
    defaults = defaults_of(getattr(module, name))
    options = IMAGE_OPTIONS if name in IMAGE_FUNCTIONS else set(TABLES)
    options -= {"normalizer", "downsample"} if name == "gradient_sums" else set()
    assert set(TABLES) & set(defaults) == options
    for option in options - {"data_format"}:
        assert defaults[option] == TABLE[option][0]
    parameters = {*checks.PENALTY_PARAMETERS, *checks.RESPONSE_PARAMETERS, "data_format"}
    assert all(defaults[p] is None for p in parameters & set(defaults))


def test_fused_and_composite_have_the_same_signatures():
    for name in [*FUNCTIONS, *IMAGE_FUNCTIONS, "sobel_edges"]:
        fused, composed = (
            [(p.name, p.kind, p.default) for p in inspect.signature(f).parameters.values()]
            for f in (getattr(gradops, name), getattr(composite, name))
        )
        assert fused == composed


def test_the_functions_of_a_loss_have_the_same_options():
    loss, value, sums = (defaults_of(getattr(gradops, name)) for name in FUNCTIONS)
    assert value == {"reduction": "mean", **loss}
    of_losses = {"normalizer", "scales", "downsample", "scale_weights"}
    assert sums == {key: value for key, value in loss.items() if key not in of_losses}
    keras_loss = {"weight": 1.0, "reduction": "sum_over_batch_size", "dtype": None, **loss}
    del keras_loss["weights"]  # those are its sample weights
    keras_loss["mask_value"] = None
    assert defaults_of(gradops.GradientLoss) == {**keras_loss, "name": "gradient_loss"}
