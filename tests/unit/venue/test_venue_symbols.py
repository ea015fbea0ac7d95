"""A venue whose instrument has a symbol longer than a record's field: at every door its symbol, in
OUCH, ITCH and records its code."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.journal import JournalReader
from openoutcry.journal.book import Stepper, command_text
from openoutcry.ledger.ledger_state import at
from openoutcry.order_entry.spec import Protocol
from openoutcry.venue.file import VenueFileError, read_venue
from openoutcry.wire.symbols import code_of
from tests.support.order_entry.sessions_venue import HASH
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import VENUE

LONG = "ETH-BTC-PERPETUAL-2026"
CODE = code_of(LONG)
TINY = "SHIB-BTC"
TEXT = (
    VENUE
    + f"""
[[instrument]]
symbol = "{TINY}"
decimals = 12
ouch = false
[[participant]]
number = 2
name = "two"
[[limits]]
participant = 1
instrument = "{LONG}"
max_qty_lots = 90
[[protection]]
instruments = ["{LONG}"]
static_bps = 9_000
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:1"
[[port]]
protocol = "fix-4.4"
address = "127.0.0.1:2"
[[port]]
protocol = "fix-drop-copy"
address = "127.0.0.1:3"
[[session]]
name = "FIRM"
protocol = "fix-4.4"
participant = 1
password = "{HASH}"
[[session]]
name = "MAKER"
protocol = "fix-4.4"
participant = 1
password = "{HASH}"
[[session]]
name = "COPY"
protocol = "fix-drop-copy"
participant = 2
password = "{HASH}"
[[session]]
name = "TWO"
protocol = "ouch-4.2"
participant = 2
password = "{HASH}"
"""
).replace('"TIN"', f'"{LONG}"\nmin_price_ticks = 1\nmax_price_ticks = 1_000_000')


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InlineFloor]:
    trading_floor = InlineFloor(tmp_path_factory.mktemp("symbols"), TEXT)
    yield trading_floor
    trading_floor.close()


def fix_reports(client: Any, count: int) -> list[Any]:
    return [client.next(1.0) for _ in range(count)]


def test_fix_has_the_symbol_and_ouch_its_code(floor: InlineFloor) -> None:
    """An order by symbol, one by code, their trade, and what is refused; a drop copy of it."""
    firm, two = floor.fix("FIRM", target="TEST"), floor.client("TWO")
    copy = floor.fix("COPY", target="TEST", protocol=Protocol.FIX_DROP_COPY)
    firm.buy(LONG, 10, "1.00", name="A")
    assert firm.next(1.0)[55] == LONG
    two.enter("B", side="S", symbol=CODE.decode(), price=10_000, shares=4)
    assert two.message()[0] == "A"
    fill = firm.next(1.0)
    assert (fill[150], fill[55], fill[32]) == ("F", LONG, "4")
    firm.buy(LONG, 91, "1.00", name="OVER")
    assert (report := firm.next(1.0))[39] == "8"
    assert report[55] == LONG
    for name, symbol in (("C", LONG[:-1]), ("D", LONG + "7"), ("E", LONG + "-AND-MORE")):
        firm.buy(symbol, 1, "1.00", name=name)
        assert firm.next(1.0)[103] == "1"
    assert {message[55] for message in fix_reports(copy, 2)} == {LONG}
    firm.mass_cancel(LONG)
    assert firm.next(1.0)[39] == "4"


def test_prices_of_twelve_decimals_trade_over_fix_and_not_over_ouch(floor: InlineFloor) -> None:
    firm, two = floor.fix("MAKER", target="TEST"), floor.client("TWO")
    firm.sell(TINY, 10, "0.000000000123", name="A")
    assert firm.next(1.0)[44] == "0.000000000123"
    firm.buy(TINY, 4, "1000.5", name="B")
    fills = [firm.next(1.0) for _ in range(3)][1:]
    assert {(fill[55], fill[31], fill[6]) for fill in fills} == {
        (TINY, "0.000000000123", "0.000000000123")
    }
    firm.buy(TINY, 4, "0.0000000001231", name="C")
    assert "too many decimals" in firm.next(1.0)[58]
    two.enter("T", side="S", symbol=TINY, price=10_000, shares=4)
    kind, *_ = message = two.message()
    while kind != "J":
        kind, *_ = message = two.message()
    assert "S" in str(message)


def test_the_journal_the_desk_and_what_is_made_of_the_journal_say_the_symbol(
    floor: InlineFloor, tmp_path: Path
) -> None:
    assert set(floor.status()["phases"]) == {"GOLD", LONG, TINY}
    assert f"{LONG} is halted" in floor.outcry("halt", LONG).output
    assert "there is no instrument" in floor.outcry("halt", "TIN").output
    assert floor.status()["risk"]["halted"] == [LONG]
    assert floor.outcry("resume", "instrument", LONG).exit_code == 0
    config = JournalReader(floor.journal_path).config
    assert config["symbols"] == {CODE.decode(): LONG}
    stepper = Stepper(floor.journal_path)
    assert stepper.symbols == ["GOLD", LONG, TINY]
    trade = next(row for row in floor.commands() if row["symbol"] == CODE and row["order_id"])
    assert f" {LONG} " in command_text(trade, stepper.symbols)
    out = tmp_path / "orders"
    done = CliRunner().invoke(
        main, ["journal", "export", str(floor.journal_path), "--format", "csv", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    symbols = {row["symbol"] for row in csv.DictReader(out.read_text().splitlines())}
    assert LONG in symbols
    assert CODE.decode() not in symbols
    books = at(floor.journal_path).books
    assert books.symbols == ["GOLD", LONG, TINY]


def test_check_prints_the_codes_and_refuses_two_symbols_of_one(tmp_path: Path) -> None:
    path = tmp_path / "venue.toml"
    path.write_text(TEXT)
    done = CliRunner().invoke(main, ["venue", "check", str(path)])
    assert f"{LONG}: {CODE.decode()} in OUCH, ITCH and records\n" in done.output
    done = CliRunner().invoke(main, ["venue", "check", str(path), "--json"])
    assert json.loads(done.output)["symbols"] == {"GOLD": "GOLD", LONG: CODE.decode(), TINY: TINY}
    same = "BTC-002069-X", "BTC-003359-X"
    text = VENUE.replace('"GOLD"', f'"{same[0]}"').replace('"TIN"', f'"{same[1]}"')
    path.write_text(text)
    with pytest.raises(VenueFileError) as error:
        read_venue(path)
    (mistake,) = error.value.mistakes
    assert mistake.key == "instrument[2].symbol"
    line = text[: text.index(same[0])].count("\n") + 1
    assert f"has the code BTC11MH0 in records, as '{same[0]}' in line {line} has" in mistake.text


@pytest.mark.parametrize(
    ("keys", "key", "words"),
    [
        (
            "decimals = 5",
            "decimals",
            "is 5: prices of OUCH have 4; lower it, or say `ouch = false`",
        ),
        ("max_price_ticks = 42_949_673", "max_price_ticks", "is 42949673: OUCH can say 0 to"),
        ("min_price_ticks = -5", "min_price_ticks", "is -5: OUCH can say 0 to 42949672"),
        ("max_qty_lots = 4_294_967_296", "max_qty_lots", "is 4294967296: OUCH can say 1 to"),
    ],
)
def test_what_ouch_cannot_say_is_refused_unless_it_does_not_trade_it(
    keys: str, key: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "venue.toml"
    path.write_text(TEXT.replace('symbol = "GOLD"\n', f'symbol = "GOLD"\n{keys}\n'))
    with pytest.raises(VenueFileError) as error:
        read_venue(path)
    (mistake,) = error.value.mistakes
    assert mistake.key == f"instrument[1].{key}"
    assert words in mistake.text
    path.write_text(TEXT.replace('symbol = "GOLD"\n', f'symbol = "GOLD"\n{keys}\nouch = false\n'))
    assert read_venue(path).sessions.not_by_ouch == {"GOLD", TINY}
