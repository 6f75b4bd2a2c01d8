"""The parts of the benchmark that time calls: each a function from settings to rows."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

from benchmarks.cases import Settings, Target, Timed
from benchmarks.device import Section
from benchmarks.measure import LAST, SMALL, WHOLE, measure
from benchmarks.modes import (
    FORWARD,
    FUNCTION_STEP,
    LOSS_AND_GRADIENT,
    LOSS_SCALED_FUNCTION_STEP,
    LOSS_SCALED_STEP,
    SCALED_STEP,
    TRAINING_STEP,
    WEIGHTED_STEP,
)
from benchmarks.problems import Problem, make_problem
from benchmarks.report import Row
from benchmarks.tf import peers
from benchmarks.tf.baselines import KERAS, READ_FLOOR, SMALL_BYTES, SUBTRACT, TAPE, TRIADS
from benchmarks.tf.family import family, product
from benchmarks.tf.learned import learned
from benchmarks.tf.memory import memory

_FUSED, _COMPILED = "op-function", "op-xla"
_MODES = (FORWARD, LOSS_AND_GRADIENT, TRAINING_STEP)
# Not at every large shape: the composition takes seconds a step in these.
_SLOW_PROVIDERS = ("tf-eager", "tf-xla")
_SMALL_SHAPE = (1, 64, 64, 3)
_KERNEL_FLOOR, _KERNEL_AIM = 1.4, 1.15
_UNEVEN_FLOOR = 2.0
# Small images have no floor: they are mostly borders, and in the caches.
_SIZES = (
    ((16, 500, 500, 3), _UNEVEN_FLOOR),
    ((16, 513, 513, 3), _UNEVEN_FLOOR),
    ((64, 96, 96, 3), None),
    ((256, 28, 28, 1), None),
)
_QUICK_SIZES = (((1, 15, 17, 3), _UNEVEN_FLOOR),)
_STEP_FLOOR, _STEP_AIM = 1.6, 1.25
_UPSTREAM_FLOOR, _MAPS_FLOOR = 1.8, 1.6
_NARROW_STEP_FLOOR, _NARROW_FORWARD_FLOOR, _FLOAT64_FLOOR = 0.95, 0.75, 2.2
_FUNCTION_FLOOR, _KERAS_FLOOR = 2.0, 1.5
_CHART_PROVIDERS = (_FUSED, "tf-function", "tf-eager", "tf-xla")
_SIDES, _QUICK_SIDES = (64, 128, 256, 512, 1024, 2048, 3600), (16, 32)  # To 13 megapixels.
_CHART_ROUNDS = 3
# Beyond, what other sections check at such sizes is checked at a small one alone.
_CHECKED_SIDE = 1024


def _problems(settings: Settings) -> Iterator[tuple[Problem, bool]]:
    """The problems of sections without own dtypes and options, and whether floors hold for them."""
    for penalty, dtype in itertools.product(settings.penalties, settings.dtypes):
        for shape in settings.shapes:
            is_default = (dtype, penalty) == ("float32", "l1")
            yield settings.problem(shape, dtype, penalty), is_default


def _against_memory(problem: Problem, floor: float | None, aim: float | None = None) -> list[Timed]:
    """The kernel with gradient and without; the aim is for the first."""
    return [
        Timed("kernel", LOSS_AND_GRADIENT, problem, [Target(TRIADS, floor, aim)]),
        Timed("kernel", FORWARD, problem, [Target([READ_FLOOR], floor)]),
    ]


def kernels(settings: Settings) -> Iterator[list[Row]]:
    """The kernel without TensorFlow against what memory allows."""
    for problem, judged in _problems(settings):
        floors = (_KERNEL_FLOOR, _KERNEL_AIM) if judged else (None,)
        yield measure("kernels", _against_memory(problem, *floors), settings)


def sizes(settings: Settings) -> Iterator[list[Row]]:
    """The same where rows are no whole lines of memory, and at small images."""
    for shape, floor in _QUICK_SIZES if settings.quick else _SIZES:
        yield measure("sizes", _against_memory(settings.problem(shape), floor), settings)


def steps(settings: Settings) -> Iterator[list[Row]]:
    """Training steps against `tf.function(p - t)`, and pure TensorFlow's."""
    for index, (problem, judged) in enumerate(_problems(settings)):
        everything = index == 0 or not settings.sparing or problem.nbytes <= SMALL_BYTES
        fused = Timed(_FUSED, TRAINING_STEP, problem)
        group = []
        for provider in settings.providers:
            for mode in _MODES:
                is_headline = judged and (provider, mode) == (_FUSED, TRAINING_STEP)
                floors = (_STEP_FLOOR, _STEP_AIM) if is_headline else ()
                targets = [Target([SUBTRACT], *floors)]
                is_slow = provider in _SLOW_PROVIDERS or mode != TRAINING_STEP
                if provider.startswith("tf-") and is_slow and not everything:
                    continue
                compared = provider.startswith("tf-") or provider == _COMPILED
                if compared and mode == TRAINING_STEP and _FUSED in settings.providers:
                    targets.append(Target([fused.name]))
                group.append(Timed(provider, mode, problem, targets))
        yield measure("steps", group, settings)


