"""RISK commands in plain Python."""

from typing import TYPE_CHECKING, Any

from openoutcry.risk.bits import (
    CELL_SETTINGS,
    CONTRACT_SETTINGS,
    CORPORATE_SETTINGS,
    GROUP_SETTINGS,
    INDEX_SETTINGS,
    INSTRUMENT_SETTINGS,
    LARGEST,
    LEDGER_SETTINGS,
    MARGIN_SETTINGS,
    NO_LIMIT,
    PARTICIPANT_SETTINGS,
    PLEDGE_SETTINGS,
    PROTECTION_SETTINGS,
    ParticipantStatus,
    Setting,
)
from openoutcry.wire.enums import Side
from openoutcry.wire.instrument_states import REQUESTS, InstrumentState, next_state
from tests.oracles.risk.corporate import adjust

if TYPE_CHECKING:
    from tests.oracles.risk.reference import Reference
    from tests.oracles.risk.state import Participant

SETTINGS = {int(setting) for setting in Setting}
OF_REQUESTS = (
    *(Setting.REQUEST, Setting.REQUEST_BEGUN, Setting.REQUEST_DONE),
    *(Setting.OFF_BOOK, Setting.BUST),
)
SWITCHES = (
    Setting.SELF_TRADE,
    Setting.KILL,
    Setting.RESTRICTED,
    Setting.SHORT_SALE,
    Setting.HALT,
    Setting.GROUP_KILL,
    Setting.MARKET_KILL,
)
NEVER_UNLIMITED = (
    Setting.DUPLICATE_WINDOW,
    Setting.RATE,
    Setting.FEE,
    Setting.MARGIN,
    Setting.WEIGHT,
    Setting.ADV,
)
ANY_VALUE = (
    Setting.DEPOSIT,
    Setting.GROUP,
    Setting.BANDS,
    Setting.MARK,
    Setting.POSITION,
    Setting.GROUP_NAME,
    Setting.FILE,
    Setting.EMERGENCY,
    Setting.LIQUIDATE,
    Setting.STATUS,
)
CELL_LIMITS = {
    Setting.POSITION_LONG: "long_limit",
    Setting.POSITION_SHORT: "short_limit",
    Setting.MAX_QTY: "max_qty",
    Setting.MAX_VALUE: "max_value",
}
PARTICIPANT_LIMITS = {
    Setting.CREDIT: "credit",
    Setting.GROSS_POSITION: "gross_limit",
    Setting.OPEN_ORDERS: "open_limit",
    Setting.DUPLICATE_WINDOW: "duplicate_ns",
    Setting.LOSS: "loss_limit",
    Setting.DRAWDOWN: "drawdown_limit",
}
OWN_OF_PARTICIPANTS = (
    Setting.EXPOSURE_BUY,
    Setting.EXPOSURE_SELL,
    Setting.GROSS_POSITION,
    Setting.OPEN_ORDERS,
    Setting.RATE,
    Setting.LOSS,
    Setting.DRAWDOWN,
)
OF_OWNERS = (*OWN_OF_PARTICIPANTS, *CELL_LIMITS, Setting.RESTRICTED, Setting.SHORT_SALE)
INSTRUMENT_VALUES = {
    Setting.DISTANCE: "distance",
    Setting.ADV: "adv",
    Setting.ADV_SHARE: "adv_share",
}


