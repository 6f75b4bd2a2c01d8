"""A malformed call for a front end, drawn by a seed, and whether it must be refused."""

import copy
import dataclasses

import numpy as np
from fuzz import malformed_calls as calls
from fuzz import malformed_rows as rows

from gradops import _library

ROOT = 20240607


@dataclasses.dataclass
class Case:
    """A call, what is malformed in it, and what it does to a saved model."""

    call: calls.Call
    options: dict[str, str]  # those of the call before they were malformed
    what: list[str]
    refused: bool | None = False  # for another reason than its arrays; None: unsaid
    edits: list = dataclasses.field(default_factory=list)

    def must_be_refused(self, *, tensors):
        """True, False, or None if either is right."""
        if self.edits:
            return None  # they may undo what is malformed
        fits = calls.fits(self.call, self.options, tensors=tensors)
        if self.refused or fits is False:
            return True
        given = [x for x in self.call.inputs.values() if isinstance(x, np.ndarray)]
        too_large = any(x.nbytes > 2**30 for x in given)
        return None if self.refused is None or fits is None or too_large else False

    def note(self, what, refused):
        """Adds a malformation; the verdict that says more stays."""
        self.what.append(what)
        if self.refused is False or refused:
            self.refused = refused


def draw(seed, front, edits=()):
    """The case of a seed; `edits` are what can be done to the graph of a saved model."""
    rng = np.random.default_rng([ROOT, seed])
    op = str(rng.choice(list(_library.op_table())))
    dtype = "float32" if front == "saved" else None
    if rng.random() < 0.12:
        size = rows.HUGE[rng.integers(len(rows.HUGE))]
        if front == "xla":
            size = min(size, 2**40)  # XLA itself crashes at shapes of 2^63 bytes
        case = _huge(rng, op, dtype, size)
    else:
        call = calls.draw(rng, op, dtype)
        case = Case(call, copy.copy(call.options), [])
    if "by_true" in case.call.row.outputs and front not in ("numpy", "saved"):
        case.call.extras["wants_true"] = True
    targets = set()
    for _ in range(rng.choice([0, 1, 2], p=[0.03, 0.72, 0.25])):
        if "output" in targets:
            break
        _malform(rng, case, front, edits, targets)
    images = case.call.inputs[case.call.row.images]
    if front == "saved" and getattr(images, "dtype", None) != dtype:
        case.refused = case.refused or None  # its function takes no other type
    case.what.insert(0, op)
    return case


def _huge(rng, op, dtype, size):
    """Sizes that are huge in all arguments alike."""
    try:
        call = calls.draw(rng, op, dtype, huge=size)
    except (ValueError, MemoryError):  # NumPy has no such array
        call = calls.draw(rng, op, dtype)
        return Case(call, copy.copy(call.options), [])
    shape = call.inputs[call.row.images].shape
    return Case(call, copy.copy(call.options), [f"images of {list(shape)}"], refused=None)


def _malform(rng, case, front, edits, targets):
    kinds = {"array": 0.5, "option": 0.25, "weights": 0.07, "front": 0.18}
    kind = rng.choice(list(kinds), p=list(kinds.values()))
    if kind == "array":
        _array(rng, case, targets)
    elif kind == "option":
        _option(rng, case, targets)
    elif kind == "weights":
        _weights(rng, case, targets)
    elif front == "numpy":
        _of_numpy(rng, case, targets)
    elif front == "saved":
        what, edit = edits[rng.integers(len(edits))]
        case.edits.append((edit, int(rng.integers(2**31))))
        case.note(what, None)
    elif "wants_true" in case.call.extras:
        value = [None, "yes", 2, [], 0.5, np.zeros(2)][rng.integers(6)]
        case.call.extras["wants_true"] = value
        case.note(f"wants_true={rows.brief(value)}", True)


def _array(rng, case, targets):
    given = [n for n, x in case.call.inputs.items() if isinstance(x, np.ndarray)]
    small = [name for name in given if max(case.call.inputs[name].shape, default=0) < 1e6]
    given = [name for name in small if name not in targets]
    if not given:
        return
    name = str(rng.choice(given))
    targets.add(name)
    row = str(rng.choice(list(rows.ARRAYS)))
    case.call.inputs[name] = changed = rows.ARRAYS[row](case.call.inputs[name], rng)
    case.note(f"{name} {row}: {rows.brief(changed)}", False)


def _option(rng, case, targets):
    name = str(rng.choice([n for n in case.call.row.options if n not in targets]))
    targets.add(name)
    is_choice = name not in rows.OPTIONS
    values = rows.NO_CHOICE if is_choice else rows.OPTIONS[name]
    if rng.random() < 0.4:
        values = rows.NO_TEXT
    value = values[rng.integers(len(values))]
    # A number may be given as one where the front end writes texts.
    refused = None if type(value) is float and not is_choice and value == value else True
    case.call.options[name] = value
    case.note(f"{name}={rows.brief(value)}", refused)


