"""Where things lie in the books, and the columns of a transaction.

The books are::

    header        addresses and counts, time, what was posted last, what went wrong
    balances      128-bit integers: owner, asset, kind
    instruments   a row each: what a lot costs, needs and is quoted in
    participants  a row each: fee schedule, trading volume by day
    cells         a participant's in an instrument: position, open lots, what they need
    orders        every open order by (instrument, order id): open addressing, 4 words an entry
    schedules     256 fee schedules of 8 tiers
    assets        names of the assets that have wallets; none of a venue without spot instruments
"""

from enum import IntEnum

from openoutcry.wire.layout import Layout, i64, u8, u16

WORD = 8


class LedgerState(Layout, size_bytes=320):
    """The header; the first ADDRESSES words are a process's own."""

    balances_at: int = i64("address of the balances")
    instruments_at: int = i64("address of the instruments' rows")
    participants_at: int = i64("address of the participants' rows")
    cells_at: int = i64("address of the cells")
    orders_at: int = i64("address of the table of open orders")
    schedules_at: int = i64("address of the fee schedules")
    participants: int = i64("participants")
    instruments: int = i64("instruments")
    assets: int = i64("moneys and instruments together")
    order_mask: int = i64("entries of the table of open orders, less one")
    orders_open: int = i64("open orders")
    tracks: int = i64("1: what open orders need is reserved, as the core's risk does")
    now_ns: int = i64("sequenced time, ns since the epoch")
    event_seq: int = i64("last event that was posted")
    part: int = i64("transactions of that event so far")
    cause_seq: int = i64("its command")
    schedule_of_all: int = i64("fee schedule of those that name none: its number + 1; 0: none")
    error: int = i64("an ``Error``, 0: none")
    error_seq: int = i64("event that could not be posted")
    entry_left: int = i64("events still to come of a command that entered from the speed bump")
    wallets: int = i64("assets that have wallets")
    first_lots: int = i64("the first asset that is an instrument")
    wallet_names_at: int = i64("address of the names of the assets that have wallets")
    movement: int = i64("asset of the movement whose later step comes; 256 more: it was credited")


PARTICIPANTS = LedgerState.offset("participants")
INSTRUMENTS = LedgerState.offset("instruments")
ASSETS = LedgerState.offset("assets")
ORDER_MASK = LedgerState.offset("order_mask")
ORDERS_OPEN = LedgerState.offset("orders_open")
TRACKS = LedgerState.offset("tracks")
NOW_NS = LedgerState.offset("now_ns")
EVENT_SEQ = LedgerState.offset("event_seq")
CAUSE_SEQ = LedgerState.offset("cause_seq")
SCHEDULE_OF_ALL = LedgerState.offset("schedule_of_all")
ERROR = LedgerState.offset("error")
WALLETS, FIRST_LOTS = LedgerState.offset("wallets"), LedgerState.offset("first_lots")
WALLET_NAMES_AT = LedgerState.offset("wallet_names_at")
MOVEMENT = LedgerState.offset("movement")

MONEY_NAMES, ENTRY, HEADER_WORDS = 24 * WORD, 32 * WORD, 40
ADDRESSES = 6
"""The first words, which differ in another process.  TRACKS 0: there is no risk in the core, so
nothing is reserved.  EVENT_SEQ: the last event that was posted; PART: how many transactions of it.
SCHEDULE_OF_ALL and each SCHEDULE: its number + 1; 0: none is named.  MONEY_NAMES: 8
words, the characters of each money's name.  ENTRY: the record of a command that waited at the
core's speed bump and now enters, made of what events say of it.  ENTRY_LEFT: how many of its events
are still to come."""

BALANCE_BYTES = 16
MONEY_SLOTS = 8
"""Assets 0 to 7 are money of margin accounts; then come the assets that have wallets, then the
instruments, each in their order."""
MAX_MONEYS = 256
"""Money and assets with wallets: a transaction has eight bits for which."""