def apply_setting(risk: "Reference", c: Any) -> bool:
    """Apply a RISK command; False, and nothing changed, if it makes no sense."""
    if int(c["order_type"]) not in SETTINGS:
        return False
    what, who, value = Setting(int(c["order_type"])), int(c["qty_lots"]), int(c["aux"])
    if what in OF_REQUESTS:
        return False  # this state has no room for any request, and such a trade needs one
    instrument = risk.index.get(bytes(c["symbol"]))
    if what in (Setting.SPEED_BUMP, Setting.RELEASE):
        if risk.bump is None or what == Setting.RELEASE:
            return risk.bump is not None
        holds_terms, now_ns = int(c["time_in_force"]), int(c["rx_ts_ns"])
        return risk.bump.switch(value, int(c["price_ticks"]), who, now_ns, holds_terms)
    if what in CORPORATE_SETTINGS:
        is_split, price = what is Setting.SPLIT, int(c["price_ticks"])
        return instrument is not None and adjust(risk, instrument, is_split, value, price)
    if what is Setting.SESSION:
        index, pieces, which = who >> 16, who >> 8 & 0xFF, who & 0xFF
        return 0 < index < 65_536 and which < pieces
    if what in INDEX_SETTINGS:
        return True
    if what is Setting.INSTRUMENT_STATE:
        return instrument is not None and _state(risk, instrument, value, c)
    if what is Setting.INSTRUMENT_RULE:
        second = int(c["price_ticks"])
        return (
            risk.rules is not None
            and instrument is not None
            and risk.rules.stage(instrument, who, value, second)
        )
    if what in CONTRACT_SETTINGS:
        return risk.contracts is not None and risk.contracts.apply(c, what, instrument, who, value)
    if what in MARGIN_SETTINGS:
        return risk.portfolio is not None and risk.portfolio.apply(c, what, instrument, who, value)
    if what in PLEDGE_SETTINGS:
        asset, second = int(c["time_in_force"]), int(c["price_ticks"])
        if risk.portfolio is None:
            return False
        if what is Setting.PLEDGE:
            return risk.portfolio.pledge(who, asset, value)
        return risk.portfolio.seize(who, asset, value, second)
    if what is Setting.MARGIN and risk.portfolio and instrument in risk.portfolio.number:
        return False
    if what in LEDGER_SETTINGS:
        if not _for_ledger(c, what, instrument is not None, who, value):
            return False
        return risk.wallets is None or risk.wallets.follow_fees(c, what, instrument)
    if what in PROTECTION_SETTINGS:
        second = int(c["price_ticks"])
        return risk.protection is not None and risk.protection.apply(
            what, instrument, who, value, second
        )
    if what is Setting.MARK and bytes(c["symbol"]) == b"":
        mark_others(risk)
        for who in range(len(risk.participants)):
            risk.judge(who)
        return True
    if what in INSTRUMENT_SETTINGS and instrument is None:
        return False
    if what in PARTICIPANT_SETTINGS and not 0 <= who < len(risk.participants):
        return False
    if what in (Setting.ASSET_CREDIT, Setting.FEE_VOLUME):
        if risk.wallets is None:
            return False
        if what is Setting.FEE_VOLUME:
            return risk.wallets.set_volume(who, value)
        return risk.wallets.set_credit(c, who, value)
    if what is Setting.MOVEMENT:
        return risk.wallets is not None and risk.wallets.movements.apply(c, who, value)
    if what is Setting.DEPOSIT and risk.wallets is not None and risk.wallets.names_one(c):
        return risk.wallets.move(c, who, value)
    of_positions = (Setting.FEE, Setting.MARGIN, Setting.SHORT_SALE, Setting.POSITION)
    if what in of_positions and instrument is not None and risk.instruments[instrument].spot:
        return False
    if what in GROUP_SETTINGS and not 0 <= who < len(risk.groups):
        return False
    if not _makes_sense(what, value):
        return False
    if what == Setting.MARKET_KILL:
        return _market(risk, int(c["order_id"]), value)
    if what == Setting.FILE:
        risk.file_digest = value
        return True
    if what == Setting.EMERGENCY:
        return _emergency(risk, value)
    if what == Setting.LIQUIDATE:
        assert instrument is not None
        return _part(risk, who, instrument, value, int(c["price_ticks"]))
    if what == Setting.POSITION:
        assert instrument is not None
        return _position(risk, who, instrument, value, int(c["price_ticks"]))
    if what in GROUP_SETTINGS:
        _group(risk, who, what, value)
        return True
    second = int(c["price_ticks"])
    if what in OF_OWNERS:
        place = (
            who,
            int(what),
            -1 if what in OWN_OF_PARTICIPANTS or instrument is None else instrument,
        )
        if what is Setting.RATE and not 1 <= second <= LARGEST:
            return False
        if not _remember(risk, c, what, place, (value, second)):
            return False
        if place in risk.both:
            value, second = _stricter(what, **risk.both[place])
    if what in CELL_SETTINGS:
        assert instrument is not None
        _cell(risk, who, instrument, what, value)
        return True
    if what == Setting.STATUS:
        return _status(risk, who, value, int(c["price_ticks"]))
    if what in PARTICIPANT_SETTINGS:
        if what is Setting.KILL and c["time_in_force"] == 1:
            done = risk.own_room > 0
            if done:
                _kill_by_owner(risk.participants[who], value, risk.seq)
        else:
            done = _participant(risk, who, what, value, second)
        if done and (what != Setting.DEPOSIT or value < 0):
            risk.judge_margin(who)
        return done
    assert instrument is not None
    return _instrument(risk, instrument, what, value, int(c["price_ticks"]))


