"""The tables that a run prints: what their columns mean, and the short one that comes last."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import modes, report
from benchmarks.gpu import (
    bandwidth,
    ceilings,
    comparison,
    cupy_peer,
    overhead,
    torch_peers,
    triton_peer,
)
from benchmarks.gpu.providers import OURS
from benchmarks.problems import Shape, format_shape

NOTES = """\
Medians by events of the device, of calls taken in turn on buffers that rotate through many times
its L2. ratio: time over that of the ceiling or library named under "against". floor: what the ratio
must not exceed; aim: what it is hoped to reach. GB/s: of the least possible traffic, 2 image reads,
and 1 write where there is a gradient. small: by the host's clock over many calls in a row, and as a
CUDA graph of many calls. Every library computes the losses [B] of sobel/component/l1, and the
gradient of their mean (float16: times 32768), of images on the device; PyTorch's by autograd."""
MEMORY_NOTES = """\
Peak of one call, as the allocator of each library counts it. beyond inputs: with the losses and the
gradient, also where the caller gives them buffers (gradops). beyond outputs: without them."""
STEP = modes.LOSS_AND_GRADIENT
#: Each provider's column in the short table, and its name in README's.
NAMES = {
    torch_peers.CONVOLUTION: ("conv2d", "PyTorch, `conv2d`"),
    torch_peers.PLANES_LAST: ("chan_last", "the same, `channels_last`"),
    torch_peers.SLICES: ("slices", "PyTorch, slices"),
    torch_peers.COMPILED: ("compile", "the same, `torch.compile`"),
    triton_peer.NAME: ("triton", "Triton, one pass"),
    cupy_peer.NAME: ("cupy", "CuPy, slices"),
}


def find(rows: Sequence[report.Row], **wanted: object) -> report.Row | None:
    """The first row with these values."""
    for row in rows:
        if all(getattr(row, name) == value for name, value in wanted.items()):
            return row
    return None


def _percent(row: report.Row | None) -> str:
    """The share of the bandwidth that the row is held against."""
    if row is None or row.ratio_to_yardstick is None:
        return report.NOT_AVAILABLE
    return f"{100 / row.ratio_to_yardstick:.0f}%" + {"no": "!", "aim": "*"}.get(row.met, "")


def faster(rows: Sequence[report.Row], shape: Shape, dtype: str, peer: str) -> str:
    """How many times slower a peer is."""
    row = find(rows, section=comparison.SECTION, shape=shape, dtype=dtype, yardstick=peer)
    if row is None or not row.ratio_to_yardstick:
        return report.NOT_AVAILABLE
    return f"{1 / row.ratio_to_yardstick:.1f}x" + ("!" if row.met == "no" else "")


def _terabytes(rows: Sequence[report.Row], shape: Shape, dtype: str, name: str) -> str:
    row = find(rows, section=bandwidth.SECTION, shape=shape, dtype=dtype, mode=name)
    return report.NOT_AVAILABLE if row is None or not row.gb_per_s else f"{row.gb_per_s / 1e3:.2f}"


def mebibytes(rows: Sequence[report.Row], shape: Shape, dtype: str, provider: str) -> str:
    """Memory of a call beyond its images."""
    row = find(
        rows, section=comparison.MEMORY, shape=shape, dtype=dtype, provider=provider, mode=STEP
    )
    peak = None if row is None else row.peak_extra_mib
    return f"{peak:.0f}" if isinstance(peak, float) else report.NOT_AVAILABLE


def _speed(row: report.Row | None) -> tuple[str, str]:
    """Milliseconds, and terabytes a second."""
    if row is None or row.median_ms is None or row.gb_per_s is None:
        return report.NOT_AVAILABLE, report.NOT_AVAILABLE
    return f"{row.median_ms:.4f}", f"{row.gb_per_s / 1e3:.2f}"


def short_table(rows: Sequence[report.Row]) -> str:
    """A line for each shape and dtype, and one for each small shape."""
    names = (ceilings.COPY, ceilings.TRIAD, ceilings.READ)
    head = ["shape", "dtype", "ms", "TB/s", "of triad", "of read", "copy", "triad", "read"]
    lines = [[*head, *(column for column, _ in NAMES.values()), "MiB", "compile's"]]
    groups = [row for row in rows if row.section in (bandwidth.SECTION, comparison.SECTION)]
    for shape, dtype in dict.fromkeys((row.shape, row.dtype) for row in groups):
        where = {"shape": shape, "dtype": dtype, "provider": OURS}
        step = find(rows, section=bandwidth.SECTION, mode=STEP, **where)
        forward = find(rows, section=bandwidth.SECTION, mode=modes.FORWARD, **where)
        timed = step or find(rows, section=comparison.SECTION, **where)
        cells = [*_speed(timed), _percent(step), _percent(forward)]
        cells += [_terabytes(rows, shape, dtype, name) for name in names]
        cells += [faster(rows, shape, dtype, peer) for peer in NAMES]
        cells += [mebibytes(rows, shape, dtype, who) for who in (OURS, torch_peers.COMPILED)]
        lines.append([format_shape(shape), dtype, *cells])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([*text, *_small_lines(rows), *_verdict(rows)])


def _small_lines(rows: Sequence[report.Row]) -> list[str]:
    small = [row for row in rows if row.section == overhead.SECTION]
    lines = []
    for shape in dict.fromkeys(row.shape for row in small):
        parts = [
            f"{row.mode} {1e3 * row.median_ms:.2f}" if row.median_ms else f"{row.mode} {row.note}"
            for row in small
            if row.shape == shape
        ]
        lines.append(f"{format_shape(shape)}, microseconds a call: {'; '.join(parts)}")
    return lines


def _verdict(rows: Sequence[report.Row]) -> list[str]:
    judged = [row for row in rows if row.met]
    missed = [row for row in judged if row.met == "no"]
    lines = [f"floors met: {len(judged) - len(missed)} of {len(judged)} (! missed, * aim reached)"]
    absent = [row for row in rows if row.note and row.section != comparison.MEMORY]
    lines += [
        f"n/a: {row.section} {row.provider} {format_shape(row.shape)} {row.dtype}: {row.note}"
        for row in absent
    ]
    return lines
