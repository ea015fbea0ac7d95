"""The prompt of ``outcry client`` over an inline venue: real clients, and a clock that moves while
nothing is typed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from openoutcry.cli import prompt, typed_lines
from openoutcry.cli.prompt import FixPrompt, Prompt, ShmPrompt
from openoutcry.client import DropCopyClient, OuchClient, fix, soupbin, waiting
from openoutcry.order_entry.spec import Protocol
from tests.support.venue.inline import InlineVenue
from tests.support.venue.line import Line, Silence

LOOK_S = 0.5


class PatientLine:
    """A line on which a read times out, as a socket's does; the venue's time passes meanwhile."""

    def __init__(self, venue: InlineVenue, line: Line) -> None:
        self.venue, self.line = venue, line
        self.passes_s = 0.0
        """By how much time each read in vain lets pass."""

    def recv(self, size: int) -> bytes:
        try:
            return self.line.recv(size)
        except Silence:
            if self.passes_s:
                self.venue.clock.advance(self.passes_s)
            raise TimeoutError from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.line, name)


class PromptBench:
    """A venue's prompts, and what they print."""

    def __init__(
        self,
        venue: InlineVenue,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.venue, self.capsys, self.monkeypatch = venue, capsys, monkeypatch
        monkeypatch.setattr(prompt, "SETTLE_S", 0)
        monkeypatch.setattr(typed_lines, "LOOK_S", 0.001)
        clock = SimpleNamespace(monotonic=lambda: venue.clock.seconds, time_ns=time.time_ns)
        monkeypatch.setattr(soupbin, "time", clock)
        monkeypatch.setattr(fix, "time", clock)
        monkeypatch.setattr(waiting, "time", clock)

    def _dial(self, protocol: Protocol) -> PatientLine:
        line = PatientLine(self.venue, self.venue.dial(protocol))
        self.monkeypatch.setattr(soupbin, "connected", lambda *_: line)
        return line

    def ouch(self, name: str, version: str = "4.2", **login: Any) -> Prompt:
        protocol = Protocol.OUCH50 if version == "5.0" else Protocol.OUCH42
        line = self._dial(protocol)
        client = OuchClient(
            "inline",
            0,
            name,
            "secret",
            version=version,
            prefix="C",
            counts=True,
            **{"sequence": 1} | login,
        )
        typing = Prompt(client, login.get("sequence", 1) == 1)
        typing.line = line
        return typing

    def fix(self, name: str) -> FixPrompt:
        client = self.venue.fix(name, prefix="F")
        line = client.socket = client._received.connection = PatientLine(self.venue, client.socket)
        typing = FixPrompt(client)
        typing.line = line
        return typing

    def shm(self, name: str) -> ShmPrompt:
        return ShmPrompt(self.venue.shm(name))

    def copy(self, name: str) -> DropCopyClient:
        self._dial(Protocol.DROP_COPY)
        return DropCopyClient("inline", 0, name, "secret")

    def says(self, typing: Prompt, text: str) -> list[str]:
        """What is printed for a line."""
        self.capsys.readouterr()
        assert typing.do(text.split())
        return self.capsys.readouterr().out.splitlines()


@contextmanager
def keyboard() -> Iterator[tuple[Any, int]]:
    """What a client reads as its standard input, and where a test types."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as source:
        yield source, writing
