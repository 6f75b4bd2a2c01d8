"""The op that predicts upstream gradients from those that LossGrad has remembered."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from upstream_tools import SHAPE, halves, new_site, predicted

from gradops import _library

pytestmark = pytest.mark.cpu_only  # nothing is remembered on a GPU
_kernels = _library.kernels()
NONE = np.zeros(0, "float16")


@pytest.fixture
def site():
    """One that nothing else has used."""
    return new_site()


def miss(site, upstream, shape=SHAPE, memo=True, **options):
    """A step whose memo was made for another upstream gradient."""
    upstream = np.asarray(upstream, "float32")
    images = np.ones(shape, "float16")
    memo, expected = images if memo else NONE, np.array(-1, "float32")
    return _kernels.loss_grad(
        images, images, memo=memo, expected=expected, upstream=upstream, site=site, **options
    )


def test_without_a_history_it_is_the_callers(site):
    for unknown in (site, ""):
        np.testing.assert_array_equal(predicted(unknown), [7, 7])
    each = np.array([[1, 2], [3, 4]], "float32")
    found = _kernels.expected_upstream(
        np.zeros(SHAPE, "float16"), each, site=site, normalizer="none"
    )
    np.testing.assert_array_equal(found, each)


def test_what_was_missed_last_is_expected_next(site):
    miss(site, [3, 5])
    np.testing.assert_array_equal(predicted(site), [3, 5])
    miss(site, 4)  # a scalar
    np.testing.assert_array_equal(predicted(site), [7, 7])
    miss(site, [4, 4])
    np.testing.assert_array_equal(predicted(site), [4, 4])
    for upstream in ([1, 2], [2, 1], [1, 2]):  # never twice the same
        miss(site, upstream)
        np.testing.assert_array_equal(predicted(site), [7, 7])


@pytest.mark.parametrize("site", ["a", "-1", "1234567890", '"}'])
def test_sites_are_numbers(site):
    with pytest.raises(ValueError, match="site must be a whole number of at most 9 digits, got"):
        predicted(site)


def test_by_axis(site):
    upstream = [[1, 2], [3, 4]]
    miss(site, upstream, normalizer="none")
    np.testing.assert_array_equal(predicted(site), [7, 7])
    np.testing.assert_array_equal(predicted(site, normalizer="none"), upstream)


def test_sites_and_batches_have_histories_of_their_own(site):
    miss(site, [3, 5])
    np.testing.assert_array_equal(predicted(new_site()), [7, 7])
    np.testing.assert_array_equal(predicted(site, (3, 9, 8, 3)), [7, 7, 7])
    np.testing.assert_array_equal(predicted(site, (2, 7, 4, 1)), [3, 5])


def test_dtypes_have_histories_of_their_own(site):
    images, call = np.ones(SHAPE), {"site": site, "normalizer": "none"}  # a memo that is not scaled
    upstream = np.array([[1e300, 1.0], [1.0, 1.0]])
    call |= {"memo": images, "expected": np.array(1.0), "upstream": upstream}
    _kernels.loss_grad(images, images, **call)
    found = _kernels.expected_upstream(images, np.array(7.0), site=site, normalizer="none")
    np.testing.assert_array_equal(found, upstream)
    np.testing.assert_array_equal(predicted(site, normalizer="none"), 7)  # not infinite


def test_what_says_nothing_is_not_remembered(rng, site):
    miss("", [3, 5])
    np.testing.assert_array_equal(predicted(""), [7, 7])
    miss(site, [3, 5], memo=False)
    np.testing.assert_array_equal(predicted(site), [7, 7])
    t, p = halves(rng)
    expected = np.array([7, 7], "float32")
    _, memo = _kernels.loss_memo(t, p, expected)
    _kernels.loss_grad(t, p, memo=memo, expected=expected, upstream=expected, site=site)
    for value in (np.inf, -np.inf, np.nan):  # an op must give no such values of its own
        miss(site, [value, 5])
        np.testing.assert_array_equal(predicted(site), [7, 7])
    many = (1025, 2, 2, 1)
    miss(site, 3, shape=many)
    np.testing.assert_array_equal(predicted(site, many), [7] * 1025)
    miss(site, [3, 5])  # the first miss
    np.testing.assert_array_equal(predicted(site), [3, 5])


def test_what_was_predicted_right_stays_predicted(rng, site):
    miss(site, [3, 5])
    t, p = halves(rng)
    for _ in range(3):
        expected = predicted(site)
        _, memo = _kernels.loss_memo(t, p, expected)
        upstream = np.array([3, 5], "float32")
        _kernels.loss_grad(t, p, memo=memo, expected=expected, upstream=upstream, site=site)
    np.testing.assert_array_equal(predicted(site), [3, 5])


def test_many_sites_are_forgotten(site):
    miss(site, [3, 5])
    others = [new_site() for _ in range(1025)]
    for other in others:
        miss(other, [1, 1], shape=(2, 2, 2, 1))
    np.testing.assert_array_equal(predicted(site), [7, 7])
    # There is no more room, but it is a new site that needs some.
    remembered = [other for other in others if predicted(other)[0] == 1]
    others = [new_site() for _ in range(1024 - len(remembered))]
    for other in [*others, others[0]]:
        miss(other, [1, 1], shape=(2, 2, 2, 1))
    assert predicted(remembered[0])[0] == 1


def test_sites_of_many_threads():
    def turn(i):
        own = new_site()
        for _ in range(50):
            miss(own, [i, i])
        return predicted(own).tolist()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(turn, range(16))) == [[i, i] for i in range(16)]
