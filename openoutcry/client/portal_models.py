"""What the portal's native API (``/v1``) answers, field by field: the portal makes it from these
classes, and the client of it gives them back.

Amounts and prices are decimal text, times are milliseconds since 1970 in UTC or dates of ISO 8601.
"""

from dataclasses import dataclass, field
from datetime import date, datetime


@dataclass(frozen=True)
class Status:
    status: str


# Accounts


@dataclass(frozen=True)
class TokenPair:
    access_token: str
    refresh_token: str
    expires_in: int
    """Seconds that the access token lasts."""


@dataclass(frozen=True)
class Me:
    id: int
    mail: str
    participant: int | None
    is_open: bool
    """Whether the venue has added the participant."""
    totp_is_confirmed: bool
    created_at: datetime
    level: int = 0
    """How far the identity is known: it decides what is withdrawn in a day, and who trades."""
    language: str = "en"
    """Of notifications and mails."""
    waits_until: datetime | None = None
    """Nothing leaves the account before: its identity was changed."""
    recovery_codes: int = 0
    """How many are left."""
    has_mail_word: bool = False
    """Whether each mail to the user has a word that the user has chosen."""


@dataclass(frozen=True)
class RecoveryCodes:
    status: str
    codes: list[str]
    """Each takes the place of an authenticator's code once; they are shown here and never again."""


@dataclass(frozen=True)
class SessionRow:
    id: str
    address: str
    agent: str
    created_at: datetime
    used_at: datetime
    is_this: bool


@dataclass(frozen=True)
class SubAccountRow:
    id: int
    label: str
    mail: str
    """Names it to programs; no mail is sent there."""
    participant: int | None
    is_open: bool
    """Whether the venue has added the participant."""
    created_at: datetime


@dataclass(frozen=True)
class ApiKeyRow:
    id: int
    api_key: str
    kind: str
    label: str
    can_trade: bool
    can_withdraw: bool
    networks: list[str]
    expires_at: datetime | None
    created_at: datetime


@dataclass(frozen=True)
class CreatedKey:
    id: int
    api_key: str
    kind: str
    secret: str | None = None
    """The secret of an HMAC-SHA256 key; it is shown here and never again."""


@dataclass(frozen=True)
class TotpSecret:
    secret: str
    uri: str


@dataclass(frozen=True)
class AuditRow:
    id: int
    at: datetime
    action: str
    address: str
    detail: str


# Markets


@dataclass(frozen=True)
class Instrument:
    symbol: str
    base: str
    quote: str
    state: str
    """``trading`` or ``closed`` by its phase, or what the venue has put it in: ``announced``,
    ``pre_open`` (listed, before its first auction), ``suspended``, ``close_only`` (takes only
    orders that reduce), ``expired``, ``delisted``."""
    price_step: str
    quantity_step: str
    min_price: str
    max_price: str
    min_quantity: str
    max_quantity: str
    amount_step: str
    """The smallest amount of the quote asset."""
    order_types: list[str] = field(default_factory=list)
    reserve_price: str = "0"
    """The price at which a purchase without a price must be covered."""
    kind: str = "spot"
    """``spot``, ``future``, ``perpetual``, ``call`` or ``put``."""
    multiplier: str = "1"
    """What a quantity of 1 at a price of 1 is worth in the quote asset."""
    inverse: bool = False
    """A quantity of 1 is worth the multiplier divided by the price, rounded down to
    ``amount_step``; otherwise the multiplier times the price."""
    underlying: str | None = None
    expiry_ms: int | None = None
    strike: str | None = None
    strike_multiplier: str | None = None
    """What a quantity of 1 of an option pays in the quote asset for each 1 that the underlying is
    beyond the strike at the end."""
    strike_inverse: bool = False
    """What an option pays is divided by the final price."""
    strike_rest: str | None = None
    """Of an option: what the strike is more for a quantity of 1, in the quote asset.  A call pays
    this less, a put more.  It is 0 but after a split of the underlying."""
    rules: int = 0
    """How often steps and bounds of instruments have changed; if a ticker has another number, ask
    for the instruments again."""


@dataclass(frozen=True)
class Book:
    symbol: str
    seq: int
    """The last command that this book contains."""
    bids: list[list[str]]
    """Price and quantity, best first."""
    asks: list[list[str]]


@dataclass(frozen=True)
class PublicTrade:
    id: int
    price: str
    quantity: str
    time_ms: int
    taker_side: str
    off_book: bool = False
    """Two participants agreed on it by a request for quotes."""