class LedgerInstrument(Layout, size_bytes=288):
    """An instrument's row, as the core's risk has it."""

    worst_buy: int = i64("highest price at which a market order may buy, ticks")
    worst_sell: int = i64("lowest price at which a market order may sell, ticks")
    multiplier: int = i64("money a lot and tick")
    fee: int = i64("money a lot traded")
    margin: int = i64("initial margin a lot")
    leveraged: int = i64("1: positions are margined; SPOT: wallets pay")
    quote: int = i64("money that it is quoted in")
    schedule: int = i64("its fee schedule + 1; 0: none")
    last: int = i64("last price, or NO_LAST")
    touched: int = i64("1: something was posted in it")
    symbol: int = i64("its symbol, eight characters")
    lot_units: int = i64("units of the base asset a lot; 0: the instrument is not spot")
    base: int = i64("of a spot instrument, which asset a lot is made of")
    kind: int = i64("of a contract: FUTURE, PERPETUAL, CALL, PUT; 0: it is not a contract")
    inverse: int = i64("1: the contract is paid in the asset that the price is of")
    units: int = i64("of a contract: units a tick and lot; inverse: units times ticks a lot")
    mark: int = i64("price that all positions in the contract are valued at")
    strike: int = i64("of an option, ticks of the underlying")
    strike_units: int = i64("of an option: units a tick of the underlying and lot")
    margin_bps: int = i64("initial margin of a lot of the contract, basis points of its value")
    carry: int = i64("what the contract's funding left over, billionths of a unit")
    fund: int = i64("participant whose balance is the contracts' insurance fund")
    staged: int = i64("setting of the contract that CONTRACT_APPLY puts in force, 0: none")
    staged_value: int = i64("its value")
    strike_rest: int = i64("of an adjusted option: units a lot by which its strike is more")
    low: int = i64("lowest limit price, ticks")
    high: int = i64("highest limit price")
    band: int = i64("ticks past the best price that an order without a price goes")
    staged_low: int = i64("``low`` from the next INSTRUMENT_APPLY on,")
    staged_high: int = i64("``high``")
    staged_band: int = i64("and ``band``,")
    staged_symbol: int = i64("and of a row without a symbol (0: nothing): its symbol,")
    staged_pair: int = i64("its assets, as INSTRUMENT_RULE has them,")
    staged_lot: int = i64("units a lot")
    staged_tick: int = i64("and units a tick and lot")


WORST_BUY = LedgerInstrument.offset("worst_buy")
WORST_SELL = LedgerInstrument.offset("worst_sell")
MULTIPLIER = LedgerInstrument.offset("multiplier")
FEE = LedgerInstrument.offset("fee")
MARGIN = LedgerInstrument.offset("margin")
LEVERAGED = LedgerInstrument.offset("leveraged")
QUOTE = LedgerInstrument.offset("quote")
INSTRUMENT_SCHEDULE = LedgerInstrument.offset("schedule")
LAST = LedgerInstrument.offset("last")
TOUCHED = LedgerInstrument.offset("touched")
SYMBOL = LedgerInstrument.offset("symbol")
LOW = LedgerInstrument.offset("low")
CONTRACT_KIND, CONTRACT_FUND = LedgerInstrument.offset("kind"), LedgerInstrument.offset("fund")
UNITS = LedgerInstrument.offset("units")
LOT_UNITS, BASE = LedgerInstrument.offset("lot_units"), LedgerInstrument.offset("base")

SPOT = 2
INSTRUMENT_WORDS = LedgerInstrument.size_bytes // WORD
"""As of the core's risk.  QUOTE: which money.  TOUCHED: something was posted in it.  LAST: the last
price; NO_LAST: it has not traded yet."""
NO_LAST = 2**63 - 1


class LedgerParticipant(Layout, size_bytes=320):
    """A participant's row."""

    schedule: int = i64("its fee schedule + 1; 0: none")
    day: int = i64("last day on which it traded")
    volume: int = i64("value traded in the 30 days before that, 2**63 - 1 at most")
    spot_schedule: int = i64("its fee schedule in spot instruments + 1; 0: none")
    spot_volume: int = i64("volume that decides its tier there, by FEE_VOLUME")


PARTICIPANT_SCHEDULE = LedgerParticipant.offset("schedule")
SPOT_SCHEDULE = LedgerParticipant.offset("spot_schedule")

VOLUMES = 8 * WORD
RING_DAYS = 31
PARTICIPANT_WORDS = 40
"""DAY: the last on which it traded; VOLUME: of the 30 days before that, 2**63 - 1 at most; VOLUMES:
of each day, by the day's number modulo 31."""


class LedgerCell(Layout, size_bytes=64):
    """A participant's position in an instrument."""

    position: int = i64("lots held, negative: sold short")
    buy_lots: int = i64("lots of open buy orders")
    sell_lots: int = i64("lots of open sell orders")
    cost: int = i64("what they could pay at their worst prices")
    mark: int = i64("price that a leveraged position was last brought to")
    schedule: int = i64("fee schedule of the participant in this instrument + 1; 0: none")


MARK = LedgerCell.offset("mark")
CELL_SCHEDULE = LedgerCell.offset("schedule")
SELL_LOTS = LedgerCell.offset("sell_lots")

CELL_WORDS = 8


ORDER_WORDS = 4
META_PARTICIPANT, META_SIDE, META_FLAGS = 16, 32, 40
PRICED_FLAG, PEG_FLAG = 1, 2
QUOTE_FEE_FLAG, PINNED_SHIFT = 4, 3
"""Flag of a spot buy that pays its fee in the quote asset: at most 20 bits of millionths."""

# A fee schedule.
MINIMUM, TIERS = 0, WORD


class FeeTier(Layout, size_bytes=24):
    """A tier of a fee schedule."""

    from_: int = i64("value of 30 days from which on it counts, UNUSED_TIER: unused")
    maker: int = i64("rate of makers, millionths")
    taker: int = i64("rate of takers, millionths")


TIER_COUNT, TIER_WORDS, SCHEDULE_WORDS = 8, 3, 26
COLLECTS_QUOTE = 25 * WORD
"""The last word, 1: spot buyers pay in the quote asset; 0: in what they receive."""
SCHEDULES = 256
UNUSED_TIER = -1
FEE_UNIT = 1_000_000
"""Rates are millionths: 100 are a basis point."""

