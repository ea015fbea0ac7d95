"""A venue in one thread that is stopped and carried over with a changed file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.runtime.table import Topology
from openoutcry.venue.carry import carry
from openoutcry.venue.file import VenueFile, read_venue
from openoutcry.venue.run_parts import sessions_of, wiring_of
from openoutcry.wire.enums import OrderType, Side
from tests.support.venue.floor import LANE, InlineFloor
from tests.support.venue.inline import SMALL
from tests.support.venue.served_venue import ServedVenue
from tests.support.venue.spot_floor import FLOOR, session_tables
from tests.support.venue.venue_floor import order


def carry_floor(
    floor: InlineFloor, change: Callable[[str], str] = lambda text: text
) -> tuple[Path, dict[str, Any]]:
    """Stop the venue, change its file, carry it over and open it again; where the journal before
    is, and what the command returned."""
    if floor.run is not None:
        floor.stop()
    result = carry_over(floor, change)
    floor.open()
    return Path(result["before"]), result


def carry_over(floor: InlineFloor, change: Callable[[str], str]) -> dict[str, Any]:
    """Carry a stopped venue over with a changed file."""
    floor.file.write_text(change(floor.file.read_text()))
    with small_rooms():
        return carry(read_venue(floor.file))


@contextmanager
def small_rooms() -> Iterator[None]:
    """Carry over as the floor is: with little room for sessions, and its lane."""

    def small(file: VenueFile, now_ns: int, delayed: int) -> Any:
        spec = sessions_of(file, now_ns, delayed)
        return spec and replace(spec, day_start_ns=0, **SMALL)

    def wiring(file: VenueFile) -> Topology:
        return wiring_of(file).extended(rings=(LANE,))

    with (
        patch("openoutcry.venue.carry.sessions_of", small),
        patch("openoutcry.venue.carry.wiring_of", wiring),
    ):
        yield


def carried(venue: ServedVenue, change: Callable[[str], str]) -> str:
    """What the operator's command says of a stopped venue whose file was changed."""
    file = venue.folder / "venue.toml"
    file.write_text(change(file.read_text()))
    done = CliRunner().invoke(main, ["venue", "carry", str(file)])
    assert done.exit_code == 0, done.output
    return done.output


ROWS = {
    "ONE": ("fix-4.4", 'participant = 1\ncancel_on_disconnect = "none"', "password"),
    "TWO": ("shm", "participant = 2", "key"),
}
SPOT = FLOOR + session_tables(ROWS)
SOL = """
[[asset]]
name = "SOL"
decimals = 8
[[instrument]]
symbol = "SOL-USD"
settlement = "spot"
base = "SOL"
quote = "USD"
decimals = 2
lot_units = 10_000
tick_units = 1
min_price_ticks = 1
max_price_ticks = 40_000_000
max_qty_lots = 1_000_000
[[participant]]
number = 77
name = "seventy-seven"
"""


def spot_floor(folder: Path) -> InlineFloor:
    """A venue with wallets, a session over FIX and one over shared memory, and deposits."""
    floor = InlineFloor(folder, SPOT)
    for who, amount, asset in ((1, 10**12, "USD"), (2, 10**9, "BTC"), (3, 10**9, "BTC")):
        floor.ask("deposit", str(who), str(amount), "--asset", asset)
    return floor


def closed_floor(folder: Path) -> InlineFloor:
    """A venue of spot and margined instruments, stopped with orders and money in it."""
    floor = spot_floor(folder)
    floor.send(
        order(11, Side.SELL, 6, 4_100_001, who=2, symbol=b"BTC-USD"),
        order(12, Side.BUY, 7, 403, symbol=b"TIN"),
        order(13, Side.BUY, 8, 405, symbol=b"TIN", order_type=OrderType.ICEBERG, aux=3),
        order(14, Side.BUY, 5, 500, symbol=b"TIN", order_type=OrderType.STOP_LIMIT, aux=450),
    )
    floor.stop()
    return floor


def in_tin(line: str) -> Callable[[str], str]:
    """A change of the file that adds a line to an instrument."""
    return lambda text: text.replace('symbol = "TIN"\n', f'symbol = "TIN"\n{line}\n', 1)