def upstream(settings: Settings) -> Iterator[list[Row]]:
    """Steps whose upstream gradient the forward pass did not foresee, against the plain step."""
    for problem, judged in _problems(settings):
        plain = Timed(_FUSED, TRAINING_STEP, problem)
        target = Target([plain.name], _UPSTREAM_FLOOR if judged else None)
        modes = (SCALED_STEP, WEIGHTED_STEP, LOSS_SCALED_STEP)
        group = [plain, *(Timed(_FUSED, mode, problem, [target]) for mode in modes)]
        yield measure("upstream", group, settings)


def dtypes(settings: Settings) -> Iterator[list[Row]]:
    """Steps and forward passes in other dtypes against float32's.

    With the function: a Keras loss of a narrow dtype reduces the batch in it, and overflows when it
    is scaled.
    """
    for shape in settings.shapes:
        wide = settings.problem(shape)
        references = [Timed(_FUSED, mode, wide) for mode in (FUNCTION_STEP, FORWARD)]
        step, forward = (reference.name for reference in references)
        group = list(references)
        for dtype in ("bfloat16", "float16", "float64"):
            problem = settings.problem(shape, dtype)
            floors = (_NARROW_STEP_FLOOR, _NARROW_FORWARD_FLOOR)
            if dtype == "float64":
                floors = (_FLOAT64_FLOOR,) * 2
            # As mixed precision does: gradients of float16 need it.
            mode = LOSS_SCALED_FUNCTION_STEP if dtype == "float16" else FUNCTION_STEP
            group.append(Timed(_FUSED, mode, problem, [Target([step], floors[0])]))
            group.append(Timed(_FUSED, FORWARD, problem, [Target([forward], floors[1])]))
        yield measure("dtypes", group, settings)


def maps(settings: Settings) -> Iterator[list[Row]]:
    """The kernel with a mask and with weights against without."""
    for shape in settings.shapes:
        plain = settings.problem(shape)
        unmasked = Timed("kernel", LOSS_AND_GRADIENT, plain)
        group = [unmasked]
        for weights, mask in ((False, True), (True, False), (True, True)):
            problem = make_problem(shape, weights=weights, mask=mask, threads=settings.threads)
            target = Target([unmasked.name], _MAPS_FLOOR)
            group.append(Timed("kernel", LOSS_AND_GRADIENT, problem, [target]))
        yield measure("maps", group, settings, LAST)


def small(settings: Settings) -> Iterator[list[Row]]:
    """Eager steps so small that the cost of Python and of the tape is what one sees."""
    problem = settings.problem(_SMALL_SHAPE)
    group = [
        Timed("op-eager", FUNCTION_STEP, problem, [Target([TAPE], _FUNCTION_FLOOR)]),
        Timed("op-eager", TRAINING_STEP, problem, [Target([KERAS], _KERAS_FLOOR)]),
    ]
    yield measure("small", group, settings)


def other_libraries(settings: Settings) -> Iterator[list[Row]]:
    """The peers that are installed, at the first shape."""
    installed = peers.available()
    if not installed:
        return
    problem = settings.problem(settings.shapes[0])
    fused = [Timed(_FUSED, TRAINING_STEP, problem, [Target([SUBTRACT])])]
    fused.append(Timed(_FUSED, FORWARD, problem, [Target([SUBTRACT])]))
    by_mode = {timed.mode: timed for timed in fused}
    group = list(fused)
    for name in installed:
        own = problem.with_options(**peers.options_of(name))
        for mode in peers.PEERS[name]:
            group.append(Timed(name, mode, own, [Target([by_mode[mode].name])]))
    yield measure("peers", group, settings)


def chart(settings: Settings) -> Iterator[list[Row]]:
    """Training steps at single images of many sizes: every provider and every installed peer."""
    few = dataclasses.replace(settings, rounds=min(settings.rounds, _CHART_ROUNDS), slow_rounds=1)
    for side in _QUICK_SIDES if settings.quick else _SIDES:
        problem = settings.problem((1, side, side, 3))
        fused = Timed(_FUSED, TRAINING_STEP, problem)
        group = []
        for name in _CHART_PROVIDERS:
            against = SUBTRACT if name == _FUSED else fused.name
            group.append(Timed(name, TRAINING_STEP, problem, [Target([against])]))
        for name in [] if settings.quick else peers.available():
            own = problem.with_options(**peers.options_of(name))
            for mode in peers.PEERS[name]:
                group.append(Timed(name, mode, own, [Target([fused.name])]))
        checked = WHOLE if side <= _CHECKED_SIDE else SMALL
        yield measure("chart", group, few, checked)


#: The sections by name, in the order in which they run: the peers' threads come last.
SECTIONS: dict[str, Section] = {
    "memory": memory,
    "kernels": kernels,
    "sizes": sizes,
    "steps": steps,
    "upstream": upstream,
    "dtypes": dtypes,
    "family": family,
    "product": product,
    "maps": maps,
    "learned": learned,
    "small": small,
    "peers": other_libraries,
    "chart": chart,
}
