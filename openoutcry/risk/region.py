"""The risk state as a block of bytes: made, set up, read, hashed."""

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.risk.layout as lay
from openoutcry.derivatives.collateral import Line, collateral
from openoutcry.derivatives.contracts import Contract, in_force
from openoutcry.derivatives.margin import MAX_CONTRACTS, Gains, Parameters, parameters_of
from openoutcry.derivatives.margin_kernels import follow, held_now, margin_now
from openoutcry.derivatives.margin_layout import (
    ContractWork,
    MarginTable,
    MarginWork,
    collateral_in,
    parameters_in,
    table_of,
    work_of,
)
from openoutcry.risk import contract_layout, portfolio_layout, speed_bump, spot_layout
from openoutcry.risk import movements as money_movements
from openoutcry.risk import own_limits as owners_limits
from openoutcry.risk import requests as operator_requests
from openoutcry.risk.bits import LARGEST, NO_LIMIT, RISK_KIND, Setting
from openoutcry.risk.contract_layout import STAGED, WITH_MARK
from openoutcry.risk.protection import CALLS
from openoutcry.risk.protection_layout import block_bytes
from openoutcry.risk.protection_rules import ProtectionView, enter_protection
from openoutcry.wire import enum_numbers, rule_changes
from openoutcry.wire.asset_names import DECIMALS_MASK, asset_text, asset_word, asset_words
from openoutcry.wire.decimals import decimal_text
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.open_orders import counts_by_itself, is_link
from openoutcry.wire.records import MAX_VALUE, NO_PRICE, ORDER_DTYPE
from openoutcry.wire.rule_changes import is_limited

MARKET_STAYS = (
    enum_numbers.INSTRUMENT_OPTION_MARKET_REST_STAYS | enum_numbers.INSTRUMENT_OPTION_MARKET_WAITS
)
"""With either of them a market order's rest may stay open."""
MAX_CELLS = 1 << 24
MAX_DELAYED = 1 << 20
MAX_PORTFOLIO_BYTES = 1 << 32

Region = npt.NDArray[np.uint8]


class RiskError(OutcryError):
    """A risk state that cannot be, or a setting that makes no sense."""


