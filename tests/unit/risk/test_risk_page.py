"""docs/risk.md and its further examples give what they say, and there is one of every check."""

import re

import pytest

from openoutcry.risk import layout as lay
from openoutcry.risk import protection_layout
from openoutcry.risk.before import REDUCES
from openoutcry.risk.bits import RiskBit, Setting
from openoutcry.wire.enums import REDUCE_ONLY, CommandKind, OrderType, Phase, Side, TimeInForce
from tests import ROOT
from tests.support.risk.risk_core import bits
from tests.support.risk.risk_desk import Desk
from tests.support.risk.risk_market import Market, S

PAGE = (ROOT / "docs" / "risk.md").read_text()
BOTH = PAGE + (ROOT / "tests" / "support" / "risk" / "examples.md").read_text()
EXAMPLES = re.findall(r"```risk\n(.*?)```", BOTH, re.DOTALL)
PROTECTION = re.findall(r"```protection\n(.*?)```", BOTH, re.DOTALL)
PART = re.compile(r"PART (BUY|SELL) (\d+)@(\d+) p(\d) -> (.*)")
NEW = re.compile(r"NEW (BUY|SELL) (\d+)(?:@(\d+))?(?: ([A-Z_]+))?(?: budget=(\d+))? p(\d) -> (.*)")


def set_line(desk, words):
    """SET what value [pN] [A] [second]"""
    what, value, *rest = words
    who = next((int(word[1:]) for word in rest if word.startswith("p")), 0)
    second = next((int(word) for word in rest if word.isdigit()), 0)
    symbol = b"A" if "A" in rest else b""
    assert desk.set(Setting[what], int(value), who, symbol, second), words


def part_line(desk, line):
    """A LIQUIDATE and its order."""
    side, lots, price, who, wanted = PART.fullmatch(line).groups()
    lots, price, who = int(lots), int(price), int(who)
    if not desk.set(Setting.LIQUIDATE, lots if side == "BUY" else -lots, who, b"A", price):
        assert wanted == "makes no sense", line
        return
    verdict, _ = desk.send(
        kind=1,
        side=Side[side],
        qty_lots=lots,
        price_ticks=price,
        participant=who,
        symbol=b"A",
        order_id=lay.PART_IDS + desk.view.word(lay.PARTS),
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
    )
    assert answer(desk, verdict) == wanted, line


def answer(desk, verdict):
    if verdict in (0, REDUCES):
        return "passes"
    limit, current, requested = desk.view.refusal[2:]
    return " ".join([*bits(verdict), f"limit={limit} now={current} asked={requested}"])


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_page(example):
    desk = Desk()
    for line in example.splitlines():
        if line.startswith("SET "):
            set_line(desk, line.split()[1:])
        elif line.startswith("TIME "):
            desk.time(int(line.split()[1]))
        elif line.startswith("PART "):
            part_line(desk, line)
        elif line.startswith("DISCONNECT p"):
            desk.send(kind=CommandKind.DISCONNECT, participant=int(line[-1]))
        elif not line.startswith("#"):
            match = NEW.fullmatch(line)
            assert match, line
            side, qty, price, named, budget, who, wanted = match.groups()
            reduces = named == "REDUCE_ONLY"
            order_type = OrderType["LIMIT" if reduces else named or "LIMIT"]
            tif = (TimeInForce.IOC if budget else TimeInForce.DAY) | REDUCE_ONLY * reduces
            verdict = desk.new(
                Side[side],
                int(qty),
                int(price or 0),
                int(who),
                b"A",
                order_type,
                tif,
                int(budget or 0),
            )
            assert answer(desk, verdict) == wanted, line


STATES = ("normal", "limit state", "paused", "due", "calling")


def protection_line(market, words):
    """What a line of a protection's example answers."""
    match words:
        case ["SET", what, value, *rest]:
            level = next((int(word[-1]) for word in rest if word.startswith("level")), 0)
            symbol = next((word.encode() for word in rest if word in "ABC"), b"A")
            second = next((int(word) for word in rest if word.isdigit()), 0)
            assert market.set(Setting[what], int(value), level, symbol, second), words
        case ["TIME", at]:
            market.time(int(at) * S)
        case ["PHASE", phase, symbol]:
            market.phase(Phase[phase], symbol.encode())
        case ["TRADE", price, symbol]:
            return market.trade(int(price), symbol=symbol.encode())
        case ["NEW", side, price, symbol]:
            return market.new(Side[side], int(price), symbol=symbol.encode())
        case ["STANDS", symbol]:
            index = "ABC".index(symbol)
            low, high = (
                market.word(protection_layout.LOW, index),
                market.word(protection_layout.HIGH, index),
            )
            bands = f" {low} {high}" if high != protection_layout.NEVER else ""
            return STATES[market.word(protection_layout.STATE, index)] + bands
        case _:
            raise AssertionError(words)
    return None


@pytest.mark.parametrize("example", PROTECTION)
def test_an_example_of_protection(example):
    market = Market(3)
    for line in example.splitlines():
        command, _, wanted = line.partition(" -> ")
        if command.startswith("CLOSE"):
            market = Market(3, int(command.split()[1]))
            continue
        outcome = protection_line(market, command.split())
        if isinstance(outcome, set):
            outcome = " ".join(sorted(outcome)) or "passes"
        assert (outcome or "") == wanted, line


def test_every_check_has_an_example_and_a_row():
    """BALANCE, EXPIRED and MARGIN have theirs on the pages of wallets, contracts and margin."""
    shown = set(re.findall(r"[A-Z_]{4,}", " ".join(re.findall(r"-> .*", "".join(EXAMPLES)))))
    names = {bit.name for bit in RiskBit}
    assert names - shown == {
        "ARITHMETIC",
        "UNKNOWN_PARTICIPANT",
        "EXPOSURE_SELL",
        "DRAWDOWN",
        "POSITION_SHORT",
        "SPEED_BUMP_FULL",
        "WITHDRAWN",
        "BALANCE",
        "EXPIRED",
        "MARGIN",
    }
    rows = "".join(re.findall(r"^\|.*$", PAGE, re.MULTILINE))
    assert all(f"`{name}`" in rows for name in names)
