"""Standard output and error of a command: whatever is written to them speaks to no terminal.

A message may hold what a participant, a peer or a file has chosen.  Within :func:`plain_output` all
text that goes to either goes through ``wire.text.printable``.  Only rich, which makes the colours
and moves the cursor itself, writes past it (``rich_proxied_file`` is the name by which it looks).
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from openoutcry.wire.text import printable

KEEP = "\n\t"


class PlainStream:
    """A text stream before another: lines and tabs stay, other control characters are escapes."""

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError("a text stream takes only text")
        self.rich_proxied_file.write(printable(text, KEEP))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


@contextmanager
def plain_output() -> Iterator[None]:
    """Both streams are plain within it."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = ours = PlainStream(before[0]), PlainStream(before[1])  # type: ignore[assignment]
    try:
        yield
    finally:
        # Streams that other code has put there meanwhile stay.
        for name, mine, old in zip(("stdout", "stderr"), ours, before, strict=True):
            if getattr(sys, name) is mine:
                setattr(sys, name, old)


def drawn_on(stream: TextIO) -> TextIO:
    """Return the stream that a console that redraws its lines writes to: rich then puts its own
    stream before ``sys.stdout``, and would find ours after it."""
    return getattr(stream, "rich_proxied_file", stream)  # type: ignore[no-any-return]
