"""What the risk room's numbers mean: the verdict's bits, and what a RISK command sets."""

from enum import IntEnum

from openoutcry.wire import enum_numbers

RISK_KIND = enum_numbers.COMMAND_KIND_RISK
"""``kind`` of the exchange operator's RISK command: an order record whose fields mean

    order_type   what is set, a :class:`Setting`
    qty_lots     the participant's or group's number, where the setting applies to one
    symbol       the instrument, where the setting applies to one
    aux          the new value
    price_ticks  a second value: RATE's burst, BANDS' lower band
    time_in_force  1: the limit or KILL is the owner's, and not the operator's (``own_limits.py``)
    order_id     the operator that sends the command; the event repeats it
"""
RISK_REASON = enum_numbers.REASON_RISK
"""``reason`` of a REJECTED event by which the core refuses; ``contra_id`` has the bits.  For the
lowest bit, ``price_ticks`` is the limit, ``leaves_lots`` the present use and ``qty_lots`` the
requested value."""

NO_LIMIT = 2**63 - 1
LARGEST = 2**62
"""No total may pass it, in either direction: with it no sum or difference of two leaves int64."""


class RiskBit(IntEnum):
    """Bit numbers of a verdict, in the order of the checks: the first that fails is explained."""

    ARITHMETIC = 0
    """A total would pass 2**62."""
    UNKNOWN_PARTICIPANT = 1
    MARKET_KILLED = 2
    HALTED = 3
    """The instrument is halted, by the operator or by a breaker."""
    GROUP_KILLED = 4
    KILLED = 5
    """The participant is, by the operator or by its losses."""
    RESTRICTED = 6
    SHORT_SALE = 7
    SELF_TRADE = 8
    """The participant must name a self-trade mode and names none."""
    MAX_QTY = 9
    MAX_VALUE = 10
    UNPRICED = 11
    """A market order or stop where nothing bounds its price: no market band, or no price limits."""
    PRICE_DISTANCE = 12
    PRICE_BAND = 13
    ADV_SHARE = 14
    DUPLICATE = 15
    RATE = 16
    OPEN_ORDERS = 17
    POSITION_LONG = 18
    POSITION_SHORT = 19
    GROSS_POSITION = 20
    GROUP_GROSS_POSITION = 21
    EXPOSURE_BUY = 22
    EXPOSURE_SELL = 23
    CAPITAL = 24
    LOSS = 25
    DRAWDOWN = 26
    SPEED_BUMP_FULL = 27
    """As many commands wait at the speed bump as there is room for."""
    WITHDRAWN = 28
    """It waited at the speed bump when its participant's orders, or its instrument's, were
    cancelled by the operator, or with the participant's last session."""
    BALANCE = 29
    """The participant's wallet has less of an asset available than a spot order needs.  The limit
    is the amount available, the present use is the asset's number, and the requested value is the
    amount needed."""
    SUSPENDED = 30
    """The operator has suspended the participant: nothing else is checked."""
    CLOSED = 31
    """The participant is closed for good: nothing else is checked."""
    EXPIRED = 32
    """The instrument is a contract whose expiry has come: nothing else is checked."""
    MARGIN = 33
    """Scenario margin: what the worst subset of the participant's orders could need is more than
    its equity and credit."""
    INSTRUMENT_SUSPENDED = 34
    """The operator has suspended the instrument."""
    CLOSE_ONLY = 35
    """The instrument is close-only, and the order would make a position or a holding larger."""
    DELISTED = 36
    """The instrument was delisted: nothing else is checked."""
    REDUCE_ONLY = 37
    """A reduce-only order is more than the position that it would make smaller."""


class ParticipantStatus(IntEnum):
    """Status of a participant that the operator has set while trading."""

    FILED = 0
    """Nothing: the venue file has it, or nothing does."""
    ACTIVE = 1
    SUSPENDED = 2
    """Its orders are refused."""
    CLOSED = 3


