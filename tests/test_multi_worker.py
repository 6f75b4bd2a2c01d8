"""MultiWorkerMirroredStrategy: two processes on one machine train as one does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "examples" / "distributed.py"


def run(*arguments):
    """What each worker printed."""
    variables = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    variables.pop("TF_CONFIG", None)
    process = subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        env=variables,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert process.returncode == 0, process.stderr
    return [json.loads(line) for line in process.stdout.splitlines() if line.startswith("{")]


@pytest.mark.extended
def test_two_workers_train_as_one_process_does():
    workers = run("--workers", "2", "--epochs", "3")
    (alone,) = run("--epochs", "3")
    assert len(workers) == 2 and alone["replicas"] == 1
    for worker in workers:
        assert worker["replicas"] == 2
        np.testing.assert_allclose(worker["losses"], alone["losses"], rtol=1e-5)
        np.testing.assert_allclose(worker["weights"], alone["weights"], rtol=0, atol=1e-6)


def test_one_process_learns():
    (alone,) = run()
    assert alone["losses"][-1] < 0.8 * alone["losses"][0]
