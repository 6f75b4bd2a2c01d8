"""``python -m gradops`` prints the build; ``python -m gradops demo`` runs the demonstration."""

from __future__ import annotations

import sys

import gradops


def main(argv: list[str]) -> int:
    """Runs the command in argv; returns the exit status."""
    if not argv:
        for key, value in gradops.build_info().items():
            shown = (", ".join(value) if isinstance(value, list) else value) or "none"
            print(f"{key:26} {shown}")
        return 0
    if argv[0] == "demo":
        info = gradops.build_info()
        if info["backend"] != "fused":
            reason = info["backend_reason"]
            print(f"gradops: the demo shows the fused ops; not here: {reason}", file=sys.stderr)
            return 1
        from gradops import demo

        return demo.main(argv[1:])
    print(f"gradops: unknown command {argv[0]!r}; usage: python -m gradops [demo]", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