@dataclass(frozen=True)
class CandleRow:
    begin_ms: int
    end_ms: int
    open: str
    high: str
    low: str
    close: str
    quantity: str
    amount: str
    trades: int


@dataclass(frozen=True)
class Ticker:
    symbol: str
    last: str
    open: str
    high: str
    low: str
    quantity: str
    amount: str
    trades: int
    bid: str
    bid_quantity: str
    ask: str
    ask_quantity: str
    state: str = "trading"
    """As of an instrument."""
    rules: int = 0
    """As of an instrument."""


@dataclass(frozen=True)
class ContractStatistics:
    """Of a contract; prices and rates are decimal text."""

    symbol: str
    seq: int
    """The last command that they contain."""
    time_ms: int
    """When the contract was marked last."""
    mark: str
    """The price that every position is valued at."""
    index: str | None
    """The underlying's price when it was marked; None: none was given."""
    settlement: str | None
    """The last settlement price; None: no day has been settled."""
    settlement_day: str | None
    """In ISO 8601."""
    open_interest: str
    """What all buyers together hold."""
    funding_rate: str | None = None
    """Of the last period that was funded, as a part of a position's value; longs pay shorts, below
    0 shorts pay.  None: no perpetual, or nothing was funded yet."""
    funding_period: int | None = None
    """Its number; of a schedule its hour since 1970."""
    predicted_rate: str | None = None
    """What the rate would be if the period under way ended now; None: the venue has no schedule
    for this contract, or no premium to average yet."""
    next_funding_ms: int | None = None
    """When the period under way ends; None: there is no schedule."""


@dataclass(frozen=True)
class FundingRate:
    """Of one period of a perpetual that was funded; decimal text."""

    time_ms: int
    period: int
    """Its number; of a schedule its hour since 1970."""
    seq: int
    """The command that put it in force."""
    rate: str
    """As a part of a position's value; longs pay shorts, below 0 shorts pay."""
    mark: str
    """The contract's price at that moment."""


@dataclass(frozen=True)
class IndexSource:
    name: str
    weight: int
    state: str
    """``used``, or why it was dropped: ``silent`` (it has not reported), ``stale`` (its report is
    too old), ``outlier`` (it is too far from the median)."""
    price: str | None
    """Its newest report."""
    time_ms: int | None
    """And when it came."""


@dataclass(frozen=True)
class IndexRow:
    """The index of an underlying at the venue's last look."""

    underlying: str
    seq: int
    time_ms: int
    price: str | None
    """None: there has not been one yet."""
    is_protected: bool
    """Fewer than ``least`` sources are used: the price is the last one, and contracts pause."""
    least: int
    sources: list[IndexSource] | None
    """None: this portal has not heard of all of them since it was started."""


@dataclass(frozen=True)
class Now:
    time_ms: int
    seq: int
    """The last command that the venue has released to this portal."""


# Trading


@dataclass(frozen=True)
class OrderRow:
    id: int
    client_order_id: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    price: str
    stop_price: str
    trailing_bps: int
    trailing_distance: str
    offset: str
    """Of a peg: added to the price that it follows."""
    quantity: str
    shown_quantity: str
    min_quantity: str
    amount: str
    """Amount that an order for a sum of the quote asset may spend."""
    filled_quantity: str
    filled_amount: str
    state: str
    is_working: bool
    self_trade: str
    expires_ms: int
    """Until when it is good; 0: it has no such time."""
    created_ms: int
    changed_ms: int
    seq: int
    """The command that last changed it."""
    average_price: str | None = None
    """Average price of what is filled, cut off four places after the instrument's; none: nothing
    is filled."""
    reduce_only: bool = False
    list_id: int | None = None
    """The list that it is one of; none: it is in no list."""
    trigger_by: str = ""
    """The price that elects a stop; empty: as the instrument says."""
    activation_price: str = "0"
    """The price at which a trailing stop begins to trail; 0: at once."""


@dataclass(frozen=True)
class OrderPage:
    items: list[OrderRow]
    next: str | None
    """The cursor of the next page; none: this is the last."""


@dataclass(frozen=True)
class OrderListRow:
    """Orders that act on each other, in the order in which they were entered."""

    id: int
    client_list_id: str
    symbol: str
    contingency: str
    """``oco``, ``ouo``, ``oto``, ``otoco`` or ``otouo``."""
    state: str
    """``open``: an order of it may still trade; or ``closed``."""
    orders: list[OrderRow]
    created_ms: int
    changed_ms: int
    seq: int
    """The command that last changed an order of it."""


