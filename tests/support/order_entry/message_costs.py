"""What each message that a participant can send costs everybody, and whether that grows with what
others have.

    python -m tests.support.order_entry.message_costs   # docs/evidence/security.json

A venue in one thread (all stages, no journal) is sent batches of one kind of message by a session
without a rate.  The figure is the processor time of all stages for a message, the fastest of some
batches; what an empty step costs is taken off.  It is taken in a small venue and again where others
have much more of one thing.  The tokens of a message are what the session's rate pays for it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from openoutcry.client.fix import write_message
from openoutcry.order_entry import soupbin
from openoutcry.order_entry.session_commands import ANSWERS_A_TOKEN
from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol
from openoutcry.report.evidence import EVIDENCE, write_evidence
from openoutcry.wire import make_instruments
from tests.support.order_entry.sessions_venue import Nobody
from tests.support.venue.inline import InlineVenue
from tests.support.venue.line import Silence
from tests.support.venue.party import PARTIES, FixParty, Party

COMMAND = "python -m tests.support.order_entry.message_costs"
OUCH42, OUCH50, FIX = (Protocol.OUCH42, Protocol.OUCH50, Protocol.FIX44)
NONE = int(CancelOnDisconnect.NONE)
BATCH, BATCHES = 50, 25
NOISE_US = 0.5
"""So much more or less is nothing: an empty step alone differs by a microsecond or two."""
OWN = 200
"""Orders of the sender's own, and messages that were sent to it, where a message is about these."""
MUCH = {"open orders": 12_000, "orders before": 12_000, "sessions": 60, "instruments": 400}
"""What others have where they have much of it; else 40 open orders, two sessions and two
instruments."""
PRICES = 2_000
SIZES = {
    "row_capacity": 1 << 14,
    "token_capacity": 1 << 16,
    "stream_entries": 1 << 17,
    "stream_bytes": 1 << 25,
}

Pack = Callable[[Party, int], bytes]


@dataclass(frozen=True)
class Message:
    """One kind: how a party packs its ``n``-th, how many are sent at a time, and what it answers
    with beside one message."""

    protocol: Protocol
    name: str
    pack: Pack
    batch: int = BATCH
    answers: int = 0
    own: int = 0
    """Open orders of the sender."""
    walks: str = ""
    """What of others' it looks at, if it has to."""

    @property
    def tokens(self) -> int:
        return 1 + self.answers // ANSWERS_A_TOKEN


def fix(kind: str, *fields: tuple[int, str], first: str = "", gap: bool = False) -> Pack:
    """A FIX message; ``{n}`` in a value is the number of the message."""

    def pack(party: Party, number: int) -> bytes:
        assert isinstance(party, FixParty)
        client = party.client
        values = tuple((tag, value.format(n=number)) for tag, value in fields)
        if first:
            return client.pack(kind, 1, values, client._utc_text())
        sent = client.numbers.next_out
        client.numbers.next_out += 1
        if gap:
            values = ((123, "Y"), (36, str(sent + 1)))
        return client.pack(kind, sent, values)

    return pack


def ouch(kind: str, body: bytes = b"") -> Pack:
    return lambda party, number: soupbin.packet(kind, body)


def say(letter: str, **fields: Any) -> Pack:
    """A message of OUCH 5.0 with the next user reference number."""

    def pack(party: Party, number: int) -> bytes:
        return party._packed("say", letter, user_ref=number, **fields)  # type: ignore[attr-defined]

    return pack


def order(party: Party, number: int) -> bytes:
    return party.order(number, ioc=True)


def rests(party: Party, number: int) -> bytes:
    return party.order(number)


def twice(party: Party, number: int) -> bytes:
    """The token of an order that was taken before: ignored."""
    return party.order(1)


def unknown(party: Party, number: int) -> bytes:
    return party.cancellation(10**6)


def garbled(party: Party, number: int) -> bytes:
    assert isinstance(party, FixParty)
    data = write_message(((35, "D"), (34, "1")))
    return data[:-4] + b"000\x01"


