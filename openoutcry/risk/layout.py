"""The risk state: one block of bytes without addresses in it, all int64 words.

    header   counts, offsets, sequenced time, switches of the market, the last refusal; of a state
             in partitions (``partitions.py``) one more for each of them
    symbols  instrument by symbol: open addressing, 2 words an entry
    rows     a participant each, a group each, an instrument each
    cells    a participant's in an instrument: position, open orders' totals, limits
    wallets  of a venue with spot instruments: assets, fees, balances (``spot_layout.py``)
    contracts  of a venue with futures, perpetuals or options (``contract_layout.py``)
    portfolio  where their margin is a portfolio's (``portfolio_layout.py``)
    orders   every open order by (instrument, order id): open addressing, 4 words an entry

Totals are kept: what a command needs to know lies in one participant's row, one group's, one
instrument's and one cell, whatever is open.
"""

from openoutcry.wire.layout import Layout, i64
from openoutcry.wire.open_orders import SIDE_MASK, OpenOrder
from openoutcry.wire.order_ids import VENUE_ORDER_IDS

MAGIC = int.from_bytes(b"OUTCRYRK", "little")


class RiskState(Layout, size_bytes=384):
    """The header of the risk state."""

    magic: int = i64("says that the state is whole", atomic=True)
    tracking: int = i64("1: limits are checked and totals kept; 0: neither")
    participants: int = i64("rows of participants")
    groups: int = i64("rows of groups")
    instruments: int = i64("rows of instruments")
    symbol_mask: int = i64("entries of the table of symbols, less one")
    order_mask: int = i64("entries of the table of open orders, less one")
    orders_open: int = i64("open orders in the table")
    symbols_at: int = i64("offset of the table of symbols")
    participant_at: int = i64("offset of the participants' rows")
    group_at: int = i64("offset of the groups' rows")
    instrument_at: int = i64("offset of the instruments' rows")
    cell_at: int = i64("offset of the cells")
    order_at: int = i64("offset of the table of open orders")
    now_ns: int = i64("sequenced time, ns since the epoch")
    market_kill: int = i64("1: the operator has killed the whole market")
    first_operator: int = i64("operator who first requested the market's reopening, or 0")
    refused_seq: int = i64("of the last order refused: its command,")
    refused_bits: int = i64("the checks that failed, a bit each,")
    refused_bit: int = i64("the first of them,")
    refused_limit: int = i64("the limit that it has,")
    refused_value: int = i64("what counts against that limit now,")
    refused_asked: int = i64("and what would count with the order")
    refusals: int = i64("orders refused so far")
    file_digest: int = i64("digest of the settings file that the state was made from")
    emergency: int = i64("1: an emergency close is under way")
    protection_at: int = i64("offset of the block of ``protection_layout``, or 0")
    publication: int = i64("counts what the gateway must know (``publish``)")
    passed: int = i64("1 within a command: the totals hold what a NEW will be once it is open")
    parts: int = i64("parts of liquidations so far; a part's order id is PART_IDS + ``parts``")
    part_who: int = i64("participant whose next order is a part of its liquidation, 0: none")
    part_instrument: int = i64("of that part: the instrument,")
    part_qty: int = i64("the lots (negative: sold)")
    part_price: int = i64("and the price in ticks")
    bump_at: int = i64("offset of the block of ``speed_bump``, or 0")
    partitions: int = i64("partitions of the state, 0: it has none")
    stride: int = i64("bytes from a partition's table to the same table of the next one")
    rebalance_due: int = i64("1: the next command is a rebalance point of the partitions")
    rebalances: int = i64("rebalance points so far; negative while cores allocate at the next one")
    owned: int = i64("in a partition's own header: 1: this core decides about the partition")
    requests_at: int = i64("offset of the block of ``requests``, or 0")
    wallets_at: int = i64("offset of the block of ``spot_layout``, or 0")
    contracts_at: int = i64("offset of the block of ``contract_layout``, or 0")
    portfolio_at: int = i64("offset of the block of ``portfolio_layout``, or 0")
    called: int = i64("1: a participant with open orders has had a margin call (``money.call``)")
    own_at: int = i64("offset of the block of ``own_limits``, or 0")
    rules_at: int = i64("offset of the block of ``rule_changes``, or 0")
    linking: int = i64("of the NEW at work, once its terms are known: ``lists.NO_LEG`` or NEW_LEG")
    shared_publication: int = i64("``publication`` as other processes read it", at=216, atomic=True)


