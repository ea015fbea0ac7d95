"""The venue file's tables of money: assets and their decimals, fee schedules, their payers.

They become LEDGER_* commands, which the core lets through and the ledger follows (docs/ledger.md).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy.typing as npt

from openoutcry.risk.bits import LARGEST, Setting
from openoutcry.risk.region import setting
from openoutcry.risk.spot_layout import LARGEST_TOTAL
from openoutcry.risk.spot_layout import MAX_ASSETS as MAX_SPOT_ASSETS
from openoutcry.venue.spot_tables import SpotTerms, has_spot, is_spot, read_spot, spot_keys
from openoutcry.wire import toml_tables
from openoutcry.wire.asset_names import asset_word, asset_words
from openoutcry.wire.decimals import amount_words
from openoutcry.wire.symbols import MAX_ASSET_NAME, code_of
from openoutcry.wire.toml_tables import Key, KeyPath, Tables

MAX_ASSETS, MAX_DECIMALS, MAX_SCHEDULES, MAX_TIERS = 8, 18, 256, 8
UNUSED_FROM = 2**63 - 1
"""A tier that begins here is unused."""
NONE = "none"
"""Not a schedule's name: what is less special counts."""
RECEIVED, QUOTE = "received", "quote"
"""Assets in which a buyer in a spot instrument may pay its fee: what it receives, or the quote
asset."""
NO_MINIMUM = (
    "a minimum is not possible where buyers pay in the quote asset: their orders would "
    "have to reserve it for each lot"
)
Tier = tuple[int, int, int]
"""30-day volume from which it applies, maker's and taker's millionths."""


def money_text(units: int, asset: str, assets: Mapping[str, int]) -> str:
    """Return units of an asset as decimal text with its name; ``assets``: decimals by name, of
    which "" is the first."""
    return amount_words(units, asset or next(iter(assets), ""), assets)


@dataclass(frozen=True)
class MoneySpec:
    """Money settings of a venue file, checked."""

    assets: dict[str, int] = field(default_factory=dict)
    """Decimals by name; the first is what a deposit without a name is in."""
    quotes: dict[str, str] = field(default_factory=dict)
    """The asset of each instrument; empty if there are no assets."""
    schedules: dict[str, tuple[int, tuple[Tier, ...]]] = field(default_factory=dict)
    """By name, in the order of their numbers: least fee of a fill, tiers."""
    payers: dict[tuple[int, str], str] = field(default_factory=dict)
    """The schedule of (participant or -1, instrument or nothing)."""
    spot: dict[str, SpotTerms] = field(default_factory=dict, repr=False)
    """Assets and units of each spot instrument, as in the journal."""
    collected: dict[str, str] = field(default_factory=dict, repr=False)
    """What buyers pay under each schedule, at a venue with spot instruments."""

    def __bool__(self) -> bool:
        return bool(self.assets or self.schedules)

    def text(self, units: int, asset: str = "") -> str:
        """Return units of an asset, or of the first, as decimal text with the asset's name."""
        return money_text(units, asset, self.assets)

    @property
    def margin_asset(self) -> str:
        """Return the asset of margin accounts, whose limits are in it; '' without assets."""
        return next(iter(self.quotes.values()), next(iter(self.assets), ""))

    def margin_text(self, units: int, asset: str = "") -> str:
        """Return units of an asset, or of that of margin accounts, as :meth:`text` does."""
        return self.text(units, asset or self.margin_asset)

    @property
    def wallets(self) -> list[str]:
        """The assets that have wallets, by their numbers there; none without spot instruments."""
        return list(self.assets) if self.spot else []

    def number(self, schedule: str) -> int:
        """A schedule's number, by its name in the file or by the number itself.

        Raises ValueError for one that is neither.
        """
        if schedule == NONE:
            return -1
        if schedule in self.schedules:
            return list(self.schedules).index(schedule)
        if schedule.isascii() and schedule.isdigit() and int(schedule) < MAX_SCHEDULES:
            return int(schedule)
        known = ", ".join(self.schedules) or "none in the file"
        raise ValueError(
            f"there is no fee schedule {schedule!r}; there are: {known}, and numbers "
            f"0 to {MAX_SCHEDULES - 1}"
        )

    def records(self, resets: bool) -> list[npt.NDArray[Any]]:
        """The commands by which the ledger goes by this file, and by nothing that was said of fees
        before; ``resets``: also where the file says nothing."""
        records = [asset(name, decimals) for name, decimals in self.assets.items()]
        records += [quote(symbol, name, self.assets[name]) for symbol, name in self.quotes.items()]
        if resets or self.schedules:
            records.append(setting(Setting.LEDGER_FEES, -1, -1))
        for number, (minimum, tiers) in enumerate(self.schedules.values()):
            unused = [(UNUSED_FROM, 0, 0)] * (MAX_TIERS - len(tiers))
            records += [tier(number, index, terms) for index, terms in enumerate((*tiers, *unused))]
            records.append(
                setting(Setting.LEDGER_MINIMUM, 0 if self.collected else minimum, number)
            )
        names = list(self.schedules)
        for name, what in self.collected.items():
            # A schedule never has a minimum while buyers pay in the quote asset.
            number, minimum = names.index(name), self.schedules[name][0]
            records.append(setting(Setting.LEDGER_COLLECT, int(what == QUOTE), number))
            if minimum:
                records.append(setting(Setting.LEDGER_MINIMUM, minimum, number))
        records += [
            setting(Setting.LEDGER_FEES, self.number(name), who, code_of(symbol))
            for (who, symbol), name in self.payers.items()
        ]
        return records