SIDE = ((55, "ACME"), (54, "1"), (60, "20260102-10:00:00"))
MESSAGES = (
    Message(OUCH42, "O, rests", rests),
    Message(OUCH42, "O, IOC", order),
    Message(OUCH42, "O, token taken", twice),
    Message(OUCH42, "X, unknown order", unknown),
    Message(OUCH42, "heartbeat R", ouch("R")),
    Message(OUCH42, "debug +", ouch("+", b"text")),
    Message(OUCH50, "O, rests", rests),
    Message(OUCH50, "X, unknown order", unknown),
    Message(OUCH50, "C, mass cancel", say("C", firm="", symbol="")),
    Message(OUCH50, "D, disable", say("D", firm="")),
    Message(FIX, "D, rests", rests),
    Message(
        FIX,
        "D, FOK for more than there is",
        fix(
            "D",
            (11, "k{n}"),
            (55, "ACME"),
            (54, "2"),
            (60, "20260102-10:00:00"),
            (38, "1000000"),
            (40, "2"),
            (44, "0.01"),
            (59, "4"),
        ),
        walks="levels to its limit",
    ),
    Message(FIX, "F, unknown order", unknown),
    Message(
        FIX,
        "G, unknown order",
        fix("G", (41, "NONE"), (11, "g{n}"), *SIDE, (38, "1"), (40, "2"), (44, "1.00")),
    ),
    Message(FIX, "H, status", fix("H", (11, "NONE"), (55, "ACME"), (54, "1"))),
    Message(FIX, "q, mass cancel", fix("q", (11, "q{n}"), (530, "7"), (60, "20260102-10:00:00"))),
    Message(FIX, "AF, no open order", fix("AF", (584, "a{n}"), (585, "7"))),
    Message(FIX, f"AF, {OWN} own open orders", fix("AF", (584, "b{n}"), (585, "7")), 4, OWN, OWN),
    Message(FIX, "0, heartbeat", fix("0")),
    Message(FIX, "1, test request", fix("1", (112, "T{n}"))),
    Message(FIX, f"2, {OWN} messages", fix("2", (7, "2"), (16, str(OWN + 1))), 4, OWN),
    Message(FIX, "4, gap fill", fix("4", gap=True)),
    Message(FIX, "D, possible duplicate", fix("D", (11, "d{n}"), *SIDE, first="Y")),
    Message(FIX, "no such type", fix("ZZ")),
    Message(FIX, "garbled", garbled),
)
FIRST = {OUCH42: "O, rests", OUCH50: "O, rests", FIX: "D, rests"}
"""The order to which a protocol's other messages are compared."""


class Many(Nobody):
    def __init__(self, instruments: int) -> None:
        names = ["ACME", "BOLT", *(f"I{number}" for number in range(2, instruments))]
        self.instruments = make_instruments(names)


def drain(party: Party) -> int:
    """Read all that has come, as bytes; how many."""
    count = 0
    try:
        while True:
            count += len(party.line.recv(1 << 20))
    except Silence:
        return count


@contextmanager
def venue_of(protocol: Protocol, **much: int) -> Iterator[Party]:
    """A venue in which others have ``much``; the party that sends, logged in."""
    sessions = much.get("sessions", 2)
    rows = [
        {"name": f"S{number}", "participant": 1 + number, "protocol": int(OUCH42)}
        for number in range(1, sessions)
    ]
    rows.append(
        {
            "name": "SENDER",
            "participant": 1,
            "protocol": int(protocol),
            "cancel_on_disconnect": NONE,
        }
    )
    options = {"source": Many(much.get("instruments", 2)), "order_capacity": 1 << 14}
    with InlineVenue(rows, sizes=SIZES, **options) as venue:
        others = [venue.client(row["name"]) for row in rows[:-1]]
        enter_orders(others[0], much.get("open orders", 40), rests=True)
        enter_orders(others[0], much.get("orders before", 0), rests=False)
        yield PARTIES[protocol](venue, "SENDER")


