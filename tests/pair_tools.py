"""Combinations of options in which every allowed pair of values of two options occurs."""

import itertools


def pairs_of(case):
    return {frozenset(pair) for pair in itertools.combinations(case.items(), 2)}


def covering(options, allowed=lambda case: True):
    """A list of {option: value}, grown greedily.

    Args:
        options: {option: its values}, the values hashable.
        allowed: Whether a {option: value}, of some or all options, may occur.

    Returns:
        Allowed combinations that together hold every pair of values that can be completed.
    """
    wanted = dict.fromkeys(
        frozenset(pair)
        for one, other in itertools.combinations(options, 2)
        for pair in itertools.product(
            ((one, value) for value in options[one]), ((other, value) for value in options[other])
        )
        if allowed(dict(pair))
    )
    cases = []
    while wanted:
        start = next(iter(wanted))
        case = _complete(dict(start), options, wanted, allowed)
        if case is None:
            del wanted[start]  # no combination holds it
            continue
        cases.append(case)
        for pair in pairs_of(case):
            wanted.pop(pair, None)
    return cases


def _complete(case, options, wanted, allowed):
    """The other options one by one, each with the value that covers most pairs still wanted."""
    for option in options:
        if option in case:
            continue
        best, most = None, -1
        # Turned, so that ties do not always go to the first value.
        turn = len(wanted) % len(options[option])
        for value in options[option][turn:] + options[option][:turn]:
            candidate = {**case, option: value}
            if not allowed(candidate):
                continue
            new = sum(frozenset([(option, value), item]) in wanted for item in case.items())
            if new > most:
                best, most = candidate, new
        if best is None:
            return None
        case = best
    return {option: case[option] for option in options}  # sets have no order to rely on