def tier(schedule: int, index: int, terms: Tier, operator: int = 0) -> npt.NDArray[Any]:
    """The command that sets a schedule's tier."""
    begin, maker, taker = terms
    rates = (maker & 0xFFFFFFFF) | (taker << 32)
    return setting(Setting.LEDGER_TIER, rates, schedule * 16 + index, b"", begin, operator)


def asset(name: str, decimals: int, operator: int = 0) -> npt.NDArray[Any]:
    """The command that declares money."""
    code, with_decimals, rest = asset_words(name, decimals)
    return setting(Setting.LEDGER_ASSET, with_decimals, rest, b"", code, operator)


def quote(symbol: str, name: str, decimals: int, operator: int = 0) -> npt.NDArray[Any]:
    """The command that says in which money an instrument is quoted."""
    return setting(Setting.LEDGER_QUOTE, decimals, 0, code_of(symbol), asset_word(name), operator)


def deposit(who: int, amount: int, name: str, purpose: int, operator: int) -> npt.NDArray[Any]:
    """The command that moves money; without a name the first."""
    record = setting(
        Setting.DEPOSIT, amount, who, b"", asset_word(name) if name else purpose, operator
    )
    record["time_in_force"] = purpose if name else 0
    return record


def millionths(value: Any) -> int:
    """Basis points, whole or with at most two decimals, as millionths: 2.5 are 250."""
    if type(value) not in (int, float, str):
        raise ValueError(f"must be a number of basis points, not {toml_tables.kind_of(value)}")
    try:
        exact = Decimal(str(value)) * 100
    except InvalidOperation:
        raise ValueError(f"{value!r} is not a number of basis points") from None
    if not exact.is_finite() or exact != int(exact):
        raise ValueError(f"{value} bps: the smallest step is a hundredth of a basis point")
    if abs(exact) > 1_000_000:
        raise ValueError(f"{value} bps is more than the whole amount (10000 bps)")
    return int(exact)


MAX_PURPOSES = 255
"""DEPOSIT's second value is a purpose up to here, a name beyond."""


def asset_name(value: Any) -> str:
    """2 to 16 printable ASCII characters without a space."""
    name = toml_tables.text(MAX_ASSET_NAME)(value)
    if not name.isascii() or " " in name or ":" in name or len(name) < 2:
        raise ValueError(
            f"{value!r} is not 2 to {MAX_ASSET_NAME} ASCII characters without space and colon"
        )
    return name


def schedule_name(value: Any) -> str:
    """Read the name of a fee schedule. Raises ``ValueError`` for a number or "none"."""
    name = toml_tables.text(32)(value)
    if name == NONE or name.isdigit():
        raise ValueError(f"{value!r} is not a valid name of a schedule")
    return name


