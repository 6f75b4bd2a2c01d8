"""Makes a built wheel one to hand out: repair_wheel.py WHEEL FOLDER.

auditwheel finds the oldest manylinux that the libraries run on and names the wheel for it.
TensorFlow's libraries are left out: they are loaded before ours, by `import tensorflow`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

# Under the names of the packages for Linux, and under those that a linker may record.
TENSORFLOW = [
    f"libtensorflow_{name}.so{suffix}" for name in ("framework", "cc") for suffix in ("", ".2")
]


def repair(wheel: Path, folder: Path) -> Path:
    """Puts the repaired wheel into the folder, in place of one of the same name."""
    with tempfile.TemporaryDirectory() as temporary:
        command = ["auditwheel", "repair", "--wheel-dir", temporary, str(wheel)]
        for library in TENSORFLOW:
            command += ["--exclude", library]
        if subprocess.run(command).returncode != 0:
            raise SystemExit(f"gradops: {wheel.name} cannot be repaired; auditwheel says why above")
        (repaired,) = Path(temporary).glob("*.whl")
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / repaired.name
        target.write_bytes(repaired.read_bytes())
        return target


def sizes(wheel: Path) -> str:
    """The sizes of the wheel and of the libraries in it, in MiB."""
    lines = [f"{wheel}: {wheel.stat().st_size / 2**20:.2f} MiB"]
    with zipfile.ZipFile(wheel) as archive:
        for file in archive.infolist():
            if os.path.splitext(file.filename)[1] == ".so":
                lines.append(
                    f"  {file.filename}: {file.file_size / 2**20:.2f} MiB, "
                    f"{file.compress_size / 2**20:.2f} compressed"
                )
    return "\n".join(lines)


if __name__ == "__main__":
    print(sizes(repair(Path(sys.argv[1]), Path(sys.argv[2]))))
