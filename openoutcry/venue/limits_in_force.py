"""The limits in force in a venue's risk state, read from its journal."""

from collections.abc import Callable
from typing import Any

from openoutcry.journal import Journal
from openoutcry.journal.checkpoint import recover
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import NO_LIMIT, Setting
from openoutcry.risk.joined import view_of
from openoutcry.risk.region import View, Wallets
from openoutcry.risk.settings import setting_in_force
from openoutcry.venue.amounts import LIMITS
from openoutcry.venue.file import VenueFile
from openoutcry.venue.limits import FileLimits
from openoutcry.venue.own_limits_desk import own_rows
from openoutcry.venue.risk_tables import (
    OF_CELLS,
    OF_INSTRUMENTS,
    OF_PARTICIPANTS,
    Limit,
    shown,
)
from openoutcry.wire.errors import OutcryError

OTHERS = {
    "balance": Limit(Setting.DEPOSIT, int, 0),
    "killed": Limit(Setting.KILL, int, 0),
}
KILLED_BY = {
    lay.KILLED_BY_OPERATOR: "the operator",
    lay.KILLED_BY_LOSS: "its losses",
    lay.KILLED_BY_ARITHMETIC: "a figure beyond 2**62",
    lay.KILLED_BY_MARGIN: "its maintenance margin",
    lay.KILLED_BY_OWNER: "its owner",
}
POSITION = {"position": Limit(Setting.POSITION, int, 0)}
WALLET = ("available", "reserved", "credit", "shortfall")
HALTED = {"halted": Limit(Setting.HALT, int, 0)}


def limits_in_force(
    file: VenueFile, participant: int | None = None, instrument: str | None = None
) -> list[dict[str, Any]]:
    """Everything that is not as at the very beginning, a row each: ``of``, ``what``, ``value``; of
    amounts, which are in units, also ``text`` with decimals.

    Raises :class:`OutcryError` for a venue without journal or risk, and for a name that it lacks.
    """
    if not Journal.exists(file.journal):
        raise OutcryError(f"{file.journal}: this venue was never opened")
    engine = recover(file.journal).engine
    if engine.hooks is None:
        raise OutcryError(f"{file.journal}: the journal began without risk in its core")
    view = view_of([engine.region])
    numbers = [one.number for one in file.participants]
    limits = FileLimits(file.risk, numbers, file.instruments, view)
    if participant is not None and participant not in numbers:
        raise OutcryError(f"there is no participant {participant}")
    if instrument is not None and instrument not in limits.symbols:
        raise OutcryError(f"there is no instrument {instrument!r}")
    rows, money = [], file.risk.money.margin_text
    whole_venue = participant is None and instrument is None
    if whole_venue and view.word(lay.MARKET_KILL):
        rows.append({"of": "market", "what": "killed", "value": True})
    for index, symbol in enumerate(limits.symbols):
        if participant is None and instrument in (None, symbol):
            rows += _rows(view, money, OF_INSTRUMENTS | HALTED, symbol, 0, index)
    for name, row in limits.groups.items():
        if whole_venue:
            both = {
                "group_gross_position": Limit(Setting.GROUP_GROSS_POSITION, int, NO_LIMIT),
                "killed": Limit(Setting.GROUP_KILL, int, 0),
            }
            rows += _rows(view, money, both, f"group {name}", row, -1)
    if whole_venue and view.wallets is not None:
        fees = {name: view.wallets.fees(name) for name in view.wallets.names}
        rows += [_amount(view.wallets, f"venue {n}", "fees", n, f) for n, f in fees.items() if f]
    for who in numbers:
        if participant not in (None, who):
            continue
        if instrument is None:
            of = f"participant {who}"
            if view.wallets is not None:
                rows += _wallet_rows(view.wallets, who)
            rows += _rows(view, money, OF_PARTICIPANTS | OTHERS, of, who, -1)
            why = [text for flag, text in KILLED_BY.items() if view.of(who, lay.FLAGS) & flag]
            rows += [{"of": of, "what": "killed_by", "value": ", ".join(why)}] if why else []
            if view.of(who, lay.MAINTENANCE_BPS):
                equity = view.equity(who) + view.counted(who)
                needed = view.maintenance(who)
                rows += [
                    {"of": of, "what": what, "value": value, "text": money(value)}
                    for what, value in (("equity", equity), ("maintenance_margin", needed))
                ]
        for index, symbol in enumerate(limits.symbols):
            if instrument in (None, symbol):
                of = f"participant {who} {symbol}"
                rows += _rows(view, money, OF_CELLS | POSITION, of, who, index)
        rows += own_rows(view, who, limits.symbols) if instrument is None else []
    return rows


def _amount(wallets: Wallets, of: str, what: str, name: str, value: int) -> dict[str, Any]:
    """Return a row about an amount of an asset, also as decimal text."""
    return {"of": of, "what": what, "value": value, "text": wallets.text(value, name)}


def _wallet_rows(wallets: Wallets, who: int) -> list[dict[str, Any]]:
    """Return a participant's amount of each asset, where it has or owes some."""
    return [
        _amount(wallets, f"participant {who} {name}", what, name, value)
        for name, row in zip(wallets.names, wallets.rows[who].tolist(), strict=True)
        for what, value in zip(WALLET, row, strict=True)
        if any(row) and (value or what == "available")
    ]


def _rows(
    view: View, money: Callable[[int], str], limits: dict[str, Limit], of: str, who: int, index: int
) -> list[dict[str, Any]]:
    rows = []
    for name, limit in limits.items():
        value, second = setting_in_force(view, limit.setting, who, index)
        if value == limit.default:
            continue
        row = {"of": of, "what": name, "value": shown(limit.setting, value)}
        if name in (*LIMITS, "balance"):
            row["text"] = money(value)
        if limit.setting is Setting.RATE:
            row["burst"] = second
        rows.append(row)
    return rows
