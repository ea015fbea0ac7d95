"""The venue file's tables of risk: limits, what instruments count, who may open the market again.

Limits come in rows of ``[[limits]]``: of all participants, of a group, of one participant, each for
all instruments or for one.  The more specific row applies: a participant's before its group's, that
before the row of all, and a row that names the instrument before one that does not.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from openoutcry.derivatives.margin import Parameters
from openoutcry.risk.bits import LARGEST, NO_LIMIT, Setting
from openoutcry.risk.spot_layout import LARGEST_TOTAL
from openoutcry.venue.contract_tables import CONTRACT_KEYS, ContractTerms, read_terms
from openoutcry.venue.fee_tables import MoneySpec, asset_name, check_reach, read_money
from openoutcry.venue.funding_schedule import FundingSpec, read_funding
from openoutcry.venue.index_tables import IndexSpec, read_indices
from openoutcry.venue.liquidation_table import LiquidationSpec
from openoutcry.venue.margin_file import read_margin
from openoutcry.venue.operators import ROLES, SUPERVISOR, Operator, one_time_secret
from openoutcry.venue.protection_tables import read_protection
from openoutcry.venue.series_tables import SeriesSpec
from openoutcry.venue.spot_tables import check_limits, has_spot, is_spot
from openoutcry.wire import toml_tables
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.toml_tables import Key, Tables

SECOND_NS = 1_000_000_000
Place = tuple[Setting, int, str]
"""The setting, its participant's or group's number, and its instrument (or, of a wallet, its
asset)."""
Value = tuple[int, int]
"""The value and the second value."""


class LimitsError(OutcryError):
    """The limits of a venue file do not fit its journal."""


@dataclass(frozen=True)
class RiskSpec:
    """The venue file's tables of risk, checked."""

    wanted: dict[Place, Value] = field(default_factory=dict)
    """Every limit that is in the file."""
    of_new: dict[str, dict[Place, Value]] = field(default_factory=dict)
    """Limits that a participant begins with that is added while trading, by its group ("": none);
    the number in a place is 0."""
    opening: dict[Place, Value] = field(default_factory=dict)
    """Balances and positions at the beginning of a journal."""
    groups: tuple[str, ...] = ()
    """Names, in the order of the participants."""
    group_of: dict[int, str] = field(default_factory=dict)
    """By participant."""
    group_limits: dict[str, int] = field(default_factory=dict)
    """Limits of what a group's members may hold together, by its name."""
    multipliers: tuple[int, ...] = ()
    leveraged: tuple[int, ...] = ()
    announced: tuple[int, ...] = ()
    """Instruments that take no order until an operator opens them."""
    operators: tuple[Operator, ...] = ()
    protection: bool = False
    """The market is protected; ``wanted`` has its settings, too."""
    cut_off_s: int = 0
    """Until when levels 1 and 2 of the breaker count, s after midnight."""
    liquidation: LiquidationSpec | None = None
    """How a participant under its maintenance margin is closed out; None: no participant is."""
    money: MoneySpec = field(default_factory=MoneySpec)
    """Assets and fees: what the ledger goes by."""
    symbols: tuple[str, ...] = ()
    """The instruments, in their order."""
    contracts: dict[str, ContractTerms] = field(default_factory=dict)
    """Futures, perpetuals and options, by symbol: the journal's."""
    fund: int = 0
    """The participant whose balance is the insurance fund; 0: the exchange's own."""
    margin: Parameters | None = None
    """Initial parameters of scenario margin in a new journal; None: a lot has one margin."""
    margin_file: Path | None = None
    collateral: dict[str, int] = field(default_factory=dict)
    """Assets that participants may pledge, with their numbers in wallets."""
    indices: tuple[IndexSpec, ...] = ()
    funding: tuple[FundingSpec, ...] = ()
    """Perpetuals that the venue funds by itself."""
    series: tuple[SeriesSpec, ...] = ()
    """Rules by which contracts are listed while trading."""
    time_every_s: int = 1
    """Time from one TIME of the calendar to the next: between them the core's clock does
    not move."""
    filed_digest: int = 0
    """The file's digest, of one with the instruments that were announced since; 0: of the file."""

    @property
    def digest(self) -> int:
        """A number of these limits, as the file has them, that is not 0."""
        if self.filed_digest:
            return self.filed_digest
        text = repr(
            (
                sorted(self.wanted.items()),
                self.groups,
                sorted(self.group_of.items()),
                sorted(self.group_limits.items()),
            )
        )
        text += repr(self.money) if self.money else ""
        text += repr((self.money.spot, self.money.collected)) if self.money.spot else ""
        return 1 + int.from_bytes(blake2b(text.encode(), digest_size=7).digest(), "little")


