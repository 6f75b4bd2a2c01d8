"""The results: rows, as a CSV file and as tables."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.problems import Shape, format_shape

BASELINE = "baseline"  # The provider of the baselines' own rows.
NOT_AVAILABLE = "n/a"


@dataclasses.dataclass(frozen=True)
class Row:
    """One call at one shape against one baseline, or its memory. Field names are CSV columns."""

    section: str
    provider: str
    mode: str  # In a baseline's own row, its name.
    shape: Shape
    dtype: str
    options: str
    median_ms: float | None = None
    p20_ms: float | None = None
    p80_ms: float | None = None
    first_s: float | None = None  # The first call, with what made it: tracing, compiling, loading.
    gb_per_s: float | None = None  # 10^9 bytes.
    ratio_to_baseline: float | None = None
    baseline: str = ""
    peak_extra_mib: float | str | None = None  # "n/a" where it cannot be measured.
    beyond_outputs_kib: float | str | None = None
    floor: float | None = None  # The ratio, or the KiB beyond the outputs, must not exceed it.
    aim: float | None = None
    note: str = ""  # Why there is no figure.

    def against(
        self, baseline: str, ratio: float, floor: float | None = None, aim: float | None = None
    ) -> Row:
        """The row with its time over that of a baseline."""
        return dataclasses.replace(
            self, ratio_to_baseline=ratio, baseline=baseline, floor=floor, aim=aim
        )

    @property
    def measured(self) -> float | None:
        """What has a floor."""
        if self.ratio_to_baseline is not None:
            return self.ratio_to_baseline
        kib = self.beyond_outputs_kib
        return None if isinstance(kib, str) else kib

    @property
    def met(self) -> str:
        """One of "yes", "no", "aim" (yes, and that is reached too), "" where nothing is judged.

        A figure that could not be had, with a note why, is a "no".
        """
        if self.floor is None or self.measured is None:
            return "no" if self.floor is not None and self.note else ""
        if self.aim is not None and self.measured <= self.aim:
            return "aim"
        return "yes" if self.measured <= self.floor else "no"


def with_memory(row: Row, peak: int | None, outputs: int) -> Row:
    """The row with the bytes at the peak of a call beyond its inputs, and beyond its outputs."""
    if peak is None:
        return dataclasses.replace(
            row, peak_extra_mib=NOT_AVAILABLE, beyond_outputs_kib=NOT_AVAILABLE
        )
    kib = max(0, peak - outputs) / 2**10
    return dataclasses.replace(row, peak_extra_mib=peak / 2**20, beyond_outputs_kib=kib)


COLUMNS = (*(field.name for field in dataclasses.fields(Row)), "met")


def write_csv(path: Path, rows: Sequence[Row], about: Mapping[str, str]) -> None:
    """Comment lines `# key: value`, then the columns' names, then the rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        file.writelines(f"# {key}: {value}\n" for key, value in about.items())
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            cells = dataclasses.asdict(row) | {"shape": format_shape(row.shape), "met": row.met}
            writer.writerow(_csv_cell(value) for value in cells.values())


def read_csv(path: Path) -> tuple[list[Row], dict[str, str]]:
    """The rows and the metadata that `write_csv` wrote."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line.removeprefix("# ") for line in lines if line.startswith("# ")]
    rows = []
    for cells in csv.DictReader(lines[len(comments) :]):
        values: dict[str, Any] = {}
        for field in dataclasses.fields(Row):
            cell = cells.get(field.name) or ""  # A table written before the column was added.
            if field.name == "shape":
                values[field.name] = tuple(map(int, cell.split("x")))
            elif "float" not in str(field.type):
                values[field.name] = cell
            else:
                values[field.name] = _number_of(cell)
        rows.append(Row(**values))
    return rows, dict(comment.split(": ", 1) for comment in comments)


def _number_of(cell: str) -> float | str | None:
    if not cell or cell == NOT_AVAILABLE:
        return cell or None
    return float(cell)


def _csv_cell(value: float | str | None) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def format_tables(rows: Sequence[Row], notes: str, memory: str) -> str:
    """A block for each section and shape, and what columns of times and of memory mean."""
    blocks = []
    for section in dict.fromkeys(row.section for row in rows):
        members = [row for row in rows if row.section == section]
        if members[0].peak_extra_mib is not None:
            blocks.append(_block(section, members, _MEMORY_COLUMNS) + f"\n\n{memory}")
            continue
        for shape in dict.fromkeys(row.shape for row in members):
            title = f"{section}, {list(shape)}"
            block = [row for row in members if row.shape == shape]
            blocks.append(_block(title, block, _TIME_COLUMNS))
    return "\n\n".join([*blocks, notes])


def format_floors(rows: Sequence[Row]) -> str:
    """Every row that has a floor: the floor, what was measured, whether it was met."""
    judged = [row for row in rows if row.met]
    if not judged:
        return ""
    met = sum(row.met != "no" for row in judged)
    return "\n" + _block(f"floors: {met} of {len(judged)} met", judged, _FLOOR_COLUMNS)


def _what(row: Row) -> str:
    return f"{row.dtype} {row.options}"


def _times(row: Row) -> str:
    if row.median_ms is None:
        return NOT_AVAILABLE
    return f"{_digits(row.median_ms)} ({_digits(row.p20_ms)}-{_digits(row.p80_ms)})"


def _number(value: float | str | None, digits: int = 2) -> str:
    return value if isinstance(value, str) else "" if value is None else f"{value:.{digits}f}"


_JUDGEMENT = {
    "floor": lambda row: _number(row.floor),
    "aim": lambda row: _number(row.aim),
    "met": lambda row: row.met,
}
_TIME_COLUMNS = {
    "provider": lambda row: row.provider,
    "mode": lambda row: row.mode,
    "what": _what,
    "against": lambda row: row.baseline,
    "median ms (p20-p80)": _times,
    "GB/s": lambda row: _number(row.gb_per_s),
    "ratio": lambda row: _number(row.ratio_to_baseline),
    **_JUDGEMENT,
    "note": lambda row: row.note,
}
_MEMORY_COLUMNS = {
    "provider": lambda row: row.provider,
    "mode": lambda row: row.mode,
    "shape": lambda row: format_shape(row.shape),
    "what": _what,
    "beyond inputs, MiB": lambda row: _number(row.peak_extra_mib),
    "beyond outputs, KiB": lambda row: _number(row.beyond_outputs_kib, 0),
    "limit": lambda row: _number(row.floor, 0),
    "met": lambda row: row.met,
    "note": lambda row: row.note,
}
_FLOOR_COLUMNS = {
    "section": lambda row: row.section,
    "provider": lambda row: row.provider,
    "mode": lambda row: row.mode,
    "shape": lambda row: format_shape(row.shape),
    "what": _what,
    "against": lambda row: row.baseline or "KiB beyond outputs",
    "measured": lambda row: _number(row.measured),
    **_JUDGEMENT,
}
_TEXT_COLUMNS = ("section", "provider", "mode", "shape", "what", "against", "met", "note")


def _block(title: str, rows: Sequence[Row], columns: Mapping) -> str:
    if not any(row.note for row in rows):
        columns = {name: cell for name, cell in columns.items() if name != "note"}
    cells = [tuple(columns), *(tuple(cell(row) for cell in columns.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for line in cells:
        padded = [
            cell.ljust(width) if name in _TEXT_COLUMNS else cell.rjust(width)
            for name, cell, width in zip(columns, line, widths, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join([title, lines[0], "-" * len(lines[0]), *lines[1:]])


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:#.4g}".rstrip(".")
