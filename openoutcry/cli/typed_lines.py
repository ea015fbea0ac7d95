"""The lines that are typed at a prompt; what comes from elsewhere meanwhile is checked, too."""

import io
import os
import select
from collections.abc import Callable, Iterator
from typing import Protocol, TextIO

import click

PROMPT = "outcry> "
LOOK_S = 0.5
"""How often the session is checked while the prompt waits: twice as often as it must say
something."""


class HasDescriptor(Protocol):
    def fileno(self) -> int: ...


def typed_lines(source: TextIO, session: HasDescriptor, look: Callable[[], bool]) -> Iterator[str]:
    """Lines of ``source`` to its end, or to an interrupt at a terminal.

    While there is no line, ``look`` is called when ``session`` has something to read, and at least
    every LOOK_S.  It returns whether it has printed anything, so that a terminal shows the prompt
    again.
    """
    try:
        descriptor = source.fileno()
    except (io.UnsupportedOperation, ValueError):
        yield from source
        return
    shown = PROMPT if source.isatty() else ""
    kept = b""
    while True:
        click.echo(shown, nl=False)
        try:
            kept, ended = _line_there(descriptor, kept, session, look, shown)
        except KeyboardInterrupt:
            if not shown:
                raise
            click.echo()
            return
        line, newline, kept = kept.partition(b"\n")
        if newline or line:
            yield line.decode(source.encoding or "utf-8", "replace")
        if ended and not kept:
            if shown:
                click.echo()
            return


def _line_there(
    descriptor: int, kept: bytes, session: HasDescriptor, look: Callable[[], bool], shown: str
) -> tuple[bytes, bool]:
    """``kept`` with a whole line at its begin, or with all that there is when the source ended;
    and whether it did."""
    while b"\n" not in kept:
        ready, _, _ = select.select([descriptor, session.fileno()], [], [], LOOK_S)
        if descriptor not in ready:
            if look():
                click.echo(shown, nl=False)
            continue
        more = os.read(descriptor, 1 << 16)
        if not more:
            return kept, True
        kept += more
    return kept, False
