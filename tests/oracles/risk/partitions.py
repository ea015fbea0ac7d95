"""Risk in partitions in plain Python: a :class:`Reference` for each partition, and the whole's
limits allocated to them by the rule of ``partitions.py``."""

from typing import Any

import numpy.typing as npt

from openoutcry.risk.bits import (
    GROUP_SETTINGS,
    INSTRUMENT_SETTINGS,
    LARGEST,
    NO_LIMIT,
    PROTECTION_SETTINGS,
    RISK_KIND,
    RiskBit,
    Setting,
)
from tests.oracles.risk.reference import (
    APPLIED,
    DISCONNECT,
    NEW,
    ORDER_TYPES,
    PHASE,
    REPLACE,
    SIDES,
    TIME,
    Reference,
)
from tests.oracles.risk.state import BUY, SELL, cut

MOVES_TOTALS = (
    Setting.POSITION,
    Setting.FEE,
    Setting.MARGIN,
    Setting.WEIGHT,
    Setting.DIVIDEND,
    Setting.SPLIT,
)
"""What changes somebody's totals without an order: the next command is a rebalance point."""
OF_INSTRUMENT = (*INSTRUMENT_SETTINGS, Setting.DIVIDEND, Setting.SPLIT)
SETTINGS = {int(setting) for setting in Setting}


def _is_of_participant(setting: Setting | None) -> bool:
    """Whether it is about a participant, and no instrument."""
    return setting is not None and (setting <= Setting.MAINTENANCE or setting == Setting.STATUS)


class Whole(Reference):
    """The limits that were set, and what all partitions together have."""

    partitions: list[Reference]

    def gross(self, participant: int) -> int:
        return sum(part.gross(participant) for part in self.partitions)

    def group_gross(self, group: int) -> int:
        return sum(part.group_gross(group) for part in self.partitions)


