"""The parts of the benchmark that time calls: each a function from settings to rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks import cases, peers, report, yardsticks
from benchmarks.cases import Settings, Target, Timed
from benchmarks.family import family, product
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
from benchmarks.problems import NAMED, Problem, make_problem
from benchmarks.yardsticks import KERAS, READ_FLOOR, SUBTRACT, TAPE, TRIADS

_FUSED, _COMPILED = "op-function", "op-xla"
_MODES = (FORWARD, LOSS_AND_GRADIENT, TRAINING_STEP)
# Not at every large shape: the composition takes seconds a step in these.
_SLOW_PROVIDERS = ("tf-eager", "tf-xla")
_SMALL_SHAPE = (1, 64, 64, 3)
_KERNEL_FLOOR, _KERNEL_AIM = 1.4, 1.15
_STEP_FLOOR, _STEP_AIM = 1.6, 1.25
_UPSTREAM_FLOOR, _MAPS_FLOOR = 1.8, 1.6
_NARROW_STEP_FLOOR, _NARROW_FORWARD_FLOOR, _FLOAT64_FLOOR = 0.95, 0.75, 2.2
_FUNCTION_FLOOR, _KERAS_FLOOR = 2.0, 1.5


def _problems(settings: Settings) -> Iterator[tuple[Problem, bool]]:
    """The problems of sections without own dtypes and options, and whether floors hold for them."""
    for dtype, penalty in settings.variants:
        for shape in settings.shapes:
            options = {**NAMED, "penalty": penalty}
            problem = make_problem(shape, dtype, options, threads=settings.threads)
            yield problem, (dtype, penalty) == ("float32", "l1")


def kernels(settings: Settings) -> list[report.Row]:
    """The kernel without TensorFlow against what memory allows."""
    rows = []
    for problem, judged in _problems(settings):
        floors = (_KERNEL_FLOOR, _KERNEL_AIM) if judged else ()
        group = [
            Timed("kernel", LOSS_AND_GRADIENT, problem, [Target(TRIADS, *floors)]),
            Timed("kernel", FORWARD, problem, [Target([READ_FLOOR], *floors[:1])]),
        ]
        rows += cases.measure("kernels", group, settings)
    return rows


def steps(settings: Settings) -> list[report.Row]:
    """Training steps against `tf.function(p - t)`, and pure TensorFlow's."""
    rows: list[report.Row] = []
    for problem, judged in _problems(settings):
        everything = not rows or not settings.sparing
        everything |= problem.y_pred.nbytes <= yardsticks.SMALL_BYTES
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
        rows += cases.measure("steps", group, settings)
    return rows


def upstream(settings: Settings) -> list[report.Row]:
    """Steps whose upstream gradient the forward pass did not foresee, against the plain step."""
    rows = []
    for problem, judged in _problems(settings):
        plain = Timed(_FUSED, TRAINING_STEP, problem)
        target = Target([plain.name], _UPSTREAM_FLOOR if judged else None)
        modes = (SCALED_STEP, WEIGHTED_STEP, LOSS_SCALED_STEP)
        group = [plain, *(Timed(_FUSED, mode, problem, [target]) for mode in modes)]
        rows += cases.measure("upstream", group, settings)
    return rows


def dtypes(settings: Settings) -> list[report.Row]:
    """Steps and forward passes in other dtypes against float32's.

    With the function: a Keras loss of a narrow dtype reduces the batch in it, and overflows when it
    is scaled.
    """
    rows = []
    for shape in settings.shapes:
        wide = make_problem(shape, threads=settings.threads)
        references = [Timed(_FUSED, mode, wide) for mode in (FUNCTION_STEP, FORWARD)]
        step, forward = (reference.name for reference in references)
        group = list(references)
        for dtype in ("bfloat16", "float16", "float64"):
            problem = make_problem(shape, dtype, threads=settings.threads)
            floors = (_NARROW_STEP_FLOOR, _NARROW_FORWARD_FLOOR)
            if dtype == "float64":
                floors = (_FLOAT64_FLOOR,) * 2
            # As mixed precision does: gradients of float16 need it.
            mode = LOSS_SCALED_FUNCTION_STEP if dtype == "float16" else FUNCTION_STEP
            group.append(Timed(_FUSED, mode, problem, [Target([step], floors[0])]))
            group.append(Timed(_FUSED, FORWARD, problem, [Target([forward], floors[1])]))
        rows += cases.measure("dtypes", group, settings)
    return rows


def maps(settings: Settings) -> list[report.Row]:
    """The kernel with a mask and with weights against without."""
    rows = []
    for shape in settings.shapes:
        plain = make_problem(shape, threads=settings.threads)
        unmasked = Timed("kernel", LOSS_AND_GRADIENT, plain)
        group = [unmasked]
        for weights, mask in ((False, True), (True, False), (True, True)):
            problem = make_problem(shape, weights=weights, mask=mask, threads=settings.threads)
            target = Target([unmasked.name], _MAPS_FLOOR)
            group.append(Timed("kernel", LOSS_AND_GRADIENT, problem, [target]))
        rows += cases.measure("maps", group, settings, cases.LAST)
    return rows


def small(settings: Settings) -> list[report.Row]:
    """Eager steps so small that the cost of Python and of the tape is what one sees."""
    problem = make_problem(_SMALL_SHAPE, threads=settings.threads)
    group = [
        Timed("op-eager", FUNCTION_STEP, problem, [Target([TAPE], _FUNCTION_FLOOR)]),
        Timed("op-eager", TRAINING_STEP, problem, [Target([KERAS], _KERAS_FLOOR)]),
    ]
    return cases.measure("small", group, settings)


def other_libraries(settings: Settings) -> list[report.Row]:
    """The peers that are installed, at the first shape."""
    installed = peers.available()
    if not installed:
        return []
    problem = make_problem(settings.shapes[0], threads=settings.threads)
    fused = [Timed(_FUSED, TRAINING_STEP, problem, [Target([SUBTRACT])])]
    fused.append(Timed(_FUSED, FORWARD, problem, [Target([SUBTRACT])]))
    by_mode = {timed.mode: timed for timed in fused}
    group = list(fused)
    for name in installed:
        own = problem.with_options(**peers.options_of(name))
        for mode in peers.PEERS[name]:
            group.append(Timed(name, mode, own, [Target([by_mode[mode].name])]))
    return cases.measure("peers", group, settings)


#: The sections by name, in the order in which they run: the peers' threads come last.
SECTIONS: dict[str, Callable[[Settings], list[report.Row]]] = {
    "kernels": kernels,
    "steps": steps,
    "upstream": upstream,
    "dtypes": dtypes,
    "family": family,
    "product": product,
    "maps": maps,
    "small": small,
    "peers": other_libraries,
}
