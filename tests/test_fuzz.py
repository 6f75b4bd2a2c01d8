"""Random cases of all the kernels' functions against the oracle: see tests/fuzz/differential.py."""

import subprocess
import sys

import pytest
from fuzz import differential
from fuzz.checks import failure

QUICK, PARTS, EXTENDED = 400, 100, 1000


def describe(found):
    return "\n".join(f"seed {seed}: {wrong}" for seed, wrong in found)


def test_random_cases():
    found = list(differential.failures(range(QUICK)))
    assert not found, describe(found)


@pytest.mark.extended
@pytest.mark.parametrize("part", range(PARTS))
def test_very_many_random_cases(part):
    found = list(differential.failures(range(part * EXTENDED, (part + 1) * EXTENDED)))
    assert not found, describe(found)


def test_cases_that_failed_once():
    found = [(row["why"], failure(row["case"])[1]) for row in differential.kept()]
    wrong = [f"{why}: {what}" for why, what in found if what]
    assert found and not wrong, "\n".join(wrong)


def run(*arguments):
    command = [sys.executable, differential.__file__, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("cases, flags", [(150, []), (300, ["--noisy"])], ids=["", "noisy"])
def test_every_instruction_set_has_the_bits_of_the_first(cases, flags):
    process = run("--cases", cases, "--first", QUICK, *flags)
    assert process.returncode == 0, process.stdout + process.stderr
    assert f"seeds {QUICK} to {QUICK + cases - 1}" in process.stdout
    assert f"{cases} cases, 0 failures" in process.stdout
