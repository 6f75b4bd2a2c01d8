"""Cases run through the kernels, with what must hold of the results checked."""

import hashlib

import numpy as np
from family_checks import (
    TOLERANCE,
    assert_image_near,
    assert_outcome_near,
    errors,
    kinds,
    largest,
)
from family_tools import (
    COMPUTE,
    EPSILON,
    MODULES,
    NARROW,
    TWO_AXES,
    Example,
    Outcome,
    decode,
    encode,
    kernel_options,
    oracle,
    shifted,
)
from fuzz.arrays import encoded, inputs, out_of_range
from fuzz.cases import WITHIN
from fuzz.oracle import expected

OF_IMAGES = ("stencil", "border", "scale", "data_format")
SAME = [
    ("memo_loss", "loss"),
    ("weights_loss", "loss"),
    ("recomputed", "gradient"),
    ("weights_gradient", "gradient"),
    ("weights_recomputed", "by_weights"),
]
# Upstream gradients that a memo foresaw, relative to those that came, for examples in turn.
FORESEEN = np.array([0.5, 1, -3])


def _options(case):
    """The options as the ops have them, without the maps."""
    options = kernel_options(case["options"], case["dtype"])
    if "scale_weights" in options:
        options["scale_weights"] = ",".join(map(str, options["scale_weights"]))
    return options


def _of_images(module, options, p, v, threads):
    images = {name: options[name] for name in OF_IMAGES} | {"threads": threads}
    epsilon = {name: options[name] for name in ("response_epsilon",) if name in options}
    edges = module.image_gradients(p, **images)
    return {
        "edges": edges,
        "adjoint": module.image_gradients_adjoint(edges, **images),
        "magnitudes": module.gradient_magnitude(p, **images, **epsilon),
        "of_magnitudes": module.gradient_magnitude_grad(p, v, **images, **epsilon),
    }


def _of_weights(module, how, t, p, v, expected, u):
    loss, gradient, by_weights = module.loss_weights_memo(t, p, u, **how)
    memo = module.loss_weights_memo(t, p, expected, **how)[2]
    counted = np.resize(u, (u.shape[0], 2 if how["response"] in TWO_AXES else 1))
    again = module.loss_weights_grad
    return {
        "weights_loss": loss,
        "weights_gradient": gradient,
        "by_weights": by_weights,
        "weights_recomputed": again(t, p, expected, u, **how),
        "weights_scaled": again(t, p, expected, u, weights_memo=memo, **how),
        "by_weights_of_gradient": module.loss_weights_grad_grad(t, p, v, u, **how),
        "of_counts": module.loss_counts_grad(None, p, counted, **how),
    }


def results(case, data, maps, threads=1):
    """{name: array}: all that the kernels find, of inputs that are checked to stay as they are."""
    module, options = MODULES[case["dtype"]], _options(case)
    given, maps = encoded(case, data, maps)
    if case["shift"]:
        given = [None if x is None else shifted(x, case["shift"]) for x in given]
    before = _bytes_of(*given, *maps.values())
    t, p, v, u = given
    how = {**options, **maps, "threads": threads}
    factors = np.resize(FORESEEN, u.shape[0]).reshape(-1, *[1] * (u.ndim - 1))
    expected = (u * factors).astype(u.dtype)
    memo_loss, gradient = module.loss_memo(t, p, u, **how)
    memo = module.loss_memo(t, p, expected, **how)[1]
    by_true, by_pred, by_upstream = module.loss_grad_grad(t, p, v, u, **how)
    found = {
        "loss": module.loss(t, p, **how),
        "memo_loss": memo_loss,
        "gradient": gradient,
        "recomputed": module.loss_grad(t, p, None, expected, u, **how),
        "kept": module.loss_grad(t, p, v, u, u, **how),
        "scaled": module.loss_grad(t, p, memo, expected, u, **how),
        "by_true": by_true,
        "by_pred": by_pred,
        "by_upstream": by_upstream,
        "counts": module.loss_counts(None, p, **how),
    }
    if "weights" in maps:
        found |= _of_weights(module, how, t, p, v, expected, u)
    found |= _of_images(module, options, p, v, threads)
    assert before == _bytes_of(*given, *maps.values()), "inputs changed"
    return found


def _bytes_of(*arrays):
    return [None if x is None else x.tobytes() for x in arrays]


def _bits(array, dtype):
    """The array as unsigned integers, with one NaN for all."""
    if array.dtype == "uint16":
        return np.where(np.isnan(decode(array, dtype)), 0xFFFF, array)
    bits = array.view(f"u{array.dtype.itemsize}")
    return np.where(np.isnan(array), np.iinfo(bits.dtype).max, bits)


def digest(found, dtype):
    """A hash of all results, in which all NaN are the same."""
    total = hashlib.sha256()
    for array in found.values():
        total.update(np.ascontiguousarray(_bits(array, dtype)).tobytes())
    return total.hexdigest()[:16]


def _assert_equal(found, wanted, what, dtype):
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape), what
    different = np.count_nonzero(_bits(found, dtype) != _bits(wanted, dtype))
    assert not different, f"{what}: {different} of {found.size} differ"


def _assert_nan_alike(found, wanted, what):
    """NaN at the same places."""
    different = np.count_nonzero(np.isnan(found) != np.isnan(wanted))
    assert not different, f"{what}: NaN differ at {different} of {found.size} places"


