"""What tests of upstream gradients that are remembered share."""

import itertools

import numpy as np
from op_tools import dyadic

from gradops import _library

SHAPE = (2, 9, 8, 3)
_sites = itertools.count(10**8)  # the first graphs of a process have small numbers


def new_site():
    """A site that nothing else has used."""
    return str(next(_sites))


def halves(rng, shape=SHAPE):
    """Two float16 images."""
    return [dyadic(rng, shape).astype("float16") for _ in range(2)]


def predicted(site, shape=SHAPE, expected=7.0, **options):
    """The upstream gradients of the next step."""
    images, scalar = np.zeros(shape, "float16"), np.array(expected, "float32")
    return _library.kernels().expected_upstream(images, scalar, site=site, **options)
