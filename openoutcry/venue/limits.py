"""The difference between a venue file's limits and the core's, as RISK commands.

Nothing is set twice: the core remembers the digest of the file whose limits it has, so limits that
were changed while trading outlive a restart.  A file with other limits than that one applies again
as a whole, where it differs from the limits in force.  What it no longer names has no limit.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.derivatives.margin import parameters_of
from openoutcry.journal.replay import instrument_changes
from openoutcry.journal.risk_hooks import contracts_of, wallets_of
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import NO_LIMIT, ParticipantStatus, Setting
from openoutcry.risk.protection_rules import LEVEL_WORDS, ROW_WORDS
from openoutcry.risk.region import View, Wallets, make_region, setting
from openoutcry.risk.settings import operators_setting, setting_in_force
from openoutcry.venue.fee_tables import deposit
from openoutcry.venue.protection_tables import unprotected
from openoutcry.venue.risk_tables import (
    OF_CELLS,
    OF_INSTRUMENTS,
    OF_PARTICIPANTS,
    LimitsError,
    RiskSpec,
    name_number,
)
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.asset_names import asset_word
from openoutcry.wire.symbols import code_of

MIN_ROWS = 256
GROUPS = 64
REQUESTS = 1 << 16
"""How many of the operators' requests are remembered: the newest."""
OWN_LIMITS = 1 << 16
"""Limits that owners of accounts have ever set, one in each place."""
MOVEMENTS = 1 << 16
"""Deposits and withdrawals with a life cycle that are open or remembered."""


def risk_rows(numbers: Iterable[int]) -> int:
    """Participants that the core has rows for: room for as many again as there are."""
    return max(MIN_ROWS, 2 * 2 ** max(numbers, default=0).bit_length())


def hook_settings(
    numbers: Iterable[int],
    order_capacity: int,
    spec: RiskSpec,
    delayed: int = 0,
    partitions: int = 1,
    capacity: int = 0,
    asset_capacity: int = 0,
) -> dict[str, Any]:
    """Return the risk settings for the configuration of a new journal: its structure, and no limit.

    ``delayed``: commands that may wait at a speed bump.  ``partitions``: of the instruments.
    The highest number of a participant that is added while trading is ``capacity``.  Wallets may be
    in ``asset_capacity`` assets, those that are declared while trading included."""
    optional: dict[str, Any] = {"protection": True} if spec.protection else {}
    optional |= {"delayed": delayed} if delayed else {}
    optional |= {"partitions": partitions} if partitions > 1 else {}
    optional |= spot_settings(spec) | contract_settings(spec)
    optional |= {"announced": list(spec.announced)} if spec.announced else {}
    optional |= {"own_limits": OWN_LIMITS, "rules": True} if partitions == 1 else {}
    if asset_capacity > len(optional.get("assets", ())) and spec.money.spot:
        optional["asset_capacity"] = asset_capacity
    return {
        "name": "risk",
        "participants": min(max(risk_rows(numbers), capacity + 1), 1 << 16),
        "groups": GROUPS,
        "requests": REQUESTS,
        "order_capacity": order_capacity,
        "multipliers": list(spec.multipliers),
        "leveraged": list(spec.leveraged),
    } | optional


def spot_settings(spec: RiskSpec) -> dict[str, Any]:
    """Assets and spot instruments, as ``risk_hooks.wallets_of`` reads them; nothing without."""
    money = spec.money
    if not money.spot:
        return {}
    names = list(money.assets)
    spot = [
        [index, names.index(one.base), names.index(one.quote), one.lot_units]
        for index, symbol in enumerate(spec.symbols)
        for one in [money.spot.get(symbol)]
        if one is not None
    ]
    return {
        "assets": [[name, money.assets[name]] for name in names],
        "spot": spot,
        "movements": MOVEMENTS,
    }


def contract_settings(spec: RiskSpec) -> dict[str, Any]:
    """Contracts and their scenario margin, as ``risk_hooks.contracts_of`` reads them; nothing
    without."""
    if not spec.contracts:
        return {}
    rows = [
        [index, *spec.contracts[symbol].terms()]
        for index, symbol in enumerate(spec.symbols)
        if symbol in spec.contracts
    ]
    given: dict[str, Any] = {"contracts": rows, "fund": spec.fund}
    if spec.liquidation is not None and spec.liquidation.fee_bps:
        given["fee_bps"] = spec.liquidation.fee_bps
    if spec.funding:
        given["funded"] = sorted(spec.symbols.index(one.contract) for one in spec.funding)
    if delivered := [
        [index, spec.contracts[symbol].contract.delivered_asset, *terms]
        for index, symbol in enumerate(spec.symbols)
        if symbol in spec.contracts and (terms := spec.contracts[symbol].delivery())
    ]:
        given["delivered"] = delivered
    if later := [spec.symbols.index(symbol) for one in spec.series for symbol in one.symbols]:
        given["unlisted"] = sorted(later)
    return given | ({} if spec.margin is None else {"margin": spec.margin.numbers()})


