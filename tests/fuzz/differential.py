"""Random cases against the oracle, on every instruction set of the machine.

    python tests/fuzz/differential.py [--cases N] [--first SEED] [--jobs J] [--noisy]
    python tests/fuzz/differential.py --seed S

The first prints the seeds, what they were, and a line for each failure; its status is 1 if there is
one. On the first instruction set results are compared with the oracle, on the others with those of
the first, bit by bit; with --noisy, in which images have all digits, that alone, as the oracle
rounds otherwise. GRADOPS_CPU_TARGET chooses one alone. The second runs one case and prints it as
JSON.

To keep a failure for good, add {"why": ..., "case": the JSON} to kept.json: a case and not its
seed, as the same seed may be another case tomorrow. tests/test_fuzz.py runs what is kept.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
import types
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TESTS = Path(__file__).parents[1]
KEPT = Path(__file__).with_name("kept.json")
CHUNK = 500
NOISY = {"values": "noisy", "exponent": 0}


def _without_tensorflow():
    """Makes `gradops` its kernels and its oracle: the package itself imports TensorFlow."""
    sys.path[0] = str(TESTS)
    sys.path.append(str(TESTS.parent))
    package = types.ModuleType("gradops")
    package.__path__ = importlib.util.find_spec("gradops").submodule_search_locations
    sys.modules["gradops"] = package


if __name__ == "__main__":
    _without_tensorflow()

from fuzz.cases import draw  # noqa: E402
from fuzz.checks import failure  # noqa: E402

from gradops import _kernels  # noqa: E402


def failures(seeds):
    """Yields (seed, what is wrong) on this process's instruction set."""
    for seed in seeds:
        _, wrong = failure(draw(seed))
        if wrong:
            yield seed, wrong


def kept():
    """[{"why", "case"}]: the cases that failed once."""
    return json.loads(KEPT.read_text())


def _work(first, count, against_oracle, noisy):
    """Prints a line [seed, digest, what is wrong] per case, as long as the process lives."""
    for seed in range(first, first + count):
        case = draw(seed) | (NOISY if noisy else {})
        print(json.dumps([seed, *failure(case, against_oracle)]), flush=True)


def _results_of(target, first, count, flags):
    """{seed: (digest, what is wrong)} of other processes: one, and one more after each crash."""
    found, at, end = {}, first, first + count
    while at < end:
        command = [sys.executable, __file__, "--worker", "--first", str(at), "--cases"]
        command += [str(end - at), *flags]
        environment = {**os.environ, "GRADOPS_CPU_TARGET": target}
        process = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
        lines = [json.loads(line) for line in process.stdout.splitlines()]
        found |= {seed: (digest, wrong) for seed, digest, wrong in lines}
        at += len(lines)
        if at < end:
            found[at] = ("", f"ended its process with status {process.returncode}")
            at += 1
    return found


def _targets():
    chosen = os.environ.get("GRADOPS_CPU_TARGET")
    return [chosen] if chosen else _kernels.build_info()["cpu_targets_runnable"]


def run(first, count, jobs, noisy):
    """[(seed, what is wrong)] of all instruction sets."""
    targets = _targets()
    flags = {target: ["--digests-alone", *["--noisy"] * noisy] for target in targets}
    if not noisy:
        flags[targets[0]] = []
    chunks = [(at, min(CHUNK, first + count - at)) for at in range(first, first + count, CHUNK)]
    todo = [(target, *chunk, flags[target]) for chunk in chunks for target in targets]
    found = {target: {} for target in targets}
    with ThreadPoolExecutor(jobs) as pool:
        for (target, *_), part in zip(todo, pool.map(lambda x: _results_of(*x), todo), strict=True):
            found[target] |= part
    wrong = []
    for target in targets:
        for seed in range(first, first + count):
            digest, what = found[target][seed]
            wanted, before = found[targets[0]][seed]
            if not what and not before and digest != wanted:
                what = f"other bits than on {targets[0]}"
            if what:
                wrong.append((seed, f"{target}: {what}"))
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes at a time")
    parser.add_argument("--seed", type=int, help="the one case to run")
    parser.add_argument("--noisy", action="store_true", help="images of all digits, bits alone")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--digests-alone", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        _work(given.first, given.cases, not given.digests_alone, given.noisy)
        return 0
    if given.seed is not None:
        case = draw(given.seed)
        print(json.dumps(case))
        _, wrong = failure(case)
        print(wrong or "as it should be")
        return 1 if wrong else 0
    start = time.perf_counter()
    last = given.first + given.cases - 1
    print(f"seeds {given.first} to {last}, {', '.join(_targets())}", flush=True)
    wrong = run(given.first, given.cases, given.jobs, given.noisy)
    seconds = time.perf_counter() - start
    if not given.noisy:
        numbers = Counter(draw(seed)["values"] for seed in range(given.first, last + 1))
        print(", ".join(f"{name} {number}" for name, number in sorted(numbers.items())))
    for seed, what in wrong:
        print(f"seed {seed}: {what}")
    print(f"{given.cases} cases, {len(wrong)} failures, {seconds:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
