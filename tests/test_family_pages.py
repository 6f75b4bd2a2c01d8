"""The kernels and memory: no access beyond an array, where a page lies that nobody may touch.

Every op runs in a process of its own, which such an access would end, with all arrays at the begin
of their pages and again at the end.
"""

import ctypes
import itertools
import mmap
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from family_options import BORDERS, DATA_FORMATS, PENALTIES, RESPONSES, STENCILS
from family_tools import (
    COMPUTE,
    DTYPES,
    MODULES,
    TUNED,
    TWO_AXES,
    assert_same_bits,
    encode,
    generator,
    kernel_options,
    noisy,
)
from pair_tools import covering

from gradops import _kernels

PROT_NONE = 0
SHAPES = [(2, 6, 7, 3), (1, 70, 6, 2), (1, 9, 1031, 1), (2, 8, 6, 70), (1, 12, 1024, 1)]
FAMILY = {
    "shape": SHAPES,
    "at_end": [False, True],
    "has_target": [True, False],
    "maps": ["none", "per pixel", "per channel"],
    "response": RESPONSES,
    "penalty": PENALTIES,
    "stencil": STENCILS,
    "border": BORDERS,
    "data_format": DATA_FORMATS,
    "terms": ["one", "two scales", "with pixels"],
}
TERMS = {
    "one": {},
    "two scales": {"scale_weights": "1,0.5"},
    "with pixels": {"downsample": "average", "scale_weights": "1,0.5", "pixel_weight": "0.5"},
}


def guarded(array, at_end):
    """A copy between two pages that may not be touched, next to the first or to the last."""
    pages = -(-array.nbytes // mmap.PAGESIZE)
    memory = mmap.mmap(-1, (pages + 2) * mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for page in (0, pages + 1):
        place = ctypes.c_void_p(address + page * mmap.PAGESIZE)
        assert ctypes.CDLL(None).mprotect(place, mmap.PAGESIZE, PROT_NONE) == 0
    begin = mmap.PAGESIZE + (pages * mmap.PAGESIZE - array.nbytes if at_end else 0)
    copy = np.frombuffer(memory, array.dtype, array.size, begin).reshape(array.shape)
    copy[...] = array
    return copy


def run(*arguments):
    command = [sys.executable, *arguments]
    folder = Path(__file__).parent
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def array_of(name, rule, dtype, options, rng):
    """An input, of the size that its rule in the table of ops says."""
    compute, shape = COMPUTE[dtype], options["shape"]
    per_channel = options["maps"] == "per channel"
    axes = 2 if options["response"] in TWO_AXES else 1
    if rule == "map" and name == "mask":
        return rng.random(shape if per_channel else (*shape[:3], 1)) > 0.05
    if rule in ("map", "weights"):
        return rng.random(shape if per_channel else (*shape[:3], 1)).astype(compute)
    if rule in ("losses", "counts"):
        return rng.random(shape[:1] if rule == "losses" else (shape[0], axes)).astype(compute)
    return encode(noisy(rng, shape if rule == "images" else (*shape, 2), dtype), dtype)


def call_op(op, row, options, dtype):
    """Calls an op on plain arrays and on guarded ones, its outputs too, and compares the bits.

    Returns 1, or 0 if the op needs weights and there are none.
    """
    inputs, outputs, names, _ = row
    at_end = options["at_end"]
    rng, has_maps = generator(90), options["maps"] != "none"
    arrays = {}
    for name, rule in inputs.items():
        array = array_of(name, rule, dtype, options, rng)
        if options["data_format"] == "channels_first" and array.ndim >= 4:
            array = np.ascontiguousarray(np.moveaxis(array, 3, 1))
        is_absent = name == "y_true" and not options["has_target"]
        is_absent |= rule in ("map", "weights") and not has_maps
        arrays[name] = None if is_absent else array
    if "weights" in outputs.values() and not has_maps:
        return 0
    chosen = {name: x for name, x in options.items() if name in names}
    chosen = kernel_options(chosen, dtype)
    function = getattr(MODULES[dtype], re.sub("(?<!^)(?=[A-Z])", "_", op).lower())

    def results(wrap, **given):
        placed = {name: x if x is None else wrap(x) for name, x in arrays.items()}
        found = function(**placed, **given, **chosen, threads=1)
        return found if isinstance(found, tuple) else (found,)

    wanted = results(lambda x: x)
    given = {
        name: guarded(np.full_like(x, 77), at_end)  # so that what is not written shows
        for name, x in zip(outputs, wanted, strict=True)
        if x.size
    }
    found = results(lambda x: guarded(x, at_end), **given)
    for one, other in zip(found, wanted, strict=True):
        assert_same_bits(one, other)
    return 1


def main():
    """Prints how many calls were compared."""
    compared = 0
    for case, dtype in itertools.product(covering(FAMILY), DTYPES):
        options = {**case, **TERMS[case["terms"]], **TUNED.get(case["penalty"], {})}
        for op, row in _kernels.ops().items():
            compared += call_op(op, row, options, dtype)
    print(compared)


@pytest.mark.skipif(sys.platform != "linux", reason="pages are protected by a call of Linux")
def test_no_access_beyond_an_array():
    done = run("-X", "faulthandler", __file__)
    assert done.returncode == 0, f"status {done.returncode}: {done.stderr}"
    assert int(done.stdout) > 2000


def test_a_guarded_array_ends_the_process_that_goes_beyond_it():
    script = (
        "import ctypes, numpy, test_family_pages as pages;"
        "x = pages.guarded(numpy.zeros(5000), True);"
        "print(x.sum(), flush=True);"
        "ctypes.string_at(x.ctypes.data + x.nbytes, 1)"
    )
    done = run("-c", script)
    assert done.stdout == "0.0\n" and done.returncode != 0


if __name__ == "__main__":
    main()
