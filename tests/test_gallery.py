"""The pictures of the documentation: those shown are those drawn; what pages say of them."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))
for module in ("matplotlib", "skimage"):
    pytest.importorskip(module)

from build_support.gallery import __main__ as gallery  # noqa: E402
from build_support.gallery import choices, penalties, photographs, residuals, stencils  # noqa: E402

PAGES = [ROOT / "docs" / name for name in ("gallery.md", "how-it-works.md")]


def test_pages_show_what_is_drawn():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    shown = re.findall(r"!\[[^]]{20,}\]\(images/gallery/([a-z-]+)\.png\)", text)
    files = {path.stem for path in gallery.FOLDER.glob("*")}
    assert sorted(shown) == sorted(gallery.PICTURES) == sorted(files)
    assert sum(path.stat().st_size for path in gallery.FOLDER.glob("*")) < 1.6e6


@pytest.mark.extended
def test_what_the_page_says_of_stencils():
    waves = {name: next(stencils.gains(name, np.array([2.0]))) for name in stencils.SHOWN}
    assert {name for name, gain in waves.items() if gain > 1e-6} == {"forward"}
    angles = np.radians(np.linspace(0, 90, 31))
    worst = {
        name: np.abs(stencils.angle_errors(name, 4, angles)).max()
        for name in stencils.SHOWN
        if name != "forward"
    }
    assert min(worst, key=worst.get) == "scharr"


@pytest.mark.extended
def test_what_the_page_says_of_responses():
    target = photographs.portrait()
    found = {
        (response, name): residuals.residual(target, make(target), response).mean()
        for response in residuals.RESPONSES
        for name, make in residuals.WRONG.items()
    }
    unseen = {key for key, value in found.items() if value < 1e-5}
    assert {response for response, name in unseen if name == "brighter"} == set(residuals.RESPONSES)
    assert {("magnitude", "negative"), ("absolute", "negative")} <= unseen
    assert ("component", "negative") not in unseen and ("normal", "negative") not in unseen
    assert found["direction", "half the contrast"] < 0.2 * found["direction", "blurred"]


@pytest.mark.extended
def test_what_the_page_says_of_choices():
    target = photographs.portrait()
    brighter = choices.SWEEPS[3][2](target, 0.2)
    for name, loss in choices.LOSSES.items():
        value = choices.value(loss, target, brighter)
        assert (value < 1e-5) == name.startswith("sobel"), name


@pytest.mark.extended
def test_what_the_page_says_of_scratches():
    found = {name: share for name, (_, share) in penalties.on_photograph()[1].items()}
    wanted = {"l2": 2 / 3, "l1": 1 / 8, "log, epsilon 0.5": 1 / 14}
    for name, share in wanted.items():
        assert abs(found[name] / share - 1) < 0.1, name