HEADER_BYTES = RiskState.size_bytes
MAGIC_AT = RiskState.offset("magic")
TRACKING = RiskState.offset("tracking")
PARTICIPANTS = RiskState.offset("participants")
GROUPS = RiskState.offset("groups")
INSTRUMENTS = RiskState.offset("instruments")
SYMBOL_MASK = RiskState.offset("symbol_mask")
ORDER_MASK = RiskState.offset("order_mask")
ORDERS_OPEN = RiskState.offset("orders_open")
SYMBOLS_AT = RiskState.offset("symbols_at")
PARTICIPANT_AT = RiskState.offset("participant_at")
GROUP_AT = RiskState.offset("group_at")
INSTRUMENT_AT = RiskState.offset("instrument_at")
CELL_AT = RiskState.offset("cell_at")
ORDER_AT = RiskState.offset("order_at")
NOW_NS = RiskState.offset("now_ns")
MARKET_KILL = RiskState.offset("market_kill")
FIRST_OPERATOR = RiskState.offset("first_operator")
REFUSED_SEQ = RiskState.offset("refused_seq")
REFUSED_BITS = RiskState.offset("refused_bits")
REFUSALS = RiskState.offset("refusals")
FILE_DIGEST = RiskState.offset("file_digest")
EMERGENCY = RiskState.offset("emergency")
PROTECTION_AT = RiskState.offset("protection_at")
PUBLICATION = RiskState.offset("publication")
PARTS = RiskState.offset("parts")
PART_WHO = RiskState.offset("part_who")
BUMP_AT = RiskState.offset("bump_at")
PARTITIONS = RiskState.offset("partitions")
STRIDE = RiskState.offset("stride")
REBALANCE_DUE = RiskState.offset("rebalance_due")
REBALANCES = RiskState.offset("rebalances")
OWNED = RiskState.offset("owned")
REQUESTS_AT = RiskState.offset("requests_at")
WALLETS_AT = RiskState.offset("wallets_at")
CONTRACTS_AT = RiskState.offset("contracts_at")
PORTFOLIO_AT = RiskState.offset("portfolio_at")
CALLED = RiskState.offset("called")
OWN_AT = RiskState.offset("own_at")
RULES_AT = RiskState.offset("rules_at")

PART_IDS = VENUE_ORDER_IDS


class RiskParticipant(Layout, size_bytes=256):
    """A participant's row."""

    balance: int = i64("money that it has")
    reserved: int = i64("money that its open orders need")
    credit: int = i64("money that it may owe")
    flags: int = i64("KILLED_FLAGS, CANCEL_WANTED, NAMES_SELF_TRADE, BARRED_FLAGS")
    group: int = i64("index of its group")
    open: int = i64("open orders")
    open_limit: int = i64("most that it may have")
    duplicate_ns: int = i64("an equal order within this time is a duplicate, 0: none is")
    buy_exposure: int = i64("value of open buy orders")
    buy_exposure_limit: int = i64("most that it may be")
    sell_exposure: int = i64("value of open sell orders")
    sell_exposure_limit: int = i64("most that it may be")
    gross: int = i64("value of positions and open orders of both sides")
    gross_limit: int = i64("most that it may be")
    full_at_ns: int = i64("when its bucket of orders is full again")
    rate_ns: int = i64("time that an order takes from the bucket, 0: no limit")
    rate_burst: int = i64("orders that a full bucket holds")
    profit: int = i64("profit and loss since the day began")
    peak: int = i64("highest ``profit`` of the day")
    loss_limit: int = i64("loss that kills it")
    drawdown_limit: int = i64("loss from ``peak`` that kills it")
    funded: int = i64(
        "what was paid in and what it held at the beginning; with ``profit`` its equity"
    )
    margined: int = i64("initial margin of what it holds")
    maintenance_bps: int = i64("maintenance margin, basis points of ``margined``")
    kills: int = i64("how often it was killed")
    killed_seq: int = i64("command that killed it last")
    called_seq: int = i64("command that took it under its maintenance margin")
    fee_schedule: int = i64("its fee schedule in spot instruments, its number + 1; 0: none")
    fee_volume: int = i64("volume by which it is in a schedule's tier")
    status: int = i64("``bits.ParticipantStatus``")
    name: int = i64("of one that was added while trading: its name, eight characters")
    portfolio: int = i64(
        "scenario margin of the contracts that it holds, maintenance, less what its pledges count"
    )


