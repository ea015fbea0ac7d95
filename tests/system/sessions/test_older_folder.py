"""A folder of an older release is served by this build: it opens, its sessions have their messages,
its orders trade, and its journal replays.

The stored folder is of commit 09b613ff (26 November 2026): ``outcry venue init``, ``outcry serve
venue.toml --from 2026-11-26T16:00``, then B1 to B3 by BETA, A1 and A2 by ALPHA over OUCH and F1 by
ALPHAFIX over FIX, and SIGTERM.  Its journal is of layout 3, and today's rule for OUCH
refuses GOLD's highest price in a new file.  Packed by ``tar --format=gnu -S | xz -9e``."""

import re
import signal
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from openoutcry.client import FixClient, OuchClient
from openoutcry.journal import JournalReader
from openoutcry.wire import LAYOUT_HASH
from tests import ROOT
from tests.support.processes import free_port
from tests.support.user_commands import run, started_command
from tests.support.waiting import BOUND_S

pytest.importorskip("argon2", reason="passwords need argon2-cffi (openoutcry[venue])")
STORED = ROOT / "tests" / "support" / "venue" / "older" / "venue_of_26_november.tar.xz"
WORDS = {"ALPHA": "KWOP2rOc4s", "BETA": "KCjU40MJS4", "ALPHAFIX": "Fr6nSxHkyd"}
OLD_MESSAGES = {
    "ALPHA": ["A A1", "E A1", "A A2", "E A2"],
    "BETA": ["A B1", "E B1", "A B2", "A B3", "E B3", "C B2"],
}
SERVE = "outcry serve venue.toml --from 2026-11-26T17:00"
"""The same trading day, whose orders and messages are still there."""
STRICTER = "is 1000000000: OUCH can say 0 to 42949672; change it, or say `ouch = false`"
LIMIT = "max_price_ticks = 40_000_000"
LAST = "reference_price_ticks = 250_000"
"""The last line of SILVER."""


@pytest.fixture
def ports() -> dict[str, int]:
    return {port: free_port() for port in ("9001", "9003")}


@pytest.fixture
def folder(tmp_path: Path, ports: dict[str, int]) -> Path:
    with tarfile.open(STORED) as stored:
        stored.extractall(tmp_path, filter="data")
    file = tmp_path / "venue.toml"
    text = file.read_text().replace("# volatile_journal", "volatile_journal")
    for shown, ours in ports.items():
        text = text.replace(f"127.0.0.1:{shown}", f"127.0.0.1:{ours}")
    file.write_text(re.sub(r"127\.0\.0\.1:900\d", "127.0.0.1:0", text))
    return tmp_path


@contextmanager
def served(folder: Path) -> Iterator[None]:
    """The venue is open in the body, and stopped in order after it."""
    with started_command(SERVE, folder) as serving:
        try:
            lines: list[str] = []
            while not lines or not lines[-1].startswith("FIX44 on"):
                assert serving.stderr is not None
                lines.append(serving.stderr.readline())
                assert lines[-1], lines
            yield
        finally:
            serving.send_signal(signal.SIGTERM)
            out, err = serving.communicate(timeout=BOUND_S)
        assert serving.returncode == 0, err
        assert "lost 0, duplicated 0" in out


def messages(client: OuchClient, count: int) -> list[str]:
    got = [client.next(BOUND_S) for _ in range(count)]
    return [f"{message.kind} {message['token']}" for message in got if message is not None]


def test_it_opens_trades_and_replays(folder: Path, ports: dict[str, int]) -> None:
    checked = run("outcry venue check venue.toml", folder)
    assert f"instrument[1].max_price_ticks: {STRICTER}" in checked
    host, ouch = "127.0.0.1", ports["9001"]
    with served(folder):
        alpha, beta = (
            OuchClient(host, ouch, name, WORDS[name], sequence=1) for name in ("ALPHA", "BETA")
        )
        for client, name in ((alpha, "ALPHA"), (beta, "BETA")):
            assert messages(client, len(OLD_MESSAGES[name])) == OLD_MESSAGES[name]
        # Against orders of the older release, in both instruments; then with each other.
        alpha.buy("GOLD", 2, "2000.00", name="N1")
        assert (messages(alpha, 2), messages(beta, 1)) == (["A N1", "E N1"], ["E B1"])
        alpha.sell("SILVER", 5, "24.1000", name="N2")
        assert (messages(alpha, 2), messages(beta, 1)) == (["A N2", "E N2"], ["E B3"])
        alpha.buy("SILVER", 7, "30.0000", name="N3")
        assert (messages(alpha, 2), messages(beta, 1)) == (["A N3", "E N3"], ["E B2"])
        beta.cancel("B1")
        assert messages(beta, 1) == ["C B1"]
        firm = FixClient(host, ports["9003"], "ALPHAFIX", WORDS["ALPHAFIX"])
        firm.cancel("F1", "GOLD", "1")
        report = firm.next(BOUND_S)
        assert report is not None
        assert (report[41], report[39]) == ("F1", "4")
        for client in (alpha, beta):
            client.logout()
        firm.logout()
    replayed = run("outcry replay journal", folder)
    assert "DIFFERENT" not in replayed
    run("outcry venue deploy canary journal", folder)
    blocks = [block.header.layout_hash for block in JournalReader(folder / "journal").all_blocks()]
    assert (blocks[0] != LAYOUT_HASH, blocks[-1] == LAYOUT_HASH) == (True, True)
    with served(folder), OuchClient(host, ouch, "ALPHA", WORDS["ALPHA"], sequence=1) as alpha:
        new = ["A N1", "E N1", "A N2", "E N2", "A N3", "E N3"]
        assert messages(alpha, 10) == [*OLD_MESSAGES["ALPHA"], *new]


def test_a_changed_key_is_named(folder: Path) -> None:
    """A highest price as today's rule asks for makes GOLD another instrument than its journal's;
    ``ouch = false`` does not, and says who no longer trades it."""
    file = folder / "venue.toml"
    text = file.read_text()
    file.write_text(text.replace("max_price_ticks = 1_000_000_000", LIMIT))
    with started_command(SERVE, folder) as serving:
        _, err = serving.communicate(timeout=BOUND_S)
    told = " ".join(err.split())
    assert serving.returncode == 1
    assert (
        "the journal's instruments differ from the file's: max_price_ticks of GOLD was 1000000000"
        in told
    )
    assert ", not 40000000. A journal keeps its instruments: undo the change" in told
    file.write_text(text.replace(LAST, f"{LAST}\nouch = false"))
    checked = run("outcry venue check venue.toml", folder)
    assert "instrument[2].ouch: is false: sessions over OUCH (ALPHA, BETA)" in checked
    with served(folder):
        pass