@dataclass(frozen=True)
class OrderListPage:
    items: list[OrderListRow]
    next: str | None
    """The cursor of the next page; none: this is the last."""


@dataclass(frozen=True)
class FillRow:
    id: int
    order_id: int
    client_order_id: str
    symbol: str
    side: str
    price: str
    quantity: str
    amount: str
    fee: str
    fee_asset: str
    is_maker: bool
    time_ms: int
    seq: int
    broken: bool = False
    """The operator has taken the trade back."""


@dataclass(frozen=True)
class QuoteRow:
    """A maker's answer to a request; a maker sees its own ones alone."""

    id: int
    maker: int
    bid: str | None
    ask: str | None
    quantity: str
    firm: bool
    last_look: bool
    until_ms: int
    at_ms: int
    is_live: bool
    counter: str | None = None
    """The client's own price, which waits for the maker."""
    bids: list[str] = field(default_factory=list)
    """Of several legs the price of each."""
    asks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class QuoteTrade:
    """A trade that both sides agreed on; the venue's answer: ``due``, ``done`` or ``refused``."""

    quote: int
    side: str
    price: str
    quantity: str
    state: str
    at_ms: int
    seq: int = 0
    why: str = ""
    prices: list[str] = field(default_factory=list)
    """Of several legs."""


@dataclass(frozen=True)
class QuoteLeg:
    """What a package has of an instrument; ``side``: of one that buys the package."""

    symbol: str
    side: str
    quantity: str


@dataclass(frozen=True)
class QuoteRequest:
    """``symbol`` is empty if there are ``legs``.  ``role``: ``client`` or ``maker``; ``state``:
    ``open``, ``pending``, ``traded``, ``passed``, ``cancelled`` or ``expired``."""

    id: int
    role: str
    symbol: str
    side: str
    quantity: str
    state: str
    until_ms: int
    makers: list[int]
    quotes: list[QuoteRow]
    """The client's quotes, the best for its side first."""
    has_passed: bool = False
    waits_for: int | None = None
    """The quote whose maker is asked for its consent,"""
    waits_side: str | None = None
    """to this side of the client"""
    waits_price: str | None = None
    """and this price."""
    waits_number: int | None = None
    """The number of that question, which the maker's answer names."""
    trade: QuoteTrade | None = None
    legs: list[QuoteLeg] = field(default_factory=list)


@dataclass(frozen=True)
class QuoteMaker:
    """How a maker has answered where its consent was asked: last looks, indicative quotes and
    counters."""

    participant: int
    asked: int
    accepted: int
    rejected: int
    timed_out: int
    held_ms: int


@dataclass(frozen=True)
class FillPage:
    items: list[FillRow]
    next: str | None


@dataclass(frozen=True)
class FeeRate:
    """What an account pays for its fills in an instrument, as decimal text."""

    symbol: str
    maker: str
    """A part of what a fill brings, as a fraction; below 0: a rebate."""
    taker: str
    per_lot: str
    """Of a contract: what each lot costs in the quote asset, for makers and takers."""
    buyer_pays_in: str
    """The asset in which buyers pay: the base asset that they receive, or the quote asset."""
    seller_pays_in: str


@dataclass(frozen=True)
class Balance:
    asset: str
    available: str
    reserved: str


# Money in and out


@dataclass(frozen=True)
class NetworkLimit:
    """What an account may withdraw of an asset by a network, as decimal text of the asset."""

    asset: str
    network: str
    minimum: str
    """The smallest withdrawal."""
    fee: str
    """What the venue takes of each withdrawal."""
    a_day: str | None
    """What the account's level withdraws within 24 hours, by all networks; none: no limit."""
    left: str | None
    """What of that is left now."""


@dataclass(frozen=True)
class DepositAddress:
    asset: str
    network: str
    address: str
    tag: str
    """Nothing: the address is the account's own."""
    confirmations: int
    """Blocks after which any deposit is credited; 0: the operator credits it."""


@dataclass(frozen=True)
class DepositRow:
    id: int
    reference: str
    asset: str
    amount: str
    state: str
    """``seen``, ``credited`` or ``reversed``."""
    created_ms: int
    changed_ms: int
    network: str = ""
    """On a chain: which one, and the transaction."""
    txid: str = ""


@dataclass(frozen=True)
class DepositPage:
    items: list[DepositRow]
    next: str | None