PARTICIPANT_BYTES = RiskParticipant.size_bytes
BALANCE = RiskParticipant.offset("balance")
RESERVED = RiskParticipant.offset("reserved")
CREDIT = RiskParticipant.offset("credit")
FLAGS = RiskParticipant.offset("flags")
GROUP = RiskParticipant.offset("group")
OPEN = RiskParticipant.offset("open")
OPEN_LIMIT = RiskParticipant.offset("open_limit")
DUPLICATE_NS = RiskParticipant.offset("duplicate_ns")
BUY_EXPOSURE = RiskParticipant.offset("buy_exposure")
BUY_EXPOSURE_LIMIT = RiskParticipant.offset("buy_exposure_limit")
SELL_EXPOSURE = RiskParticipant.offset("sell_exposure")
SELL_EXPOSURE_LIMIT = RiskParticipant.offset("sell_exposure_limit")
GROSS = RiskParticipant.offset("gross")
GROSS_LIMIT = RiskParticipant.offset("gross_limit")
RATE_NS = RiskParticipant.offset("rate_ns")
RATE_BURST = RiskParticipant.offset("rate_burst")
PROFIT = RiskParticipant.offset("profit")
PEAK = RiskParticipant.offset("peak")
LOSS_LIMIT = RiskParticipant.offset("loss_limit")
DRAWDOWN_LIMIT = RiskParticipant.offset("drawdown_limit")
FUNDED = RiskParticipant.offset("funded")
MARGINED = RiskParticipant.offset("margined")
MAINTENANCE_BPS = RiskParticipant.offset("maintenance_bps")
KILLS = RiskParticipant.offset("kills")
KILLED_SEQ = RiskParticipant.offset("killed_seq")
CALLED_SEQ = RiskParticipant.offset("called_seq")
STATUS = RiskParticipant.offset("status")
NAME = RiskParticipant.offset("name")
PORTFOLIO = RiskParticipant.offset("portfolio")

KILLED_BY_OPERATOR, KILLED_BY_LOSS, KILLED_BY_ARITHMETIC, CANCEL_WANTED, NAMES_SELF_TRADE = (
    1,
    2,
    4,
    8,
    16,
)
KILLED_BY_MARGIN = 32
SUSPENDED_FLAG, CLOSED_FLAG = 64, 128
KILLED_BY_OWNER = 256
ENABLED_FLAGS = KILLED_BY_OPERATOR | KILLED_BY_LOSS | KILLED_BY_ARITHMETIC | KILLED_BY_MARGIN
"""Those that the operator ends: the owner's kill only the owner ends."""
KILLED_FLAGS = ENABLED_FLAGS | KILLED_BY_OWNER
BARRED_FLAGS = SUSPENDED_FLAG | CLOSED_FLAG
"""CANCEL_WANTED: killed by the core itself, and its orders may be open: the operator's lane sends
its DISCONNECT, which clears it."""


class RiskGroup(Layout, size_bytes=32):
    """A group's row."""

    gross: int = i64("value of its participants' positions and open orders")
    gross_limit: int = i64("most that it may be")
    kill: int = i64("1: the operator has killed the group")
    name: int = i64("its name, eight characters")


GROUP_BYTES = RiskGroup.size_bytes
GROUP_GROSS = RiskGroup.offset("gross")
GROUP_GROSS_LIMIT = RiskGroup.offset("gross_limit")
GROUP_KILL = RiskGroup.offset("kill")
GROUP_NAME = RiskGroup.offset("name")


class RiskInstrument(Layout, size_bytes=192):
    """An instrument's row."""

    worst_buy: int = i64("highest price at which a market order may buy, ticks")
    worst_sell: int = i64("lowest price at which a market order may sell, ticks")
    bound: int = i64("the larger of the two, without its sign")
    multiplier: int = i64("money a lot and tick")
    fee: int = i64("money a lot traded")
    margin: int = i64("initial margin a lot")
    leveraged: int = i64("0: paid in full; 1: positions are margined; SPOT: paid from wallets")
    weight: int = i64("weight in the index of the market-wide breaker")
    distance_bps: int = i64("how far a limit price may be from the reference")
    adv: int = i64("average daily volume, lots")
    adv_bps: int = i64("largest order, basis points of ``adv``")
    reference: int = i64("reference price before the first trade")
    last: int = i64("last price, NO_PRICE: none")
    volume: int = i64("lots traded today")
    halt: int = i64(
        "OPERATORS_HALT, PROTECTIONS_HALT, EXPIRED_HALT, PAUSED_HALT, UNLISTED_HALT, "
        "SUSPENDED_HALT, CLOSE_ONLY_HALT, DELISTED_HALT, PRE_OPEN_HALT"
    )
    band_low: int = i64("lowest price that may be asked for")
    band_high: int = i64("highest price that may be asked for")
    banded: int = i64("1: there are price bands")
    price_limited: int = i64("1: an order without a price has a worst one")
    partition: int = i64("number of its partition, from 1; 0: the state has none")
    market_rests: int = i64(
        "RESTS_BY_OPTION, RESTS_IN_CALL: a DAY market order may stay open; 0: it never does"
    )
    spot_at: int = i64("offset of its ``SpotRules``, 0: it is not spot")
    contract_at: int = i64("offset of its ``ContractRow``, 0: it is not a contract")
    scenario: int = i64("its number in the parameters of scenario margin, from 1; 0: not there")


