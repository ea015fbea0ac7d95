"""A venue's life: it is carried over again and again while it trades, with further instruments,
other rules and more participants, and killed at any moment of it.

    python -m tests.long.sessions.life --carries 60 --seed 1 [--evidence]

No order and no trade is lost or done twice, and each journal begins where the one before has ended.
"""

import argparse
import random
import shutil
import statistics
import tempfile
import time
from collections import Counter
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from openoutcry.client.ouch import OuchClient
from openoutcry.client.waiting import ClientError
from openoutcry.journal import JournalReader
from openoutcry.journal.events import events_of, oldest_point
from openoutcry.journal.reader import parts_before
from openoutcry.journal.replay import replay
from openoutcry.report.evidence import write_evidence
from openoutcry.wire.enums import EventKind
from tests.support.order_entry.sessions_venue import HASH, PASSWORD
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY, free_port
from tests.support.venue.served_venue import ServedVenue, never_closes
from tests.support.venue.trader import Trader
from tests.support.waiting import BOUND_S, wait_until

VENUE = """
[venue]
name = "LIFE"
journal = "journal"
volatile_journal = true
housekeeping_cores = 0
order_capacity = 16384
checkpoint_every = 2000
[calendar]
time_zone = "Etc/UTC"
time_every_s = 600
[[schedule]]
name = "main"
day = ["08:00 PRE_OPEN", "09:00 CONTINUOUS", "17:00 CLOSED"]
"""
INSTRUMENT = """
[[instrument]]
symbol = "{symbol}"
decimals = 2
max_price_ticks = 1_000_000
max_qty_lots = {most}
"""
SESSION = """
[[participant]]
number = {number}
name = "p{number}"
[[session]]
name = "{name}"
protocol = "ouch-4.2"
participant = {number}
password = "{password}"
cancel_on_disconnect = "none"
"""
NAMES = "ONE", "TWO"


class OuchTrader(Trader):
    """Enters orders of one side at one price, and logs in again where the connection ends."""

    def __init__(self, port: int, name: str) -> None:
        self.port, self.name_ = port, name
        self.client = OuchClient("127.0.0.1", port, name, PASSWORD)
        self.messages: list[tuple[str, str, int]] = []
        """What the venue has said: kind, token, lots."""
        self.last_s, self.gaps_s = time.monotonic(), list[float]()
        super().__init__([])

    def run(self) -> None:
        while not self.ends.is_set():
            try:
                self.step()
            except (ClientError, OSError):
                self._log_in()

    def step(self) -> None:
        enter = self.client.buy if self.name_ == NAMES[0] else self.client.sell
        token, kind = enter("GOLD", 1, "10.00"), ""
        while kind not in ("accepted", "rejected"):
            kind = self._next(token)
        now_s = time.monotonic()
        self.gaps_s.append(now_s - self.last_s)
        self.last_s = now_s
        self.answers.append(kind)

    def _next(self, token: str) -> str:
        message = self.client.next(BOUND_S)
        assert message is not None
        lots = message.fields.get("executed_shares", message.fields.get("shares", 0))
        self.messages.append((message.name, message["token"], int(lots)))
        return message.name if message["token"] == token else ""

    def _log_in(self) -> None:
        session, sequence = self.client.session, self.client.sequence
        with suppress(ClientError, OSError):
            self.client = OuchClient(
                "127.0.0.1", self.port, self.name_, PASSWORD, session=session, sequence=sequence
            )
            return
        time.sleep(0.02)

    def drain(self) -> None:
        """Everything that the venue has still to say."""
        self._log_in()
        with suppress(ClientError, OSError):
            while (message := self.client.next(1)) is not None:
                lots = message.fields.get("executed_shares", message.fields.get("shares", 0))
                self.messages.append((message.name, message["token"], int(lots)))


