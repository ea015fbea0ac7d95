"""Put kernels into a wheel, compiled ahead of time for x86-64-v3: ``make wheel``.

    python scripts/wheel_kernels.py dist/openoutcry-*.whl [--only run]

The wheel's own sources are unpacked and run once, with a cache of their own, and what numba has
kept of that goes into the wheel with its hashes (``wire/shipped.py`` says when it is loaded).  They
are of the Python, numba and llvmlite that this is run with; with another, the wheel compiles as a
plain one does.  Run it again with another Python to have both.
"""

import argparse
import base64
import csv
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNS = (
    ("run", "--orders", "1000", "--topology", "inline", "--journal", "day"),
    ("run", "--orders", "1000", "--topology", "processes", "--durability", "durable",
     "--journal", "night"),
    ("replay", "day"),
)  # fmt: skip
"""Commands that a user begins with."""
STEPS = {"run", "venue"}


def compiled(wheel: Path, only: set[str]) -> dict[str, bytes]:
    """numba's cache files of the wheel's sources, by their path in the wheel."""
    from openoutcry.wire.shipped import FOLDER, compiler_variables

    with tempfile.TemporaryDirectory() as scratch:
        package, kept = Path(scratch) / "package", Path(scratch) / "kept"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(package)
        # "-P": what is imported is the wheel's, wherever this was started.
        python = [sys.executable, "-P"]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("OUTCRY_")}
        environment |= compiler_variables()
        environment |= {"PYTHONPATH": str(package), "OUTCRY_CACHE_DIR": str(kept)}
        commands = [[*python, "-m", "openoutcry", *run] for run in RUNS if "run" in only]
        if "venue" in only:
            first = str(ROOT / "tests/support/compile_first.py")
            commands += [[*python, first, what] for what in ("hooked", "venue")]
        for command in commands:
            print(*command[2:], file=sys.stderr)
            subprocess.run(
                command, env=environment, cwd=scratch, check=True, stdout=subprocess.DEVNULL
            )
        (folder,) = kept.glob("kernels-by-module-*")
        return {
            f"openoutcry/{FOLDER}/{path.relative_to(kept)}": path.read_bytes()
            for path in sorted(folder.rglob("*.nb[ic]"))
        }


def add_files(wheel: Path, files: dict[str, bytes]) -> None:
    """The same wheel with ``files``, each named with its hash in RECORD; a file of that name that
    it had is replaced."""
    whole = wheel.with_suffix(".part")
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(whole, "w") as new:
        (record,) = [n for n in old.namelist() if n.endswith(".dist-info/RECORD")]
        rows = [
            row
            for row in csv.reader(io.StringIO(old.read(record).decode()))
            if row and row[0] not in files and row[0] != record
        ]
        for info in old.infolist():
            if info.filename != record and info.filename not in files:
                new.writestr(info, old.read(info))
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr, entry.compress_type = 0o100644 << 16, zipfile.ZIP_DEFLATED
            new.writestr(entry, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.append([name, f"sha256={digest}", str(len(data))])
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([*rows, [record, "", ""]])
        new.writestr(old.getinfo(record), text.getvalue())
    whole.replace(wheel)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--only", choices=sorted(STEPS), help="what is compiled; else all of it")
    given = parser.parse_args()
    files = compiled(given.wheel, {given.only} if given.only else STEPS)
    add_files(given.wheel, files)
    size_kib = sum(map(len, files.values())) >> 10
    print(f"{given.wheel}: {len(files)} files of kernels, {size_kib:,} KiB")


if __name__ == "__main__":
    main()
