"""Carry a risk state over to a journal with more instruments, participants, assets or contracts.

The new state begins as ``make_region`` makes it: its layout, and what the venue file fixes.  Then
everything that has happened is copied into it.  Rows keep their numbers: participants, groups,
instruments, assets and contracts are those of before, and after them come the new ones.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

import openoutcry.risk.layout as lay
from openoutcry.derivatives.margin_layout import (
    CollateralRow,
    CommodityRow,
    MarginTable,
    MarginWork,
    OffsetRow,
)
from openoutcry.derivatives.margin_layout import ContractRow as MarginContract
from openoutcry.risk import movements, spot_layout
from openoutcry.risk.contract_layout import ContractBlock, ContractRow
from openoutcry.risk.layout import RiskInstrument, RiskState
from openoutcry.risk.portfolio_layout import PortfolioBlock
from openoutcry.risk.protection_layout import ProtectionHeader
from openoutcry.risk.region import PortfolioView, Region, RiskError, View, Wallets
from openoutcry.risk.speed_bump import HEADER_BYTES as BUMP_BYTES
from openoutcry.risk.speed_bump import SpeedBump
from openoutcry.risk.spot import renew
from openoutcry.risk.spot_layout import SpotBlock, SpotRules
from openoutcry.wire.layout import Layout
from openoutcry.wire.open_orders import copy_entries

HAPPENED = (
    "orders_open", "now_ns", "market_kill", "first_operator", "refused_seq", "refused_bits",
    "refused_bit", "refused_limit", "refused_value", "refused_asked", "refusals", "file_digest",
    "emergency", "publication", "passed", "parts", "part_who", "part_instrument", "part_qty",
    "part_price", "called", "shared_publication",
)  # fmt: skip
"""Words of the header that commands have changed; the others say where tables are."""
FIXED = (
    "worst_buy", "worst_sell", "bound", "leveraged", "price_limited", "partition", "market_rests",
    "spot_at", "contract_at", "scenario",
)  # fmt: skip
"""Words of an instrument's row that follow from the venue file."""
WORST = "worst_buy", "worst_sell", "price_limited"
BUMP = "delay_ns", "window_ns", "seed", "now_ns"
WORK = "maintenance", "initial", "bound", "used", "premiums", "collateral"
Words = npt.NDArray[np.int64]


