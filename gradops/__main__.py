"""``python -m gradops`` prints the build, ``doctor`` checks it, ``build`` compiles an adapter.

``demo`` and ``optimize IN OUT`` run two jobs.
"""

from __future__ import annotations

import importlib
import sys

import gradops
from gradops._commands import self_test


def main(argv: list[str]) -> int:
    """Runs the command in argv; returns the exit status."""
    if not argv:
        for key, value in gradops.build_info().items():
            shown = (", ".join(value) if isinstance(value, list) else value) or "none"
            print(f"{key:26} {shown}")
        return 0
    if argv in (["build"], ["doctor"]):
        return importlib.import_module(f"gradops._commands.{argv[0]}").main()
    if argv in (["self-test", "kernels"], ["self-test", "ops"]):
        return self_test.main(argv[1])
    if argv[0] in ("demo", "optimize"):
        info = gradops.build_info()
        if info["backend"] != "fused":
            reason = info["backend_reason"]
            print(f"gradops: {argv[0]} shows the fused ops; not here: {reason}", file=sys.stderr)
            return 1
        from gradops.demo import image, training

        return (training if argv[0] == "demo" else image).main(argv[1:])
    usage = "usage: python -m gradops [doctor | build | demo | optimize IN OUT]"
    print(f"gradops: unknown command {' '.join(argv)!r}; {usage}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
