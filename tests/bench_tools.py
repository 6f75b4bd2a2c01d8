"""Runs of the benchmarks, and what must hold of every table."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # Last, so that it brings `benchmarks` and no other gradops.

from benchmarks import report  # noqa: E402

BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}


def key(row, name):
    """A row of the same rounds by what the column baseline calls it."""
    dtype = row.dtype if row.section == "bandwidth" else ""
    return row.section, row.shape, dtype, name


def check_figures(rows):
    """Ratios, throughput and what is met follow from the times."""
    medians = {}
    for row in rows:
        name = row.mode
        if row.provider != report.BASELINE:
            name = f"{row.provider} {row.mode}, {row.dtype} {row.options}"
        medians[key(row, name)] = row.median_ms
    for row in rows:
        if row.floor and not row.note:
            measured = row.ratio_to_baseline or row.beyond_outputs_kib
            reached = row.aim and measured <= row.aim
            assert row.met == ("aim" if reached else "yes" if measured <= row.floor else "no")
        if row.median_ms is None:
            assert row.note or row.peak_extra_mib is not None
            continue
        assert 0 < row.p20_ms <= row.median_ms <= row.p80_ms
        if row.baseline:
            ratio = row.median_ms / medians[key(row, row.baseline)]
            assert row.ratio_to_baseline == pytest.approx(ratio, rel=1e-4)
        if row.provider != report.BASELINE:
            image = BYTES[row.dtype] * np.prod(row.shape)
            traffic = (2 if row.mode.startswith("forward") else 3) * image
            assert row.gb_per_s == pytest.approx(traffic / row.median_ms / 1e6, rel=1e-4)
            assert row.first_s > 0