ASSET = {"name": Key(asset_name), "decimals": Key(toml_tables.integer(0, MAX_DECIMALS))}
SCHEDULE = {
    "name": Key(schedule_name),
    "from_volume": Key(toml_tables.integer(0, LARGEST), 0),
    "maker_bps": Key(millionths),
    "taker_bps": Key(millionths),
    "minimum": Key(toml_tables.integer(0, LARGEST), None),
    "collect": Key(toml_tables.one_of({what: what for what in (RECEIVED, QUOTE)}), None),
}
PAYER = {
    "schedule": Key(toml_tables.text(32)),
    "participant": Key(toml_tables.integer(1, 65_535), 0),
    "group": Key(toml_tables.text(32), ""),
    "instrument": Key(toml_tables.text(), ""),
}
INSTRUMENT_MONEY_KEYS = {
    "asset": Key(asset_name, None),
    "amount_decimals": Key(toml_tables.integer(0, MAX_DECIMALS), None),
    **spot_keys(asset_name),
}
"""Keys of ``[[instrument]]``."""


def read_money(tables: Tables, numbers: dict[int, str], symbols: Iterable[str]) -> MoneySpec:
    """``numbers``: each participant's group, or nothing."""
    symbols = list(symbols)
    rows = tables.rows("asset", ASSET)
    names = [((*path, "name"), row["name"]) for path, row in rows]
    tables.distinct(names, "asset")
    most = MAX_SPOT_ASSETS if has_spot(tables) else MAX_ASSETS
    if len(rows) > most:
        tables.wrong(("asset",), f"there may be {most}, not {len(rows)}")
    codes = dict[int, str]()
    for path, name in names:
        if name is not None:
            first = codes.setdefault(asset_word(name), name)
            if first != name:
                tables.wrong(path, f"{name!r} has the same code as {first!r}: choose another name")
        if name in symbols:
            tables.wrong(path, f"{name!r} is also an instrument's symbol")
    assets: dict[str, int] = {}
    for _, row in rows:
        if row["name"] is not None and row["decimals"] is not None:
            assets.setdefault(row["name"], row["decimals"])
    schedules = _schedules(tables)
    spot, collected = read_spot(tables, assets), _collected(tables)
    payers = _payers(tables, schedules, numbers, symbols)
    return MoneySpec(assets, _quotes(tables, assets), schedules, payers, spot, collected)


def _collected(tables: Tables) -> dict[str, str]:
    """Return what buyers pay by each schedule; nothing where there are no spot instruments."""
    spot, collected = has_spot(tables), dict[str, str]()
    for table, row in tables.given_rows("fee_schedule"):
        name, what = row.get("name"), row.get("collect")
        if what is not None and not spot:
            tables.wrong((*table, "collect"), "the venue has no spot instrument")
        minimum = row.get("minimum")
        if spot and type(minimum) is int and minimum > LARGEST_TOTAL:
            tables.wrong((*table, "minimum"), f"is at most {LARGEST_TOTAL} with spot instruments")
        if not spot or not isinstance(name, str):
            continue
        if what is not None and collected.get(name, what) != what and name in collected:
            tables.wrong((*table, "collect"), f"only one is possible: {name!r} has two")
        if what in (RECEIVED, QUOTE):
            collected[name] = what
    for table, row in tables.given_rows("fee_schedule"):
        if row.get("minimum") and collected.get(str(row.get("name"))) == QUOTE:
            tables.wrong((*table, "minimum"), NO_MINIMUM)
    names = [row.get("name") for _, row in tables.given_rows("fee_schedule")] if spot else []
    return {name: collected.get(name, RECEIVED) for name in names if isinstance(name, str)}


def _quotes(tables: Tables, assets: dict[str, int]) -> dict[str, str]:
    """The asset of each instrument; mistakes of the rows' own values are noted elsewhere.

    A participant has one margin account, with one balance: a second kind of money is refused."""
    quotes: dict[str, str] = {}
    for table, row in tables.given_rows("instrument"):
        if not (assets or "asset" in row) or is_spot(row):
            continue
        path = (*table, "asset")
        symbol, name = row.get("symbol"), row.get("asset", next(iter(assets), ""))
        if name not in assets:
            tables.wrong(path, f"there is no asset {name!r}; there are: {', '.join(assets)}")
            continue
        decimals = row.get("amount_decimals", row.get("decimals", 2))
        if decimals != assets[name]:
            tables.wrong(
                path,
                f"amounts of {symbol} (price times lots times multiplier) have {decimals} "
                f"decimals, but {name} has {assets[name]}; set amount_decimals",
            )
        elif isinstance(symbol, str):
            other = next((one for one in quotes if quotes[one] != name), None)
            if other is not None:
                tables.wrong(
                    path,
                    f"{symbol} is quoted in {name}, and {other} in {quotes[other]}: a margin "
                    "account has one balance, so quote both in one asset, or set "
                    'settlement = "spot"',
                )
            quotes[symbol] = name
    return quotes