def _in_force(risk: "Reference", what: Setting, who: int, instrument: int) -> tuple[int, int]:
    owner = risk.participants[who]
    if what in (Setting.EXPOSURE_BUY, Setting.EXPOSURE_SELL):
        return owner.exposure_limit[Side.BUY if what is Setting.EXPOSURE_BUY else Side.SELL], 0
    if what is Setting.RATE:
        return owner.rate_ns, owner.burst
    if what in PARTICIPANT_LIMITS:
        return int(getattr(owner, PARTICIPANT_LIMITS[what])), 0
    cell = risk.cells[who][instrument]
    if what in CELL_LIMITS:
        return int(getattr(cell, CELL_LIMITS[what])), 0
    return int(cell.restricted if what is Setting.RESTRICTED else cell.no_short), 0


def _remember(
    risk: "Reference", c: Any, what: Setting, place: tuple[int, int, int], asked: tuple[int, int]
) -> bool:
    """Keep an owner's limit next to the operator's; False: there is no room."""
    if c["time_in_force"] != 1:
        if place in risk.both:
            risk.both[place]["operator"] = asked
        return True
    if place not in risk.both:
        if len(risk.both) >= risk.own_room:
            return False
        risk.both[place] = {"operator": _in_force(risk, what, place[0], place[2])}
    risk.both[place]["owner"] = asked
    return True


def _stricter(what: Setting, owner: tuple[int, int], operator: tuple[int, int]) -> tuple[int, int]:
    if what is Setting.RATE:
        limiting = [one for one in (owner, operator) if one[0]] or [operator]
        return max(ns for ns, _ in limiting), min(burst for _, burst in limiting)
    values = owner[0], operator[0]
    return max(values) if what in SWITCHES else min(values), 0


def _kill_by_owner(owner: "Participant", value: int, seq: int) -> None:
    if value:
        owner.killed.add("owner")
        owner.kills, owner.killed_seq = owner.kills + 1, seq
    else:
        owner.killed.discard("owner")


def _for_ledger(c: Any, what: Setting, known: bool, who: int, value: int) -> bool:
    second, named = int(c["price_ticks"]), bytes(c["symbol"]) != b""
    if what is Setting.LEDGER_TIER:
        rates = value >> 32, (value & 0xFFFFFFFF) - ((value & 0x80000000) << 1)
        tiers = 0 <= who < 4096 and who % 16 < 8 and second >= 0
        return tiers and max(map(abs, rates)) <= 1_000_000
    if what is Setting.LEDGER_MINIMUM:
        return 0 <= who < 256 and 0 <= value <= LARGEST
    if what is Setting.LEDGER_FEES:
        return -1 <= who < 1 << 16 and -1 <= value < 256 and (known or not named)
    if what is Setting.LEDGER_ASSET:
        return named != (second != 0) and not known and value >= 0 and value % 256 <= 18
    if what is Setting.LEDGER_COLLECT:
        return 0 <= who < 256 and value in (0, 1)
    return known and second != 0 and 0 <= value <= 18


def _makes_sense(what: Setting, value: int) -> bool:
    if what in SWITCHES:
        return value in (0, 1)
    if what in ANY_VALUE:
        return True
    return 0 <= value <= LARGEST or (value == NO_LIMIT and what not in NEVER_UNLIMITED)


def _market(risk: "Reference", operator: int, value: int) -> bool:
    if value == 1:
        risk.market_killed, risk.first_operator = True, 0
        return True
    if not risk.market_killed or operator in (0, risk.first_operator):
        return False
    if risk.first_operator == 0:
        risk.first_operator = operator
    else:
        risk.market_killed, risk.first_operator, risk.emergency = False, 0, 0
    return True


def _emergency(risk: "Reference", step: int) -> bool:
    if not risk.market_killed or step != risk.emergency + 1 or step > 6:
        return False
    risk.emergency = step
    return True


