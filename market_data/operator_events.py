"""What the exchange operator has set and the market is to know: V and h.

COMPLETED events of RISK commands say it, also between two sessions, where it is only remembered.
"""

import openoutcry.market_data.state as s
from openoutcry.market_data import say
from openoutcry.replay.projections import Setting
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, load_u16, store_i64
from openoutcry.wire.records import EVENT

_AT = EVENT.offsets
_ID, _CONTRA, _PRICE, _QTY = (
    _AT[name] for name in ("order_id", "contra_id", "price_ticks", "qty_lots")
)
_LEAVES, _INSTRUMENT = _AT["leaves_lots"], _AT["instrument"]
_SET_HALT, _SET_MARKET_KILL, _SET_TRADING_DAY, _SET_BREAKER, _SET_INDEX_WEIGHT = (
    int(setting)
    for setting in (
        Setting.HALT, Setting.MARKET_KILL, Setting.TRADING_DAY, Setting.BREAKER,
        Setting.INDEX_WEIGHT,
    )
)  # fmt: skip


@kernel
def has_levels(state: int) -> bool:
    levels = load_i64(state + s.LEVEL_1) | load_i64(state + s.LEVEL_2)
    return (levels | load_i64(state + s.LEVEL_3)) != 0


@kernel_outlined
def of_a_setting(state: int, event: int, out: int) -> int:
    """COMPLETED: of a RISK command what the market is to know of it.  Between two sessions it is
    only remembered."""
    setting, value = load_i64(event + _CONTRA), load_i64(event + _LEAVES)
    index = load_u16(event + _INSTRUMENT)
    instrument = load_i64(state + s.INSTRUMENTS) + s.INSTRUMENT_BYTES * index
    if setting == _SET_HALT and index < load_i64(state + s.INSTRUMENT_COUNT):
        reason = load_i64(event + _PRICE)
        named = reason > 0 and reason <= say.MAX_U32
        store_i64(instrument + s.HALTED, 0 if value == 0 else reason if named else s.NO_REASON)
        return tell_stop(state, instrument, out)
    if setting == _SET_MARKET_KILL:
        first = load_i64(state + s.FIRST_OPERATOR)
        store_i64(state + s.FIRST_OPERATOR, 0)
        if value == 0 and first == 0:
            store_i64(state + s.FIRST_OPERATOR, load_i64(event + _ID))
        else:
            store_i64(state + s.KILLED, value)
        for number in range(load_i64(state + s.INSTRUMENT_COUNT)):
            row = load_i64(state + s.INSTRUMENTS) + s.INSTRUMENT_BYTES * number
            out = tell_stop(state, row, out)
    elif setting in (_SET_TRADING_DAY, _SET_BREAKER, _SET_INDEX_WEIGHT):
        changed = setting == _SET_TRADING_DAY
        for word, at in ((s.LEVEL_1, _PRICE), (s.LEVEL_2, _QTY), (s.LEVEL_3, _ID)):
            changed = changed or load_i64(state + word) != load_i64(event + at)
            store_i64(state + word, load_i64(event + at))
        if setting == _SET_TRADING_DAY:
            store_i64(state + s.BREACHED, 0)
        if changed and has_levels(state) and load_i64(state + s.BEGUN) != 0:
            out = say.decline_levels(state, out)
            if load_i64(state + s.BREACHED) != 0:
                out = say.decline_breached(state, out, load_i64(state + s.BREACHED))
    return out


@kernel
def tell_stop(state: int, instrument: int, out: int) -> int:
    """h, if whether this market has stopped an instrument without a reason that is the
    instrument's is another than was told."""
    no_reason = load_i64(instrument + s.HALTED) == s.NO_REASON
    stopped = 1 if no_reason or load_i64(state + s.KILLED) != 0 else 0
    if stopped == load_i64(instrument + s.STOPPED):
        return out
    store_i64(instrument + s.STOPPED, stopped)
    if load_i64(state + s.BEGUN) == 0:
        return out
    return say.operational_halt(state, out, instrument, stopped)