def _schedules(tables: Tables) -> dict[str, tuple[int, tuple[Tier, ...]]]:
    rows = tables.rows("fee_schedule", SCHEDULE)
    tables.distinct(
        [
            ((*path, "from_volume"), (row["name"], row["from_volume"]))
            for path, row in rows
            if row["name"] is not None
        ],
        "the tier",
    )
    schedules: dict[str, tuple[int, tuple[Tier, ...]]] = {}
    for name in dict.fromkeys(row["name"] for _, row in rows if row["name"] is not None):
        mine = [(path, row) for path, row in rows if row["name"] == name]
        minimums = {row["minimum"] for _, row in mine if row["minimum"] is not None}
        if len(minimums) > 1:
            tables.wrong(
                (*mine[-1][0], "minimum"),
                f"only one minimum is possible: {name!r} has {len(minimums)}",
            )
        if len(mine) > MAX_TIERS:
            tables.wrong(
                (*mine[-1][0], "name"),
                f"{name!r} has {len(mine)} tiers; at most {MAX_TIERS} are possible",
            )
        tiers = sorted(
            (row["from_volume"] or 0, row["maker_bps"], row["taker_bps"])
            for _, row in mine
            if None not in (row["maker_bps"], row["taker_bps"])
        )
        if tiers and tiers[0][0]:
            tables.wrong(
                (*mine[0][0], "from_volume"), f"{name!r} has no tier that starts at volume 0"
            )
        schedules[name] = (next(iter(minimums), 0), tuple(tiers))
    if len(schedules) > MAX_SCHEDULES:
        tables.wrong(
            ("fee_schedule",),
            f"there are {len(schedules)} schedules; at most {MAX_SCHEDULES} are possible",
        )
    return schedules


def _payers(
    tables: Tables, schedules: Iterable[str], numbers: dict[int, str], symbols: list[str]
) -> dict[tuple[int, str], str]:
    rows = tables.rows("fees", PAYER)
    payers: dict[tuple[int, str], str] = {}
    for path, row in rows:
        check_reach(tables, path, row, numbers, symbols)
        if row["schedule"] is not None and row["schedule"] not in schedules:
            tables.wrong((*path, "schedule"), f"there is no fee schedule {row['schedule']!r}")
    tables.distinct(
        [
            (
                (*path, "schedule"),
                (row["participant"] or row["group"] or "everybody", row["instrument"] or "all"),
            )
            for path, row in rows
        ],
        "the fees of",
    )
    for of_groups in (True, False):
        # A participant's own row counts before its group's.
        for _, row in rows:
            if bool(row["group"]) is not of_groups or row["schedule"] is None:
                continue
            members = [n for n, group in numbers.items() if group == row["group"]]
            for who in members if of_groups else [row["participant"] or -1]:
                payers[who, row["instrument"]] = row["schedule"]
    return payers


def check_reach(
    tables: Tables,
    path: KeyPath,
    row: Mapping[str, Any],
    numbers: Mapping[int, str],
    symbols: Iterable[str],
) -> None:
    """Note what is wrong with a row's keys ``participant`` or ``group``, and ``instrument``.
    ``numbers``: each participant's group."""
    who, group, symbol = row["participant"], row["group"], row["instrument"]
    if who and group:
        tables.wrong((*path, "group"), "name a participant or a group, not both")
    if who and who not in numbers:
        tables.wrong((*path, "participant"), f"there is no participant {who}")
    if group and group not in numbers.values():
        tables.wrong((*path, "group"), f"no participant is in group {group!r}")
    if symbol and symbol not in symbols:
        tables.wrong((*path, "instrument"), f"there is no instrument {symbol!r}")
