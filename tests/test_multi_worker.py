"""MultiWorkerMirroredStrategy: two processes on one machine train as one does."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "examples" / "distributed.py"


def run(folder, *arguments):
    """What each worker saved, and what they printed."""
    variables = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    variables.pop("TF_CONFIG", None)
    folder.mkdir()
    command = [sys.executable, SCRIPT, "--save", folder, "--epochs", "3", *arguments]
    process = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=240)
    assert process.returncode == 0, process.stderr
    return [np.load(path) for path in sorted(folder.iterdir())], process.stdout


@pytest.mark.extended
def test_two_workers_train_as_one_process_does(tmp_path):
    workers, printed = run(tmp_path / "both", "--workers", "2")
    (alone,), _ = run(tmp_path / "one")
    assert len(workers) == 2 and alone["replicas"] == 1
    assert "worker 0 of 2: loss" in printed and "worker 1 of 2: loss" in printed
    assert alone["losses"][-1] < 0.9 * alone["losses"][0]
    for worker in workers:
        assert worker["replicas"] == 2
        np.testing.assert_allclose(worker["losses"], alone["losses"], rtol=1e-5)
        np.testing.assert_allclose(worker["weights"], alone["weights"], rtol=0, atol=1e-6)