def _check_ways(case, found, data):
    """What the contract of the ops says about results of several functions."""
    dtype = case["dtype"]
    for one, other in SAME:
        if one in found:
            _assert_equal(found[one], found[other], f"{one} and {other}", dtype)
    _assert_equal(found["kept"], encode(data.vector, dtype), "memo that was foreseen", dtype)
    if dtype in NARROW:
        _assert_equal(found["scaled"], found["gradient"], "scaled memo", dtype)
    pairs = {"scaled": "gradient", "weights_scaled": "by_weights"}
    skipped = case["values"] == "beyond"  # where a memo overflows or vanishes
    for one, other in pairs.items():
        if one not in found or found[one].dtype == "uint16":
            continue
        scaled, wanted = (found[name][skipped:].astype("float64") for name in (one, other))
        bound = 4 * EPSILON[COMPUTE[dtype]]
        assert np.all(kinds(scaled) == kinds(wanted)), f"{one} has other NaN or Inf"
        assert np.all(errors(scaled, wanted) <= bound), f"{one} differs"


def _check_images(case, found, data):
    """The stencil, its adjoint and magnitudes."""
    dtype, options = case["dtype"], case["options"]
    squares = abs(case["exponent"]) <= WITHIN[dtype][0]
    epsilon = {name: options[name] for name in ("response_epsilon",) if name in options}
    given = {
        "image_gradients": ("edges", [data.y_pred], {}),
        "image_gradients_adjoint": ("adjoint", [decode(found["edges"], dtype)], {}),
    }
    if squares:
        given["gradient_magnitude"] = ("magnitudes", [data.y_pred], epsilon)
    if squares and case["values"] != "noisy":  # which has magnitudes of few digits
        given["gradient_magnitude_grad"] = ("of_magnitudes", [data.y_pred, data.vector], epsilon)
    images = {name: options[name] for name in OF_IMAGES}
    part = slice(case["values"] == "beyond", None)
    for function, (name, arrays, more) in given.items():
        wanted = oracle(function)(*arrays, **images, **more)
        with np.errstate(all="ignore"):
            actual = decode(found[name], dtype)
            _assert_nan_alike(actual[part], wanted[part], name)
            assert_image_near(actual[part], wanted[part], dtype, "gradient", name)


def _check_map(found, wanted, floor, tolerance, what):
    """A derivative by the weights; its terms may cancel down to the floor."""
    scale = np.maximum(largest(wanted), floor.reshape(-1, 1, 1, 1))
    _assert_nan_alike(found, wanted, what)
    wrong = errors(found.astype("float64"), wanted, scale)
    assert np.all(wrong <= tolerance), (what, float(wrong.max()))


def _check_outcome(case, found, data, options):
    dtype, values = case["dtype"], case["values"]
    wanted = expected(data, options)
    tolerance = TOLERANCE[COMPUTE[dtype]]
    outcome = Outcome(
        found["loss"].astype("float64"),
        *(decode(found[name], dtype) for name in ("gradient", "by_true", "by_pred")),
        found["by_upstream"].astype("float64"),
    )
    part = slice(values == "beyond", None)
    outcome = Outcome(*(x[part] for x in outcome))
    theirs = Outcome(*(x[part] for x in wanted.outcome))
    data = Example(None, *(x[part] for x in data[1:]))
    has_second = values not in ("scaled", "inf")
    if not has_second:
        theirs = theirs._replace(by_true=None, by_pred=None)
    if not has_second or (values == "nan" and options["normalizer"] == "none"):
        # The scale of by_upstream is a sum over both axes, which may be NaN where one axis is not.
        along = np.zeros_like(theirs.by_upstream)
        outcome, theirs = (x._replace(by_upstream=along) for x in (outcome, theirs))
    for name, one, other in zip(Outcome._fields, outcome, theirs, strict=True):
        if other is not None:
            _assert_nan_alike(one, other, name)
    factor = 20 if wanted.few else 1
    assert_outcome_near(outcome, theirs, data, dtype, case["options"], factor=factor)
    np.testing.assert_array_equal(found["counts"], wanted.counts, "counts")
    if wanted.by_weights is None:
        return
    np.testing.assert_array_equal(found["of_counts"], wanted.of_counts, "of_counts")
    if values == "beyond" and options["normalizer"] == "batch":
        return  # the losses of all examples are in it
    floors = wanted.floors[:, part]
    found = {name: found[name][part] for name in ("by_weights", "by_weights_of_gradient")}
    bound = factor * tolerance["gradient"]
    _check_map(found["by_weights"], wanted.by_weights[part], floors[0], bound, "by_weights")
    if has_second:
        name = "by_weights_of_gradient"
        wanted, bound = wanted.by_weights_of_gradient[part], factor * tolerance["second"]
        _check_map(found[name], wanted, floors[1], bound, name)


def check(case, against_oracle=True):
    """The digest of the kernels' results; raises AssertionError if they are wrong."""
    dtype = case["dtype"]
    data, maps = inputs(case)
    given = out_of_range(case, data) if case["values"] == "beyond" else data
    found = results(case, given, maps)
    if case["threads"] > 1:
        for name, array in results(case, given, maps, case["threads"]).items():
            _assert_equal(array, found[name], f"{name} with {case['threads']} threads", dtype)
    _check_ways(case, found, given)
    if against_oracle and case["images"]:
        _check_images(case, found, data)
    if against_oracle:
        _check_outcome(case, found, data, {**case["options"], **maps})
    return digest(found, dtype)


def failure(case, against_oracle=True):
    """(digest, one line that says what is wrong or nothing)."""
    try:
        return check(case, against_oracle), ""
    except Exception as error:
        # Whatever is raised is a failure of this case and not of the next.
        return "", " ".join(f"{type(error).__name__}: {error}".split())[:300]