def name_number(name: str) -> int:
    """A group's number in the risk state, from its name."""
    return 1 + int.from_bytes(blake2b(name.encode(), digest_size=7).digest(), "little")


def limit(value: Any) -> int:
    """Read a limit: a whole number, or "none" for NO_LIMIT. Raises ``ValueError`` for anything
    else."""
    if value == "none":
        return NO_LIMIT
    if type(value) is str:
        raise ValueError(f'{value!r} is not a whole number and not "none"')
    return toml_tables.integer(0, LARGEST)(value)


def _switch(value: Any) -> int:
    return int(toml_tables.boolean(value))


def _rate(value: Any) -> int:
    return 0 if value == "none" else SECOND_NS // toml_tables.integer(1, SECOND_NS)(value)


def usual_burst(rate_ns: int, time_every_s: int) -> int:
    """Return how many orders come at this rate from one TIME to the next.  Between them the
    core's clock does not move: fewer at once would be a lower rate."""
    return min(max(1, time_every_s * SECOND_NS // rate_ns), MAX_BURST) if rate_ns else 1


def _volume(value: Any) -> int:
    return 0 if value == "none" else toml_tables.integer(0, LARGEST)(value)


def _window(value: Any) -> int:
    return 1_000_000 * toml_tables.integer(0, 86_400_000)(value)


def shown(what: Setting, value: int) -> Any:
    """The value of a setting as the venue file has it."""
    if what is Setting.RATE:
        return SECOND_NS // value if value else "none"
    if what is Setting.DUPLICATE_WINDOW:
        return value // 1_000_000
    if what in (
        Setting.SELF_TRADE,
        Setting.KILL,
        Setting.RESTRICTED,
        Setting.SHORT_SALE,
        Setting.HALT,
        Setting.GROUP_KILL,
    ):
        return bool(value)
    return "none" if value == NO_LIMIT else value


@dataclass(frozen=True)
class Limit:
    """A key of ``[[limits]]``: what it sets, how its value is read, what counts without it."""

    setting: Setting
    parse: Callable[[Any], int]
    default: int


OF_PARTICIPANTS = {
    "credit": Limit(Setting.CREDIT, limit, NO_LIMIT),
    "exposure_buy": Limit(Setting.EXPOSURE_BUY, limit, NO_LIMIT),
    "exposure_sell": Limit(Setting.EXPOSURE_SELL, limit, NO_LIMIT),
    "gross_position": Limit(Setting.GROSS_POSITION, limit, NO_LIMIT),
    "open_orders": Limit(Setting.OPEN_ORDERS, limit, NO_LIMIT),
    "orders_per_s": Limit(Setting.RATE, _rate, 0),
    "duplicate_window_ms": Limit(Setting.DUPLICATE_WINDOW, _window, 0),
    "loss": Limit(Setting.LOSS, limit, NO_LIMIT),
    "drawdown": Limit(Setting.DRAWDOWN, limit, NO_LIMIT),
    "names_self_trade": Limit(Setting.SELF_TRADE, _switch, 0),
    "maintenance_bps": Limit(Setting.MAINTENANCE, toml_tables.integer(0, 10_000), 0),
}
OF_CELLS = {
    "position_long": Limit(Setting.POSITION_LONG, limit, NO_LIMIT),
    "position_short": Limit(Setting.POSITION_SHORT, limit, NO_LIMIT),
    "max_qty_lots": Limit(Setting.MAX_QTY, limit, NO_LIMIT),
    "max_value": Limit(Setting.MAX_VALUE, limit, NO_LIMIT),
    "restricted": Limit(Setting.RESTRICTED, _switch, 0),
    "no_short_sale": Limit(Setting.SHORT_SALE, _switch, 0),
}
OF_INSTRUMENTS = {
    "fee": Limit(Setting.FEE, toml_tables.integer(0, LARGEST), 0),
    "margin": Limit(Setting.MARGIN, toml_tables.integer(0, LARGEST), 0),
    "weight": Limit(Setting.WEIGHT, toml_tables.integer(0, LARGEST), 1),
    "price_distance_bps": Limit(Setting.DISTANCE, limit, NO_LIMIT),
    "adv_lots": Limit(Setting.ADV, _volume, 0),
    "adv_share_bps": Limit(Setting.ADV_SHARE, limit, NO_LIMIT),
}
"""Keys of ``[[instrument]]``."""
STRUCTURE = {
    "multiplier": Key(toml_tables.integer(1, LARGEST), 1),
    "leveraged": Key(toml_tables.boolean, False),
    "announced": Key(toml_tables.boolean, False),
}
"""Keys of ``[[instrument]]`` that are the journal's, as the instrument is."""
INSTRUMENT_KEYS = (
    STRUCTURE | {name: Key(one.parse, None) for name, one in OF_INSTRUMENTS.items()} | CONTRACT_KEYS
)
LIQUIDATION = {
    "mark_every_ms": Key(toml_tables.integer(1, 3_600_000), 1_000),
    "every_ms": Key(toml_tables.integer(0, 3_600_000), 1_000),
    "part_bps": Key(toml_tables.integer(1, 10_000), 2_500),
    "band_bps": Key(toml_tables.integer(0, 10_000), 500),
    "fund": Key(toml_tables.integer(0, 65_535), 0),
    "fee_bps": Key(toml_tables.integer(0, 1_000), 0),
}
PLACES = ("participant", "group", "instrument", "asset")
OF_ASSETS = ("credit", "opening_balance")
"""Keys that a row with an ``asset`` may have."""
MAX_BURST = 1_000_000_000
LIMITS = {
    "participant": Key(toml_tables.integer(1, 65_535), 0),
    "group": Key(toml_tables.text(32), ""),
    "instrument": Key(toml_tables.text(), ""),
    "asset": Key(asset_name, ""),
    "burst": Key(toml_tables.integer(1, MAX_BURST), None),
    "opening_balance": Key(toml_tables.integer(-LARGEST, LARGEST), None),
    "opening_position": Key(toml_tables.integer(-LARGEST, LARGEST), None),
    "opening_price": Key(toml_tables.integer(-LARGEST, LARGEST), None),
    "group_gross_position": Key(limit, None),
    **{name: Key(one.parse, None) for name, one in (OF_PARTICIPANTS | OF_CELLS).items()},
}


def _limit_rows(tables: Tables, numbers: dict[int, str], symbols: list[str]) -> Any:
    """Return the rows of limits with their places in the file, each checked, none said twice."""
    rows = tables.rows("limits", LIMITS)
    for path, row in rows:
        _check(tables, path, row, numbers, symbols)
    tables.distinct(
        [
            ((*path, name), _shown_place(row, name))
            for path, row in rows
            for name in row
            if name not in PLACES and row[name] is not None
        ],
        "the limit",
    )
    return rows


def read_risk(
    tables: Tables,
    numbers: dict[int, str],
    symbols: Iterable[str],
    password_hash: Callable[[Any], str],
    time_every_s: int,
    folder: Path,
    series: tuple[SeriesSpec, ...] = (),
) -> RiskSpec:
    """``numbers``: each participant's group (or nothing); ``password_hash`` reads one;
    ``time_every_s``: from one TIME to the next; ``folder``: where other files are;
    ``series``: as they were expanded."""
    symbols = list(symbols)
    operators = _operators(tables, password_hash)
    rows = _limit_rows(tables, numbers, symbols)
    groups = tuple(dict.fromkeys(group for group in numbers.values() if group))
    wanted: dict[Place, Value] = {}
    # The more special a row is, the later it is taken.
    ranked = sorted(rows, key=lambda pair: _rank(pair[1]))
    for _, row in ranked:
        wanted |= _limits_of(row, numbers, symbols, time_every_s)
    of_new = {group: _of_new(ranked, group, symbols, time_every_s) for group in ("", *groups)}
    wanted |= _instruments(tables)
    opening = {place: value for _, row in rows for place, value in _opening(row).items()}
    documents = _documents(tables)
    check_limits(tables)
    liquidation = _liquidation(tables, numbers)
    _check_maintenance(tables, rows, wanted, numbers, liquidation is not None)
    protection = read_protection(tables, symbols)
    if protection is not None:
        wanted |= protection[0]
    money = read_money(tables, numbers, symbols)
    contracts = read_terms(tables, money.assets, symbols)
    margin = read_margin(tables, folder, contracts, symbols, money.wallets)
    indices = read_indices(tables, contracts, symbols)
    return RiskSpec(
        wanted,
        of_new,
        opening,
        groups,
        {number: group for number, group in numbers.items() if group},
        _group_limits(rows),
        tuple(_multiplier(row, contracts) for row in documents),
        tuple(index for index, row in enumerate(documents) if _is_leveraged(row, contracts)),
        operators=operators,
        announced=tuple(n for n, row in enumerate(documents) if row.get("announced") is True),
        protection=protection is not None,
        cut_off_s=protection[1] if protection else 0,
        liquidation=liquidation,
        money=money,
        symbols=tuple(symbols),
        contracts=contracts,
        fund=liquidation.fund if liquidation else 0,
        margin=margin.parameters,
        margin_file=margin.file,
        collateral=margin.collateral,
        indices=indices,
        funding=read_funding(tables, contracts),
        series=series,
        time_every_s=time_every_s,
    )


def _group_limits(rows: Iterable[tuple[Any, dict[str, Any]]]) -> dict[str, int]:
    return {
        row["group"]: row["group_gross_position"]
        for _, row in rows
        if row["group"] and row["group_gross_position"] is not None
    }


def _liquidation(tables: Tables, numbers: dict[int, str]) -> LiquidationSpec | None:
    if "liquidation" not in tables.document:
        return None
    spec = LiquidationSpec(**tables.table("liquidation", LIQUIDATION))
    if spec.fund and spec.fund not in numbers:
        tables.wrong(("liquidation", "fund"), f"there is no participant {spec.fund}")
    if spec.fee_bps and not (tables.given_rows("contract") or tables.given_rows("series")):
        text = "applies only to contracts: there is no [[contract]]"
        tables.wrong(("liquidation", "fee_bps"), text)
    return spec


def _multiplier(row: dict[str, Any], contracts: dict[str, ContractTerms]) -> int:
    terms = contracts.get(str(row.get("symbol")))
    if terms is not None:
        return terms.multiplier
    return _whole(row.get("tick_units" if is_spot(row) else "multiplier", 1))


def _is_leveraged(row: dict[str, Any], contracts: dict[str, ContractTerms]) -> bool:
    terms = contracts.get(str(row.get("symbol")))
    return row.get("leveraged") is True if terms is None else terms.is_leveraged


def _operators(tables: Tables, password_hash: Callable[[Any], str]) -> tuple[Operator, ...]:
    """``password_hash`` reads one."""
    keys = {
        "name": Key(toml_tables.text(32)),
        "password": Key(password_hash),
        "role": Key(toml_tables.one_of({role: role for role in ROLES}), SUPERVISOR),
        "totp": Key(one_time_secret, ""),
    }
    operator_rows = tables.rows("operator", keys)
    tables.distinct([((*path, "name"), row["name"]) for path, row in operator_rows], "name")
    return tuple(Operator(**row) for _, row in operator_rows)


def _shown_place(row: dict[str, Any], name: str) -> tuple[Any, ...]:
    whose = row["participant"] or row["group"] or "everybody"
    return name, whose, row["instrument"] or row["asset"] or "all"


def _documents(tables: Tables) -> list[dict[str, Any]]:
    return [row for _, row in tables.given_rows("instrument")]


def _whole(value: Any) -> int:
    return value if type(value) is int else 1


def _check(
    tables: Tables, path: Any, row: dict[str, Any], numbers: dict[int, str], symbols: list[str]
) -> None:
    who, group, symbol = row["participant"], row["group"], row["instrument"]
    check_reach(tables, path, row, numbers, symbols)
    for name in OF_PARTICIPANTS:
        if symbol and row[name] is not None:
            tables.wrong(
                (*path, name), "applies to all instruments together, but the row names one"
            )
    if row["asset"]:
        _check_asset_row(tables, path, row)
    if row["group_gross_position"] is not None and (not group or symbol):
        tables.wrong(
            (*path, "group_gross_position"), "applies to a group and all instruments together"
        )
    if row["burst"] is not None and row["orders_per_s"] is None:
        tables.wrong((*path, "burst"), "needs orders_per_s in the same row")
    if row["opening_balance"] is not None and (not who or symbol):
        tables.wrong(
            (*path, "opening_balance"), "applies to one participant and all instruments together"
        )
    for name, other in (
        ("opening_position", "opening_price"),
        ("opening_price", "opening_position"),
    ):
        if row[name] is None:
            continue
        if not who or not symbol:
            tables.wrong((*path, name), "applies to one participant in one instrument")
        if row[other] is None:
            tables.wrong((*path, other), f"is missing next to {name}")
    if all(value is None for name, value in row.items() if name not in PLACES):
        tables.wrong(path, "sets no limit")


def _check_asset_row(tables: Tables, path: Any, row: dict[str, Any]) -> None:
    """A row about wallets: credit in an asset, and what is in one at the beginning."""
    names = [asset.get("name") for _, asset in tables.given_rows("asset")]
    if row["asset"] not in names:
        known = ", ".join(map(str, names)) or "none"
        tables.wrong((*path, "asset"), f"there is no asset {row['asset']!r}; there are: {known}")
    if not has_spot(tables):
        tables.wrong((*path, "asset"), "the venue has no spot instrument, and so no wallets")
    given = tables.document["limits"][path[1]]
    for name in set(given) & set(LIMITS) - {*PLACES, *OF_ASSETS}:
        tables.wrong((*path, name), f"does not apply to an asset: {' and '.join(OF_ASSETS)} do")
    if row["instrument"]:
        tables.wrong((*path, "instrument"), "a wallet covers all instruments with its asset")
    for name in OF_ASSETS:
        if row[name] is not None and abs(row[name]) > LARGEST_TOTAL:
            tables.wrong((*path, name), f"must be 0 to {LARGEST_TOTAL} for an asset")
    if (row["opening_balance"] or 0) < 0:
        tables.wrong((*path, "opening_balance"), "must be 0 or more for a wallet")


def _check_maintenance(
    tables: Tables, rows: Any, wanted: dict[Place, Value], numbers: dict[int, str], closes_out: bool
) -> None:
    """A participant with a maintenance margin can be closed out, and its capital counts."""
    for path, row in rows:
        if not row["maintenance_bps"]:
            continue
        if not closes_out:
            tables.wrong((*path, "maintenance_bps"), "needs a table [liquidation]")
        for number in sorted(numbers):
            counts = wanted.get((Setting.MAINTENANCE, number, ""), (0, 0))[0]
            credit = wanted.get((Setting.CREDIT, number, ""), (NO_LIMIT, 0))[0]
            named = row["participant"] in (0, number)
            named = named and (not row["group"] or numbers[number] == row["group"])
            if named and counts and credit == NO_LIMIT:
                tables.wrong(
                    (*path, "maintenance_bps"),
                    f"participant {number} has no credit "
                    "limit (0 is one): its capital is not checked",
                )
                break


def _rank(row: dict[str, Any]) -> int:
    whose = 4 if row["participant"] else 2 if row["group"] else 0
    return whose + bool(row["instrument"])


def _limits_of(
    row: dict[str, Any], numbers: dict[int, str], symbols: list[str], time_every_s: int
) -> dict[Place, Value]:
    limits: dict[Place, Value] = {}
    for number, group in numbers.items():
        named = row["participant"] in (0, number)
        if not named or (row["group"] and row["group"] != group):
            continue
        if row["asset"]:
            if row["credit"] is not None:
                limits[Setting.ASSET_CREDIT, number, row["asset"]] = row["credit"], 0
            continue
        for name, one in OF_PARTICIPANTS.items():
            if row[name] is not None:
                second = 0
                if one.setting is Setting.RATE:
                    second = row["burst"] or usual_burst(row[name], time_every_s)
                limits[one.setting, number, ""] = row[name], second
        for name, one in OF_CELLS.items():
            if row[name] is not None:
                chosen = [row["instrument"]] if row["instrument"] else symbols
                limits |= {(one.setting, number, symbol): (row[name], 0) for symbol in chosen}
    return limits


def _of_new(
    rows: list[Any], group: str, symbols: list[str], time_every_s: int
) -> dict[Place, Value]:
    """Return what the rows say that name no participant.  A new one has no credit in an asset:
    what is lent is given by name."""
    limits: dict[Place, Value] = {}
    for _, row in rows:
        if not row["participant"] and not row["asset"]:
            limits |= _limits_of(row, {0: group}, symbols, time_every_s)
    return limits


def _instruments(tables: Tables) -> dict[Place, Value]:
    """Return the settings of instruments that count; their values' own mistakes are noted where the
    rows are read."""
    limits: dict[Place, Value] = {}
    for row in _documents(tables):
        for name, one in OF_INSTRUMENTS.items():
            if name in row:
                try:
                    limits[one.setting, 0, str(row.get("symbol", ""))] = one.parse(row[name]), 0
                except ValueError:
                    continue
    return limits


def _opening(row: dict[str, Any]) -> dict[Place, Value]:
    opening: dict[Place, Value] = {}
    if row["opening_balance"]:
        opening[Setting.DEPOSIT, row["participant"], row["asset"]] = row["opening_balance"], 0
    if row["opening_position"] and row["opening_price"] is not None:
        place = Setting.POSITION, row["participant"], row["instrument"]
        opening[place] = row["opening_position"], row["opening_price"]
    return opening