INSTRUMENT_BYTES = RiskInstrument.size_bytes
WORST_BUY = RiskInstrument.offset("worst_buy")
WORST_SELL = RiskInstrument.offset("worst_sell")
BOUND = RiskInstrument.offset("bound")
MULTIPLIER = RiskInstrument.offset("multiplier")
FEE = RiskInstrument.offset("fee")
MARGIN = RiskInstrument.offset("margin")
LEVERAGED = RiskInstrument.offset("leveraged")
WEIGHT = RiskInstrument.offset("weight")
DISTANCE_BPS = RiskInstrument.offset("distance_bps")
ADV = RiskInstrument.offset("adv")
ADV_BPS = RiskInstrument.offset("adv_bps")
REFERENCE = RiskInstrument.offset("reference")
LAST = RiskInstrument.offset("last")
VOLUME = RiskInstrument.offset("volume")
HALT = RiskInstrument.offset("halt")
BAND_LOW = RiskInstrument.offset("band_low")
BAND_HIGH = RiskInstrument.offset("band_high")
PRICE_LIMITED = RiskInstrument.offset("price_limited")
PARTITION = RiskInstrument.offset("partition")
MARKET_RESTS = RiskInstrument.offset("market_rests")

SPOT_AT = RiskInstrument.offset("spot_at")
CONTRACT_AT = RiskInstrument.offset("contract_at")
SCENARIO = RiskInstrument.offset("scenario")

SUSPENDED_HALT, CLOSE_ONLY_HALT, DELISTED_HALT, PRE_OPEN_HALT = 32, 64, 128, 256
"""In an instrument's ``halt``, next to those of the operator, the protection and contracts: states
that it is in by INSTRUMENT_STATE."""
RESTS_BY_OPTION, RESTS_IN_CALL = 1, 2
SPOT = 2
"""LEVERAGED of an instrument that is paid from wallets: it has no positions, no lot fee, no margin.
"""


class RiskCell(Layout, size_bytes=128):
    """A participant's position in an instrument."""

    position: int = i64("lots held, negative: sold short")
    buy_lots: int = i64("lots of open buy orders")
    sell_lots: int = i64("lots of open sell orders")
    cost: int = i64("what its open orders could pay at their worst prices")
    mark: int = i64(
        "price that ``profit`` values the position at; of a spot instrument its fee terms; of a "
        "contract what the position cost"
    )
    flags: int = i64(
        "RESTRICTED_FLAG, NO_SHORT_FLAG, REDUCES_BUYS_FLAG, REDUCES_SELLS_FLAG, TERMS_FLAG"
    )
    last_buy_price: int = i64("of the last buy order accepted, for duplicates: price,")
    last_buy_qty: int = i64("lots")
    last_buy_ns: int = i64("and time")
    last_sell_price: int = i64("the same of the last sell order: price,")
    last_sell_qty: int = i64("lots")
    last_sell_ns: int = i64("and time")
    long_limit: int = i64("largest position")
    short_limit: int = i64("largest short position")
    max_qty: int = i64("largest order, lots")
    max_value: int = i64("largest order, value")


CELL_BYTES = RiskCell.size_bytes
POSITION = RiskCell.offset("position")
BUY_LOTS = RiskCell.offset("buy_lots")
SELL_LOTS = RiskCell.offset("sell_lots")
MARK = RiskCell.offset("mark")
CELL_FLAGS = RiskCell.offset("flags")
LAST_BUY_PRICE = RiskCell.offset("last_buy_price")
LAST_SELL_PRICE = RiskCell.offset("last_sell_price")
LONG_LIMIT = RiskCell.offset("long_limit")
SHORT_LIMIT = RiskCell.offset("short_limit")
MAX_QTY = RiskCell.offset("max_qty")
MAX_VALUE = RiskCell.offset("max_value")

RESTRICTED_FLAG, NO_SHORT_FLAG, REDUCES_BUYS_FLAG, REDUCES_SELLS_FLAG = 1, 2, 4, 8
TERMS_FLAG = 16
"""Terms of the participant's orders to come may wait in the matcher."""

ORDER_BYTES = OpenOrder.size_bytes

META_PARTICIPANT, META_SIDE, META_FLAGS = 16, 32, 40
META_SIDE_MASK = SIDE_MASK
PRICED_FLAG, PEG_FLAG, REDUCES_FLAG = 1, 2, 4
LOSS_SHIFT, LOSS_BITS = 3, 14
"""Above the flags of an open order in a contract: what a lot of it loses at once where it trades,
as digits of LOSS_BITS bits and, above them, by how many bits they are shifted."""

HASH_FACTOR = 0x9E3779B97F4A7C15 - (1 << 64)
