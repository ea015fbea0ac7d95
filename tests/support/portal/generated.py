"""A generated spot market: a venue file and the journal of random orders over several days.

The journal is written as a venue writes it, only without a venue: thousands of commands a second.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.journal import Journal
from openoutcry.journal.replay import instruments_to_json
from openoutcry.venue.fee_tables import deposit
from openoutcry.venue.file import VenueFile, read_venue
from openoutcry.venue.limits import FileLimits, fresh_view, hook_settings
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind, OrderType, Phase, TimeInForce
from tests.support.portal.portal_venue import venue_text

DAY_NS = 86_400 * 10**9
BEGIN_DAY = 20_400
FIRST = 1_000
FUNDS = {"USD": 10**13, "BTC": 10**11, "ETH": 10**12}
"""Units that each person begins with."""
REFERENCES = (5_000_000, 300_000, 6_000)
BLOCK = 2_048


@dataclass
class Generated:
    """A venue file and what its journal has."""

    file: VenueFile
    people: range
    commands: int


def generated_market(
    folder: Path,
    people: int,
    orders: int,
    seed: int,
    days: int = 5,
    block: int = BLOCK,
    moving: float = 0.02,
) -> Generated:
    """``moving``: the part of commands that are deposits and withdrawals of the operator."""
    text = venue_text().replace(
        "participant_capacity = 1200", f"participant_capacity = {FIRST + people}"
    )
    text = text.replace("order_capacity = 4096", "order_capacity = 65536")
    path = folder / "venue.toml"
    path.write_text(text)
    file = read_venue(path)
    who = range(FIRST, FIRST + people)
    commands = drawn(file, who, orders, seed, days, moving)
    write(file, commands, block)
    return Generated(file, who, len(commands))


def configuration(file: VenueFile) -> dict[str, Any]:
    numbers = [one.number for one in file.participants]
    hooks = hook_settings(
        numbers, file.order_capacity, file.risk, capacity=file.participant_capacity
    )
    return {
        "instruments": instruments_to_json(file.instruments),
        "order_capacity": file.order_capacity,
        "hooks": hooks,
        "source": f"venue {file.name}",
    }


def opening(file: VenueFile, people: range) -> np.ndarray:
    """What the file says, every person's first funds, and the begin of trading."""
    numbers = [one.number for one in file.participants]
    settings = hook_settings(
        numbers, file.order_capacity, file.risk, capacity=file.participant_capacity
    )
    limits = FileLimits(
        file.risk, numbers, file.instruments, fresh_view(settings, file.instruments)
    )
    records = [limits.due()]
    records += [deposit(who, units, name, 0, 0) for who in people for name, units in FUNDS.items()]
    for symbol in file.instruments["symbol"].tolist():
        record = np.zeros(1, ORDER_DTYPE)
        record["kind"], record["symbol"] = CommandKind.PHASE, symbol
        record["aux"] = int(Phase.CONTINUOUS)
        records.append(record)
    return np.concatenate(records)


def drawn(
    file: VenueFile, people: range, count: int, seed: int, days: int, moving: float
) -> np.ndarray:
    """The opening, and then ``count`` random commands over some days."""
    rng, first = np.random.default_rng([seed, 53]), opening(file, people)
    rows = np.zeros(count, ORDER_DTYPE)
    rows["kind"] = CommandKind.NEW
    market = rng.integers(0, len(REFERENCES), count)
    rows["symbol"] = file.instruments["symbol"][market]
    rows["side"] = rng.integers(1, 3, count)
    rows["participant"] = rng.integers(people.start, people.stop, count)
    rows["qty_lots"] = rng.integers(1, 60, count)
    # The price wanders, a day of its own for each market.
    wander = np.cumsum(rng.normal(0, 0.0004, (len(REFERENCES), count)), axis=1)
    centre = np.array(REFERENCES)[market] * np.exp(wander[market, np.arange(count)])
    rows["price_ticks"] = (centre * (1 + rng.normal(0, 0.0008, count))).astype(np.int64).clip(1)
    rows["order_type"] = OrderType.LIMIT
    hurried = rng.random(count)
    rows["time_in_force"] = np.where(hurried < 0.3, TimeInForce.IOC, TimeInForce.DAY)
    rows["order_id"] = 10_000 + np.arange(count)
    for at in np.flatnonzero(rng.random(count) < moving).tolist():
        name = list(FUNDS)[int(rng.integers(0, len(FUNDS)))]
        amount = int(rng.integers(-FUNDS[name] // 50, FUNDS[name] // 20))
        rows[at] = deposit(int(rows["participant"][at]), amount, name, 0, 0)[0]
    cancels = np.flatnonzero((rng.random(count) < 0.15) & (rows["kind"] == CommandKind.NEW))
    for at in cancels[cancels > 50].tolist():
        old = at - int(rng.integers(1, 50))
        if rows["kind"][old] == CommandKind.NEW:
            for name in ("symbol", "side", "participant", "order_id"):
                rows[name][at] = rows[name][old]
            rows["kind"][at] = CommandKind.CANCEL
    times = np.sort(rng.integers(9 * 3_600, 17 * 3_600, count)) * 10**9
    day = np.arange(count) * days // max(count, 1)
    rows["rx_ts_ns"] = (BEGIN_DAY + day) * DAY_NS
    for number in range(days):
        of_day = day == number
        rows["rx_ts_ns"][of_day] += np.sort(times[of_day])
    first["rx_ts_ns"] = BEGIN_DAY * DAY_NS + 8 * 3_600 * 10**9
    commands = np.concatenate([first, rows])
    commands["seq"] = np.arange(1, len(commands) + 1)
    return commands


def write(file: VenueFile, commands: np.ndarray, block: int = BLOCK) -> None:
    """The journal of the venue file."""
    with Journal.create(
        file.journal, configuration(file), segment_bytes=1 << 26, direct=False
    ) as writer:
        for at in range(0, len(commands), block):
            part = commands[at : at + block]
            writer.append(at + 1, [part], len(part), int(part["rx_ts_ns"][0]))