class MovementStep(IntEnum):
    """Step of a movement of money."""

    REQUEST = 1
    """A withdrawal: its amount is reserved."""
    APPROVE = 2
    SEND = 3
    """It is on its way, and cannot be cancelled."""
    FINISH = 4
    """It has arrived: the amount is gone."""
    CANCEL = 5
    """Before it was sent: the amount is available again."""
    FAIL = 6
    """It was sent and will never arrive: the amount is available again."""
    SEE = 7
    """A deposit that does not count yet."""
    CREDIT = 8
    """The amount is available."""
    REVERSE = 9
    """The deposit did not happen after all: a credited amount is taken back; what is not there of
    it is a shortfall."""


class MovementState(IntEnum):
    """How far a movement has come."""

    REQUESTED = 1
    APPROVED = 2
    SENT = 3
    DONE = 4
    CANCELLED = 5
    FAILED = 6
    SEEN = 7
    CREDITED = 8
    REVERSED = 9


class MovementRefusal(IntEnum):
    """Why the core refused a step of a movement."""

    NO_REFERENCE = 1
    """The command belongs to no request."""
    UNKNOWN_STEP = 2
    UNKNOWN_ASSET = 3
    AMOUNT = 4
    """Fewer than 1 or more than 2**61 units."""
    UNKNOWN_PARTICIPANT = 5
    CLOSED = 6
    SUSPENDED = 7
    SHORTFALL = 8
    """The participant owes some of an asset, so it withdraws nothing."""
    NOT_AVAILABLE = 9
    KNOWN_REFERENCE = 10
    """Another movement has it."""
    FULL = 11
    """As many movements are open as there is room for."""
    UNKNOWN_MOVEMENT = 12
    """No movement has this number, participant and amount."""
    WRONG_STATE = 13
    TOO_MUCH = 14
    """More than 2**61 units of an asset would exist, in wallets or owed."""


class PauseCause(IntEnum):
    """Why the market protection paused an instrument (``order_id`` of PHASE_CHANGED)."""

    BANDS = 1
    """A limit state that lasted, or a trade outside of the price bands."""
    VOLATILITY = 2
    VELOCITY = 3
    MARKET = 4
    """The market-wide breaker."""
    GROUP = 5
    """Another one that it pauses together with."""


