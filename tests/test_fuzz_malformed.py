"""Malformed calls of everything that can be called: an exception of ours, never worse.

tests/fuzz/malformed.py draws the calls. Below are those that were once answered otherwise.
"""

import itertools

import numpy as np
import pytest
from fuzz import malformed, malformed_driver
from subprocess_tools import run_python

from gradops import _kernels

QUICK = 400
IMAGES = np.arange(120, dtype="float32").reshape(2, 4, 5, 3) ** 2 / 64
SCALAR = np.ones((), "float32")


def check(first, count):
    reports = []
    faults, outcomes = malformed_driver.drive(first, count, report=reports.append)
    assert not faults, "\n".join(reports)
    assert sum(outcomes.values()) == count
    return {front for front, _ in outcomes}


def test_malformed_calls_of_every_front_end_are_refused():
    assert check(0, QUICK) == {*malformed.RUNS, "public"}


@pytest.mark.extended
@pytest.mark.parametrize("first", range(QUICK, QUICK + 40000, 1000))
def test_more_malformed_calls_are_refused(first):
    check(first, 1000)


def test_outputs_that_share_memory_are_an_error():
    out = np.empty_like(IMAGES)
    with pytest.raises(ValueError, match="by_pred must not overlap by_true"):
        _kernels.loss_grad_grad(
            IMAGES, 2 * IMAGES, IMAGES, SCALAR, penalty="l2", by_true=out, by_pred=out
        )


def test_every_byte_of_a_mask_but_0_is_true():
    """In rows of a part of a register, of one and of more."""
    bytes_ = np.array([2, 0x7F, 0x80, 0xFF], "uint8")
    for width, channels, byte in itertools.product((5, 21, 64, 87), (1, 3), bytes_):
        images = np.arange(9.0 * width * channels).reshape(1, 9, width, channels) ** 2
        mask = np.arange(9 * width).reshape(1, 9, width, 1) % 7 > 0
        found = _kernels.loss(None, images, mask=(mask.view("uint8") * byte).view(bool))
        wanted = _kernels.loss(None, images, mask=mask)
        np.testing.assert_array_equal(found, wanted, str((width, channels, byte)))


@pytest.mark.parametrize(
    "option", [{"threads": 2**40}, {"threads": 1.5}, {"threads": "2"}, {"penalty": "\udc80"}]
)
def test_arguments_that_cannot_be_converted_are_errors_that_name_them(option):
    with pytest.raises((ValueError, TypeError), match=next(iter(option))):
        _kernels.loss(None, IMAGES, **option)


@pytest.mark.parametrize(
    "option",
    [{"pixel_weight": " 1"}, {"pixel_weight": "\n1"}, {"scale_weights": "1,"}],
)
def test_numbers_with_something_around_them_are_errors(option):
    with pytest.raises(ValueError, match=next(iter(option))):
        _kernels.loss(None, IMAGES, **option)


# A tensor without pixels takes no memory, however many images it has.
MANY = """
import resource
import numpy as np
import tensorflow as tf
from gradops import _kernels, _library

resource.setrlimit(resource.RLIMIT_AS, (2**37, resource.RLIM_INFINITY))  # also where all is granted
ops = _library.ops()
one, none, no_mask = tf.ones([]), tf.zeros([0]), tf.zeros([0], tf.bool)
images = tf.zeros([2**40, 4, 4, 0])
inputs = images, images, images, no_mask
for name, call in {
    "gradient": lambda: ops.gradops_loss_grad(*inputs, none, one, one),
    "memo": lambda: ops.gradops_loss_grad(*inputs, images, one, one),
    "memo of weights": lambda: ops.gradops_loss_weights_grad(*inputs, images, one, one),
    "gradient of weights": lambda: ops.gradops_loss_weights_grad(*inputs, none, one, one),
    "second": lambda: ops.gradops_loss_weights_grad_grad(*inputs, images, one),
}.items():
    print(name, flush=True)
    try:
        call()
    except tf.errors.OpError as error:
        assert "std::" not in str(error), error
empty, ones = np.zeros((2**40, 4, 4, 0), "float32"), np.ones((), "float32")
given = {"weights": empty, "weights_memo": empty, "by_weights": empty}
assert _kernels.loss_weights_grad(empty, empty, ones, ones, **given) is empty
print("all")
"""


def test_a_batch_that_no_memory_holds_is_no_crash_and_no_hang():
    process = run_python(MANY)
    assert process.stdout.splitlines()[-1] == "all", process.stdout + process.stderr[-2000:]
