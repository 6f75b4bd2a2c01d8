"""An extension of griffe: our docstrings as the reference shows them.

- The formula in the first line of a public function or class stands apart, verbatim.
- "Call arguments:", "Saving:" and "Source:", which are no sections to griffe, begin in bold;
  "Example:" is its section "Examples:".
- Public names (gradops.gradient_loss) and pages (docs/design.md) become links, shapes and values of
  options code.
"""

from __future__ import annotations

import html
import re
from typing import Any

import griffe

_PREFIX = "gradops"
_HEADINGS = re.compile(r"^(Call arguments|Saving|Source): ?", re.MULTILINE)
_NAME = re.compile(r"(?<![\w`./\[])gradops(?:\.[A-Za-z]\w*)+")
_PAGE = re.compile(r"(?<![\w`/\[])docs/([\w-]+)\.md")
_CODE = re.compile(r"`[^`]+`")
_EXAMPLES = re.compile(r"^Examples?:\n(?:(?: .*)?(?:\n|\Z))+", re.MULTILINE)
_NOTHING = re.compile(r"^Raises:\n +Nothing\.\n+", re.MULTILINE)
#: [B, H, W, C] and "l1".
_VERBATIM = re.compile(r"(?<![\w\])])\[[A-Z0-9](?:, ?[A-Z0-9])*\]|\"[\w.]+\"")
#: First lines that are sentences have none of these.
_FORMULA = re.compile(r" = |^\(|^[\w.]+\(|^mean over ")


class Docstrings(griffe.Extension):
    """Rewrites docstrings once everything is loaded, before anything is parsed."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Rewrites those of the package's public names."""
        public = {
            f"{module.path}.{name}"
            for module in [pkg, *(m for m in pkg.modules.values() if not m.is_alias)]
            for name in module.exports or ()
        }
        targets: set[str] = set()
        for path in public:
            try:
                item = pkg[path.removeprefix(f"{_PREFIX}.")]
                target = item.final_target if item.is_alias else item
            except (KeyError, griffe.AliasResolutionError):
                continue  # Reported by the page that shows it.
            if target.docstring is not None and target.path not in targets:
                targets.add(target.path)
                target.docstring.value = as_markdown(target.docstring.value, public)


def as_markdown(text: str, public: set[str]) -> str:
    """The docstring `text` as Google-style Markdown with links to the names in `public`."""
    formula, rest = _split_formula(text)
    pieces, end = [], 0
    for example in _EXAMPLES.finditer(rest):
        pieces.append(_prose(rest[end : example.start()], public))
        pieces.append(example[0].replace("Example:", "Examples:", 1))
        end = example.end()
    pieces.append(_prose(rest[end:], public))
    shown = f'<p class="formula"><code>{html.escape(formula)}</code></p>\n' if formula else ""
    return shown + "".join(pieces)


def _split_formula(text: str) -> tuple[str, str]:
    """The first paragraph, in one line, if it is a formula, and what follows."""
    first, _, rest = text.partition("\n\n")
    formula = " ".join(line.strip() for line in first.splitlines())
    return (formula, f"\n{rest}") if _FORMULA.search(formula) else ("", text)


def _prose(text: str, public: set[str]) -> str:
    text = _HEADINGS.sub(r"**\1.** ", _NOTHING.sub("", text))
    pieces, end = [], 0
    for code in _CODE.finditer(text):
        pieces += [_linked(text[end : code.start()], public), code[0]]
        end = code.end()
    return "".join([*pieces, _linked(text[end:], public)])


def _linked(text: str, public: set[str]) -> str:
    def name(match: re.Match[str]) -> str:
        path = match[0]
        return f"[`{path}`][{path}]" if path in public else f"`{path}`"

    # Pages of the reference are in docs/api.
    text = _VERBATIM.sub(r"`\g<0>`", text)
    return _PAGE.sub(r"[\1](../\1.md)", _NAME.sub(name, text))
