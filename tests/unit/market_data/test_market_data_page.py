"""docs/market-data.md shows what the feed really says."""

import re

import numpy as np
import pytest

from openoutcry.journal.core import Core
from openoutcry.market_data.feed import Feed
from openoutcry.matcher import Engine
from openoutcry.risk.bits import Setting
from openoutcry.risk.protection_layout import SECOND_NS
from openoutcry.risk.region import setting
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import CommandKind
from tests import ROOT
from tests.support.market_data.feed_support import fields, unframed
from tests.support.matcher.matcher_script import parse_command, parse_instrument

PAGE = ROOT / "docs" / "market-data.md"
MORE = ROOT / "tests" / "support" / "market_data" / "examples.md"
EXAMPLES = re.findall(r"```feed\n(.*?)```", PAGE.read_text() + MORE.read_text(), re.DOTALL)


def text(message):
    """A message in the words of the page."""
    row = {k: v.strip() if isinstance(v, str) else v for k, v in fields(message).items()}
    kind, at = row["kind"], f"{row.get('shares')}@{row.get('price', 0) // 10_000}"
    words = {
        "S": lambda: row["event"],
        "R": lambda: f"{row['stock']} {row['locate']}",
        "H": lambda: f"{row['state']} {row['reason']}",
        "A": lambda: f"#{row['reference']} {row['side']} {at}",
        "E": lambda: f"#{row['reference']} {row['shares']} x{row['match']}",
        "C": lambda: f"#{row['reference']} {at} x{row['match']} {row['printable']}",
        "X": lambda: f"#{row['reference']} {row['shares']}",
        "D": lambda: f"#{row['reference']}",
        "U": lambda: f"#{row['reference']} -> #{row['new_reference']} {at}",
        "P": lambda: f"{at} x{row['match']}",
        "Q": lambda: f"{at} x{row['match']} {row['cross_type']}",
        "I": lambda: (
            f"paired={row['paired']} left={row['imbalance']} {row['direction']} "
            f"@{row['near_price'] // 10_000} {row['cross_type']}"
        ),
        "J": lambda: (
            f"{row['reference_price'] // 10_000} +{row['upper'] // 10_000} "
            f"-{row['lower'] // 10_000} {row['extension']}"
        ),
        "V": lambda: " ".join(str(row[f"level{k}"] // 10**8) for k in (1, 2, 3)),
        "W": lambda: row["level"],
        "h": lambda: f"{row['market']} {row['action']}",
    }[kind]
    return f"{kind} {words()}"


def set_command(line):
    """A RISK command, from ``SET BREAKER 700 level=1`` or ``SET HALT 1 reason=T1``."""
    _, what, value, *rest = line.split()
    more = dict(word.split("=") for word in rest)
    second = int(more.get("second", 0))
    if "reason" in more:
        second = int.from_bytes(more["reason"].encode().ljust(4), "big")
    who = int(more.get("level", 0))
    return setting(Setting[what], int(value), who, b"X", second, int(more.get("operator", 0)))


def answers(example):
    """Each command of an example with the messages that it causes."""
    lines = [line for line in example.splitlines() if not line.startswith(" ")]
    rows = [parse_instrument(line) for line in lines if line.startswith("INSTRUMENT")]
    protects = any(line.startswith("SET") for line in lines)
    limits = {"min_price_ticks": 1, "max_price_ticks": 1_000_000} if protects else {}
    table = make_instruments([{**row, **limits, "symbol": "X"} for row in rows or [{}]])
    engine, feed = Engine(table, 64), Feed(table, 64, {"X": 0})
    if protects:
        hooks = {"name": "risk", "participants": 10, "order_capacity": 64, "protection": True}
        engine = Core(table, 64, hooks=hooks).fresh()
    whole = "S O" in example
    for seq, line in enumerate((x for x in lines if not x.startswith("INSTRUMENT")), start=1):
        order = set_command(line) if line.startswith("SET") else parse_command(line, seq)
        if order["kind"] == CommandKind.TIME:
            order["aux"] *= SECOND_NS
        order["seq"] = seq
        order["symbol"] = b"X"
        events = engine.process(np.atleast_1d(order))
        messages = [text(one) for one in unframed(feed.encode(events, np.zeros(1, np.int64), seq))]
        if seq == 1 and not whole:
            messages = [one for one in messages if one[0] not in "SRH"]
        yield line, messages


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples_on_the_page_are_what_is_reported(number):
    lines = []
    for line, messages in answers(EXAMPLES[number]):
        lines += [line, *(f"    {message}" for message in messages)]
    shown = [line for line in EXAMPLES[number].splitlines() if not line.startswith("INSTRUMENT")]
    assert lines == shown


def test_every_message_that_is_sent_has_an_example():
    shown = {line.split()[0] for line in "\n".join(EXAMPLES).splitlines() if line[:4] == "    "}
    assert shown == set("SRHJAECXDUPQIVWh")


@pytest.mark.parametrize(("traded", "renewed"), [(3, ["U #1", "U #2"]), (4, [])])
def test_an_iceberg_has_new_numbers_after_an_auction_only_if_it_shows_more(traded, renewed):
    """Its slice is whole again, which no message says: after 3 of 4 lots it shows 3 more, after
    all 4 its next slice was whole before."""
    script = f"""NEW id=1 SELL 10@100 ICEBERG display=4
NEW id=2 SELL 3@100
NEW id=3 BUY {traded}@100 IOC p7
PHASE CLOSING_AUCTION
NEW id=4 BUY 1@100 p7
PHASE CONTINUOUS"""
    *_, (_, last) = answers(script)
    assert [one.partition(" ->")[0] for one in last if one[0] == "U"] == renewed