def enter_orders(client: Any, count: int, rests: bool) -> None:
    """Orders of another participant, at many prices; IOC ones are over at once."""
    sent: list[bytes] = []
    client.send = sent.append
    fields = {} if rests else {"time_in_force": 0}
    for number in range(count):
        price = 100 * (1 + number % PRICES)
        client.enter(f"{'r' if rests else 'i'}{number}", "B", 1, price=price, **fields)
    del client.send
    for start in range(0, count, 500):
        client.socket.sendall(b"".join(soupbin.packet("U", one) for one in sent[start:][:500]))
        read_all(client.socket)


def read_all(line: Any) -> None:
    try:
        while True:
            line.recv(1 << 20)
    except Silence:
        return


class Sender:
    """The party that sends, and the numbers of its messages, which rise."""

    def __init__(self, party: Party) -> None:
        self.party, self.number = party, 1
        self.enter(1, ioc=False)  # what "token taken" names

    def enter(self, count: int, *, ioc: bool) -> None:
        last = self.number + count
        data = [self.party.order(number, ioc=ioc) for number in range(self.number, last)]
        self.party.line.sendall(b"".join(data))
        self.number = last
        drain(self.party)

    def prepare(self, message: Message) -> None:
        """What the message is about: own open orders, or messages that were sent to it."""
        if self.party.line.end.fileno() < 0:
            raise AssertionError("the venue has closed the connection")
        if isinstance(self.party, FixParty):
            self.party.client.mass_cancel()
            drain(self.party)
        if message.own:
            self.enter(message.own, ioc=False)
        elif message.answers:
            self.enter(message.answers, ioc=True)

    def cost_us(self, message: Message, batches: int) -> float:
        """Microseconds of a message: the fastest batch's, an empty step taken off."""
        self.prepare(message)
        venue, took, idle = self.party.venue, [], []
        for _ in range(batches):
            last = self.number + message.batch
            data = [message.pack(self.party, number) for number in range(self.number, last)]
            self.number = last
            begun = time.perf_counter()
            venue.step()
            idle.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            self.party.line.end.sendall(b"".join(data))
            venue.step()
            took.append(time.perf_counter() - begun)
            drain(self.party)
        return max(0.0, min(took) - min(idle)) / message.batch * 1e6


def measured(batches: int = BATCHES) -> list[dict[str, Any]]:
    """A row a message: microseconds in a small venue, and where others have much of each thing."""
    rows = [
        {
            "protocol": one.protocol.name,
            "message": one.name,
            "tokens": one.tokens,
            "walks": one.walks,
            "us": {},
        }
        for one in MESSAGES
    ]
    for what, many in {"little": 0, **MUCH}.items():
        for protocol in FIRST:
            with venue_of(protocol, **({what: many} if many else {})) as party:
                sender = Sender(party)
                for row, message in zip(rows, MESSAGES, strict=True):
                    if message.protocol == protocol:
                        row["us"][what] = round(sender.cost_us(message, batches), 3)
    return rows


def judged(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with what they say: ``grows``, the most that a message costs where others have much
    to what it costs else; ``multiple``, what a token of it costs to what an order's does."""
    orders = {
        row["protocol"]: row["us"]["little"]
        for row in rows
        if FIRST[Protocol[row["protocol"]]] == row["message"]
    }
    return [
        row
        | {
            "grows": round(
                max(row["us"][what] + NOISE_US for what in MUCH) / (row["us"]["little"] + NOISE_US),
                2,
            ),
            "multiple": round(row["us"]["little"] / row["tokens"] / orders[row["protocol"]], 2),
        }
        for row in rows
    ]


def main() -> None:
    path = EVIDENCE / "security.json"
    known = json.loads(path.read_text())["figures"] if path.exists() else {}
    write_evidence("security", known | {"messages": judged(measured()), "much": MUCH}, COMMAND)


if __name__ == "__main__":
    main()