def check_instruments(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> None:
    """Raise :class:`LimitsError` with each change that the file makes to a journal's instruments.

    Both as :func:`instruments_to_json` has them."""
    _require_no(instrument_changes(before, now))


def _require_no(changes: str) -> None:
    """Raise :class:`LimitsError` with these changes of the journal's instruments, if any."""
    if changes:
        raise LimitsError(
            f"the journal's instruments differ from the file's: {changes}. A journal keeps its "
            "instruments: undo the change, or go on with it by `outcry venue carry`"
        )


def check_structure(
    hooks: Mapping[str, Any] | None,
    spec: RiskSpec,
    numbers: list[int],
    delayed: int = 0,
    partitions: int = 1,
    capacity: int = 0,
) -> None:
    """Raise :class:`LimitsError` unless a journal with these hooks can keep this file's limits."""
    if delayed and not (hooks or {}).get("delayed"):
        raise LimitsError("the journal began without a speed bump; `outcry venue carry` adds one")
    divided = int((hooks or {}).get("partitions", 1))
    if partitions != divided:
        raise LimitsError(
            f"the journal began with {divided} partitions of the instruments, not "
            f"{partitions}: start a new journal to change it"
        )
    if hooks is None:
        if spec.wanted or spec.opening or spec.group_limits:
            raise LimitsError(
                "the journal began without risk in its core; start a new journal to add limits"
            )
        return
    most = int(hooks["participants"]) - 1
    if numbers and max(numbers) > most:
        raise LimitsError(
            f"participant {max(numbers)}: the journal has room for numbers up to {most}; "
            "`outcry venue carry` makes room for higher ones"
        )
    if capacity > most:
        raise LimitsError(
            f"participant_capacity {capacity}: the journal has room for numbers up to {most}; "
            "`outcry venue carry` makes room for higher ones"
        )
    if spec.protection and not hooks.get("protection"):
        raise LimitsError(
            "the journal began without market protection; `outcry venue carry` adds "
            "[[protection]] and [breaker]"
        )
    begun, filed = _spot_of(hooks), _spot_of(spot_settings(spec))
    first = len(begun.get("assets", ()))
    more = filed.get("assets", [])[first:]
    if begun != filed | ({"assets": filed["assets"][:first]} if "assets" in filed else {}):
        raise LimitsError(
            "assets and spot instruments (base, quote, lot_units) are fixed by the journal; "
            "`outcry venue carry` adds further ones"
        )
    room = max(int(hooks.get("asset_capacity", 0)), first)
    if first + len(more) > room:
        raise LimitsError(
            f"asset {more[0][0]}: the journal has room for {room} assets; `outcry venue carry` "
            "makes more"
        )
    _check_contracts(hooks, spec)
    multipliers = zip(spec.symbols, hooks.get("multipliers", ()), spec.multipliers, strict=False)
    changes = [
        f"multiplier of {symbol} was {before}, not {now}"
        for symbol, before, now in multipliers
        if before != now
    ]
    begun_leveraged, leveraged = set(hooks.get("leveraged", ())), set(spec.leveraged)
    changes += [
        f"{spec.symbols[index]} was {'' if index in begun_leveraged else 'not '}leveraged"
        for index in sorted(begun_leveraged ^ leveraged)
    ]
    _require_no("; ".join([*changes, *_announced_later(hooks, spec)]))


def _announced_later(hooks: Mapping[str, Any], spec: RiskSpec) -> list[str]:
    """Return the changes of a file that announces instruments of the journal that were not."""
    known, begun = range(len(hooks.get("multipliers", ()))), hooks.get("announced", ())
    later = [index for index in spec.announced if index in known and index not in begun]
    return [f"{spec.symbols[index]} was not announced" for index in later]


def _check_contracts(hooks: Mapping[str, Any], spec: RiskSpec) -> None:
    """Check contracts against the journal. Only the shape of scenario margin is fixed by the
    journal; its values may change while trading."""
    begun, filed = contracts_of(hooks), contracts_of(contract_settings(spec))
    margins = [one.pop("margin", None) for one in (begun, filed)]
    shapes = [None if margin is None else parameters_of(margin).shape() for margin in margins]
    if shapes[0] != shapes[1]:
        raise LimitsError(
            "scenario margin, its tiers, spreads, legs of offsets and the assets of its collateral "
            "are fixed by the journal; start a new journal to change them"
        )
    delivered = [one.get("delivered", []) for one in (hooks, contract_settings(spec))]
    if begun != filed or delivered[0] != delivered[1]:
        raise LimitsError(
            "contracts, which of them have [[funding]], the insurance fund's participant and the "
            "fee of liquidations are fixed by the journal; `outcry venue carry` adds contracts"
        )


def _spot_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part that must be the same in a file and its journal; the room for movements is
    the journal's."""
    return wallets_of(settings) | {"movements": 0, "asset_capacity": 0}


class FileLimits:
    """The limits of a file, for one journal's core."""

    def __init__(
        self, spec: RiskSpec, numbers: list[int], instruments: npt.NDArray[Any], view: View
    ) -> None:
        """``view``: of the core as it is now, or of one that nothing has happened to."""
        self.spec, self.numbers, self.view = spec, numbers, view
        self.symbols = list(spec.symbols)
        assert [code_of(symbol) for symbol in self.symbols] == instruments["symbol"].tolist()
        self.groups, self.new_groups = self._group_rows()

    def everybody(self) -> list[int]:
        """Numbers of the participants of the file and of those added since; not of closed ones."""
        status = self.view.participants[:, lay.STATUS // 8]
        added = set(np.flatnonzero(status).tolist())
        closed = np.flatnonzero(status == ParticipantStatus.CLOSED).tolist()
        return sorted((added | set(self.numbers)) - set(closed))

    def of_new(self, group: str) -> npt.NDArray[Any]:
        """The settings by which a participant that is added begins with the limits of the file's
        rows that name no participant; ``group``: its group's name, or nothing."""
        records = [
            setting(what, value, 0, code_of(symbol) if symbol else b"", second)
            for (what, _, symbol), (value, second) in self.spec.of_new.get(group, {}).items()
        ]
        return np.concatenate([np.zeros(0, ORDER_DTYPE), *records])

    def _group_rows(self) -> tuple[dict[str, int], list[int]]:
        """The core's row of each group by its name, and which of them are new."""
        taken = {int(n): row for row, n in enumerate(self.view.groups[:, lay.GROUP_NAME // 8]) if n}
        free = iter([row for row in range(1, len(self.view.groups)) if row not in taken.values()])
        rows, new = {}, []
        for name in self.spec.groups:
            row = taken.get(name_number(name)) or next(free, None)
            if row is None:
                raise LimitsError(
                    f"group {name}: the journal has room for {len(self.view.groups) - 1} groups"
                )
            rows[name] = row
            if name_number(name) not in taken:
                new.append(row)
        return rows, new

    def due(self) -> npt.NDArray[Any]:
        """The RISK commands that bring the core to what the file says; none if it has had them."""
        digest, had = self.spec.digest, self.view.word(lay.FILE_DIGEST)
        if had == digest:
            return np.zeros(0, ORDER_DTYPE)
        records = [
            setting(Setting.GROUP_NAME, name_number(name), row)
            for name, row in self.groups.items()
            if row in self.new_groups
        ]
        records += self._instruments()
        records += self._protection()
        records += self._members()
        records += self.spec.money.records(resets=had != 0)
        records += self._opening() if had == 0 else []
        records += self._participants()
        # What frees margin comes first and what needs more of it last: between two commands no
        # participant has less than before and after all of them.
        records.sort(key=self._needs)
        records.append(setting(Setting.FILE, digest))
        return np.concatenate(records)

    def _needs(self, record: npt.NDArray[Any]) -> int:
        """Return whether participants need more margin after a setting: 1, or have more left:
        -1; 0: it concerns no margin."""
        what, who = Setting(int(record["order_type"][0])), int(record["qty_lots"][0])
        if what not in (Setting.CREDIT, Setting.MAINTENANCE, Setting.MARGIN):
            return 0
        codes = [code_of(symbol) for symbol in self.symbols]
        index = codes.index(record["symbol"][0]) if what is Setting.MARGIN else -1
        before = setting_in_force(self.view, what, who, index)[0]
        frees = (int(record["aux"][0]) > before) == (what is Setting.CREDIT)
        return -1 if frees else 1

    def _unless_it_stands(
        self, what: Setting, value: tuple[int, int], who: int = 0, symbol: str = ""
    ) -> list[npt.NDArray[Any]]:
        index = self.symbols.index(symbol) if symbol else -1
        if operators_setting(self.view, what, who, index) == value:
            return []
        return [setting(what, value[0], who, code_of(symbol), value[1])]

    def _instruments(self) -> list[npt.NDArray[Any]]:
        return [
            record
            for symbol in self.symbols
            for limit in OF_INSTRUMENTS.values()
            if not (limit.setting is Setting.MARGIN and self.margin_is_the_core_s(symbol))
            for record in self._unless_it_stands(
                limit.setting,
                self.spec.wanted.get((limit.setting, 0, symbol), (limit.default, 0)),
                symbol=symbol,
            )
        ]

    def margin_is_the_core_s(self, symbol: str) -> bool:
        """Return whether the core works out a lot's margin at each mark, or a portfolio's by
        scenarios."""
        terms = self.spec.contracts.get(symbol)
        return terms is not None and (terms.margin_bps != 0 or self.spec.margin is not None)

    def _protection(self) -> list[npt.NDArray[Any]]:
        if self.view.protection is None:
            return []
        places = [(what, 0, symbol) for symbol in self.symbols for what in ROW_WORDS]
        places += [(Setting.BREAKER, level, "") for level in LEVEL_WORDS]
        return [
            record
            for what, who, symbol in places
            for record in self._unless_it_stands(
                what, self.spec.wanted.get((what, who, symbol), unprotected(what, who)), who, symbol
            )
        ]

    def _members(self) -> list[npt.NDArray[Any]]:
        """Each participant's group, and what groups may hold."""
        records = []
        for number in self.numbers:
            row = self.groups.get(self.spec.group_of.get(number, ""), 0)
            records += self._unless_it_stands(Setting.GROUP, (row, 0), number)
        for name, row in self.groups.items():
            limit = self.spec.group_limits.get(name, NO_LIMIT)
            records += self._unless_it_stands(Setting.GROUP_GROSS_POSITION, (limit, 0), row)
        return records

    def _opening(self) -> list[npt.NDArray[Any]]:
        """Return the settings of a new journal: nothing has been traded, so every value there came
        from this file."""
        records = []
        for (what, who, symbol), (value, second) in self.spec.opening.items():
            if what is Setting.DEPOSIT and symbol and self.view.wallets is not None:
                if self.view.wallets.balance(who, symbol)[:2] == (0, 0):
                    records.append(deposit(who, value, symbol, 0, 0))
                continue
            index = self.symbols.index(symbol) if symbol else -1
            if setting_in_force(self.view, what, who, index)[0] == 0:
                records.append(setting(what, value, who, code_of(symbol), second))
        return records

    def _participants(self) -> list[npt.NDArray[Any]]:
        records, wanted = [], self.spec.wanted
        for number in self.numbers:
            for limit in OF_PARTICIPANTS.values():
                second = 1 if limit.setting is Setting.RATE else 0
                value = wanted.get((limit.setting, number, ""), (limit.default, second))
                records += self._unless_it_stands(limit.setting, value, number)
            for limit in OF_CELLS.values():
                for symbol in self.symbols:
                    value = wanted.get((limit.setting, number, symbol), (limit.default, 0))
                    records += self._unless_it_stands(limit.setting, value, number, symbol)
            if self.view.wallets is not None:
                records += self._credits(number, self.view.wallets)
        return records

    def _credits(self, number: int, wallets: Wallets) -> list[npt.NDArray[Any]]:
        """Return the commands that set a participant's credit in each asset."""
        place = Setting.ASSET_CREDIT, number
        wanted = {name: self.spec.wanted.get((*place, name), (0, 0))[0] for name in wallets.names}
        return [
            setting(Setting.ASSET_CREDIT, credit, number, second=asset_word(name))
            for name, credit in wanted.items()
            if wallets.balance(number, name)[2] != credit
        ]


def fresh_view(hooks: Mapping[str, Any], instruments: npt.NDArray[Any]) -> View:
    """The risk state of a core that nothing has happened to."""
    return View(
        make_region(
            instruments,
            int(hooks["participants"]),
            int(hooks["groups"]),
            int(hooks["order_capacity"]),
            hooks["multipliers"],
            hooks["leveraged"],
            protection=bool(hooks.get("protection", False)),
            delayed=int(hooks.get("delayed", 0)),
            requests=int(hooks.get("requests", 0)),
            **wallets_of(hooks),
            **contracts_of(hooks),
            announced=hooks.get("announced", ()),
            own_limits=int(hooks.get("own_limits", 0)),
            rules=bool(hooks.get("rules", False)),
        )
    )