class Setting(IntEnum):
    """Settings of a RISK command; P, I, G: it names a participant, an instrument, a group."""

    DEPOSIT = 1
    """P: added to the balance; negative: withdrawn.  For the ledger ``price_ticks`` is the source:
    0 the outside world, 1 collected fees, 2 clearing, up to 255 suspense.  Or ``price_ticks`` has
    the 8 characters of the money's name, and ``time_in_force`` is the source.  (In commands that no
    gateway saw ``symbol`` may name the money; without a name it is the first.) Where there are
    wallets, a deposit that names money moves the wallet in it, and the source is 0 or 1."""
    CREDIT = 2
    """P: money in addition to the balance that orders may need; NO_LIMIT: capital is not checked.
    """
    EXPOSURE_BUY = 3
    EXPOSURE_SELL = 4
    GROSS_POSITION = 5
    OPEN_ORDERS = 6
    RATE = 7
    """P: ns of sequenced time an order; ``price_ticks``: how many may come at once.  0: no limit"""
    DUPLICATE_WINDOW = 8
    """P: ns; 0: duplicates are allowed."""
    LOSS = 9
    DRAWDOWN = 10
    GROUP = 11
    """P: the group that it belongs to."""
    SELF_TRADE = 12
    """P: 1: an order must name a self-trade mode."""
    KILL = 13
    """P: 1 kills, 0 enables again."""
    MAINTENANCE = 14
    """P: the least that equity and credit may be, in 1/10,000 of the initial margin of what it
    holds; 0: not checked.  A participant below it is killed and liquidated."""
    ASSET_CREDIT = 15
    """P: how far below 0 its orders may take its wallet in the asset whose 8 characters
    ``price_ticks`` has.  Refused if more than that is used, or the asset has none."""
    FEE_VOLUME = 16
    """P: the volume by which it is in a tier of its fee schedule in spot instruments."""
    STATUS = 17
    """P: ``ParticipantStatus``; of one that is added ``price_ticks`` has 8 characters of its name.
    ACTIVE adds it, or ends its suspension.  CLOSED comes after SUSPENDED and is the last one; it is
    refused while there is money, a position, an open order, or a deposit that was only seen."""
    MOVEMENT = 18
    """P, where the journal began with movements (``movements.py``): a step of a deposit or a
    withdrawal.  ``time_in_force`` is the ``MovementStep``, ``aux`` its units.  The first step has 8
    characters of the asset's name in ``price_ticks``, and the open request's reference is the
    movement's.  A later step has the sequence number of the first there."""
    POSITION_LONG = 20
    """P and I, as those up to SHORT_SALE."""
    POSITION_SHORT = 21
    MAX_QTY = 22
    MAX_VALUE = 23
    RESTRICTED = 24
    SHORT_SALE = 25
    """1: this participant may not sell short."""
    POSITION = 26
    """P and I: what it holds at the beginning, marked at ``price_ticks``; refused if it holds any,
    or has open orders."""
    LIQUIDATE = 27
    """P and I: lets in an order of a participant that is below its maintenance margin and has no
    open orders.  It is the next order with these lots (``aux``; negative: sold) at this price
    (``price_ticks``), immediate or cancel, and makes the position smaller.  Its order id is
    ``layout.PART_IDS`` plus the count of parts, this one included."""
    FEE = 30
    """I: money a lot, of either side of a trade."""
    MARGIN = 31
    """I: money that a lot sold short (of a leveraged instrument: a lot held) needs."""
    WEIGHT = 32
    """I: what a lot counts in gross positions."""
    DISTANCE = 33
    """I: 1/10,000 of the last price; NO_LIMIT: any."""
    ADV = 34
    """I: average daily volume, lots; 0: not known."""
    ADV_SHARE = 35
    """I: 1/10,000 of ADV that one order may be."""
    BANDS = 36
    """I: buys up to ``aux``, sells down to ``price_ticks``."""
    HALT = 37
    """I: 1 halts, 0 ends it; ``price_ticks``: the reason's letters (ITCH's H), a big-endian number;
    0: none."""
    MARK = 38
    """I: every participant's profit is brought to the last price.  Without a symbol: of every
    instrument but contracts, and each participant is judged once."""
    GROUP_GROSS_POSITION = 40
    """G"""
    GROUP_KILL = 41
    GROUP_NAME = 42
    """G: a number for the group's name in the venue file, so that it keeps its row."""
    MARKET_KILL = 50
    """1 kills at once; 0 enables again when two operators have sent it."""
    FILE = 51
    """The limits of the venue file with this digest have all been set."""
    EMERGENCY = 52
    """The emergency close has done its step 1, 2, … 6, each after the one before; only while the
    market is killed, and over when it is enabled again."""
    SPEED_BUMP = 53
    """Where the journal began with a speed bump: ns that commands wait from their receipt,
    ``price_ticks``: ns of the window within which more is drawn, ``qty_lots``: the seed.  With
    ``time_in_force`` 1 TERMS wait as well (0: of journals of earlier builds)."""
    RELEASE = 54
    """Nothing is set: it is the time of this command, and what was delayed until then enters."""
    DIVIDEND = 55
    """I: a holder receives ``aux`` >> 32 (1 to 2**31 - 1) units of money for each ``aux`` & (2**32
    - 1) (1 to 1,000,000) lots, rounded half to even; a short seller pays it.  The price after the
    dividend, above 0, is in ``price_ticks``.  Refused unless the operator has halted the
    instrument, it is not leveraged, and it has no open orders."""
    SPLIT = 56
    """I: ``aux`` >> 32 new lots for ``aux`` & (2**32 - 1) old ones, each 1 to 1,000,000.  A
    position keeps its whole lots; the fraction is paid in money at the price after the split,
    rounded half to even.  Otherwise as DIVIDEND."""
    REQUEST = 57
    """Where the journal began with requests (``requests.py``): the first 24 characters of an
    operator's reference, 8 each in ``price_ticks``, ``qty_lots`` and ``aux``."""
    REQUEST_BEGUN = 58
    """``price_ticks``: its last 8 characters; ``aux``: a digest of what is asked.  The request is
    open from here on, for the RISK commands whose ``side`` says that they are its effect.  Refused
    if the reference was another request's, or this one is done."""
    REQUEST_DONE = 59
    """The open request is done."""

    LULD = 60
    """I, as all settings up to RENEWAL; the journal must have begun with protection and with prices
    limited to 2**30.  The dynamic bands, in 1/10,000 of the five-minute mean; 0: no bands.  The
    ticks of 1.00, for the Plan's tiers below 3.00, are in ``price_ticks``; 0: no tiers."""
    STATIC_BAND = 61
    """1/10,000 of the last auction's price; 0: none."""
    VOLATILITY = 62
    """1/10,000 that a price may be away from any within ``price_ticks`` seconds (1 to 300); 0: no
    limit."""
    VELOCITY = 63
    """Ticks, likewise."""
    LIMIT_STATE = 64
    """ns of a limit state until it is a pause."""
    PAUSE = 65
    """ns; ``price_ticks``: ns of the re-opening auction's call."""
    INDEX_WEIGHT = 66
    HALT_GROUP = 67
    """A number: a pause of one is one of all that have it; 0: by itself."""
    CANCEL_RESTING = 68
    """1: a pause cancels resting orders."""
    RENEWAL = 69
    """ns that a reference is in effect at least."""
    TRADING_DAY = 70
    """A new trading day, with a number above the last.  Levels 1 and 2 of the breaker count until
    ``price_ticks``, in ns of sequenced time.  The COMPLETED event of this setting, of BREAKER and
    of INDEX_WEIGHT has the index at each level: 1 in ``price_ticks``, 2 in ``qty_lots``, 3 in
    ``order_id``.  A value of 0 means that the level is off, or that an instrument of the index has
    no previous close."""
    BREAKER = 71
    """1/10,000 of ``qty_lots``' level (1 to 3), 0: off; ``price_ticks``: ns of its halt."""

    LEDGER_TIER = 80
    """The ledger's settings (docs/ledger.md), as all up to LEDGER_QUOTE.  The core checks that the
    values are possible, and collects fees by them where there are wallets.

    The fee schedule (0 to 255) x 16 + tier (0 to 7) is in ``qty_lots``, the 30-day volume from
    which it counts in ``price_ticks``.  The maker's (low i32) and taker's (high i32) fee are in
    ``aux``, in 1/1,000,000 of the amount, up to all of it.  A negative fee is paid to the
    participant."""
    LEDGER_MINIMUM = 81
    """Least fee of a fill, money; ``qty_lots``: fee schedule."""
    LEDGER_FEES = 82
    """P (or -1: every participant) and I (or none: all): the fee schedule.  With -1 the next less
    specific schedule applies."""
    LEDGER_ASSET = 83
    """Declares money with ``aux`` (0 to 18) decimals, whose 8 characters ``price_ticks`` has (or,
    of a command that no gateway saw, ``symbol``).  A longer name has a code there, and the rest of
    its characters above the decimals' byte and in ``qty_lots`` (``wire/asset_names.py``).  Where
    there are wallets and room for one more asset, it has wallets from here on."""
    LEDGER_QUOTE = 84
    """I: quoted in the money whose 8 characters ``price_ticks`` has; ``aux``: decimals of ticks
    times lots times multiplier, which must be the money's."""
    LEDGER_COLLECT = 85
    """What buyers in spot instruments pay by the fee schedule ``qty_lots``: 1 the quote asset, 0
    what they receive.  Sellers are paid the quote asset and pay in it."""

    SESSION = 90
    """A piece of the document of a session that is added or changed while the venue trades
    (``order_entry/documents.py``).  16 bytes are in ``price_ticks`` and ``aux``.  ``qty_lots`` has
    the session's index (16 bits), how many pieces there are (8) and which of them this is (8).
    The core sees that these numbers can be; the sessions follow what the document says."""

    CONTRACT_MARK = 91
    """I, as all CONTRACT settings; it must be a contract that was not settled at its end.  Every
    position is valued at this price.  ``price_ticks``: its index, 0: not known.  With
    ``time_in_force`` 1 this one, _SETTLE, _FUNDING, _EXPIRE, _ADJUST or COLLATERAL_PRICE is staged
    until CONTRACT_APPLY; one of each contract and asset.  One of the first four that is in force by
    itself marks with ``qty_lots`` & 1 all other instruments, too, as MARK without a symbol.  Of
    what has a price (and _LIST) ``qty_lots`` >> 1 is how often the contract has been adjusted: a
    price of other terms is refused."""
    CONTRACT_SETTLE = 92
    """The settlement price of the day ``price_ticks`` (YYYYMMDD), which must be after the last: a
    mark, from which the next day's gains count."""
    CONTRACT_FUNDING = 93
    """Funding of a perpetual: longs pay this rate to shorts, in billionths of a lot's value at the
    mark. Below 0 shorts pay. ``price_ticks``: the period's number, which must be above the last."""
    CONTRACT_EXPIRE = 94
    """Final settlement at this price, of an option's underlying or of the contract itself: every
    position is paid and gone.  Refused before the expiry and while orders are open in it."""
    CONTRACT_PAUSE = 95
    """1: its index has too few sources, so nothing is entered; 0: it has enough again."""
    COVER = 96
    """The fund pays ``aux`` of the deficit of the participant ``qty_lots``, which was liquidated
    and holds nothing any more: all of it, or what the fund has."""
    DELEVERAGE = 97
    """A participant (``qty_lots`` >> 16) takes over ``aux`` lots of the instrument from a bankrupt
    one (``qty_lots`` & 0xFFFF), whose deficit the fund cannot pay.  With them it pays
    ``price_ticks`` units of money.  Refused unless it is first by rank and these are the right
    figures (``waterfall.py``).  With the side of the bankrupt one in ``time_in_force`` both get a
    fill.  It is 0 in older journals: no event tells of the takeover."""
    MARGIN_ARRAY = 98
    """I; where the journal began with scenario margin, as those up to MARGIN_APPLY
    (``margin_commands.py``).  Staged: what a long lot loses in the scenarios ``qty_lots`` (even,
    from 0) and the next one, in ``aux`` and ``price_ticks``.  At 16: its delta, in millionths, and
    what a short lot needs at least.  From 18 on: the losses by extended moves."""
    MARGIN_COMMODITY = 99
    """Staged, of the combined commodity ``qty_lots`` >> 8.  With the item ``qty_lots`` & 0xFF 0:
    its add-on in ``aux``, and in ``price_ticks`` its initial margin in millionths of maintenance.
    With another item: the charge of that one of its spreads.  From 0x80 on: a charge for liquidity,
    and in ``price_ticks`` the net delta, in millionths, above which it is.  From 0xC0 on, of the
    asset that hedges the commodity: what 2**bits of its units gain in two scenarios, as in
    MARGIN_ARRAY; at 0xCC the bits, and in ``price_ticks`` the delta of these units."""
    MARGIN_OFFSET = 100
    """Staged: the rate of the inter-commodity spread ``qty_lots``, in millionths."""
    MARGIN_APPLY = 101
    """What is staged is in force, if it is from as many commands; every participant is judged.
    Refused if one has more lots than the new parameters allow.  0 drops what is staged."""
    COLLATERAL_TIER = 102
    """Staged, as MARGIN_ARRAY, where assets may be pledged (``collateral.py``): the tier
    ``qty_lots`` & 0xFF (0 to 3) of the asset in row ``qty_lots`` >> 8.  From ``aux`` margin units
    on (2**62: there is no such tier) the haircut is ``price_ticks`` millionths."""
    COLLATERAL_SHARE = 103
    """Staged: the asset in row ``qty_lots`` is concentrated above the share ``aux`` of all that a
    participant pledges, and has there the further haircut ``price_ticks``, both in millionths."""
    COLLATERAL_PRICE = 104
    """The asset in row ``qty_lots`` is worth ``aux`` margin units for ``price_ticks`` of its units.
    In force at once; those that pledged it are judged."""
    PLEDGE = 105
    """A participant (``qty_lots``) pledges ``aux`` units of the asset with the number
    ``time_in_force`` in wallets.  Below 0 they are available again, if what is left covers its
    initial margin, or they are what a reversed deposit left short.  Refused if all that is pledged
    would count less than before."""
    SEIZE = 106
    """The fund takes over ``price_ticks`` units of the asset with the number ``time_in_force`` from
    the pledge of the participant ``qty_lots``, and pays ``aux`` units of money.  Refused unless
    that participant was liquidated, holds nothing any more and owes money, and these are the right
    figures (``waterfall.py``), 0 of money for a pledge that counts nothing."""
    CONTRACT_LIST = 107
    """I: a contract of a series trades from here on, at this first mark; ``price_ticks``: its
    index.  Refused of one that is listed already, or has expired."""
    CONTRACT_APPLY = 108
    """What is staged is in force, if it is from as many commands, and every participant is judged
    once (``contract_batch.py``).  With ``qty_lots`` 1 all other instruments are marked with it, as
    by MARK without a symbol.  0 drops what is staged."""
    CONTRACT_ADJUST = 109
    """I: ``aux`` >> 32 new units of its underlying have replaced ``aux`` & 0xFFFFFFFF old ones, so
    its terms are others (``contract_terms.py``).  It may be staged.  Refused of an inverse contract
    or a lot that would not be whole, while orders are open in it, and unless it is halted."""
    OFF_BOOK = 110
    """Two participants trade ``aux`` lots of the instrument with each other at ``price_ticks``.
    The buyer is ``qty_lots`` >> 16, the seller ``qty_lots`` & 0xFFFF.  ``time_in_force`` is the
    side of the one that asked for it and pays the taker's fee.  Each side is checked as an order of
    it would be.  Refused unless it is the effect of an open request, so that a reference trades
    once.  With ``side`` LEG it waits for the others of its trade (``matcher/off_book.py``); the
    number of legs before it is ``time_in_force`` >> 4."""

    LIQUIDATION_FEE = 111
    """A participant (``qty_lots``) pays ``aux`` units of money into the insurance fund for the last
    part of its liquidation: all that is due (``ContractBlock.fee_due``), or what it has.  Refused
    unless this is the right figure, 0 too.  Until then there is no further part."""
    INDEX_RULES = 112
    """The core keeps nothing of this and the other INDEX settings: they say in the journal from
    what contracts are marked (``venue/index_journal.py``).  A piece of the document of a run's
    rules (``derivatives/marking.py``).  It has 16 bytes in ``price_ticks`` and ``aux``.  The number
    of pieces, << 20, and which of them this is are in ``qty_lots``."""
    INDEX_REPORT = 113
    """A source's newest price is ``price_ticks``, as of ``aux``, ns since the epoch.  The index's
    number in the document, << 16, and the source's are in ``qty_lots``."""
    INDEX_SAMPLE = 114
    """I: its book's bid ``price_ticks`` and ask ``aux``, which the next INDEX_VALUE takes into the
    contract's basis."""
    INDEX_VALUE = 115
    """What the index with the number ``qty_lots`` comes to by its last reports, as of ``aux``, ns
    since the epoch: ``price_ticks``.  ``time_in_force`` 1: it has too few sources.  Its contracts
    have been marked by it, or paused, by the commands before it."""

    INSTRUMENT_STATE = 116
    """I: it enters the ``InstrumentState`` ``aux`` (``wire/instrument_states.py``).  PRE_OPEN is of
    one that was announced and is no contract, until it trades continuously.  CLOSE_ONLY and
    DELISTED cancel every open order in it, before this command's answer.  Refused if the state at
    hand does not lead there, and with DELISTED while positions are open.  Those of a contract are
    settled for good at ``price_ticks`` if ``qty_lots`` & 1 says so; ``qty_lots`` >> 1 is then how
    often its terms were adjusted."""
    INSTRUMENT_RULE = 117
    """I, as the next one; where the journal began with rules that change
    (``wire/rule_changes.py``).  Staged: the rule with the number ``qty_lots`` is ``aux``.  Of a
    band of the tick table, which begins at ``aux``, the step is ``price_ticks``.  A row that has no
    symbol yet also gets symbol, assets and units.  Refused while those of another instrument are
    staged."""
    INSTRUMENT_APPLY = 118
    """What is staged is in force, if it is from as many commands.  Open orders that it does not
    permit are cancelled before this command's answer, with ``qty_lots`` 1; without that the change
    is refused while there are any.  So are those without a price if a price limit or the market
    band changes, which bound what they reserve.  Refused in a call, for rules that make no sense or
    are those in force, and if the last price would be outside the limits.  0 drops what is
    staged."""
    BUST = 119
    """I: the trade with the match number ``qty_lots``, ``aux`` lots at ``price_ticks``, is taken
    back (``busts.py``).  Two LEGs go before it, the buyer's and the seller's: participant
    ``qty_lots``, order ``price_ticks``, the note of the fee that its fill had ``aux``; their
    ``time_in_force`` is the side, and the fill's flags (``wire/off_book_legs.py``).  Refused unless
    it is the effect of an open request."""