def make_region(
    instruments: npt.NDArray[Any],
    participants: int,
    groups: int = 1,
    order_capacity: int = 1 << 17,
    multipliers: Iterable[int] | None = None,
    leveraged: Iterable[int] = (),
    tracking: bool = True,
    protection: bool = False,
    delayed: int = 0,
    requests: int = 0,
    assets: Sequence[tuple[str, int]] = (),
    spot: Mapping[int, Sequence[int]] | None = None,
    movements: int = 0,
    asset_capacity: int = 0,
    contracts: Mapping[int, Sequence[int]] | None = None,
    fund: int = 0,
    fee_bps: int = 0,
    funded: Iterable[int] = (),
    margin: Mapping[str, Sequence[Sequence[int]]] | None = None,
    unlisted: Iterable[int] = (),
    announced: Iterable[int] = (),
    own_limits: int = 0,
    rules: bool = False,
) -> Region:
    """A state without limits, for participants 0 to ``participants - 1``.

    The money a tick and lot is given by instrument in ``multipliers`` (default 1).  Instruments
    whose margin is paid and not their price are listed, by index, in ``leveraged``.  Without
    ``tracking`` nothing is ever checked.  With ``protection`` there is room for the market's
    protection (``protection_layout.py``), with ``delayed`` for a speed bump at which that many
    commands may wait.  As many requests of operators are remembered as ``requests`` says.

    An instrument (by index) in ``spot`` is paid from wallets.  Its entry has the numbers of its
    base and its quote asset in ``assets`` (name, decimals), and the units of the base asset a lot.
    Its multiplier is the units of the quote asset a tick and lot.  As many deposits and withdrawals
    with a life cycle are remembered as ``movements`` says; they need ``spot`` and ``requests``.
    There is room for ``asset_capacity`` assets, and for those of ``assets`` at least: more are
    declared by LEDGER_ASSET.

    An instrument (by index) in ``contracts`` is a future, a perpetual or an option.  Its entry has
    the columns of :data:`CONTRACT_TERMS`.  A future or perpetual must be in ``leveraged``.  The
    balance of participant ``fund`` is then the insurance fund, into which a liquidation pays
    ``fee_bps`` of the value that it closes out.  With ``margin`` (rows of numbers,
    as ``derivatives.margin.Parameters`` has them) the margin of all contracts is by scenarios.  Its
    contracts are those of ``contracts`` in their order, and its collateral is in ``assets``.
    Contracts in ``unlisted`` (by index) trade from their CONTRACT_LIST on, other instruments in
    ``announced`` from their INSTRUMENT_STATE on.  Of the perpetuals in ``funded`` the premium is
    averaged from one funding to the next.

    There is room for ``own_limits`` limits that the owners of accounts set themselves.  With
    ``rules`` the instruments' rules are here, too, and may change (``wire/rule_changes.py``).
    """
    count, spot, room, wallet_bytes = len(instruments), spot or {}, asset_capacity, 0
    if movements and not (spot and requests):
        raise RiskError("movements of money need spot instruments and requests")
    given = [1] * count if multipliers is None else list(multipliers)
    if not 1 <= participants <= 1 << 16 or not 1 <= groups <= 1 << 16:
        raise RiskError(f"{participants} participants in {groups} groups: each is 1 to 65,536")
    if participants * count > MAX_CELLS:
        raise RiskError(f"{participants} participants x {count} instruments are too many cells")
    symbols, orders = 1 << (4 * count - 1).bit_length(), 1 << (2 * order_capacity + 8).bit_length()
    sizes = _table_sizes(symbols, participants, groups, count)
    if spot:
        room = _check_spot(participants, count, assets, spot, room)
        wallet_bytes = spot_layout.block_bytes(participants, count, room)
        sizes[lay.WALLETS_AT] = wallet_bytes + _movement_bytes(movements)
    parameters = _margin_of(margin, contracts or {}, len(assets) if spot else 0)
    sizes |= _contract_sizes(contracts) | _portfolio_sizes(parameters, participants)
    sizes[lay.ORDER_AT] = orders * lay.ORDER_BYTES
    sizes |= {lay.PROTECTION_AT: block_bytes(count)} if protection else {}
    sizes |= {lay.BUMP_AT: _bump_bytes(delayed, participants)} if delayed else {}
    sizes |= {lay.OWN_AT: _own_bytes(own_limits)} if own_limits else {}
    sizes |= {lay.RULES_AT: rule_changes.block_bytes(count)} if rules else {}
    if requests:
        # The last block: ``partitioned.divide`` takes it from here to the end.
        sizes[lay.REQUESTS_AT] = _request_bytes(requests)
    words, offsets = _laid_out(sizes)
    header = offsets | {
        lay.MAGIC_AT: lay.MAGIC,
        lay.TRACKING: int(tracking),
        lay.PARTICIPANTS: participants,
        lay.GROUPS: groups,
        lay.INSTRUMENTS: count,
        lay.SYMBOL_MASK: symbols - 1,
        lay.ORDER_MASK: orders - 1,
    }
    for word, value in header.items():
        words[word // 8] = value
    _enter_symbols(words, instruments, symbols - 1)
    _enter_blocks(words, offsets, instruments, (delayed, participants), own_limits, requests)
    view = View(words.view(np.uint8))
    _no_limits(view)
    _enter_instruments(view, instruments, given, set(leveraged), spot)
    if spot:
        _enter_wallets(view, assets, spot, room)
    _enter_contracts(view, instruments, contracts or {}, (fund, fee_bps), parameters, unlisted)
    for index in announced:
        if not 0 <= index < count or index in (contracts or {}):
            raise RiskError(f"instrument {index} is a contract, or none: it cannot be announced")
        view.instruments[index, lay.HALT // 8] |= contract_layout.UNLISTED_HALT
    for index in funded:
        assert view.contracts is not None
        view.contracts.average_premium(index)
    if movements:
        _enter_movements(words, offsets[lay.WALLETS_AT], wallet_bytes, movements)
    return view.region


def _enter_blocks(
    words: npt.NDArray[np.int64],
    offsets: dict[int, int],
    instruments: npt.NDArray[Any],
    bump: tuple[int, int],
    own_limits: int,
    requests: int,
) -> None:
    """Make the blocks that there is room for, by the word of their offset.  ``bump``: commands that
    may wait at a speed bump, and participants."""
    if lay.PROTECTION_AT in offsets:
        enter_protection(words, offsets[lay.PROTECTION_AT], instruments)
    if lay.BUMP_AT in offsets:
        speed_bump.enter_block(words, offsets[lay.BUMP_AT], *bump)
    if lay.OWN_AT in offsets:
        owners_limits.enter_block(words, offsets[lay.OWN_AT], own_limits)
    if lay.RULES_AT in offsets:
        rule_changes.enter_block(words, offsets[lay.RULES_AT], instruments)
    if lay.REQUESTS_AT in offsets:
        operator_requests.enter_block(words, offsets[lay.REQUESTS_AT], requests)


def _table_sizes(symbols: int, participants: int, groups: int, instruments: int) -> dict[int, int]:
    """Return the bytes of the tables that each state has, by the word of their offset."""
    return {
        lay.SYMBOLS_AT: 16 * symbols,
        lay.PARTICIPANT_AT: participants * lay.PARTICIPANT_BYTES,
        lay.GROUP_AT: groups * lay.GROUP_BYTES,
        lay.INSTRUMENT_AT: instruments * lay.INSTRUMENT_BYTES,
        lay.CELL_AT: participants * instruments * lay.CELL_BYTES,
    }


def _enter_instruments(
    view: "View",
    instruments: npt.NDArray[Any],
    multipliers: Sequence[int],
    leveraged: Container[int],
    spot: Container[int],
) -> None:
    """Write the instruments' rows. Raises :class:`RiskError` for spot that may cost nothing."""
    for index, row in enumerate(instruments):
        _instrument(view.instruments[index], row, multipliers[index], index in leveraged)
        if index in spot and int(row["min_price_ticks"]) < 1:
            raise RiskError(f"{bytes(row['symbol']).decode()}: prices of spot are 1 or more")


def _enter_movements(
    words: npt.NDArray[np.int64], wallets_at: int, wallet_bytes: int, movements: int
) -> None:
    """The block of movements after the wallets, and what leads there."""
    at = wallets_at + wallet_bytes
    words[(wallets_at + spot_layout.SpotBlock.offset("movements_at")) // 8] = at
    money_movements.enter_block(words, at, movements)


def _no_limits(view: "View") -> None:
    """Remove every limit of participants, groups and cells."""
    for column in (
        lay.CREDIT,
        lay.OPEN_LIMIT,
        lay.BUY_EXPOSURE_LIMIT,
        lay.SELL_EXPOSURE_LIMIT,
        lay.GROSS_LIMIT,
        lay.LOSS_LIMIT,
        lay.DRAWDOWN_LIMIT,
    ):
        view.participants[:, column // 8] = NO_LIMIT
    view.participants[:, lay.RATE_BURST // 8] = 1
    view.groups[:, lay.GROUP_GROSS_LIMIT // 8] = NO_LIMIT
    view.cells[:, :, lay.LONG_LIMIT // 8 : lay.MAX_VALUE // 8 + 1] = NO_LIMIT


def _check_spot(
    participants: int,
    instruments: int,
    assets: Sequence[tuple[str, int]],
    spot: Mapping[int, Sequence[int]],
    room: int,
) -> int:
    """For how many assets there is room; ``room``: the least."""
    room = max(room, len(assets))
    if not assets or not 1 <= room <= spot_layout.MAX_ASSETS:
        raise RiskError(f"{room} assets: there may be 1 to {spot_layout.MAX_ASSETS}")
    if participants * room > MAX_CELLS:
        raise RiskError(f"{participants} participants x {room} assets are too many wallets")
    if len({asset_word(name) for name, _ in assets}) < len(assets):
        raise RiskError("two assets have one name, or one code")
    for index, (base, quote, lot_units) in spot.items():
        known = 0 <= index < instruments and base != quote
        if not known or not (0 <= base < len(assets) and 0 <= quote < len(assets)):
            raise RiskError(f"instrument {index} is paid from two of the {len(assets)} assets")
        if not 1 <= lot_units <= LARGEST:
            raise RiskError(f"instrument {index}: a lot of {lot_units} units is not 1 to 2**62")
    return room


def _enter_wallets(
    view: "View",
    assets: Sequence[tuple[str, int]],
    spot: Mapping[int, Sequence[int]],
    room: int,
) -> None:
    """The wallets' block at byte ``at`` with room for ``room`` assets, all wallets empty, and what
    leads there."""
    words: npt.NDArray[np.int64] = view.region.view(np.int64)
    count, at = len(view.instruments), view.word(lay.WALLETS_AT)
    asset_at = at + spot_layout.BLOCK_BYTES
    rules_at = asset_at + room * spot_layout.ASSET_BYTES
    schedule_at = rules_at + count * spot_layout.RULES_BYTES
    wallet_at = schedule_at + spot_layout.SCHEDULES * spot_layout.SCHEDULE_BYTES
    step = spot_layout.wallet_step(room)
    words[at // 8 :][:6] = len(assets), asset_at, rules_at, schedule_at, wallet_at, step
    for number, (name, decimals) in enumerate(assets):
        row = words[(asset_at + number * spot_layout.ASSET_BYTES) // 8 :]
        row[0], row[1], row[spot_layout.SpotAsset.offset("rest") // 8] = asset_words(name, decimals)
    schedules = words[schedule_at // 8 : wallet_at // 8].reshape(spot_layout.SCHEDULES, -1)
    first = spot_layout.TIERS_AT // 8
    schedules[:, first : first + 3 * spot_layout.TIERS : 3] = spot_layout.UNUSED_TIER
    for index in range(count):
        row = view.instruments[index]
        if index not in spot:
            continue
        symbol = f"instrument {index}"
        if row[lay.LEVERAGED // 8] or not row[lay.PRICE_LIMITED // 8]:
            raise RiskError(f"{symbol}: spot has price limits and no leverage")
        row[lay.LEVERAGED // 8], row[lay.SPOT_AT // 8] = (
            lay.SPOT,
            rules_at + index * spot_layout.RULES_BYTES,
        )
        rules = words[(rules_at + index * spot_layout.RULES_BYTES) // 8 :]
        base, quote, lot_units = spot[index]
        rules[:6] = (
            lot_units,
            step,
            wallet_at + quote * spot_layout.WALLET_BYTES,
            wallet_at + base * spot_layout.WALLET_BYTES,
            asset_at + quote * spot_layout.ASSET_BYTES,
            asset_at + base * spot_layout.ASSET_BYTES,
        )


ADJUSTED_TERMS = "multiplier", "strike", "strike_multiplier", "strike_rest"
"""Those that a split of the underlying changes."""
CONTRACT_TERMS = (
    "kind",
    "inverse",
    "multiplier",
    "expiry_ns",
    "strike",
    "strike_multiplier",
    "margin_bps",
)
"""Terms of each contract, in the order of ``contract_layout.ContractRow``."""


def _contract_sizes(contracts: Mapping[int, Sequence[int]] | None) -> dict[int, int]:
    return {lay.CONTRACTS_AT: contract_layout.block_bytes(len(contracts))} if contracts else {}


def _enter_contracts(
    view: "View",
    instruments: npt.NDArray[Any],
    contracts: Mapping[int, Sequence[int]],
    fund_terms: tuple[int, int],
    parameters: Parameters | None,
    unlisted: Iterable[int],
) -> None:
    """The contracts' block, and what leads there; the first mark is the reference price.
    ``fund_terms``: the insurance fund's participant, and the fee that a liquidation pays into it.
    """
    fund, fee_bps = fund_terms
    for index in unlisted:
        if index not in contracts:
            raise RiskError(f"instrument {index} is not a contract: it cannot be listed later")
        view.instruments[index, lay.HALT // 8] |= contract_layout.UNLISTED_HALT
    if not contracts:
        return
    if not 0 <= fund < len(view.participants):
        raise RiskError(f"the insurance fund is participant {fund}, and there is no such row")
    words: npt.NDArray[np.int64] = view.region.view(np.int64)
    block, of_row = contract_layout.ContractBlock, contract_layout.ContractRow
    at = view.word(lay.CONTRACTS_AT)
    rows_at = at + contract_layout.BLOCK_BYTES
    words[(at + block.offset("contracts")) // 8] = len(contracts)
    words[(at + block.offset("rows_at")) // 8] = rows_at
    words[(at + block.offset("fund")) // 8] = fund
    words[(at + block.offset("fee_bps")) // 8] = fee_bps
    for number, (index, given) in enumerate(sorted(contracts.items())):
        if not 0 <= index < len(instruments):
            raise RiskError(f"contract {number}: there is no instrument {index}")
        symbol, row = bytes(instruments[index]["symbol"]).decode(), view.instruments[index]
        terms = dict(zip(CONTRACT_TERMS, map(int, given), strict=True))
        reference = int(instruments[index]["reference_price_ticks"])
        _check_contract(symbol, terms, row, instruments[index], reference)
        terms |= {"instrument": index, "mark": reference}
        terms["market_band"] = int(instruments[index]["market_band_ticks"])
        row_at = rows_at + number * contract_layout.ROW_BYTES
        for name, value in terms.items():
            words[(row_at + of_row.offset(name)) // 8] = value
        row[lay.CONTRACT_AT // 8] = row_at
        if terms["margin_bps"]:
            value = abs(contract_value(terms, reference))
            row[lay.MARGIN // 8] = -(-value * terms["margin_bps"] // 10_000)
    _enter_portfolio(view, parameters, contracts)


def _margin_of(
    margin: Mapping[str, Sequence[Sequence[int]]] | None,
    contracts: Mapping[int, Sequence[int]],
    assets: int,
) -> Parameters | None:
    if margin is None:
        return None
    try:
        parameters = parameters_of(margin)
    except (KeyError, TypeError, ValueError) as error:
        raise RiskError(f"scenario margin: {error}") from None
    count = len(parameters.contracts)
    if count != len(contracts) or not 1 <= count <= MAX_CONTRACTS:
        raise RiskError(
            f"scenario margin covers {count} of {len(contracts)} contracts: it must cover all of "
            f"them, at most {MAX_CONTRACTS}"
        )
    if any(terms[CONTRACT_TERMS.index("margin_bps")] for terms in contracts.values()):
        raise RiskError("a contract under scenario margin has no margin_bps")
    if any(not 0 <= one.asset < assets for one in parameters.collateral):
        raise RiskError(f"collateral is in an asset with wallets, of which there are {assets}")
    return parameters


def _portfolio_sizes(parameters: Parameters | None, participants: int) -> dict[int, int]:
    if parameters is None:
        return {}
    size = 2 * table_of(parameters).nbytes + participants * work_of(parameters).nbytes
    if size > MAX_PORTFOLIO_BYTES:
        raise RiskError(
            f"scenario margin of {participants} participants needs {size >> 20} MiB: at most "
            f"{MAX_PORTFOLIO_BYTES >> 20} are possible"
        )
    return {lay.PORTFOLIO_AT: portfolio_layout.BLOCK_BYTES + size}


def _enter_portfolio(
    view: "View", parameters: Parameters | None, contracts: Mapping[int, Sequence[int]]
) -> None:
    """The block of scenario margin, nothing held, and what leads there."""
    if parameters is None:
        return
    words: npt.NDArray[np.int64] = view.region.view(np.int64)
    table, work = table_of(parameters), work_of(parameters)
    at, people = view.word(lay.PORTFOLIO_AT), len(view.participants)
    first = at + portfolio_layout.BLOCK_BYTES
    places = first, first + table.nbytes, table.nbytes, first + 2 * table.nbytes, work.nbytes
    words[at // 8 :][: len(places)] = places
    words[first // 8 :][: 2 * len(table)] = np.tile(table, 2)
    words[places[3] // 8 :][: people * len(work)] = np.tile(work, people)
    for number, index in enumerate(sorted(contracts)):
        view.instruments[index, lay.SCENARIO // 8] = number + 1


def contract_value(terms: Mapping[str, int], price: int) -> int:
    """Like ``contracts.lot_value``."""
    if terms["inverse"] and terms["kind"] in (contract_layout.FUTURE, contract_layout.PERPETUAL):
        return -(terms["multiplier"] // price)
    return terms["multiplier"] * price


def _check_contract(
    symbol: str, terms: Mapping[str, int], row: npt.NDArray[np.int64], given: Any, reference: int
) -> None:
    kind, largest = terms["kind"], contract_layout.MAX_MULTIPLIER
    option = kind in (contract_layout.CALL, contract_layout.PUT)
    inverse = bool(terms["inverse"]) and not option
    wrong = ""
    if kind not in (contract_layout.FUTURE, contract_layout.PERPETUAL) and not option:
        wrong = f"a contract of kind {kind} is unknown"
    elif row[lay.SPOT_AT // 8] or bool(row[lay.LEVERAGED // 8]) is option:
        wrong = "futures and perpetuals are leveraged, options and spot are not"
    elif not 1 <= terms["multiplier"] <= largest:
        wrong = f"the multiplier of a contract is 1 to {largest}"
    elif (kind == contract_layout.PERPETUAL) != (terms["expiry_ns"] <= 0):
        wrong = "a perpetual has no expiry, and every other contract has one"
    elif option != (1 <= terms["strike"] <= contract_layout.MAX_PRICE) or option != (
        1 <= terms["strike_multiplier"] <= largest
    ):
        wrong = "an option has a strike and a strike_multiplier, and no other contract has"
    elif not 0 <= terms["margin_bps"] <= 10_000 or (option and terms["margin_bps"]):
        wrong = "margin_bps is 0 to 10,000, and 0 of an option"
    elif abs(reference) > contract_layout.MAX_PRICE or not row[lay.PRICE_LIMITED // 8]:
        wrong = "a contract has price limits and a reference price, which is its first mark"
    elif max(abs(int(given[f"{end}_price_ticks"])) for end in ("min", "max")) > (
        contract_layout.MAX_PRICE
    ):
        wrong = f"prices of a contract are {contract_layout.MAX_PRICE} ticks at most"
    elif inverse and int(given["min_price_ticks"]) < 1:
        wrong = "prices of an inverse contract are 1 or more"
    elif inverse and row[lay.MULTIPLIER // 8] != 1:
        wrong = "limits of an inverse contract count lots times ticks"
    elif not inverse and row[lay.MULTIPLIER // 8] != terms["multiplier"]:
        wrong = "the multiplier of a contract is that of its instrument"
    elif option and int(given["min_price_ticks"]) < 0:
        wrong = "a premium is 0 or more"
    elif abs(contract_value(terms, reference)) > LARGEST:
        wrong = "a lot is worth more than 2**62"
    if wrong:
        raise RiskError(f"{symbol}: {wrong}")


def _laid_out(sizes: dict[int, int]) -> tuple[npt.NDArray[np.int64], dict[int, int]]:
    """Zeroed words for a header and tables of these sizes, and the tables' offsets."""
    at, offsets = lay.HEADER_BYTES, {}
    for word, size in sizes.items():
        offsets[word], at = at, at + -(-size // 64) * 64
    words = np.zeros(at // 8 + 8, np.int64)
    return words[-words.ctypes.data % 64 // 8 :][: at // 8], offsets


def _bump_bytes(delayed: int, participants: int) -> int:
    if not 1 <= delayed <= MAX_DELAYED:
        raise RiskError(f"{delayed} commands at the speed bump: from 1 to {MAX_DELAYED:,}")
    return speed_bump.block_bytes(delayed, participants)


def _own_bytes(limits: int) -> int:
    if not 1 <= limits <= owners_limits.MAX_OWN:
        raise RiskError(f"{limits} own limits: from 1 to {owners_limits.MAX_OWN:,}")
    return owners_limits.block_bytes(limits)


def _request_bytes(requests: int) -> int:
    if not 1 <= requests <= operator_requests.MAX_REQUESTS:
        raise RiskError(
            f"{requests} requests to remember: from 1 to {operator_requests.MAX_REQUESTS:,}"
        )
    return operator_requests.block_bytes(requests)


def _movement_bytes(movements: int) -> int:
    if not 0 <= movements <= money_movements.MAX_MOVEMENTS:
        raise RiskError(
            f"{movements} movements to remember: from 1 to {money_movements.MAX_MOVEMENTS:,}"
        )
    return money_movements.block_bytes(movements) if movements else 0


def _enter_symbols(words: npt.NDArray[np.int64], instruments: npt.NDArray[Any], mask: int) -> None:
    table = words[words[lay.SYMBOLS_AT // 8] // 8 :]
    for index, symbol in enumerate(instruments["symbol"].tolist()):
        key = int.from_bytes(symbol.ljust(8, b"\0"), "little", signed=True)
        at = (key * lay.HASH_FACTOR % (1 << 64) >> 32) & mask
        while table[2 * at]:
            at = (at + 1) & mask
        table[2 * at : 2 * at + 2] = key, index


def _instrument(row: npt.NDArray[np.int64], given: Any, multiplier: int, leveraged: bool) -> None:
    """An instrument's row; its price limits bound what an order without a price may pay."""
    symbol = bytes(given["symbol"]).decode()
    low, high = int(given["min_price_ticks"]), int(given["max_price_ticks"])
    band = int(given["market_band_ticks"])
    reference = int(given["reference_price_ticks"])
    if not 1 <= multiplier <= LARGEST:
        raise RiskError(f"{symbol}: a multiplier of {multiplier} is not 1 to 2**62")
    limited = is_limited(low, high, band)
    if limited and reference != NO_PRICE and not low <= reference <= high:
        raise RiskError(f"{symbol}: the reference price {reference} is not in its price limits")
    values = {
        lay.MULTIPLIER: multiplier,
        lay.LEVERAGED: int(leveraged),
        lay.WEIGHT: 1,
        lay.DISTANCE_BPS: NO_LIMIT,
        lay.ADV_BPS: NO_LIMIT,
        lay.LAST: MAX_VALUE,
        lay.REFERENCE: reference,
        lay.BAND_LOW: -NO_LIMIT,
        lay.BAND_HIGH: NO_LIMIT,
    }
    if limited:
        worst = {lay.WORST_BUY: high + band, lay.WORST_SELL: low - band}
        worst[lay.BOUND] = max(abs(high + band), abs(low - band))
        values |= worst | {lay.PRICE_LIMITED: 2 if band else 1}
    if reference != NO_PRICE:
        values[lay.LAST] = reference
    rests = lay.RESTS_BY_OPTION if int(given["options"]) & MARKET_STAYS else 0
    rests |= lay.RESTS_IN_CALL if CALLS >> int(given["initial_phase"]) & 1 else 0
    values[lay.MARKET_RESTS] = rests
    for word, value in values.items():
        row[word // 8] = value


SHORTFALL = spot_layout.Wallet.offset("shortfall") // 8


class Wallets:
    """The wallets' block of a risk state, as arrays over its bytes."""

    def __init__(self, words: npt.NDArray[np.int64], at: int, rows: int, columns: int) -> None:
        self.at = at
        block = spot_layout.SpotBlock
        first, end = (
            int(words[(at + block.offset(name)) // 8]) for name in ("asset_at", "rules_at")
        )
        self.capacity = (end - first) // spot_layout.ASSET_BYTES
        """Assets that there is room for."""
        room = self.capacity
        self.words = words[at // 8 :][: spot_layout.block_bytes(rows, columns, room) // 8]

        def table(first: int, length: int, size: int) -> npt.NDArray[np.int64]:
            start = (int(self.words[first // 8]) - at) // 8
            return self.words[start : start + length * size // 8].reshape(length, size // 8)

        self._assets = table(block.offset("asset_at"), room, spot_layout.ASSET_BYTES)
        self.rules = table(block.offset("rules_at"), columns, spot_layout.RULES_BYTES)
        wallets = table(block.offset("wallet_at"), rows * room, spot_layout.WALLET_BYTES)
        self.all_rows = wallets.reshape(rows, room, spot_layout.WALLET_BYTES // 8)
        """By participant and asset: available, reserved, credit, shortfall; with the room for
        assets that are declared later."""
        self._names: list[str] = []
        at = int(self.words[block.offset("movements_at") // 8])
        self._movements = money_movements.MovementsView(words, at, self._names) if at else None

    @property
    def count(self) -> int:
        """Assets that there are now."""
        return int(self.words[0])

    @property
    def assets(self) -> npt.NDArray[np.int64]:
        """A row for each asset."""
        return self._assets[: self.count]

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Like ``all_rows``, for the assets that there are now."""
        return self.all_rows[:, : self.count]

    @property
    def names(self) -> list[str]:
        """Return the names of the assets."""
        rest = spot_layout.SpotAsset.offset("rest") // 8
        for row in self.assets[len(self._names) :].tolist():
            self._names.append(asset_text(row[0], row[1], row[rest]))
        return self._names

    def decimals(self, asset: str) -> int:
        """Return the decimals of an asset's amounts."""
        return int(self.assets[self.names.index(asset), 1]) & DECIMALS_MASK

    def text(self, units: int, asset: str) -> str:
        """Return units of an asset as decimal text, with its name."""
        return f"{decimal_text(units, self.decimals(asset))} {asset}"

    @property
    def movements(self) -> "money_movements.MovementsView | None":
        """Deposits and withdrawals with a life cycle; None: the journal began without."""
        assert len(self.names) == self.count
        return self._movements

    def balance(self, participant: int, asset: str) -> tuple[int, int, int]:
        """Available, reserved and credit."""
        available, reserved, credit, _ = self.rows[participant, self.names.index(asset)].tolist()
        return available, reserved, credit

    def shortfall(self, participant: int, asset: str) -> int:
        """Return how far the wallet is below its credit because a deposit was reversed."""
        return int(self.rows[participant, self.names.index(asset), SHORTFALL])

    def shortfalls(self, participant: int | None = None) -> list[tuple[int, str, int]]:
        """Participant, asset and amount of every shortfall, or of one participant's."""
        first, end = (0, len(self.rows)) if participant is None else (participant, participant + 1)
        places = np.argwhere(self.rows[first:end, :, SHORTFALL]).tolist()
        amounts = [int(self.rows[first + row, asset, SHORTFALL]) for row, asset in places]
        return [
            (first + row, self.names[asset], amount)
            for (row, asset), amount in zip(places, amounts, strict=True)
            if amount
        ]

    def fees(self, asset: str) -> int:
        """The venue's fee account."""
        at = spot_layout.SpotAsset.offset("fees") // 8
        return int(self.assets[self.names.index(asset), at])

    def schedule(self, number: int) -> tuple[bool, int]:
        """Return whether buyers pay in the quote asset by a fee schedule, and its minimum."""
        at = int(self.words[spot_layout.SpotBlock.offset("schedule_at") // 8]) - self.at
        row = self.words[(at + number * spot_layout.SCHEDULE_BYTES) // 8 :]
        words = spot_layout.SpotSchedule
        in_quote, minimum = (
            int(row[words.offset(name) // 8]) for name in ("collects_quote", "minimum")
        )
        return bool(in_quote), minimum

    def total(self, asset: str) -> tuple[int, int]:
        """Return the total of all wallets and the venue's fees, and of what came in and did not go
        out."""
        number = self.names.index(asset)
        wallets = sum(self.rows[:, number, 0].tolist()) + sum(self.rows[:, number, 1].tolist())
        net = int(self.assets[number, spot_layout.SpotAsset.offset("net") // 8])
        return wallets + self.fees(asset), net


class ContractsView:
    """The contracts' block of a risk state, as arrays over its bytes."""

    def __init__(self, words: npt.NDArray[np.int64], at: int) -> None:
        self.header = words[at // 8 :][: contract_layout.BLOCK_BYTES // 8]
        count, first = self.word("contracts"), self.word("rows_at") // 8
        end = first + count * contract_layout.ROW_BYTES // 8
        self.rows = words[first:end].reshape(count, contract_layout.ROW_BYTES // 8)
        instrument = contract_layout.ContractRow.offset("instrument") // 8
        self.number = {int(row[instrument]): n for n, row in enumerate(self.rows)}
        """The number of each contract's row, by the index of its instrument."""

    def word(self, name: str) -> int:
        """Return a field of the block's header, by its name."""
        return int(self.header[contract_layout.ContractBlock.offset(name) // 8])

    def of(self, instrument: int, name: str) -> int:
        """Return a field of an instrument's contract, by its name."""
        row = self.rows[self.number[instrument]]
        return int(row[contract_layout.ContractRow.offset(name) // 8])

    def adjustments(self) -> int:
        """Return how often contracts were adjusted, in all."""
        return int(self.rows[:, contract_layout.ContractRow.offset("adjustments") // 8].sum())

    def average_premium(self, instrument: int) -> None:
        """Average the premium of a perpetual from its first mark with an index on."""
        row, name = self.rows[self.number[instrument]], "premium_from_ns"
        row[contract_layout.ContractRow.offset(name) // 8] = contract_layout.NOT_BEGUN

    def terms(self, instrument: int, listed: Contract) -> Contract:
        """The terms in force of a contract, by those at its listing, which its venue file has."""
        return in_force(listed, *self.adjusted(instrument))

    def adjusted(self, instrument: int) -> list[int]:
        """Return what :func:`in_force` takes of a contract."""
        return [self.of(instrument, name) for name in ADJUSTED_TERMS]

    def value(self, instrument: int, price: int) -> int:
        """Like ``contracts.lot_value``."""
        names = ("kind", "inverse", "multiplier")
        return contract_value({name: self.of(instrument, name) for name in names}, price)


class PortfolioView:
    """Scenario margin's block of a risk state, as arrays over its bytes."""

    def __init__(self, words: npt.NDArray[np.int64], at: int, participants: int) -> None:
        self.header = words[at // 8 :][: portfolio_layout.BLOCK_BYTES // 8]
        size, work_bytes = self.word("table_bytes") // 8, self.word("work_bytes") // 8
        first, begin = self.word("table_at") // 8, self.word("work_at") // 8
        self.table = words[first : first + size]
        """The parameters in force."""
        self.staged = words[first + size : first + 2 * size]
        rows = words[begin : begin + participants * work_bytes]
        self.works = rows.reshape(participants, work_bytes)
        self._scratch = self.works[0]
        self.can_be_pledged = len(collateral_in(self.table))
        """Assets of which participants may pledge some."""

    def word(self, name: str) -> int:
        """Return a field of the block's header, by its name."""
        return int(self.header[portfolio_layout.PortfolioBlock.offset(name) // 8])

    @property
    def parameters(self) -> Parameters:
        """The parameters in force."""
        return parameters_in(self.table)

    @property
    def pledges(self) -> npt.NDArray[np.int64]:
        """Return what each participant has pledged of each of them."""
        return self.works[:, self.works.shape[1] - self.can_be_pledged :]

    def pledged(self, participant: int) -> dict[int, int]:
        """Return what a participant has pledged, by the asset's number in wallets."""
        rows, amounts = collateral_in(self.table), self.pledges[participant].tolist()
        return {row[0]: amount for row, amount in zip(rows, amounts, strict=True) if amount}

    def collateral(self) -> npt.NDArray[np.int64]:
        """Return what the pledges of each participant count."""
        return self.works[:, MarginWork.offset("collateral") // 8]

    def lines(self, participant: int) -> dict[int, Line]:
        """Return what each of a participant's pledges counts, by the asset's number in wallets."""
        rows = self.parameters.collateral
        prices = {row.asset: row.price for row in rows}
        haircuts = {row.asset: row.haircut for row in rows}
        return collateral(self.pledged(participant), prices, haircuts)

    def gains(self, participant: int) -> Gains:
        """Return what a participant's pledges gain in the scenarios, by commodity."""
        return self.parameters.gains(self.lines(participant))

    def premiums(self, participant: int) -> int:
        """Return what its open orders in options could pay."""
        return int(self.works[participant, MarginWork.offset("premiums") // 8])

    def initial(self, participant: int) -> tuple[int, int]:
        """Initial margin of what it holds, and of that with the worst subset of its orders."""
        table, work = self._kernels_see(participant)
        with_orders = int(margin_now(table, work))
        head = MarginWork(int(work))
        for contract in range(MarginTable(int(table)).contracts):
            own = ContractWork(int(work) + head.contract_at + contract * ContractWork.size_bytes)
            follow(table, work, contract, own.position, 0, 0)
        return int(margin_now(table, work)), with_orders

    def maintenance_at(self, participant: int, contract: int, position: int) -> int:
        """Maintenance margin of what it holds, with ``position`` lots of one contract instead."""
        table, work = self._kernels_see(participant)
        follow(table, work, contract, position, 0, 0)
        return int(held_now(table, work))

    def _kernels_see(self, participant: int) -> tuple[MarginTable, MarginWork]:
        """The parameters, and a copy of a participant's work that may be changed."""
        self._scratch = self.works[participant].copy()
        return MarginTable.of(self.table.ctypes.data), MarginWork.of(self._scratch.ctypes.data)


class View:
    """The tables of a risk state, as arrays over its own bytes."""

    def __init__(self, region: Region) -> None:
        self.region = region
        words: npt.NDArray[np.int64] = region.view(np.int64)
        if words[0] != lay.MAGIC:
            raise RiskError("these bytes are not a risk state")
        self.header = words[: lay.HEADER_BYTES // 8]

        def table(at: int, count: int, size: int) -> npt.NDArray[np.int64]:
            first = self.word(at) // 8
            return words[first : first + count * size // 8].reshape(count, size // 8)

        rows, columns = self.word(lay.PARTICIPANTS), self.word(lay.INSTRUMENTS)
        self.participants = table(lay.PARTICIPANT_AT, rows, lay.PARTICIPANT_BYTES)
        self.groups = table(lay.GROUP_AT, self.word(lay.GROUPS), lay.GROUP_BYTES)
        self.instruments = table(lay.INSTRUMENT_AT, columns, lay.INSTRUMENT_BYTES)
        cells = table(lay.CELL_AT, rows * columns, lay.CELL_BYTES)
        self.cells = cells.reshape(rows, columns, lay.CELL_BYTES // 8)
        self.orders = table(lay.ORDER_AT, self.word(lay.ORDER_MASK) + 1, lay.ORDER_BYTES)
        at = self.word(lay.PROTECTION_AT)
        self.protection = ProtectionView(words, at, columns) if at else None
        at = self.word(lay.BUMP_AT)
        self.bump = words[at // 8 :] if at else None
        """The speed bump's words (``speed_bump.py``), up to the region's end."""
        at = self.word(lay.REQUESTS_AT)
        self.requests = operator_requests.RequestsView(words, at) if at else None
        at = self.word(lay.OWN_AT)
        self.own = owners_limits.OwnView(words, at) if at else None
        """Limits that owners of accounts have set themselves; None: there is no room for any."""
        at = self.word(lay.RULES_AT)
        self.rules = rule_changes.RulesView(words, at, columns) if at else None
        """The instruments' rules in force; None: they stay what they were at the beginning."""
        count = self.word(lay.PARTITIONS)
        self.partitions = [View(region[lay.HEADER_BYTES * n :]) for n in range(1, count + 1)]
        """The partitions of a partitioned state (``partitions.py``); this view then shows their
        totals."""

    @cached_property
    def wallets(self) -> Wallets | None:
        """The wallets of a state with spot instruments; None without."""
        at, rows = self.word(lay.WALLETS_AT), len(self.participants)
        words = self.region.view(np.int64)
        return Wallets(words, at, rows, len(self.instruments)) if at else None

    @cached_property
    def contracts(self) -> ContractsView | None:
        """The contracts of a state with futures, perpetuals or options; None without."""
        at = self.word(lay.CONTRACTS_AT)
        return ContractsView(self.region.view(np.int64), at) if at else None

    @cached_property
    def portfolio(self) -> PortfolioView | None:
        """The portfolio margins of a state with scenario margin; None without."""
        at, rows = self.word(lay.PORTFOLIO_AT), len(self.participants)
        return PortfolioView(self.region.view(np.int64), at, rows) if at else None

    def word(self, offset: int) -> int:
        """Return a word of the header, by its offset."""
        return int(self.header[offset // 8])

    def means(self, participant: int) -> int | None:
        """Like ``collateral.means_of``; None: its credit has no limit."""
        if self.of(participant, lay.CREDIT) == NO_LIMIT:
            return None
        return self.equity(participant) + self.counted(participant)

    def means_of_all(self) -> npt.NDArray[Any]:
        """Equity, credit and pledges of each participant; LARGEST where credit has no limit."""
        means = self.cash_of_all()
        if self.portfolio is None or not (pledges := self.portfolio.collateral()).any():
            return means
        limited = self.participants[:, lay.CREDIT // 8] != NO_LIMIT
        return means.astype(object) + np.where(limited, pledges, 0)

    def cash_of_all(self) -> npt.NDArray[Any]:
        """Equity and credit of each participant; LARGEST where credit has no limit."""
        rows = self.participants
        funded, profit, credit = (rows[:, at // 8] for at in (lay.FUNDED, lay.PROFIT, lay.CREDIT))
        own = np.where(credit == NO_LIMIT, 0, credit)
        if max(np.abs(part).max(initial=0) for part in (funded, profit, own)) >= 1 << 60:
            funded, profit, own = (part.astype(object) for part in (funded, profit, own))
        return np.where(credit == NO_LIMIT, LARGEST, funded + profit + own)

    def deficits(self) -> dict[int, int]:
        """Return, by participant, how far those that are bankrupt are below 0."""
        return self._below_nothing(self.means_of_all())

    def debts(self) -> dict[int, int]:
        """Return, by participant, the money owed that pledges cover."""
        cash, means = self.cash_of_all(), self.means_of_all()
        covered = np.where(cash < 0, np.minimum(means, 0) - cash, 0)
        places = np.flatnonzero(covered)
        return dict(zip(places.tolist(), covered[places].tolist(), strict=True))

    def _below_nothing(self, totals: npt.NDArray[Any]) -> dict[int, int]:
        places = np.flatnonzero(totals < 0)
        return dict(zip(places.tolist(), (-totals[places]).tolist(), strict=True))

    def of(self, participant: int, offset: int) -> int:
        """A word of a participant's row."""
        return int(self.participants[participant, offset // 8])

    def cell(self, participant: int, instrument: int, offset: int) -> int:
        """Return a word of a participant's cell in an instrument, by its offset."""
        return int(self.cells[participant, instrument, offset // 8])

    def margin_of(self, participant: int, instrument: int) -> int:
        """The initial margin of what is held of an instrument."""
        row, position = (
            self.instruments[instrument],
            self.cell(participant, instrument, lay.POSITION),
        )
        lots = abs(position) if row[lay.LEVERAGED // 8] else max(-position, 0)
        return lots * int(row[lay.MARGIN // 8])

    def maintenance(self, participant: int) -> int:
        """The maintenance margin, upwards to a whole unit."""
        share = self.of(participant, lay.MAINTENANCE_BPS)
        of_others = -(-self.of(participant, lay.MARGINED) * share // 10_000)
        return of_others + self.scenario_margin(participant)

    def scenario_margin(self, participant: int) -> int:
        """Return what the contracts need that it holds."""
        return self.of(participant, lay.PORTFOLIO) + self.counted(participant)

    def counted(self, participant: int) -> int:
        """Return what its pledges count."""
        return 0 if self.portfolio is None else int(self.portfolio.collateral()[participant])

    def equity(self, participant: int) -> int:
        """The money that counts against it: payments in, profit, and the credit, if that is
        limited."""
        credit = self.of(participant, lay.CREDIT)
        own = self.of(participant, lay.FUNDED) + self.of(participant, lay.PROFIT)
        return own + (0 if credit == NO_LIMIT else credit)

    def is_under(self, participant: int) -> bool:
        """Like ``money.is_under``."""
        checked = self.of(participant, lay.CREDIT) != NO_LIMIT
        judged = checked and self.of(participant, lay.MAINTENANCE_BPS) != 0
        has = self.equity(participant) + self.counted(participant)
        return judged and has < self.maintenance(participant)

    @property
    def refusal(self) -> tuple[int, int, int, int, int]:
        """Return the details of the last rejected order: bits, first bit, limit, present use and
        requested value."""
        first = lay.REFUSED_BITS // 8
        bits, bit, limit, stands, requested = self.header[first : first + 5].tolist()
        return bits, bit, limit, stands, requested

    def open_orders(self) -> list[tuple[int, ...]]:
        """(order id, meta, leaves, price) of every open order, in order."""
        return [row for row in self.order_rows() if not is_link(row[1])]

    def order_rows(self) -> list[tuple[int, ...]]:
        """Return every entry of the table of open orders, in order: also the links of legs."""
        if self.partitions:
            return sorted(row for part in self.partitions for row in part.order_rows())
        return sorted(tuple(row) for row in self.orders[self.orders[:, 1] != 0].tolist())

    def order_losses(self) -> npt.NDArray[np.int64]:
        """Return what each participant has reserved for what its open orders in contracts lose at
        once against the mark: no payment, so the ledger does not reserve it.  int64[participants].
        """
        losses = np.zeros(len(self.participants), np.int64)
        of_lists: dict[tuple[int, ...], int] = {}
        lists = self.lists()
        for order_id, meta, leaves, _ in self.open_orders():
            instrument, who = meta & 0xFFFF, meta >> lay.META_PARTICIPANT & 0xFFFF
            row = self.instruments[instrument]
            is_sale = meta >> lay.META_SIDE & lay.META_SIDE_MASK == enum_numbers.SIDE_SELL
            if row[lay.CONTRACT_AT // 8] and (row[lay.LEVERAGED // 8] or is_sale):
                code = meta >> lay.META_FLAGS + lay.LOSS_SHIFT
                digits = code & (1 << lay.LOSS_BITS) - 1
                # Of legs of which one trades at most, the dearest counts.
                is_leg = (instrument, order_id) in lists
                key = who, instrument, is_leg, lists.get((instrument, order_id), order_id)
                loss = leaves * (digits << (code >> lay.LOSS_BITS))
                of_lists[key] = max(of_lists.get(key, 0), loss)
        for (who, *_), loss in of_lists.items():
            losses[who] += loss
        return losses

    def lists(self) -> dict[tuple[int, int], int]:
        """Return the lowest order id of its list for each leg that counts with others, by
        (instrument, order id)."""
        links = {
            (meta >> 16 & 0xFFFF, order_id): (meta, next_id)
            for order_id, meta, next_id, _ in self.order_rows()
            if is_link(meta)
        }
        lists = {}
        for (instrument, order_id), (meta, next_id) in links.items():
            if counts_by_itself(meta):
                continue
            ring = [order_id]
            while next_id != order_id:
                meta, other = links[instrument, next_id]
                ring += [] if counts_by_itself(meta) else [next_id]
                next_id = other
            lists[instrument, order_id] = min(ring)
        return lists

    def delayed(self) -> list[tuple[int, int, int]]:
        """(release ns, sequence, place) of every command that waits, in their turn."""
        if self.bump is None:
            return []
        begin = int(self.bump[speed_bump.HEAP_AT // 8]) // 8
        count = int(self.bump[speed_bump.WAITING // 8])
        heap = self.bump[begin : begin + 4 * count].reshape(-1, 4)
        return sorted((release, seq, place) for release, seq, place, _ in heap.tolist())

    def delayed_commands(self) -> dict[int, npt.NDArray[Any]]:
        """Each command that waits (ORDER_DTYPE of (1,)) by its sequence, in their turn."""
        if self.bump is None:
            return {}
        begin, places = self.bump[[speed_bump.RECORDS_AT // 8, speed_bump.CAPACITY // 8]].tolist()
        rows = self.bump[begin // 8 :][: 8 * places].view(ORDER_DTYPE)
        return {seq: rows[place : place + 1].copy() for _, seq, place in self.delayed()}

    def digest(self) -> str:
        """Hash, 32 hexadecimal digits, of the whole state, however its tables came to be."""
        places = lay.SYMBOL_MASK, lay.ORDER_MASK, lay.ORDER_AT, lay.PROTECTION_AT, lay.BUMP_AT
        skip = [word // 8 for word in (*places, lay.REQUESTS_AT, lay.OWN_AT)]
        digest = hashlib.blake2b(np.delete(self.header, skip).tobytes(), digest_size=16)
        for table in (self.participants, self.groups, self.instruments, self.cells):
            digest.update(table.tobytes())
        digest.update(np.array(self.order_rows(), np.int64).tobytes())
        if self.protection is not None:
            for table in (self.protection.header, self.protection.quotes, self.protection.rows):
                digest.update(table.tobytes())
        if self.wallets is not None:
            digest.update(self.wallets.words.tobytes())
            if self.wallets.movements is not None:
                digest.update(self.wallets.movements.header.tobytes())
                digest.update(self.wallets.movements.used.tobytes())
        if self.contracts is not None:
            digest.update(self.contracts.header.tobytes())
            digest.update(self.contracts.rows.tobytes())
        if self.portfolio is not None:
            for table in (self.portfolio.header, self.portfolio.table, self.portfolio.staged):
                digest.update(table.tobytes())
            if self.portfolio.can_be_pledged:
                digest.update(self.portfolio.pledges.tobytes())
        if self.bump is not None:
            digest.update(np.array(self.delayed(), np.int64).tobytes())
        if self.requests is not None:
            digest.update(self.requests.header.tobytes())
            digest.update(self.requests.used.tobytes())
            digest.update(self.requests.legs.tobytes())
        if self.own is not None:
            digest.update(self.own.header.tobytes())
            digest.update(self.own.used.tobytes())
        return digest.hexdigest()


def setting(
    what: Setting, value: int, who: int = 0, symbol: bytes = b"", second: int = 0, operator: int = 0
) -> npt.NDArray[Any]:
    """The record of a RISK command."""
    record = np.zeros(1, ORDER_DTYPE)
    record["kind"], record["order_type"], record["aux"] = RISK_KIND, int(what), value
    record["qty_lots"], record["symbol"], record["price_ticks"] = who, symbol, second
    record["order_id"] = operator
    return record


def speed_bump_setting(delay_ns: int, window_ns: int, seed: int) -> npt.NDArray[Any]:
    """The record that sets the speed bump of a venue, at which TERMS wait (``speed_bump.py``)."""
    record = setting(Setting.SPEED_BUMP, delay_ns, seed, second=window_ns)
    record["time_in_force"] = speed_bump.WAIT_FOR_THEIR_NEW
    return record


def at_once(records: Sequence[npt.NDArray[Any]], with_mark: bool = False) -> npt.NDArray[Any]:
    """The records of settings of contracts and of collateral's prices, in force together.

    They are staged, then CONTRACT_APPLY; one alone is in force as it is.  ``with_mark``: all other
    instruments are marked with them."""
    batch = np.concatenate(records)
    if len(batch) == 1 and batch["order_type"][0] != Setting.COLLATERAL_PRICE:
        batch["qty_lots"] |= WITH_MARK * with_mark
        return batch
    if len(batch) == 1 and not with_mark:
        return batch
    batch["time_in_force"] = STAGED
    drop, apply = (setting(Setting.CONTRACT_APPLY, count) for count in (0, len(batch)))
    apply["qty_lots"] = WITH_MARK * with_mark
    drop["order_id"] = apply["order_id"] = batch["order_id"][0]
    return np.concatenate([drop, batch, apply])
