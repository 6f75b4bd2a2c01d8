"""The table of small faults (tests/mutants/) is in step with the code."""

import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "mutants" / "run.py"


def check(*arguments):
    command = [sys.executable, str(RUN), "--check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib")
def test_every_text_is_in_the_code_once(tmp_path):
    found = check()
    assert found.returncode == 0, found.stdout + found.stderr
    elsewhere = check("--tree", tmp_path)  # where no file is
    assert elsewhere.returncode == 1
    assert "its text is 0 times in gradops/_fused/ops.py" in elsewhere.stdout


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib")
def test_none_is_recorded_as_alive():
    """results.jsonl has what caught each, when it was last tried."""
    from mutants import table

    results = table.read_results(RUN.with_name("results.jsonl"), table.read_table())
    alive = [row for row in results.values() if row["caught_by"] in (table.NOTHING, table.NO_BUILD)]
    assert len(results) > 150 and not alive