class Life:
    """The venue, its two traders, and what happened."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.rng = folder, random.Random(seed)
        self.port, self.count, self.people = free_port(), 0, len(NAMES)
        text = never_closes(VENUE) + INSTRUMENT.format(symbol="GOLD", most=1_000_000)
        port = f'\n[[port]]\nprotocol = "ouch-4.2"\naddress = "127.0.0.1:{self.port}"\n'
        text += "".join(self._session(n, name) for n, name in enumerate(NAMES, 1)) + port
        self.venue = ServedVenue(folder, "2026-03-02T10:00", port="", venue=text)
        self.tally: Counter[str] = Counter()
        self.away_s: list[float] = []
        self.venue.start()
        self.venue.wait_for_phase("CONTINUOUS")
        self.traders = [OuchTrader(self.port, name) for name in NAMES]

    def _session(self, number: int, name: str) -> str:
        return SESSION.format(number=number, name=name, password=HASH)

    def change(self) -> str:
        """Write a file with one change more; what it is."""
        file, self.count = self.venue.folder / "venue.toml", self.count + 1
        text = file.read_text()
        what = self.rng.choice(["instrument", "participant", "limit", "nothing"])
        if what == "instrument":
            text += INSTRUMENT.format(symbol=f"NEW{self.count}", most=1_000_000)
        elif what == "participant":
            self.people += 1
            text += self._session(self.people, f"S{self.people}")
        elif what == "limit":
            most = f"max_qty_lots = {1_000_000 - self.count}\n"
            begin = text.index("max_qty_lots")
            text = text[:begin] + most + text[text.index("\n", begin) + 1 :]
        file.write_text(text)
        return what

    def carry(self) -> None:
        """One change by the operator's command, which a kill of the venue may cut short."""
        for trader in self.traders:
            trader.pass_more(5)
        self.tally[self.change()] += 1
        before = [len(trader.gaps_s) for trader in self.traders]
        command = warm_outcry.Process([*OUTCRY, "venue", "carry", "venue.toml"], cwd=self.folder)
        if self.rng.random() < 0.5:
            time.sleep(self.rng.random() * 2.5)
            self.venue.kill()
            command.kill()
            command.wait(BOUND_S)
            self.tally["killed"] += 1
            self._open_again()
        else:
            command.wait(BOUND_S)
            assert command.returncode == 0
        for trader in self.traders:
            trader.pass_more(5)
        if command.returncode == 0:
            longest = [max(t.gaps_s[n:]) for t, n in zip(self.traders, before, strict=True)]
            self.away_s.append(max(longest))

    def _open_again(self) -> None:
        """Serve, as an operator does after a kill, and do what the venue asks for."""
        self.venue.start()
        process = self.venue.process
        assert process is not None
        wait_until(
            lambda: process.poll() is not None or self.venue.status()["state"] == "open", "an end"
        )
        if process.poll() is None:
            self.tally["served as before, or carried over"] += 1
            return
        said = process.communicate()[1]
        # The file is that of after the carry; the journal was not carried over, or not to its end.
        assert "outcry venue carry" in said, said
        done = warm_outcry.run_command([*OUTCRY, "venue", "carry", "venue.toml"], cwd=self.folder)
        if done.returncode:
            # Its last run was cut short: with the file of before it ends in good order.
            assert "cut short: serve it once more" in done.stdout + done.stderr, done.stderr
            self._end_in_good_order()
            done = warm_outcry.run_command(
                [*OUTCRY, "venue", "carry", "venue.toml"], cwd=self.folder
            )
        assert done.returncode == 0, done.stderr
        self.tally["carried over after the kill"] += 1
        self.venue.start()
        self.venue.wait_for_phase("CONTINUOUS")

    def _end_in_good_order(self) -> None:
        file = self.venue.folder / "venue.toml"
        text = file.read_text()
        file.write_text(self.served)
        self.venue.start()
        self.venue.wait_for_phase("CONTINUOUS")
        self.venue.stop()
        file.write_text(text)

    def run(self, carries: int) -> dict[str, Any]:
        """So many changes, and what they came to."""
        for _ in range(carries):
            self.served = (self.venue.folder / "venue.toml").read_text()
            self.carry()
        for trader in self.traders:
            trader.stop()
            trader.drain()
        self.venue.stop()
        return self.judged()

    def judged(self) -> dict[str, Any]:
        """Each order and trade once, in the journals and as participants were told."""
        parts = [path for path, _ in parts_before(self.venue.journal)] + [self.venue.journal]
        readers = [JournalReader(path) for path in parts]
        assert all(reader.evidence is not None for reader in readers), "each ends in good order"
        for before, after in pairwise(readers):
            assert replay(before.directory)["equal"]
            assert after.first_seq == before.last_seq + 1
            assert after.config["carried"]["seq"] == before.last_seq
        assert replay(self.venue.journal)["equal"]
        accepted, lots = Counter[tuple[int, int]](), Counter[int]()
        for reader in readers:
            for batch in events_of(reader, oldest_point(reader)):
                events = batch.events
                entered = events[events["kind"] == EventKind.ACCEPTED]
                accepted.update(
                    zip(entered["participant"].tolist(), entered["order_id"].tolist(), strict=True)
                )
                fills = events[events["kind"] == EventKind.FILLED]
                for who, size in zip(
                    fills["participant"].tolist(), fills["qty_lots"].tolist(), strict=True
                ):
                    lots[who] += size
        assert set(accepted.values()) == {1}
        for number, trader in enumerate(self.traders, 1):
            told = [token for kind, token, _ in trader.messages if kind == "accepted"]
            entered_by = sum(1 for who, _ in accepted if who == number)
            assert (len(told), len(set(told))) == (entered_by, entered_by), (
                number,
                len(told),
                len(set(told)),
                entered_by,
                self.tally,
            )
            executed = sum(size for kind, _, size in trader.messages if kind == "executed")
            assert executed == lots[number]
        return {
            "carries": self.count,
            "parts": len(parts),
            "orders": len(accepted),
            "lots_traded": lots[1],
            "lost": 0,
            "doubled": 0,
            **{name.replace(" ", "_").replace(",", ""): n for name, n in self.tally.items()},
            "away_s_p50": round(statistics.median(self.away_s), 2) if self.away_s else None,
            "away_s_max": round(max(self.away_s), 2) if self.away_s else None,
        }


def live(carries: int, seed: int) -> dict[str, Any]:
    """A life in a folder that is removed; what it came to."""
    folder = Path(tempfile.mkdtemp(prefix="life-"))
    life = Life(folder, seed)
    try:
        return life.run(carries)
    finally:
        for trader in life.traders:
            trader.ends.set()
        if life.venue.process is not None and life.venue.process.poll() is None:
            life.venue.kill()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--carries", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--evidence", action="store_true")
    given = parser.parse_args()
    found = live(given.carries, given.seed)
    if given.evidence:
        command = f"python -m tests.long.sessions.life --carries {given.carries}"
        print(write_evidence("life", found | {"seed": given.seed}, command))
    print(found)


if __name__ == "__main__":
    main()