def carry_region(before: Region, fresh: Region, symbols: Iterable[str]) -> None:
    """Copy what has happened to the state ``before`` into the state ``fresh``, which is new.

    ``symbols``: of the instruments of ``before``, for errors.  Raises :class:`RiskError` for what
    cannot be carried over, before anything is copied: less room, another kind of accounting, other
    terms of an instrument, contract or asset that there was, commands that wait."""
    old, new = View(before), View(fresh)
    _check(old, new, list(symbols))
    _words(old.header, new.header, RiskState, HAPPENED)
    rows, columns = old.cells.shape[:2]
    new.participants[:rows] = old.participants
    new.groups[: len(old.groups)] = old.groups
    new.cells[:rows, :columns] = old.cells
    kept = _columns(RiskInstrument, FIXED, without=True)
    new.instruments[:columns, kept] = old.instruments[:, kept]
    rests = _at(RiskInstrument, "market_rests")
    calls = old.instruments[:, rests] & lay.RESTS_IN_CALL  # as its phase is
    new.instruments[:columns, rests] &= ~lay.RESTS_IN_CALL
    new.instruments[:columns, rests] |= calls
    copy_entries(old.orders, new.orders)
    if old.protection is not None and new.protection is not None:
        header = _columns(ProtectionHeader, ("quotes_at", "rows_at"), without=True)
        new.protection.header[header] = old.protection.header[header]
        new.protection.quotes[:columns] = old.protection.quotes
        new.protection.rows[:columns] = old.protection.rows
    if old.bump is not None and new.bump is not None:
        _words(old.bump, new.bump, SpeedBump, BUMP)
        new.bump[BUMP_BYTES // 8 :][:rows] = old.bump[BUMP_BYTES // 8 :][:rows]
    if old.contracts is not None and new.contracts is not None:
        header = _columns(ContractBlock, ("contracts", "rows_at", "fund", "fee_bps"), without=True)
        new.contracts.header[header] = old.contracts.header[header]
        kept = _columns(ContractRow, ("market_band",), without=True)
        new.contracts.rows[: len(old.contracts.rows), kept] = old.contracts.rows[:, kept]
    if old.portfolio is not None and new.portfolio is not None:
        _carry_portfolio(old.portfolio, new.portfolio)
    if old.requests is not None and new.requests is not None:
        _whole(old, new, lay.REQUESTS_AT, len(before) - old.word(lay.REQUESTS_AT))
    if old.own is not None and new.own is not None:
        _whole(old, new, lay.OWN_AT, old.own.size_bytes)
    if old.wallets is not None and new.wallets is not None:
        _carry_wallets(before, fresh, old.wallets, new.wallets)
        renew(RiskState.of(fresh.ctypes.data), -1, -1)


def _at(block: type[Layout], name: str) -> int:
    return block.offset(name) // 8


def _columns(block: type[Layout], names: Iterable[str], without: bool) -> Words:
    places = [_at(block, name) for name in names]
    everything = np.arange(block.size_bytes // 8)
    return np.delete(everything, places) if without else np.array(places)


def _words(old: Words, new: Words, block: type[Layout], names: Iterable[str]) -> None:
    places = _columns(block, names, without=False)
    new[places] = old[places]


def _check(old: View, new: View, symbols: list[str]) -> None:
    """Raise :class:`RiskError` unless the one can be carried over into the other."""
    if old.partitions or new.partitions:
        raise RiskError("a journal whose risk is in several partitions cannot be carried over")
    counts = (
        ("participants", old.participants, new.participants),
        ("groups", old.groups, new.groups),
        ("instruments", old.instruments, new.instruments),
    )
    for what, was, now in counts:
        if len(now) < len(was):
            raise RiskError(f"room for {len(now):,} {what}: the journal has {len(was):,}")
    if old.header[lay.ORDERS_OPEN // 8] > len(new.orders) // 2:
        raise RiskError("more orders are open than the new order_capacity has room for")
    for what, had, has in (
        ("spot instruments with wallets", old.wallets, new.wallets),
        ("contracts", old.contracts, new.contracts),
        ("scenario margin", old.portfolio, new.portfolio),
        ("market protection", old.protection, new.protection),
        ("requests of operators", old.requests, new.requests),
        ("limits that owners set", old.own, new.own),
    ):
        if had is not None and has is None:
            raise RiskError(f"the journal has {what}, and the new file has none")
    if old.portfolio is None and new.portfolio is not None and old.contracts is not None:
        raise RiskError("contracts of the journal have a margin each, and keep it")
    if old.bump is not None and old.bump[_at(SpeedBump, "waiting")]:
        raise RiskError("commands wait at the speed bump: stop the venue in good order first")
    _check_instruments(old, new, symbols)
    if old.contracts is not None and new.contracts is not None:
        _check_contracts(old, new)
    if old.portfolio is not None and new.portfolio is not None:
        _check_portfolio(old.portfolio, new.portfolio)
    if old.wallets is not None and new.wallets is not None:
        _check_wallets(old.wallets, new.wallets, symbols)
    requests = [0 if view.requests is None else len(view.requests.rows) for view in (old, new)]
    if requests[0] != requests[1]:
        raise RiskError("the journal remembers another number of operators' requests")
    if old.own is not None and new.own is not None and len(old.own.rows) != len(new.own.rows):
        raise RiskError("the journal has room for another number of owners' limits")


def _check_instruments(old: View, new: View, symbols: list[str]) -> None:
    unpriced = {
        meta & 0xFFFF
        for _, meta, _, _ in old.open_orders()
        if not meta >> lay.META_FLAGS & lay.PRICED_FLAG
    }
    for index, symbol in enumerate(symbols):
        was, now = old.instruments[index], new.instruments[index]
        for name in ("spot_at", "contract_at", "scenario"):
            at = _at(RiskInstrument, name)
            if bool(was[at]) != bool(now[at]):
                raise RiskError(f"{symbol}: whether it is spot or a contract cannot change")
        for name in WORST:
            at = _at(RiskInstrument, name)
            if was[at] != now[at] and index in unpriced:
                raise RiskError(
                    f"{symbol}: orders without a price are open, which have reserved money at the "
                    "worst price of before: cancel them before its price limits or band change"
                )


def _check_contracts(old: View, new: View) -> None:
    assert old.contracts is not None
    assert new.contracts is not None
    if old.contracts.word("fund") != new.contracts.word("fund"):
        raise RiskError("the participant whose balance is the insurance fund stays")
    at, count = _at(ContractRow, "instrument"), len(old.contracts.rows)
    if not np.array_equal(old.contracts.rows[:, at], new.contracts.rows[:count, at]):
        raise RiskError("contracts keep their places, and new ones come after them")


def _check_portfolio(old: PortfolioView, new: PortfolioView) -> None:
    parts = "contracts", "spreads of tiers", "offsets", "charges for liquidity", "collateral"
    shapes = (view.parameters.shape() for view in (old, new))
    for what, was, now in zip(parts, *shapes, strict=True):
        assert isinstance(was, list)
        assert isinstance(now, list)
        if now[: len(was)] != was:
            raise RiskError(f"scenario margin keeps its {what}, and new ones come after them")
        if what == "offsets" and len(now) > len(was):
            raise RiskError("scenario margin gets no more offsets: they decide what is needed")
    hedged = [MarginWork(view.works.ctypes.data).hedges_at != 0 for view in (old, new)]
    if hedged[0] != hedged[1]:
        raise RiskError("whether pledges hedge is fixed by the journal")


def _check_wallets(old: Wallets, new: Wallets, symbols: list[str]) -> None:
    names, filed = list(old.names), list(new.names)
    common = min(len(names), len(filed))
    if names[:common] != filed[:common]:
        raise RiskError(f"assets keep their places: they are {', '.join(names)}")
    for name in names[:common]:
        if old.decimals(name) != new.decimals(name):
            raise RiskError(f"asset {name} has {old.decimals(name)} decimals, as before")
    if new.capacity < len(names):
        raise RiskError(f"room for {new.capacity} assets: the journal has {len(names)}")
    if (old.movements is None) != (new.movements is None) or (
        old.movements is not None
        and new.movements is not None
        and len(old.movements.header) != len(new.movements.header)
    ):
        raise RiskError("the journal remembers another number of deposits and withdrawals")
    places = [_at(SpotRules, "lot_units")]
    for index, symbol in enumerate(symbols):
        if any(old.rules[index, at] != new.rules[index, at] for at in places):
            raise RiskError(f"{symbol}: a lot keeps its units of the asset")
        if old.rules[index, 0] and _assets_of(old, index) != _assets_of(new, index):
            raise RiskError(f"{symbol} is paid in the assets of before")


def _assets_of(wallets: Wallets, index: int) -> list[int]:
    """Return the numbers of an instrument's quote and base asset."""
    first = int(wallets.words[_at(SpotBlock, "asset_at")])
    rules = wallets.rules[index]
    return [
        (int(rules[_at(SpotRules, name)]) - first) // spot_layout.ASSET_BYTES
        for name in ("quote_at", "base_at")
    ]


def _carry_portfolio(old: PortfolioView, new: PortfolioView) -> None:
    """Copy the parameters in force, those that are staged, and what each participant holds."""
    _words(old.header, new.header, PortfolioBlock, ("staged", "applied"))
    for was, now in ((old.table, new.table), (old.staged, new.staged)):
        _carry_parameters(was, now)
    for was, now in zip(old.works, new.works, strict=False):
        _carry_work(was, now)


def _carry_parameters(was: Words, now: Words) -> None:
    old, new = MarginTable(was.ctypes.data), MarginTable(now.ctypes.data)
    tables = (
        (old.contract_at, new.contract_at, old.contracts * MarginContract.size_bytes),
        (old.commodity_at, new.commodity_at, old.commodities * CommodityRow.size_bytes),
        (old.offset_at, new.offset_at, old.offsets * OffsetRow.size_bytes),
        (old.collateral_at, new.collateral_at, old.collaterals * CollateralRow.size_bytes),
    )
    for first, second, size in tables:
        now[second // 8 : (second + size) // 8] = was[first // 8 : (first + size) // 8]


def _carry_work(was: Words, now: Words) -> None:
    old, new = MarginWork(was.ctypes.data), MarginWork(now.ctypes.data)
    _words(was, now, MarginWork, WORK)
    ends = old.hedges_at or old.end_at
    tables = [
        (old.totals_at, new.totals_at, old.contract_at - old.totals_at),
        (old.contract_at, new.contract_at, ends - old.contract_at),
        (old.hedges_at, new.hedges_at, old.end_at - old.hedges_at if old.hedges_at else 0),
        (old.end_at, new.end_at, 8 * len(was) - old.end_at),
    ]
    for first, second, size in tables:
        now[second // 8 : (second + size) // 8] = was[first // 8 : (first + size) // 8]


def _whole(old: View, new: View, word: int, size: int) -> None:
    """Copy a block of this size, which both states have alike."""
    first, second = old.word(word), new.word(word)
    new.region[second : second + size] = old.region[first : first + size]


def _carry_wallets(before: Region, fresh: Region, old: Wallets, new: Wallets) -> None:
    at = _at(SpotBlock, "schedule_of_all")
    new.words[at] = old.words[at]
    rows, count = old.all_rows.shape[0], old.count
    new.words[0] = max(count, new.count)
    new.assets[:count] = old.assets
    schedule = _at(SpotRules, "schedule")
    new.rules[: len(old.rules), schedule] = old.rules[:, schedule]
    size = spot_layout.SCHEDULES * spot_layout.SCHEDULE_BYTES // 8
    places = [(int(one.words[_at(SpotBlock, "schedule_at")]) - one.at) // 8 for one in (old, new)]
    new.words[places[1] : places[1] + size] = old.words[places[0] : places[0] + size]
    new.all_rows[:rows, :count] = old.all_rows[:, :count]
    moved = [int(one.words[_at(SpotBlock, "movements_at")]) for one in (old, new)]
    if old.movements is not None:
        size = movements.block_bytes(len(old.movements.rows))
        fresh[moved[1] : moved[1] + size] = before[moved[0] : moved[0] + size]
