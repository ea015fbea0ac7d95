"""Risk around the matcher, from the settings in a journal's configuration."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.matcher.hooks import Holds, Hooks, Sweeps
from openoutcry.matcher.marks import Marks
from openoutcry.risk import contract_layout, open_orders, partitioned, partitions, requests
from openoutcry.risk import layout as lay
from openoutcry.risk.after import after
from openoutcry.risk.before import APPLIED, ahead, before
from openoutcry.risk.bits import Setting
from openoutcry.risk.delay import due, hold
from openoutcry.risk.instrument_state import STOPS_TRADING
from openoutcry.risk.layout import RiskState
from openoutcry.risk.lists import take_terms
from openoutcry.risk.protection_layout import HEADER_BYTES
from openoutcry.risk.quotes import judge_quote
from openoutcry.risk.rebalance import wait_for_rebalance
from openoutcry.risk.reduce_only import cut, excess
from openoutcry.risk.region import Region, RiskError, View, make_region, setting
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.symbols import code_of


def risk_kernels(settings: Mapping[str, Any]) -> list[tuple[Callable[..., Any], int]]:
    """Return the kernels that :func:`risk_hooks` gives an engine, and how many arguments
    each has."""
    if int(settings.get("partitions", 1)) > 1:
        kernels: list[tuple[Callable[..., Any], int]] = [
            (partitions.before, 2),
            (partitions.after, 4),
            (partitions.ahead, 2),
            (partitions.take_terms, 2),
            (partitions.is_rebalance_point, 2),
            (wait_for_rebalance, 2),
        ]
    else:
        kernels = [(before, 2), (after, 4), (ahead, 2), (excess, 2), (cut, 2), (take_terms, 2)]
        kernels.append((judge_quote, 2))
        if int(settings.get("delayed", 0)):
            kernels += [(hold, 2), (due, 2)]
    return kernels


def _apply_limits(region: Region, ask: Any, rows: Iterable[Mapping[str, Any]]) -> None:
    """Give a state its limits. Raises :class:`RiskError` naming the row that makes no sense."""
    for number, row in enumerate(rows):
        if row.get("set") not in Setting.__members__:
            raise RiskError(f"limits row {number}: {row.get('set')!r} is not a setting")
        symbol = code_of(str(row.get("symbol", "")))
        numbers = int(row["value"]), int(row.get("who", 0))
        try:
            record = setting(Setting[row["set"]], *numbers, symbol, int(row.get("second", 0)))
            applied = (
                ask(RiskState.of(region.ctypes.data), OrderRecord.of(record.ctypes.data)) == APPLIED
            )
        except OverflowError:  # no int64
            applied = False
        if not applied:
            raise RiskError(f"limits row {number}: {dict(row)} makes no sense")


def risk_hooks(settings: Mapping[str, Any], instruments: npt.NDArray[Any]) -> Hooks:
    """Read from ``settings``: ``participants``, ``order_capacity`` (as the matcher's), ``groups``,
    ``multipliers``, ``leveraged``, ``protection``, ``delayed``, ``requests``, ``announced``,
    ``own_limits`` and ``rules``, as ``make_region`` takes them.  Also ``partitions`` of the
    instruments (1), each with a part of every limit, and ``assets``, ``spot`` and ``movements``, as
    :func:`wallets_of` reads them, and ``contracts``, as :func:`contracts_of` does.  The rows of
    ``limits`` are ``{"set": a Setting's name, "value": …, "who": …, "symbol": …, "second": …}``.

    Raises :class:`RiskError` naming the row that makes no sense.
    """
    region = make_region(
        instruments,
        int(settings["participants"]),
        int(settings.get("groups", 1)),
        int(settings["order_capacity"]),
        settings.get("multipliers"),
        settings.get("leveraged", ()),
        protection=bool(settings.get("protection", False)),
        delayed=int(settings.get("delayed", 0)),
        requests=int(settings.get("requests", 0)),
        **wallets_of(settings),
        **contracts_of(settings),
        announced=settings.get("announced", ()),
        own_limits=int(settings.get("own_limits", 0)),
        rules=bool(settings.get("rules", False)),
    )
    count = int(settings.get("partitions", 1))
    region = partitioned.divide(region, instruments, count)
    if count > 1 and int(settings["order_capacity"]) <= count:
        raise RiskError(f"{count} partitions need an order_capacity above that")
    ask = partitions.before if count > 1 else before
    _apply_limits(region, ask, settings.get("limits", ()))
    if count > 1:
        return Hooks(
            region,
            ask,
            partitions.after,
            ahead=partitions.ahead,
            digest=partitioned.digest,
            is_rebalance_point=partitions.is_rebalance_point,
            wait_for_rebalance=wait_for_rebalance,
            shares=partitioned.partition_numbers(instruments, count),
            room_count=count,
            opened_at=(lay.HEADER_BYTES + lay.ORDERS_OPEN, lay.HEADER_BYTES),
            holds=holds_of(region),
            terms=partitions.take_terms,
        )
    protection = int(region.view(np.int64)[lay.PROTECTION_AT // 8])
    quotes_at = protection + HEADER_BYTES if protection else 0
    bump_at = int(region.view(np.int64)[lay.BUMP_AT // 8])
    hooks = Hooks(
        region,
        before,
        after,
        quotes_at,
        ahead,
        holds=holds_of(region),
        legs_at=legs_of(region),
        rules_at=int(region.view(np.int64)[lay.RULES_AT // 8]),
        marks=marks_of(region),
        sweeps=sweeps_of(region),
        excess=excess,
        cut=cut,
        terms=take_terms,
        quote=judge_quote,
        leaves_notes=int(region.view(np.int64)[lay.WALLETS_AT // 8]) != 0,
    )
    return replace(hooks, hold=hold, due=due, figures_at=bump_at) if bump_at else hooks


def wallets_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """``make_region``'s ``assets``, ``spot``, ``movements`` and ``asset_capacity``, from the
    settings': rows of name and decimals, rows of an instrument's index, base, quote and lot units,
    and two numbers."""
    if not settings.get("spot"):
        return {}
    assets = [(str(name), int(decimals)) for name, decimals in settings.get("assets", ())]
    return {
        "assets": assets,
        "spot": {int(index): tuple(map(int, terms)) for index, *terms in settings["spot"]},
        "movements": int(settings.get("movements", 0)),
        "asset_capacity": int(settings.get("asset_capacity", 0)),
    }


def contracts_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """``make_region``'s ``contracts``, ``fund``, ``fee_bps``, ``funded``, ``margin`` and
    ``unlisted``, from the settings.

    Rows of an instrument's index and its CONTRACT_TERMS; the participant whose balance is the
    insurance fund; the parameters that scenario margin begins with."""
    rows = settings.get("contracts", ())
    if not rows:
        return {}
    contracts = {int(index): tuple(map(int, terms)) for index, *terms in rows}
    given = {"contracts": contracts, "fund": int(settings.get("fund", 0))}
    return given | {
        name: settings[name]
        for name in ("fee_bps", "funded", "margin", "unlisted")
        if name in settings
    }


def holds_of(region: npt.NDArray[np.uint8]) -> Holds:
    """Return the holds: nothing trades in an instrument that is halted, paused, suspended or
    delisted, nor in a market that is killed."""
    first = int(region.view(np.int64)[lay.INSTRUMENT_AT // 8]) + lay.HALT
    step, all_at = lay.INSTRUMENT_BYTES, lay.MARKET_KILL
    return Holds(lay.PUBLICATION, first, step, all_at, STOPS_TRADING)


def sweeps_of(region: npt.NDArray[np.uint8]) -> Sweeps:
    """Return whose orders are cancelled before the next command: those of participants with a
    margin call."""
    words = region.view(np.int64)
    first = int(words[lay.PARTICIPANT_AT // 8]) + lay.FLAGS
    mask = lay.KILLED_BY_MARGIN | lay.CANCEL_WANTED
    return Sweeps(lay.CALLED, first, lay.PARTICIPANT_BYTES, int(words[lay.PARTICIPANTS // 8]), mask)


def marks_of(region: npt.NDArray[np.uint8]) -> Marks | None:
    """Return where the marks of contracts are, which elect stops; None without contracts."""
    words = region.view(np.int64)
    block = int(words[lay.CONTRACTS_AT // 8])
    if block == 0:
        return None
    of_block = contract_layout.ContractBlock.offset
    count, rows_at = (int(words[(block + of_block(n)) // 8]) for n in ("contracts", "rows_at"))
    offset = contract_layout.ContractRow.offset
    places = map(offset, ("instrument", "mark", "index", "marks"))
    return Marks(rows_at, contract_layout.ROW_BYTES, count, *places)


def legs_of(region: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Return where the legs of an off-book trade wait, with the request that asks for it."""
    words = region.view(np.int64)
    at = int(words[lay.REQUESTS_AT // 8])
    if at == 0:
        return 0, 0
    return at + requests.LEGS, at + requests.legs_offset(int(words[at // 8]))


def delayed_commands(hooks: Hooks | None) -> dict[int, npt.NDArray[Any]]:
    """Return each command (ORDER_DTYPE of (1,)) that waits at the speed bump, by its sequence."""
    if hooks is None or not hooks.figures_at:
        return {}
    return View(hooks.region).delayed_commands()


def open_orders_hooks(settings: Mapping[str, Any], instruments: npt.NDArray[Any]) -> Hooks:
    """``settings``: ``limit``, the open orders that each participant may hold.

    Raises :class:`RiskError` if that makes no sense.
    """
    try:
        state = open_orders.make_state(int(settings["limit"]))
    except (KeyError, TypeError, ValueError) as error:
        raise RiskError(f"a bound on open orders: {error}") from None
    return Hooks(state, open_orders.before, open_orders.after)