def _weights(rng, case, targets):
    weights = case.call.inputs.get("weights")
    mask = case.call.inputs.get("mask")
    if rng.random() < 0.2 and isinstance(mask, np.ndarray) and mask.dtype == bool and mask.size:
        wild = rows.WILD[rng.integers(len(rows.WILD))]
        mask = (mask.view("uint8") * np.uint8(wild)).view(bool)
        case.call.inputs["mask"] = mask
        case.note(f"mask of bytes {wild}", False)
        return
    usable = isinstance(weights, np.ndarray) and weights.dtype.kind == "f" and weights.size
    if not usable or weights.size > 1e6 or "weights" in targets or not weights.flags.writeable:
        return
    targets.add("weights")
    table = rows.ONE_WEIGHT if rng.random() < 0.7 else rows.ALL_WEIGHTS
    what = str(rng.choice(list(table)))
    value = table[what]
    value = value.get(weights.itemsize) if isinstance(value, dict) else value
    if value is None:
        return
    if what == "tiny negative" and weights.itemsize == 4:
        value = -1e-45
    weights = weights.copy()
    refused = True
    if case.call.op == "LossCountsGrad":
        refused = False  # it is linear in the weights and does not look at them
    elif case.call.op in ("LossGrad", "LossWeightsGrad"):
        refused = None  # if the gradient is the memo, nothing else is read
    if table is rows.ALL_WEIGHTS:
        weights[...] = value
    else:
        weights.reshape(-1)[rng.integers(weights.size)] = value
    case.call.inputs["weights"] = weights
    if what == "tiny negative":
        refused = refused and None  # 0 where the thread takes subnormal numbers for 0
    case.note(f"weights {what}", refused)


def _of_numpy(rng, case, targets):
    call = case.call
    kind = rng.choice(["threads", "no threads", "dtype", "name", "output", "output", "output"])
    if kind == "output":
        _output(rng, case, targets)
        return
    name = {"threads": "threads", "no threads": "threads"}.get(kind, "dtype")
    values = {"threads": rows.THREADS, "no threads": rows.NO_THREADS, "dtype": rows.NO_DTYPES}
    if kind == "name":
        name, value = rows.NO_NAMES[rng.integers(len(rows.NO_NAMES))], 1
    else:
        value = values[kind][rng.integers(len(values[kind]))]
    if name in call.extras:
        return
    call.extras[name] = value
    case.note(f"{rows.brief(name)}={rows.brief(value)}", kind != "threads")


def _output(rng, case, targets):
    """Memory for an output, which is wrong or shared."""
    call = case.call
    if case.what or calls.fits(call, case.options, tensors=False) is not True:
        return
    targets.add("output")
    images = call.inputs[call.row.images]
    if images.size > 1e6 or not images.size:
        return
    wanted = dict(zip(call.row.outputs, _results(call, case.options), strict=True))
    name = str(rng.choice(list(wanted)))
    out = np.full_like(wanted[name], 7)
    fitting = [
        n
        for n, x in call.inputs.items()
        if isinstance(x, np.ndarray) and (x.dtype, x.shape) == (out.dtype, out.shape) and x.size
    ]
    kind = str(rng.choice(["right", "array", "read-only", "strided", "input", "overlap", "twice"]))
    refused = True
    if kind == "right":
        refused = False
    elif kind == "array":
        row = str(rng.choice(list(rows.ARRAYS)))
        changed = rows.ARRAYS[row](out, rng)
        kind, out, refused = row, changed, not _is_like(changed, wanted[name])
    elif kind == "read-only":
        out = rows.read_only(out)
    elif kind == "strided":
        out = rows.every_other(out)
        refused = not out.flags.c_contiguous
    elif kind in ("input", "overlap") and fitting:
        of = str(rng.choice(fitting))
        memory = np.concatenate([call.inputs[of].reshape(-1)] * 2)
        begin = 0 if kind == "input" else int(rng.integers(1, out.size + 1))
        out = memory[begin : begin + out.size].reshape(out.shape)
        call.inputs[of] = memory[: out.size].reshape(out.shape)
        reuses = {"gradient": "memo", "by_weights": "weights_memo"}.get(name) == of
        reuses = reuses and call.op in ("LossGrad", "LossWeightsGrad")
        refused = begin < out.size and not (reuses and not begin)
        kind = f"{kind} {of}"
    elif kind == "twice":
        others = [n for n in wanted if n != name and _is_like(out, wanted[n])]
        if not others:
            return
        call.extras[others[0]] = out
        kind = f"and {others[0]} in the same memory"
    else:
        return
    call.extras[name] = out
    case.note(f"output {name} {kind}: {rows.brief(out)}", refused)


def _results(call, options):
    """Results of the right types and shapes."""
    plain = calls.Call(call.op, dict(call.inputs), options, {})
    weights = plain.inputs.get("weights")
    if weights is not None:
        plain.inputs["weights"] = np.ones_like(weights)
    return calls.clean(plain, options)


def _is_like(x, wanted):
    """Whether an array may be that output; None stands for one that is not given."""
    if x is None:
        return True
    return (
        isinstance(x, np.ndarray)
        and (x.dtype, x.shape) == (wanted.dtype, wanted.shape)
        and x.flags.c_contiguous
        and x.flags.aligned
        and x.flags.writeable
    )


def names_of(call):
    """What the message of a refusal may name."""
    row = call.row
    return [*row.inputs, *row.outputs, *row.options, "threads", "dtype", "unknown option"]