PARTICIPANT_SETTINGS = tuple(s for s in Setting if s < 30)
CELL_SETTINGS = tuple(s for s in Setting if 20 <= s < 30)
INSTRUMENT_SETTINGS = tuple(s for s in Setting if 20 <= s < 40 or 60 <= s < 70)
GROUP_SETTINGS = tuple(s for s in Setting if 40 <= s < 50)
PROTECTION_SETTINGS = tuple(s for s in Setting if 60 <= s < 80)
CORPORATE_SETTINGS = (Setting.DIVIDEND, Setting.SPLIT)
MAX_TERM = 1_000_000
"""Largest term of a ratio."""
LEDGER_SETTINGS = tuple(s for s in Setting if 80 <= s < 90)
CONTRACT_SETTINGS = (
    *(s for s in Setting if 91 <= s < 98),
    Setting.CONTRACT_LIST,
    Setting.CONTRACT_APPLY,
    Setting.CONTRACT_ADJUST,
    Setting.LIQUIDATION_FEE,
)
"""Settings of contracts, and of the steps that follow a liquidation."""
STAGEABLE = (
    *(s for s in Setting if 91 <= s < 95),
    Setting.COLLATERAL_PRICE,
    Setting.CONTRACT_ADJUST,
)
"""Those that may be staged until CONTRACT_APPLY."""
MARGIN_SETTINGS = tuple(s for s in Setting if 98 <= s < 105)
"""The parameters of scenario margin."""
PLEDGE_SETTINGS = (Setting.PLEDGE, Setting.SEIZE)
INDEX_SETTINGS = tuple(s for s in Setting if 112 <= s < 116)
"""From what contracts are marked: the core keeps nothing of them."""
