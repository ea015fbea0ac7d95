"""Fees, assets, deposits, withdrawals, dividends and splits that were asked for in a venue: when
and by whom, from its journal."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.journal import JournalReader
from openoutcry.risk.bits import (
    CORPORATE_SETTINGS,
    LEDGER_SETTINGS,
    RISK_KIND,
    MovementState,
    MovementStep,
    Setting,
)
from openoutcry.venue.calendar import utc_text
from openoutcry.venue.fee_tables import MAX_PURPOSES, UNUSED_FROM, MoneySpec
from openoutcry.venue.money_desk import PURPOSES
from openoutcry.venue.operators import operator_name
from openoutcry.venue.requests import FRAMING, References
from openoutcry.venue.risk_tables import RiskSpec
from openoutcry.wire.asset_names import DECIMALS_MASK, asset_named, asset_text, names_by_word
from openoutcry.wire.decimals import amount_words
from openoutcry.wire.symbols import names_by_code, symbol_text

OURS = (Setting.DEPOSIT, Setting.ASSET_CREDIT, Setting.FEE_VOLUME, Setting.MOVEMENT)


def money_history(journal: Path, spec: RiskSpec) -> list[dict[str, Any]]:
    """A row each: ``seq``, ``at``, ``what``, ``operator`` (nothing, if none was named)."""
    rows, references, movements = [], References(), dict[int, tuple[str, str]]()
    decimals = dict(spec.money.assets)
    symbols, assets = names_by_code(spec.symbols), names_by_word(spec.money.assets)
    for _, orders in JournalReader(journal).chunks():
        types = orders["order_type"]
        named = np.isin(types, (*OURS, *CORPORATE_SETTINGS, *FRAMING, *LEDGER_SETTINGS))
        ours = (orders["kind"] == RISK_KIND) & named
        for command, reference in references.each(orders[ours]):
            if command["order_type"] in FRAMING:
                continue
            if command["order_type"] == Setting.MOVEMENT:
                what = _movement(command, reference, movements, assets, decimals)
            else:
                what = _text(command, spec.money, symbols, assets, decimals)
            if what:
                rows.append(
                    {
                        "seq": int(command["seq"]),
                        "at": utc_text(int(command["rx_ts_ns"])),
                        "what": what,
                        "operator": operator_name(spec.operators, int(command["order_id"])),
                    }
                )
    return rows


def _movement(
    command: Any,
    reference: str,
    movements: dict[int, tuple[str, str]],
    assets: dict[int, str],
    decimals: dict[str, int],
) -> str:
    """A step of a deposit or a withdrawal; ``movements``: reference and asset of those that have
    begun, by number."""
    step, number = int(command["time_in_force"]), int(command["price_ticks"])
    if step in (MovementStep.REQUEST, MovementStep.SEE):
        asset = asset_named(number, assets)
        number = int(command["seq"])
        movements[number] = reference, asset
    known, asset = movements.get(number, (str(number), ""))
    kind = "deposit" if step >= MovementStep.SEE else "withdrawal"
    state = MovementState(step).name.lower() if step in tuple(MovementState) else str(step)
    who, amount = int(command["qty_lots"]), amount_words(int(command["aux"]), asset, decimals)
    return f"{kind} {known!r}: {amount} of participant {who} is {state}"


def _text(
    command: Any,
    money: MoneySpec,
    symbols: Mapping[bytes, str],
    assets: dict[int, str],
    decimals: dict[str, int],
) -> str:
    what, who, value = (
        Setting(int(command["order_type"])),
        int(command["qty_lots"]),
        int(command["aux"]),
    )
    symbol, second = symbol_text(command["symbol"], symbols), int(command["price_ticks"])

    names, first = list(money.schedules), next(iter(money.assets), "")

    def amount(units: int, asset: str) -> str:
        return amount_words(units, asset or first, decimals)

    def schedule(number: int) -> str:
        return names[number] if number < len(names) else str(number)

    if what in CORPORATE_SETTINGS:
        new, old = divmod(value, 1 << 32)
        paid = amount(new, money.quotes.get(symbol, ""))
        terms = f"{new} new lots for {old}" if what is Setting.SPLIT else f"{paid} for {old} lots"
        return f"{symbol} {what.name.lower()}: {terms}, the new price is {second} ticks"
    if second > MAX_PURPOSES and what is not Setting.LEDGER_TIER:
        name = asset_named(second, assets)
    else:
        name = symbol
    if what is Setting.DEPOSIT:
        second = int(command["time_in_force"]) if second > MAX_PURPOSES else second
        purposes = {number: name for name, number in PURPOSES.items()}
        verb, to = ("gets", "from") if value >= 0 else ("gives", "to")
        purpose = purposes.get(second, "suspense")
        return f"participant {who} {verb} {amount(abs(value), name)} {to} {purpose}"
    if what is Setting.ASSET_CREDIT:
        return f"participant {who} may owe {amount(value, name)}"
    if what is Setting.FEE_VOLUME:
        return f"participant {who} pays by a volume of {amount(value, first)}"
    if what is Setting.LEDGER_COLLECT:
        asset = "the quote asset" if value else "what they receive"
        return f"fee schedule {schedule(who)}: buyers pay in {asset}"
    if what is Setting.LEDGER_TIER:
        if second == UNUSED_FROM:
            return ""
        maker = (value & 0xFFFFFFFF) - ((value & 0x80000000) << 1)
        begin = amount(second, first)
        return (
            f"fee schedule {schedule(who // 16)}, tier {who % 16}: from {begin} on maker "
            f"{maker / 100:g} bps, taker {(value >> 32) / 100:g} bps"
        )
    if what is Setting.LEDGER_MINIMUM:
        return f"fee schedule {schedule(who)}: the minimum fee of a fill is {amount(value, first)}"
    if what is Setting.LEDGER_FEES:
        whose = f"participant {who}" if who >= 0 else "everybody"
        by = f"pays by fee schedule {schedule(value)}" if value >= 0 else "has no fee schedule"
        if who < 0 and not symbol and value < 0:
            return "no participant and no instrument has a fee schedule"
        return f"{whose} in {symbol or 'all instruments'} {by}"
    if what is Setting.LEDGER_ASSET:
        if second > MAX_PURPOSES:
            name = assets[second] = asset_text(second, value, who)
        decimals[name] = value & DECIMALS_MASK
        return f"{name} is an asset with {value & DECIMALS_MASK} decimals"
    return f"{symbol} is quoted in {name}"
