"""The tests' portal, which notes the functions of the package that run between two SIGUSR1.

It writes them as a JSON list of ``file:function`` to ``traced.json`` in its working directory.
``traced.began`` is there while it notes.
"""

import json
import signal
import sys
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from openoutcry import PACKAGE
from tests.support.portal.served_portal import serve

OUT = Path("traced.json")
ROOTS = f"{PACKAGE.resolve()}/", f"{PACKAGE}/"


def trace() -> None:
    """Begin and end at SIGUSR1."""
    codes: set[CodeType] = set()

    def called(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            codes.add(frame.f_code)

    def write() -> None:
        names = set()
        for code in codes:
            root = next((root for root in ROOTS if code.co_filename.startswith(root)), None)
            if root is not None:
                names.add(f"{code.co_filename[len(root) :]}:{code.co_name}")
        part = OUT.with_suffix(".part")
        part.write_text(json.dumps(sorted(names)))
        part.rename(OUT)

    def toggle(number: int, frame: FrameType | None) -> None:
        if sys.getprofile() is None:
            codes.clear()
            OUT.with_suffix(".began").touch()
            sys.setprofile(called)
        else:
            sys.setprofile(None)
            OUT.with_suffix(".began").unlink()
            write()

    signal.signal(signal.SIGUSR1, toggle)


if __name__ == "__main__":
    trace()
    serve()