class PartitionedReference:
    """As ``partitions.before`` and ``after`` over a state that ``divide`` made."""

    def __init__(
        self, instruments: npt.NDArray[Any], numbers: list[int], partitions: int, **more: Any
    ) -> None:
        """``numbers``: the partition of each instrument; ``more``: as :class:`Reference` has it."""
        self.numbers = numbers
        self.parts = [Reference(instruments, **more) for _ in range(partitions)]
        self.whole = Whole(instruments, **more)
        self.whole.partitions = self.parts
        self.rebalance_due = False
        self.rebalances = 0

    def before(self, c: Any) -> int:
        """0, or what the kernel answers."""
        kind, setting = int(c["kind"]), self._setting(c)
        if self._is_rebalance_point(c):
            self._rebalance(c)
        part = self._part(c)
        if kind in (NEW, REPLACE):
            if part is None:
                return 0
            figures = self._too_fast(c)
            return part._refuse(c, {RiskBit.RATE: figures}) if figures else part.before(c)
        if kind in (DISCONNECT, TIME):
            self.whole.before(c)
            for partition in self.parts:
                partition.before(c)
            return 0
        if int(c["participant"]) != 0 or kind not in (PHASE, RISK_KIND):
            return 0
        if kind == PHASE or setting in OF_INSTRUMENT:
            if part is None or setting == Setting.LIQUIDATE:
                return 0
            self.rebalance_due |= setting in MOVES_TOTALS
            return part.before(c)
        return self._operator_command(c, setting)

    def after(self, c: Any, events: npt.NDArray[Any]) -> None:
        for n in range(len(events)):
            instrument = int(events["instrument"][n])
            if instrument < len(self.numbers):
                part = self.parts[self.numbers[instrument]]
                part.seq = int(c["seq"])
                part.after(c, events[n : n + 1])

    def part_of(self, c: Any) -> Reference:
        """Who says what the event of a command tells that did not reach the matcher."""
        return self._part(c) or self.whole

    def _setting(self, c: Any) -> Setting | None:
        is_risk = int(c["kind"]) == RISK_KIND and int(c["order_type"]) in SETTINGS
        return Setting(int(c["order_type"])) if is_risk else None

    def _part(self, c: Any) -> Reference | None:
        index = self.whole.index.get(bytes(c["symbol"]))
        return None if index is None else self.parts[self.numbers[index]]

    def _is_rebalance_point(self, c: Any) -> bool:
        if int(c["error_code"]):
            return False
        if self.rebalance_due:
            return True
        setting = self._setting(c)
        named = _is_of_participant(setting)
        group = setting in GROUP_SETTINGS
        return int(c["participant"]) == 0 and (int(c["kind"]) == TIME or named or group)

    def _too_fast(self, c: Any) -> tuple[int, int, int] | None:
        who, now = int(c["participant"]), self.whole.now
        known = int(c["side"]) in SIDES and int(c["order_type"]) in ORDER_TYPES
        if who >= len(self.whole.participants) or int(c["qty_lots"]) <= 0:
            return None
        owner = self.whole.participants[who]
        if not owner.rate_ns or (int(c["kind"]) == NEW and not known):
            return None
        full_at = cut(max(owner.full_at, now) + owner.rate_ns)
        allowed = owner.rate_ns * owner.burst
        if full_at - now > allowed:
            return allowed, full_at - now - owner.rate_ns, full_at - now
        owner.full_at = full_at
        return None

    def _operator_command(self, c: Any, setting: Setting | None) -> int:
        """What is set of the market, a participant or a group."""
        if setting is None or setting in PROTECTION_SETTINGS:
            return 0
        who, value = int(c["qty_lots"]), int(c["aux"])
        if setting in (Setting.LOSS, Setting.DRAWDOWN) and value != NO_LIMIT:
            return 0
        if setting == Setting.MAINTENANCE and value:
            return 0
        if self.whole.before(c) != APPLIED:
            return 0
        for part in self.parts:
            part.market_killed = self.whole.market_killed
        if _is_of_participant(setting):
            self._deal_participant(who)
            for group in range(len(self.whole.groups)):
                self._deal_group(group)
        if setting in GROUP_SETTINGS:
            for group in range(len(self.whole.groups)):
                self._deal_group(group)
        return APPLIED

    # Meetings

    def _rebalance(self, c: Any) -> None:
        setting, who = self._setting(c), int(c["qty_lots"])
        everybody = range(len(self.whole.participants))
        if self.rebalance_due or int(c["kind"]) == TIME:
            about = list(everybody)
        else:
            named = _is_of_participant(setting)
            about = [who] if named and who in everybody else []
        for participant in about:
            self._fold(participant, int(c["seq"]))
            self._deal_participant(participant)
        for group in range(len(self.whole.groups)):
            self._deal_group(group)
        self.rebalance_due = False
        self.rebalances += 1

    def _fold(self, who: int, seq: int) -> None:
        """What the partitions have earned, spent and killed since the last rebalance point."""
        whole = self.whole.participants[who]
        for part in self.parts:
            in_part = part.participants[who]
            whole.add("balance", in_part.balance, seq)
            whole.add("profit", in_part.profit, seq)
            whole.funded = min(max(whole.funded + in_part.funded, -LARGEST), LARGEST)
            in_part.balance = in_part.profit = in_part.funded = 0
            whole.killed |= in_part.killed & {"arithmetic"}
            whole.cancel_wanted |= in_part.cancel_wanted
            whole.kills, in_part.kills = whole.kills + in_part.kills, 0
            whole.killed_seq = max(whole.killed_seq, in_part.killed_seq)

    def _deal_participant(self, who: int) -> None:
        whole = self.whole.participants[who]
        in_parts = [part.participants[who] for part in self.parts]

        def used(name: str, *more: int) -> list[int]:
            return [getattr(part, name)(who, *more) for part in self.parts]

        for in_part, limit in zip(
            in_parts, allocated(whole.open_limit, used("open_count")), strict=True
        ):
            in_part.open_limit = limit
        for in_part, limit in zip(
            in_parts, allocated(whole.gross_limit, used("gross")), strict=True
        ):
            in_part.gross_limit = limit
        for side in (BUY, SELL):
            limits = allocated(whole.exposure_limit[side], used("side_exposure", side))
            for in_part, limit in zip(in_parts, limits, strict=True):
                in_part.exposure_limit[side] = limit
        capital = NO_LIMIT
        if whole.credit != NO_LIMIT:
            capital = min(whole.credit + whole.balance, NO_LIMIT - 1)
        for in_part, limit in zip(
            in_parts, allocated(capital, used("reserved"), -LARGEST), strict=True
        ):
            in_part.credit = limit
            in_part.killed, in_part.cancel_wanted = set(whole.killed), whole.cancel_wanted
            in_part.names_self_trade, in_part.group = whole.names_self_trade, whole.group
            in_part.duplicate_ns, in_part.status = whole.duplicate_ns, whole.status

    def _deal_group(self, group: int) -> None:
        whole = self.whole.groups[group]
        used = [part.group_gross(group) for part in self.parts]
        for part, limit in zip(self.parts, allocated(whole.gross_limit, used), strict=True):
            part.groups[group].gross_limit = limit
            part.groups[group].killed = whole.killed


def allocated(limit: int, used: list[int], least: int = 0) -> list[int]:
    """The parts of a limit: what is used and an even share of what is free; ``least`` while more is
    used than there is."""
    if limit == NO_LIMIT:
        return [NO_LIMIT] * len(used)
    free = limit - sum(used)
    if free < 0:
        return [least] * len(used)
    share, rest = divmod(free, len(used))
    return [use + share + (index < rest) for index, use in enumerate(used)]