def _part(risk: "Reference", who: int, index: int, lots: int, price: int) -> bool:
    owner, position = risk.participants[who], risk.cells[who][index].position
    called = "margin" in owner.killed and not owner.cancel_wanted
    if not called or risk.open_count(who) or not risk.is_under(who):
        return False
    if lots * position >= 0 or abs(lots) > abs(position):
        return False
    if risk.contracts and not risk.contracts.part_is_covered(who, index, lots, price):
        return False
    if risk.contracts and risk.contracts.fee_due:
        return False
    risk.parts += 1
    risk.part = (who, index, lots, price)
    return True


def _state(risk: "Reference", index: int, value: int, c: Any) -> bool:
    rules, terms, price = risk.instruments[index], int(c["qty_lots"]), int(c["price_ticks"])
    if value not in set(InstrumentState):
        return False
    wanted = InstrumentState(value)
    if wanted not in {next_state(rules.state, request) for request in REQUESTS}:
        return False
    if rules.unlisted and rules.spot and rules.symbol.startswith(b"+"):
        return False
    if wanted is InstrumentState.DELISTED and terms % 2 == 1:
        if risk.contracts is None or not risk.contracts.settle_delisted(index, terms >> 1, price):
            return False
    elif terms or price or (wanted is InstrumentState.DELISTED and _is_held(risk, index)):
        return False
    if wanted is InstrumentState.PRE_OPEN:
        if risk.contracts is not None and index in risk.contracts.rows:
            return False
        rules.unlisted = False
    rules.pre_open = wanted is InstrumentState.PRE_OPEN
    rules.suspended = wanted is InstrumentState.SUSPENDED
    rules.close_only = wanted is InstrumentState.CLOSE_ONLY
    rules.delisted = wanted is InstrumentState.DELISTED
    return True


def _is_held(risk: "Reference", index: int) -> bool:
    return any(cells[index].position for cells in risk.cells)


def _status(risk: "Reference", who: int, status: int, name: int) -> bool:
    owner = risk.participants[who]
    allowed = {
        (ParticipantStatus.FILED, ParticipantStatus.ACTIVE),
        (ParticipantStatus.FILED, ParticipantStatus.SUSPENDED),
        (ParticipantStatus.ACTIVE, ParticipantStatus.SUSPENDED),
        (ParticipantStatus.SUSPENDED, ParticipantStatus.ACTIVE),
        (ParticipantStatus.SUSPENDED, ParticipantStatus.CLOSED),
    }
    if who == 0 or (owner.status, status) not in allowed:
        return False
    held = [owner.balance, risk.open_count(who), risk.reserved(who), risk.gross(who)]
    if risk.wallets is not None:
        held += [total for (whose, _), total in risk.wallets.total.items() if whose == who]
        held += [1 for one in risk.wallets.movements.open() if one.who == who]
    if status == ParticipantStatus.CLOSED and any(held):
        return False
    if (owner.status, status) == (ParticipantStatus.FILED, ParticipantStatus.ACTIVE):
        owner.name = name
    owner.status = status
    return True


def _position(risk: "Reference", who: int, index: int, value: int, price: int) -> bool:
    cell, owner = risk.cells[who][index], risk.participants[who]
    if cell.position or risk.open_of(who, index):
        return False
    if risk.contracts and index in risk.contracts.rows:
        return False
    if max(abs(value), abs(price)) > LARGEST:
        return False
    was, traded = (cell.position, cell.mark), index in risk.traded_by[who]
    cell.position, cell.mark = value, price
    risk.traded_by[who].add(index)
    risk.all_changed()
    rules = risk.instruments[index]
    funded = owner.funded + (0 if rules.leveraged else value * rules.multiplier * price)
    totals = risk.gross(who), risk.reserved(who), risk.group_gross(owner.group), abs(funded)
    if max(totals) > LARGEST:
        cell.position, cell.mark = was
        risk.all_changed()
        if not traded:
            risk.traded_by[who].discard(index)
        return False
    owner.funded = funded
    risk.judge_margin(who)
    return True


def _group(risk: "Reference", who: int, what: Setting, value: int) -> None:
    if what == Setting.GROUP_KILL:
        risk.groups[who].killed = bool(value)
    elif what == Setting.GROUP_NAME:
        risk.groups[who].name = value
    else:
        risk.groups[who].gross_limit = value


