"""Malformed calls of every op and public function: always an exception of ours.

    python tests/fuzz/malformed.py [--cases N] [--first SEED] [--front FRONT] [--timeout SECONDS]
    python tests/fuzz/malformed.py --seed S [--front FRONT]     # one case, in this process

A case follows from its seed. It runs in a worker process: one that dies, or that says nothing for
the timeout, has failed at the seed that it began, and another goes on after it. A call that must be
refused has to raise an error that is not an internal one; a valid one has to return the bits that
`gradops._kernels` finds for copies of its arrays; others may do either. A case takes the memory of
the worker and at most 6 GiB more, so that sizes that no machine has fail on all of them.
"""

import argparse
import json
import os
import re
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from fuzz import malformed_calls as calls
from fuzz import malformed_cases, malformed_driver, malformed_fronts, malformed_public

# Of 32 seeds in a row, so many are of each front end: by how long a case takes.
FRONTS = {"numpy": 10, "eager": 8, "graph": 4, "unknown": 4, "public": 4, "saved": 1, "xla": 1}
RUNS = {
    "numpy": malformed_fronts.numpy_module,
    "eager": malformed_fronts.eager,
    "graph": malformed_fronts.graph,
    "unknown": malformed_fronts.unknown,
    "saved": malformed_fronts.saved,
    "xla": malformed_fronts.xla,
}
REFUSALS = (ValueError, TypeError, OverflowError, MemoryError, NotImplementedError)
INTERNAL = re.compile(
    r"std::|bad_alloc|basic_string|vector::|check failed|C\+\+|unable to cast|unknown exception"
    r"|internal error|terminate|mlir|failed to parse",
    re.IGNORECASE,
)
OTHER_KIND = "an error of another kind"
MEMORY = 6 << 30


def front_of(seed):
    names = [name for name, count in FRONTS.items() for _ in range(count)]
    # Spread, so that a few seeds have all of them.
    return names[seed * 13 % len(names)]


def draw(seed, front=None):
    """What a case is, and a function that returns its outcome and what is wrong with it, or ""."""
    front = front or front_of(seed)
    if front == "public":
        name, keywords, what, in_graph = malformed_public.draw(seed)
        what = f"public{' in a graph' if in_graph else ''} {'; '.join(what)}"
        return what, lambda: _run_public(name, keywords, in_graph)
    edits = []
    if front == "saved":
        from fuzz import malformed_saved

        edits = malformed_saved.EDITS
    case = malformed_cases.draw(seed, front, edits)
    return f"{front} {'; '.join(case.what)}", lambda: _run_op(case, front)


def _run_op(case, front):
    must_be_refused = case.must_be_refused(tensors=front != "numpy")
    arguments = list(case.call.inputs.values())
    before = [_bytes(x) for x in arguments]
    try:
        found = RUNS[front](case)
    except Exception as error:
        outcome, fault = _judge(error, must_be_refused, case if front == "numpy" else None)
        if case.edits and fault == OTHER_KIND:
            fault = ""  # TensorFlow reads the graph in Python
    else:
        outcome, fault = "result", ""
        if must_be_refused:
            fault = "no error"
        elif must_be_refused is False:
            wanted = calls.clean(_before(case, before), case.options)
            fault = "" if calls.same(found, wanted) else "other numbers than those of clean arrays"
    if not fault and not _shares(case) and before != [_bytes(x) for x in arguments]:
        fault = "an input has changed"
    return outcome, fault


def _shares(case):
    outputs = [x for x in case.call.extras.values() if isinstance(x, np.ndarray)]
    inputs = [x for x in case.call.inputs.values() if isinstance(x, np.ndarray)]
    return any(np.may_share_memory(x, y) for x in outputs for y in inputs)


def _bytes(x):
    small = isinstance(x, np.ndarray) and x.dtype.kind != "O" and x.size < 1e5
    return (x.dtype, x.shape, x.tobytes()) if small else None


def _before(case, before):
    """The call with its arrays as they were before it ran."""
    inputs = {}
    for (name, x), saved in zip(case.call.inputs.items(), before, strict=True):
        inputs[name] = x if saved is None else np.frombuffer(saved[2], saved[0]).reshape(saved[1])
    return calls.Call(case.call.op, inputs, {}, {})


def _judge(error, must_be_refused, case=None):
    """What an error says, and what is wrong with it."""
    text = str(error)
    outcome = f"{type(error).__name__}: {text[:160]!r}"
    of_tensorflow = "OpError" in [base.__name__ for base in type(error).__mro__]
    if not isinstance(error, REFUSALS) and not of_tensorflow:
        return outcome, OTHER_KIND
    if INTERNAL.search(text) or type(error).__name__ == "InternalError":
        return outcome, "an internal message"
    if must_be_refused is False:
        return outcome, "a valid call is refused"
    if case is not None and not isinstance(error, MemoryError):
        names = malformed_cases.names_of(case.call)
        if not any(name in text for name in names):
            return outcome, "the message names no argument"
    return outcome, ""


def _run_public(name, keywords, in_graph):
    try:
        found = malformed_public.run(name, keywords, in_graph)
    except Exception as error:
        return _judge(error, None)
    finite = all(np.isfinite(np.asarray(x, "float64")).all() for x in found)
    # A power of 2^31, for example, is infinite.
    finite = finite or any(isinstance(x, int) and abs(x) > 10**6 for x in keywords.values())
    return "result", "" if finite else "numbers that are not finite"


def start(front):
    """Imports what a case needs, and then limits what memory it can get."""
    if front != "numpy":
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")  # it warns of functions that are traced often
        tf.constant(0)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def work(first, count, front):
    """The worker: a line as each case begins and one as it ends."""
    start(front)
    print("ready", flush=True)
    for seed in range(first, first + count):
        what, check = draw(seed, front)
        print("begin", json.dumps([seed, what]), flush=True)
        print("end", json.dumps([seed, what, *check()]), flush=True)
    print("done", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=20000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--front", choices=[*RUNS, "public"])
    parser.add_argument("--timeout", type=float, default=60, help="seconds for a case")
    parser.add_argument("--seed", type=int, help="runs this case alone, in this process")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return work(*json.loads(options.worker))
    if options.seed is not None:
        start(options.front)
        what, check = draw(options.seed, options.front)
        print(what, flush=True)
        outcome, fault = check()
        print(f"{outcome}\n{fault or 'as it should be'}")
        return bool(fault)
    begin = time.monotonic()
    faults, outcomes = malformed_driver.drive(
        options.first, options.cases, front=options.front, timeout=options.timeout
    )
    for (name, outcome), count in sorted(outcomes.items()):
        print(f"{count:7} {name:8} {outcome}")
    last = options.first + options.cases - 1
    seconds = time.monotonic() - begin
    print(f"seeds {options.first} to {last}: {len(faults)} faults, {seconds:.0f} s")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