@dataclass(frozen=True)
class ChainDeposit:
    """A deposit that has arrived on a chain and is not credited."""

    reference: str
    asset: str
    """Nothing: a token that the venue does not have."""
    network: str
    amount: str
    state: str
    """``pending``: in no block yet; ``seen``: in one; ``dust`` and ``unsupported``: recorded and
    not credited; ``gone``, ``reversed``: replaced, or undone with its block."""
    txid: str
    address: str
    confirmations: int
    needed: int
    """Confirmations after which it is credited."""
    changed_ms: int


@dataclass(frozen=True)
class OwnLimitRow:
    """A limit that the owner of an account has set."""

    id: int
    account: int
    """Number of the account."""
    limit: str
    symbol: str
    """The instrument, or nothing: all together."""
    value: str
    """Decimal text, ``none``, or ``true`` and ``false``."""
    state: str
    """``in force``, ``being set``, or of a wider one ``unconfirmed`` or ``waiting``."""
    wanted: str = ""
    """The wider value that waits."""
    usable_at: datetime | None = None
    """When the wider value is in force."""
    why: str = ""
    """Why the venue refused the last change."""


@dataclass(frozen=True)
class WithdrawalAddress:
    id: int
    asset: str
    network: str
    address: str
    label: str
    state: str
    """``unconfirmed``, ``confirmed``, ``listed``, ``removed``, ``refused`` or ``expired``."""
    why: str
    """Why an address was refused."""
    usable_at: datetime | None
    """When withdrawals may go to a listed address."""
    created_at: datetime
    why_code: str = ""
    """A stable code of ``why``, or nothing."""


@dataclass(frozen=True)
class WithdrawalRow:
    id: int
    client_id: str
    reference: str
    """Reference at the venue."""
    asset: str
    network: str
    address: str
    tag: str
    amount: str
    state: str
    """``unconfirmed``, ``confirmed``, ``requested``, ``approved``, ``sent``, ``done``, or at an end
    without money gone ``cancelled``, ``failed``, ``refused``, ``expired``."""
    created_at: datetime
    changed_at: datetime
    txid: str = ""
    """On a chain: the transaction that pays it."""
    confirmations: int = 0
    waits: str = ""
    """Condition that it waits for: ``stopped`` (all withdrawals are), ``people``, ``payment``,
    ``block``, ``blocks``; nothing: its owner, or the operator."""
    why: str = ""
    """Why it was refused or has failed."""
    why_code: str = ""
    """A stable code of ``why``, or nothing."""


@dataclass(frozen=True)
class WithdrawalPage:
    items: list[WithdrawalRow]
    next: str | None


@dataclass(frozen=True)
class TransferRow:
    id: int
    client_id: str
    source: int
    """A sub-account; 0: the main account."""
    target: int
    asset: str
    amount: str
    state: str
    """``under way``, ``done`` or ``refused``."""
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True)
class TransferPage:
    items: list[TransferRow]
    next: str | None


@dataclass(frozen=True)
class Announcement:
    id: int
    kind: str
    """maintenance, incident, listing, news, or market: what became of an instrument."""
    symbol: str
    title: str
    body: str
    at: datetime
    begins_at: datetime | None
    ends_at: datetime | None


@dataclass(frozen=True)
class InstrumentStatus:
    symbol: str
    state: str


@dataclass(frozen=True)
class VenueStatus:
    name: str
    venue: str
    """open, closed, dead or never opened."""
    time_ms: int
    instruments: list[InstrumentStatus]
    announcements: list[Announcement]
    """The newest first."""


@dataclass(frozen=True)
class ProofRow:
    """What the venue has stated that it owes."""

    id: str
    as_of_seq: int
    as_of_ms: int
    members: int
    sums: dict[str, str]
    """All that is owed, by asset."""
    root: str
    public_key: str
    """Compare it with the venue's from another source."""
    reserves: list[str]
    """Proofs of reserves that are beside it."""


@dataclass(frozen=True)
class ProofPage:
    items: list[ProofRow]
    next: str | None