def _cell(risk: "Reference", who: int, instrument: int, what: Setting, value: int) -> None:
    cell = risk.cells[who][instrument]
    if what == Setting.RESTRICTED:
        cell.restricted = bool(value)
    elif what == Setting.SHORT_SALE:
        cell.no_short = bool(value)
    else:
        setattr(cell, CELL_LIMITS[what], value)


def _participant(risk: "Reference", who: int, what: Setting, value: int, second: int) -> bool:
    owner = risk.participants[who]
    if what in PARTICIPANT_LIMITS:
        setattr(owner, PARTICIPANT_LIMITS[what], value)
    elif what in (Setting.EXPOSURE_BUY, Setting.EXPOSURE_SELL):
        owner.exposure_limit[Side.BUY if what == Setting.EXPOSURE_BUY else Side.SELL] = value
    elif what == Setting.DEPOSIT:
        if owner.status == ParticipantStatus.CLOSED:
            return False
        if risk.contracts and not risk.contracts.may_leave_fund(who, value):
            return False
        if max(abs(owner.balance + value), abs(owner.funded + value)) > LARGEST:
            return False
        owner.balance += value
        owner.funded += value
    elif what == Setting.RATE:
        if not 1 <= second <= LARGEST:
            return False
        owner.rate_ns, owner.burst = value, second
    elif what == Setting.MAINTENANCE:
        if who == 0 or value > 10_000:
            return False
        owner.maintenance = value
    elif what == Setting.GROUP:
        return _join(risk, who, value)
    elif what == Setting.SELF_TRADE:
        owner.names_self_trade = bool(value)
    else:
        _kill(owner, value, risk.seq)
    return True


def _join(risk: "Reference", who: int, group: int) -> bool:
    if not 0 <= group < len(risk.groups):
        return False
    owner = risk.participants[who]
    if group != owner.group and risk.group_gross(group) + risk.gross(who) > LARGEST:
        return False
    owner.group = group
    return True


def _kill(owner: "Participant", value: int, seq: int) -> None:
    if value:
        owner.killed.add("operator")
        owner.kills += 1
        owner.killed_seq = seq
    else:
        owner.killed &= {"owner"}
        owner.cancel_wanted = False


def _instrument(risk: "Reference", index: int, what: Setting, value: int, second: int) -> bool:
    rules = risk.instruments[index]
    is_contract = risk.contracts is not None and index in risk.contracts.rows
    if what is Setting.DISTANCE and value == NO_LIMIT and is_contract:
        return False
    if what in INSTRUMENT_VALUES:
        setattr(rules, INSTRUMENT_VALUES[what], value)
    elif what == Setting.BANDS:
        if second > value or (risk.protection is not None and risk.protection.rows[index].banded):
            return False
        rules.band_low, rules.band_high = second, value
    elif what == Setting.HALT:
        rules.halted = bool(value)
    elif what == Setting.MARK and risk.contracts and index in risk.contracts.rows:
        return False
    elif what == Setting.MARK:
        if rules.last is not None and not rules.spot:
            for who in range(len(risk.participants)):
                risk.mark(who, index, rules.last)
                risk.judge(who)
    else:
        return _reprice(risk, index, what.name.lower(), value)
    return True


def mark_others(risk: "Reference") -> None:
    """Every instrument but contracts at its last price."""
    for index, rules in enumerate(risk.instruments):
        if rules.last is None or rules.spot or (risk.contracts and index in risk.contracts.rows):
            continue
        for who in range(len(risk.participants)):
            risk.mark(who, index, rules.last)


def _reprice(risk: "Reference", index: int, name: str, value: int) -> bool:
    """A new fee, margin or weight, if everybody's totals still are within 2**62."""
    rules = risk.instruments[index]
    was = getattr(rules, name)
    setattr(rules, name, value)
    risk.all_changed()
    everybody = range(len(risk.participants))
    reserved = max(risk.reserved(who) for who in everybody)
    if max(reserved, sum(risk.gross(who) for who in everybody)) > LARGEST:
        setattr(rules, name, was)
        risk.all_changed()
        return False
    if name == "margin":
        for who in everybody:
            risk.judge_margin(who)
    return True
