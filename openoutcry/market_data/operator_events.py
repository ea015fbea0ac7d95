"""What the exchange operator has set and the market is to know: H of a state, R of a lot, V and h.

COMPLETED events of RISK commands say it, also between two sessions, where it is only remembered.
"""

import openoutcry.market_data.state as feed_state
from openoutcry.journal.projections import Setting
from openoutcry.market_data import itch_messages
from openoutcry.market_data.itch_messages import SHOWN_STATES
from openoutcry.market_data.state import DirectoryRow, FeedInstrument, FeedState
from openoutcry.wire.feed_messages import SYMBOL_BYTES
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes
from openoutcry.wire.memory import load_i64, not_inlined, store_i64
from openoutcry.wire.record_blocks import EventRecord
from openoutcry.wire.records import EVENT
from openoutcry.wire.rule_changes import FIELDS, SET_APPLY, SET_RULE, SYMBOL

_AT = EVENT.offsets
_ID, _PRICE, _QTY = (_AT[name] for name in ("order_id", "price_ticks", "qty_lots"))
_SET_HALT, _SET_STATE, _SET_MARKET_KILL, _SET_TRADING_DAY, _SET_BREAKER, _SET_INDEX_WEIGHT = (
    int(setting)
    for setting in (
        Setting.HALT,
        Setting.INSTRUMENT_STATE,
        Setting.MARKET_KILL,
        Setting.TRADING_DAY,
        Setting.BREAKER,
        Setting.INDEX_WEIGHT,
    )
)
LOT, BAND = FIELDS.index("qty_step_lots"), FIELDS.index("auction_band_ticks")


@kernel
def has_levels(state: FeedState) -> bool:
    """Return whether the market-wide breaker has any level set."""
    levels = state.level_1 | state.level_2
    return (levels | state.level_3) != 0


@kernel_outlined
def of_a_setting(state: FeedState, event: EventRecord, out: int) -> int:
    """COMPLETED: of a RISK command what the market is to know of it.  Between two sessions it is
    only remembered."""
    setting, value = event.contra_id, event.leaves_lots
    index = event.instrument
    instrument = FeedInstrument(state.instruments + feed_state.INSTRUMENT_BYTES * index)
    if setting == _SET_HALT and index < state.instrument_count:
        reason = event.price_ticks
        named = reason > 0 and reason <= itch_messages.MAX_U32
        instrument.halted = 0 if value == 0 else reason if named else feed_state.NO_REASON
        return publish_operational_halt(state, instrument, out)
    if setting == _SET_STATE and index < state.instrument_count:
        number = value if SHOWN_STATES >> value & 1 != 0 else 0
        instrument.stopped = instrument.stopped & 1 | number << feed_state.STATE_SHIFT
        return itch_messages.trading_action(state, out, instrument) if state.begun != 0 else out
    if setting in (SET_RULE, SET_APPLY):
        return of_rules(state, event, out)
    if setting == _SET_MARKET_KILL:
        first = state.first_operator
        state.first_operator = 0
        if value == 0 and first == 0:
            state.first_operator = event.order_id
        else:
            state.killed = value
        for number in range(state.instrument_count):
            row = FeedInstrument(state.instruments + feed_state.INSTRUMENT_BYTES * number)
            out = publish_operational_halt(state, row, out)
    elif setting in (_SET_TRADING_DAY, _SET_BREAKER, _SET_INDEX_WEIGHT):
        changed = setting == _SET_TRADING_DAY
        for word, at in (
            (feed_state.LEVEL_1, _PRICE),
            (feed_state.LEVEL_2, _QTY),
            (feed_state.LEVEL_3, _ID),
        ):
            changed = changed or load_i64(state + word) != load_i64(event + at)
            store_i64(state + word, load_i64(event + at))
        if setting == _SET_TRADING_DAY:
            state.breached = 0
        if changed and has_levels(state) and state.begun != 0:
            out = itch_messages.decline_levels(state, out)
            if state.breached != 0:
                out = itch_messages.decline_breached(state, out, state.breached)
    return out


@kernel
def of_rules(state: FeedState, event: EventRecord, out: int) -> int:
    """INSTRUMENT_RULE and INSTRUMENT_APPLY: R again, if a round lot is another."""
    setting, value, index = event.contra_id, event.leaves_lots, event.instrument
    if setting == SET_RULE:
        if event.qty_lots == LOT:
            state.staged_lot = value
        elif event.qty_lots == BAND:
            state.staged_band = value + 1
        elif event.qty_lots == SYMBOL:
            state.staged_symbol = value
        return out
    lot, band, symbol = state.staged_lot, state.staged_band, state.staged_symbol
    state.staged_lot = state.staged_band = state.staged_symbol = 0
    if value == 0 or index >= state.instrument_count:
        return out
    instrument = FeedInstrument(state.instruments + feed_state.INSTRUMENT_BYTES * index)
    if band != 0:
        instrument.band = band - 1
    if symbol != 0:
        instrument.round_lot = max(lot, instrument.round_lot)
        return announce(state, instrument, symbol, index, out)
    if lot in (0, instrument.round_lot):
        return out
    instrument.round_lot = lot
    return itch_messages.directory(state, out, instrument) if state.begun != 0 else out


@kernel_outlined
def announce(
    state: FeedState, instrument: FeedInstrument, symbol: int, index: int, out: int
) -> int:
    """A slot gets its symbol, a word padded with zeros: R, o if the directory has one, and H."""
    not_inlined()
    for place in range(8):
        letter = (symbol >> 8 * place) & 0xFF
        Bytes(instrument + feed_state.SYMBOL)[place] = letter if letter != 0 else 32
    row = DirectoryRow(state.directory + feed_state.DIRECTORY_BYTES * index)
    shown = Bytes(row + feed_state.DIRECTORY_SYMBOL)
    for place in range(SYMBOL_BYTES if row.price_decimals != 0 else 0):
        shown[place] = Bytes(instrument + feed_state.SYMBOL)[place] if place < 8 else 32
    if state.begun == 0:
        return out
    out = itch_messages.directory(state, out, instrument)
    if row.price_decimals != 0:
        out = itch_messages.order_book_directory(state, out, instrument, row)
    out = itch_messages.trading_action(state, out, instrument)
    stopped = instrument.stopped & 1
    return itch_messages.operational_halt(state, out, instrument, 1) if stopped != 0 else out


@kernel
def publish_operational_halt(state: FeedState, instrument: FeedInstrument, out: int) -> int:
    """Publish h if it has changed whether this market alone has stopped an instrument, without a
    reason of the instrument's."""
    no_reason = instrument.halted == feed_state.NO_REASON
    stopped = 1 if no_reason or state.killed != 0 else 0
    if stopped == instrument.stopped & 1:
        return out
    instrument.stopped = instrument.stopped & ~1 | stopped
    if state.begun == 0:
        return out
    return itch_messages.operational_halt(state, out, instrument, stopped)