@dataclass(frozen=True)
class Problem:
    """A refusal (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    """Stable; programs act on it."""
    detail: str


# Identities and other ways to log in


@dataclass(frozen=True)
class Challenge:
    algorithm: str
    """``ALTCHA``: the open scheme of proofs of work."""
    challenge: dict[str, object]


@dataclass(frozen=True)
class PasskeyRow:
    id: int
    label: str
    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True)
class PasskeyRequest:
    ticket: str
    options: dict[str, object]
    """Options for the browser (WebAuthn)."""


@dataclass(frozen=True)
class ProviderRequest:
    url: str
    """Where the browser goes."""
    state: str


@dataclass(frozen=True)
class PaperRow:
    id: int
    kind: str
    size: int
    created_at: datetime


@dataclass(frozen=True)
class IdentityShown:
    state: str
    """``none``, ``submitted``, ``accepted`` or ``refused``."""
    level: int
    papers: list[PaperRow] = field(default_factory=list)
    wanted: int | None = None
    name: str | None = None
    born: date | None = None
    country: str | None = None
    address: str | None = None
    reason: str | None = None


# History


@dataclass(frozen=True)
class HistoryState:
    seq: int
    """The last command that is in the history; 0: it was not begun yet."""
    time_ms: int
    venue_seq: int
    """The last command that the venue has released."""
    behind: int
    """Commands that the history lacks."""
    behind_ms: int


@dataclass(frozen=True)
class OrderChange:
    event: int
    execution: str
    state: str
    price: str
    quantity: str
    filled_quantity: str
    client_order_id: str
    time_ms: int
    seq: int


@dataclass(frozen=True)
class Movement:
    id: str
    number: int
    """Number of the deposit or withdrawal that this is a step of."""
    kind: str
    """``deposit``, ``withdrawal``, or ``transfer``: one of the operator's in one step."""
    step: str
    asset: str
    amount: str
    available: str
    """Changes of the wallet by the step."""
    reserved: str
    time_ms: int
    seq: int


@dataclass(frozen=True)
class MovementPage:
    items: list[Movement]
    next: str | None


@dataclass(frozen=True)
class DayBalance:
    day: date
    asset: str
    available: str
    reserved: str


@dataclass(frozen=True)
class DayFee:
    day: date
    symbol: str
    asset: str
    fee: str


# Margin


@dataclass(frozen=True)
class ContractPosition:
    symbol: str
    underlying: str
    lots: int
    """Below 0: short."""
    mark: str
    index: str | None
    funding_period: int | None
    """Of a perpetual: the period that was funded last, and its rate in billionths."""
    funding_rate: int | None
    takeover_place: int
    """The place at which this position is taken over for a default, 1: the first."""
    takeover_of: int
    """How many positions of this side there are."""


@dataclass(frozen=True)
class MarginOfUnderlying:
    underlying: str
    scan: str
    intra: str
    credit: str
    short_minimum: str
    addon: str
    maintenance: str
    initial: str
    active: int
    """Number of the scenario that loses the most, from 1."""
    scenarios: list[str]
    """The loss in each of the 16, and by each extended move."""
    liquidated_below: str | None
    """Price of the underlying below which the participant has too little; none: at no price."""
    liquidated_above: str | None
    greeks: dict[str, str]
    """In the asset: delta and gamma a tick, vega a point of volatility, theta a day."""


@dataclass(frozen=True)
class MarginOfOrder:
    accepted: bool
    needed: str
    initial_with_orders: str
    loss_at_once: str
    """What the order loses against the mark as it trades."""
    maintenance_if_filled: str


@dataclass(frozen=True)
class Margin:
    asset: str
    is_limited: bool
    equity: str
    maintenance: str
    initial: str
    with_orders: str
    reserved: str
    underlyings: list[MarginOfUnderlying]
    positions: list[ContractPosition]
    what_if: MarginOfOrder | None


@dataclass(frozen=True)
class FundingRow:
    time_ms: int
    seq: int
    symbol: str
    lots: int
    mark: str
    asset: str
    paid: str
    """Below 0: the position paid."""


# Portfolio


@dataclass(frozen=True)
class Holding:
    asset: str
    available: str
    reserved: str
    total: str
    price: str | None
    """Price of 1 in the currency; none: no traded market leads to it."""
    value: str | None
    share_bps: int | None


@dataclass(frozen=True)
class InstrumentProfit:
    symbol: str
    position: str
    """Position traded in this instrument, in its base asset."""
    asset: str
    """Asset of the amounts."""
    cost: str
    last: str | None
    value: str | None
    realised: str
    unrealised: str | None
    fees: str
    base_asset: str
    base_fees: str
    """Fees that were paid in the base asset."""


@dataclass(frozen=True)
class Portfolio:
    currency: str
    method: str
    seq: int
    """The command that this is of."""
    time_ms: int
    value: str
    invested: str
    """Deposits less withdrawals, each at the prices of its day."""
    gain: str
    holdings: list[Holding]
    instruments: list[InstrumentProfit]
    unvalued: list[str]


