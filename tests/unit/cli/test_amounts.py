"""Amounts of people: every command that takes one takes it as a decimal of its asset."""

import re
from collections.abc import Iterator

import click
import pytest

from openoutcry.cli.main import main
from openoutcry.cli.options import UNITS, AmountCommand, AmountType
from openoutcry.venue.amounts import AMOUNTS, LIMITS, amounts_in, in_units
from openoutcry.venue.fee_tables import MoneySpec
from openoutcry.wire.decimals import AmountError, amount_of, decimal_text, units_of

WORDS = re.compile(
    r"amount|units|fund|volume|least|minimum|balance|worth|cash|cost|fee|price|value|of|credit|"
    r"deposit|reserve|payment|sum|total"
)
NO_AMOUNT = {
    "backtest": "maker_fee taker_fee: millionths of an amount",
    "contract mark": "price: ticks", "contract settle": "price: ticks",
    "contract expire": "price: ticks", "contract report": "price: ticks",
    "corporate dividend": "price: ticks", "corporate split": "price: ticks",
    "corporate reference": "price: ticks", "venue off-book": "price: ticks",
    "instrument delist": "price: ticks",
    "cold build": "rate: units of a byte, as nodes quote it",
}  # fmt: skip
"""Parameters with a number and a name like an amount that are none, by command."""
SETTLEMENT = ("trades", "obligations", "net", "settle", "balances")
"""Commands that write files with amounts."""
ASSETS = {"USD": 2, "BTC": 8, "JPY": 0}
MONEY = MoneySpec(assets=ASSETS)


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        elif command is not None:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands(main))


def is_number(param: click.Parameter) -> bool:
    return isinstance(param.type, click.types.IntParamType | click.types.FloatParamType)


@pytest.mark.parametrize("words", COMMANDS)
def test_a_number_that_may_be_an_amount_is_decimal_or_listed(words: str) -> None:
    """A command added later with ``amount: int`` fails here."""
    command = COMMANDS[words]
    listed = next((why for end, why in NO_AMOUNT.items() if words.endswith(end)), "")
    found = [
        str(one.name)
        for one in command.params
        if is_number(one) and WORDS.fullmatch(str(one.name).rpartition("_")[2])
    ]
    assert [name for name in found if name not in listed.partition(":")[0].split()] == []


def test_every_command_with_an_amount_has_the_option_of_units() -> None:
    with_amounts = {
        words
        for words, command in COMMANDS.items()
        if any(isinstance(one.type, AmountType) for one in command.params)
    }
    chosen = {words for words, command in COMMANDS.items() if isinstance(command, AmountCommand)}
    assert with_amounts - chosen == set()
    of_files = {f"settlement {name}" for name in SETTLEMENT}
    assert chosen - with_amounts == {"proof verify", "venue limits set"} | of_files  # no argument
    assert {
        "venue deposit at-once", "venue deposit seen", "venue withdraw at-once",
        "venue withdraw request", "venue assets credit", "venue fees set", "venue fees minimum",
        "venue fees volume", "venue corporate dividend", "venue contract pledge",
        "venue contract release", "venue contract collateral", "custody withdraw",
        "custody refill ask", "custody cold build", "custody cold build-evm", "margin stress",
        "settlement dividend", "settlement split",
    } == with_amounts  # fmt: skip
    assert UNITS


REQUESTS = [
    *({"do": do, "asset": "USD"} for do in AMOUNTS),
    *({"do": "set", "limit": limit} for limit in LIMITS),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: " ".join(one.values()))
def test_every_request_reads_decimal_text_and_leaves_units(request_: dict[str, str]) -> None:
    for field in amounts_in(request_):
        assert in_units(request_ | {field: "100000.00"}, MONEY, ASSETS)[field] == 10_000_000
        assert in_units(request_ | {field: 7}, MONEY, ASSETS)[field] == 7
        assert in_units(request_ | {field: "100"}, MONEY, None)[field] == 100
        for text in BAD:
            with pytest.raises(AmountError, match=f"{field}: .* USD, which has 2 decimals"):
                in_units(request_ | {field: text}, MONEY, ASSETS)


BAD = ("1.001", "--1", "1e3", "1,000", "NaN", "nan", "inf", "", " 1", "1.", ".5", "0x10", "+1", "١")


@pytest.mark.parametrize("asset", ASSETS)
@pytest.mark.parametrize("text", [*BAD, "-1", "1.000000001"])
def test_what_is_no_amount_is_refused_with_the_assets_decimals(asset: str, text: str) -> None:
    if text == "1.001" and ASSETS[asset] > 2:
        assert amount_of(text, asset, ASSETS[asset]) == 100_100_000
        return
    with pytest.raises(AmountError, match=f"{asset}, which has {ASSETS[asset]} decimals"):
        amount_of(text, asset, ASSETS[asset])


def test_text_and_units_are_each_others_inverse() -> None:
    for decimals in (0, 1, 2, 8, 18):
        for units in (0, 1, 9, 10, 12345, 10**18, 2**62):
            assert units_of(decimal_text(units, decimals), decimals) == units
    assert [decimal_text(-123456, 2, ","), decimal_text(-5, 0, ",")] == ["-1,234.56", "-5"]