DAY_NS = 86_400_000_000_000


class Kind(IntEnum):
    """Kind of a transaction."""

    PENDING = 1
    """An order is open: what it needs is reserved."""
    POSTED = 2
    """A fill: of what was reserved a part is spent."""
    VOIDED = 3
    """An order is gone without a trade: what it needed is available again."""
    CHANGED = 4
    """An open order needs something else."""
    DEPOSIT = 5
    POSITION = 6
    """Lots held at the beginning."""
    REPRICED = 7
    """The lot fee or the margin of an instrument is another: open orders need something else."""
    MARKED = 8
    """A leveraged position was brought to the last price."""
    DIVIDEND = 9
    """Money for lots held, from outside; a short participant pays it."""
    SPLIT = 10
    """Other lots for lots held, from outside, and money for the fraction of one."""
    DELIVERED = 11
    """The base asset of a spot fill; the quote asset of the same fill is POSTED."""
    MOVEMENT = 12
    """A step of a deposit or withdrawal: ``order_id`` is the movement's number, ``contra_id`` the
    step, ``qty_lots`` its units.  A step that moves nothing is a row as well."""
    FUNDING = 13
    """One period's funding of a perpetual; ``price_ticks`` is the mark, ``qty_lots`` the lots."""
    SETTLED = 14
    """A contract has ended: ``price_ticks`` is its final price, ``qty_lots`` the lots that are
    gone."""
    COVERED = 15
    """The insurance fund has paid a deficit: a row of the fund's and one of the participant's."""
    TAKEN_OVER = 16
    """Lots of a bankrupt participant's contract, from it to another one, at the mark
    ``price_ticks``; the other one pays ``available`` for what was missing."""

    PLEDGED = 17
    """Collateral, out of the participant's available units or, below 0, back: ``qty_lots`` units.
    """
    SEIZED = 18
    """The insurance fund has taken pledged units over and paid for them: a row of each of the two
    participants in money, and one in the asset."""
    ADJUSTED = 19
    """A contract's terms after a split of its underlying: ``price_ticks`` is its mark then,
    ``qty_lots`` the lots held.  ``order_id`` and ``contra_id`` are what a lot was and is a tick.
    Without a holder the insurance fund has a row of 0 lots."""
    LIQUIDATION_FEE = 20
    """A participant has paid the insurance fund for what its liquidation closed out: a row of each.
    """
    BROKEN = 21
    """The operator has taken a trade back: the fill's POSTED with the opposite signs, and the fee
    that it had.  ``contra_id`` is the match number."""
    RETURNED = 22
    """The base asset of a spot trade that was taken back; its quote asset is BROKEN."""


class Error(IntEnum):
    """Why an event could not be posted."""

    NOTIONAL = 1
    ORDER = 2
    GAP = 3
    UNBALANCED = 4
    ASSET = 5


MONEY_COLUMNS = (
    "available",
    "reserved",
    "margin",
    "fees_due",
    "fee_income",
    "clearing",
    "suspense",
    "outside",
)
"""Deltas of money: the participant's four accounts, then the venue's."""
LOT_COLUMNS = ("lots_available", "lots_reserved", "lots_clearing", "lots_outside")
"""Deltas of the instrument: the participant's accounts, then the venue's."""


class TransactionRow(Layout):
    """A transaction: the postings of one participant by one event, a column an account.  Its key is
    (event_seq, part); each of the two groups of deltas sums to 0."""

    event_seq: int = i64("event")
    part: int = i64("transaction of that event")
    cause_seq: int = i64("command that caused it")
    ts_ns: int = i64("sequenced time, ns since the epoch")
    order_id: int = i64("order")
    contra_id: int = i64("the other order of a trade; of a spot order that is new, its type")
    price_ticks: int = i64("price")
    qty_lots: int = i64("lots; of a spot order, what is open after it")
    available: int = i64("delta of the participant's available money")
    reserved: int = i64("of its reserved money")
    margin: int = i64("of its margin")
    fees_due: int = i64("of the fees that it owes")
    fee_income: int = i64("of the venue's income")
    clearing: int = i64("of the venue's clearing account")
    suspense: int = i64("of the venue's suspense account")
    outside: int = i64("of money outside")
    lots_available: int = i64("of the participant's available lots")
    lots_reserved: int = i64("of its reserved lots")
    lots_clearing: int = i64("of the venue's clearing account, lots")
    lots_outside: int = i64("of lots outside")
    participant: int = u16("participant")
    instrument: int = u16("instrument, NO_INSTRUMENT: money alone")
    asset: int = u8("money that it is in")
    kind: int = u8("a ``Kind``")
    side: int = u8("Side")
    flags: int = u8("EventFlag")
    label: int = i64("``participant`` to ``flags`` as one", at=160)


TRANSACTION_DTYPE = TransactionRow.dtype()
ROW_BYTES = TransactionRow.size_bytes
AT = {name: TransactionRow.offset(name) for name in TransactionRow.fields}
NO_INSTRUMENT = 65535