@dataclass(frozen=True)
class PerformanceDay:
    day: date
    value: str
    invested: str
    gain: str


@dataclass(frozen=True)
class Performance:
    currency: str
    seq: int
    days: list[PerformanceDay]


@dataclass(frozen=True)
class ProposedOrder:
    symbol: str
    side: str
    type: str
    quantity: str
    price: str
    time_in_force: str
    value: str


@dataclass(frozen=True)
class RebalanceRow:
    asset: str
    share_bps: int
    target_bps: int
    value: str
    target_value: str


@dataclass(frozen=True)
class Rebalance:
    currency: str
    value: str
    seq: int
    rows: list[RebalanceRow]
    orders: list[ProposedOrder]
    """Why nothing of it was sent."""


# Notifications


@dataclass(frozen=True)
class Notification:
    id: str
    """The same in every channel and in every attempt."""
    number: int
    event: str
    title: str
    text: str
    data: dict[str, object]
    created_at: datetime
    read_at: datetime | None


@dataclass(frozen=True)
class NotificationPage:
    items: list[Notification]
    next: str | None
    unread: int


@dataclass(frozen=True)
class NotificationSettings:
    events: dict[str, list[str]]
    """Channels of each event."""
    quiet_from: str
    """A time of day, as ``22:00``; nothing: no quiet hours."""
    quiet_until: str
    time_zone: str
    summary: str
    """Nothing, ``daily`` or ``weekly`` (on Mondays)."""
    summary_at: str
    currency: str
    margin_levels: list[int]
    """Percent of the account's means at which its maintenance margin is warned of."""


@dataclass(frozen=True)
class PriceAlert:
    id: int
    symbol: str
    direction: str
    """``above`` or ``below``."""
    price: str
    created_at: datetime
    fired_at: datetime | None
    fired_price: str | None


@dataclass(frozen=True)
class Webhook:
    url: str
    state: str
    """``none``, ``on`` or ``failing``."""
    error: str
    secret: str | None
    """It is shown once, when the webhook is set."""


@dataclass(frozen=True)
class PushKey:
    public_key: str
    """The portal's key (VAPID), in base64url."""


@dataclass(frozen=True)
class PushSubscription:
    id: int
    endpoint_host: str
    label: str
    created_at: datetime


# Operators


@dataclass(frozen=True)
class UserRow:
    id: int
    mail: str
    participant: int | None
    level: int
    is_open: bool
    is_verified: bool
    frozen_at: datetime | None
    frozen_reason: str
    """For operators."""
    frozen_told: str
    """The reason that the user reads."""
    keeps_orders: bool
    """Whether the freeze leaves the open orders."""
    is_held: bool
    """Whether the venue has suspended the participant for the freeze."""
    created_at: datetime


@dataclass(frozen=True)
class UserPage:
    items: list[UserRow]
    next: str | None


@dataclass(frozen=True)
class WithdrawalLimit:
    asset: str
    a_day: str
    """In 24 hours."""
    left: str


@dataclass(frozen=True)
class UserDetail:
    user: UserRow
    sessions: int
    api_keys: int
    balances: list[Balance]
    audit: list[AuditRow]
    keys: list[ApiKeyRow]
    limits: list[WithdrawalLimit] | None
    """What the level lets the user withdraw; null: nothing is limited."""


@dataclass(frozen=True)
class IdentityChange:
    change: str
    at: datetime
    before: str
    """The old value, masked."""
    after: str
    """The new value, masked."""
    address: str
    """The network address that it came from."""
    device: str
    """The user agent that it came from."""


@dataclass(frozen=True)
class WithdrawalToApprove:
    id: int
    reference: str
    """Its name at the venue, or at custody."""
    user_id: int
    mail: str
    participant: int
    asset: str
    network: str
    address: str
    tag: str
    amount: str
    state: str
    created_at: datetime
    is_first: bool
    """Whether nothing has arrived at this address before."""
    changes: list[IdentityChange]
    """Changes of the owner's identity within 30 days, the newest first."""


@dataclass(frozen=True)
class SupportView:
    token: str
    expires_in: int
    """Seconds."""


@dataclass(frozen=True)
class OperatorRow:
    id: int
    at: datetime
    operator: str
    action: str
    user_id: int | None
    reason: str


@dataclass(frozen=True)
class OperatorPage:
    items: list[OperatorRow]
    next: str | None


@dataclass(frozen=True)
class AnalyticsPage:
    view: str
    rows: list[dict[str, object]]
