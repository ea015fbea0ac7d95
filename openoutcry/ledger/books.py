"""The books: balances, positions and open orders in memory, brought along the events."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import openoutcry.ledger.layout as lay
from openoutcry.journal.projections import (
    LEDGER_SETTINGS,
    Setting,
    contract_rows,
    has_risk,
    instrument_money,
    wallets_of,
)
from openoutcry.ledger.accounts import KINDS, Account, Place, index_of, place_of
from openoutcry.ledger.layout import LedgerState
from openoutcry.ledger.movements import Movements
from openoutcry.ledger.post import SET_APPLY, SET_CONTRACT_MARK, SET_MARK, post
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE, enum_numbers, make_instruments
from openoutcry.wire.asset_names import (
    DECIMALS_MASK,
    asset_named,
    asset_text,
    asset_word,
    names_by_word,
)
from openoutcry.wire.enums import EventKind
from openoutcry.wire.errors import LedgerError
from openoutcry.wire.rule_changes import SET_APPLY as SET_RULES
from openoutcry.wire.rule_changes import SLOT
from openoutcry.wire.symbols import code_of, names_by_code, symbol_text, symbols_of
from openoutcry.wire.text import text_of

Records = npt.NDArray[Any]
RISK = enum_numbers.COMMAND_KIND_RISK
MAX_ACCOUNTS = 1 << 27
NEVER = 2**63 - 1
"""A tier from this volume on is unused."""
MAX_PURPOSES = 255
TABLES = ("balances", "instruments", "participants", "cells", "orders", "schedules")
"""In the order of the header's addresses."""
WHY = {
    lay.Error.NOTIONAL: "price times quantity passes 2^63: this fill cannot be posted",
    lay.Error.ORDER: "its order was never accepted, or was accepted twice",
    lay.Error.GAP: "the event before it is missing: the ledger continues from what it has posted",
    lay.Error.UNBALANCED: "its postings do not sum to 0",
    lay.Error.ASSET: "the core moved an asset that has no wallets by the journal's configuration",
}
MARGIN = "-MARGIN"
"""After the name of money that has wallets, too: what margin accounts hold of it."""


class Remark(NamedTuple):
    """A sequenced command's request that the ledger cannot follow."""

    event_seq: int
    text: str
    participant: int | None = None
    """The one member that may read it; None: the text is for the operator alone."""


BOUNDS = "min_price_ticks", "max_price_ticks", "market_band_ticks"
"""In the instrument table: what bounds an order without a price."""


class Books:
    """The accounts of all participants, from a journal's configuration on.

    ``monies`` are the names and decimals of money of margin accounts, ``wallets`` those of the
    assets that have wallets, ``venue`` is the name that the journal has.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.table = make_instruments(config["instruments"])
        self.symbols = symbols_of(config)
        self._by_code = names_by_code(self.symbols)
        self._slots = [n for n, symbol in enumerate(self.symbols) if symbol.startswith(SLOT)]
        self.count = len(self.table)
        self.tracks = has_risk(dict(config))
        hooks = dict(config.get("hooks") or {})
        given = wallets_of(hooks)
        self.wallets: list[tuple[str, int]] = list(given.get("assets", []))
        self.spot: dict[int, tuple[int, int, int]] = given.get("spot", {})
        """Base and quote asset (as in ``wallets``) and units a lot of each spot instrument."""
        self.movements = Movements(int(given.get("movements", 0)))
        self.asset_room = max(int(given.get("asset_capacity", 0)), len(self.wallets))
        """Assets that may have wallets: more are declared while trading."""
        self.first_lots = lay.MONEY_SLOTS + self.asset_room
        if self.first_lots > lay.MAX_MONEYS:
            most = lay.MAX_MONEYS - lay.MONEY_SLOTS
            raise LedgerError(f"{self.asset_room} assets: the ledger has room for {most}")
        self.wallet_names = np.zeros(max(self.asset_room, 1), np.int64)
        """Their codes, for the kernel."""
        capacity = 1 << (2 * int(config["order_capacity"]) + 8).bit_length()
        self.header = np.zeros(lay.HEADER_WORDS, np.int64)
        self.balances = np.zeros((0, 2), np.int64)
        self.participants = np.zeros((0, lay.PARTICIPANT_WORDS), np.int64)
        self.cells = np.zeros((0, lay.CELL_WORDS), np.int64)
        self.orders = np.zeros((capacity if self.tracks else 1, lay.ORDER_WORDS), np.int64)
        self.instruments = self._instruments(dict(config))
        self.schedules = np.zeros((lay.SCHEDULES, lay.SCHEDULE_WORDS), np.int64)
        self.schedules[:, 1 : lay.COLLECTS_QUOTE // 8 : lay.TIER_WORDS] = lay.UNUSED_TIER
        self.monies: list[tuple[str, int]] = [("CASH", 0)]
        self.remarks: list[Remark] = []
        self.units_before: list[tuple[int, int, int]] = []
        """Of each adjustment of a contract the event, the instrument, and what a lot was a tick
        until then."""
        self.venue = str(config.get("source") or "").removeprefix("venue ")
        self.failed: str | None = None
        words = {
            lay.INSTRUMENTS: self.count,
            lay.ORDER_MASK: len(self.orders) - 1,
            lay.TRACKS: int(self.tracks),
        }
        for word, value in words.items():
            self.header[word // 8] = value
        name_monies(self)
        self._rows = np.zeros(0, lay.TRANSACTION_DTYPE)
        self.grow(int(hooks.get("participants", 1)) if self.tracks else 1)
        self.opening = self._open(hooks) if self.tracks else self._rows[:0].copy()

    def symbol_of(self, command: Any) -> str:
        """The instrument that a command names; nothing: none."""
        return symbol_text(command["symbol"], self._by_code)

    def _instruments(self, config: dict[str, Any]) -> npt.NDArray[np.int64]:
        rows = np.zeros((self.count, lay.INSTRUMENT_WORDS), np.int64)
        money = instrument_money(config, self.table)
        columns = {
            lay.WORST_BUY: money.worst_buy,
            lay.WORST_SELL: money.worst_sell,
            lay.MULTIPLIER: money.multiplier,
            lay.LEVERAGED: money.leveraged,
            lay.LAST: money.last,
            **{lay.LOW + at * lay.WORD: self.table[name] for at, name in enumerate(2 * BOUNDS)},
            lay.SYMBOL: self.table["symbol"].astype("S8").view(np.int64),
        }
        for word, values in columns.items():
            rows[:, word // 8] = values
        for index, (base, quote, lot_units) in self.spot.items():
            rows[index, lay.QUOTE // 8] = lay.MONEY_SLOTS + quote
            rows[index, lay.BASE // 8] = lay.MONEY_SLOTS + base
            rows[index, lay.LOT_UNITS // 8] = lot_units
            # As in the core: neither margin nor money is reserved in a margin account.
            rows[index, lay.LEVERAGED // 8] = lay.SPOT
        for index, (contract, margin) in contract_rows(config, self.table).items():
            first = lay.CONTRACT_KIND // 8
            rows[index, first : first + len(contract)] = contract
            rows[index, lay.MARGIN // 8] = margin
        return rows

    def _open(self, hooks: Mapping[str, Any]) -> Records:
        """Apply what the configuration itself sets before the first command: transactions of event
        0."""
        batches = []
        for number, row in enumerate(hooks.get("limits", ())):
            order, event = np.zeros(1, ORDER_DTYPE), np.zeros(1, EVENT_DTYPE)
            order["kind"], order["order_type"] = RISK, int(Setting[row["set"]])
            order["aux"], order["qty_lots"] = row["value"], row.get("who", 0)
            order["symbol"] = code_of(str(row.get("symbol", "")))
            order["price_ticks"] = row.get("second", 0)
            event["kind"], event["seq"] = EventKind.COMPLETED, 1
            self.header[lay.EVENT_SEQ // 8] = 0
            posted = self.post(order, event, 0)
            posted["event_seq"], posted["part"] = 0, number << 20 | posted["part"]
            batches.append(posted)
        self.header[lay.EVENT_SEQ // 8] = self.header[lay.CAUSE_SEQ // 8] = 0
        return np.concatenate(batches) if batches else self._rows[:0].copy()

    def grow(self, participants: int) -> None:
        """Room for participants 0 to ``participants - 1``."""
        now = len(self.participants)
        if participants <= now:
            return
        assets = self.asset_count
        most = MAX_ACCOUNTS // (assets * KINDS) - 1
        if participants > most:
            raise LedgerError(
                f"participant {participants - 1}: with {self.count:,} instruments and "
                f"{self.asset_room:,} wallets each, the ledger has room for {most:,} participants"
            )
        capacity = min(max(participants, 2 * now), most, 1 << 16)
        self.balances = _longer(self.balances, (capacity + 1) * assets * KINDS)
        self.participants = _longer(self.participants, capacity)
        self.cells = _longer(self.cells, capacity * self.count)
        self.header[lay.PARTICIPANTS // 8] = capacity

    def _place(self) -> int:
        """Address of the header, with every table's in it."""
        for word, name in enumerate(TABLES):
            self.header[word] = getattr(self, name).ctypes.data
        self.header[lay.ASSETS // 8] = self.asset_count
        self.header[lay.WALLETS // 8] = len(self.wallets)
        self.header[lay.FIRST_LOTS // 8] = self.first_lots
        self.header[lay.WALLET_NAMES_AT // 8] = self.wallet_names.ctypes.data
        return self.header.ctypes.data

    def post(self, commands: Records, events: Records, first_seq: int | None = None) -> Records:
        """Post the events that these commands (ORDER_DTYPE, in sequence) caused; returns the
        transactions (TRANSACTION_DTYPE).  What was posted before is passed over.

        Raises :class:`LedgerError` naming the event that cannot be posted; of its batch nothing is
        returned, and the books are not to be used any more.
        """
        if self.failed:
            raise LedgerError(self.failed)
        first = int(commands["seq"][0]) if first_seq is None and len(commands) else first_seq or 0
        batches = [
            self._post(commands, part, first) for part in self._parts(commands, events, first)
        ]
        return batches[0] if len(batches) == 1 else np.concatenate(batches)

    def _parts(self, commands: Records, events: Records, first: int) -> Iterator[Records]:
        """The events up to each command that changes what the ledger goes by, which is then done,
        and those after the last."""
        at = 0
        is_risk = commands["kind"] == RISK
        if is_risk.any():
            kinds = commands["order_type"]
            named = commands["price_ticks"] > MAX_PURPOSES
            named = (kinds == Setting.DEPOSIT) & (named | (commands["symbol"] != b""))
            moving = kinds == Setting.MOVEMENT
            ours = is_risk & (np.isin(kinds, LEDGER_SETTINGS) | named | moving)
            for index in np.flatnonzero(ours).tolist():
                if named[index] and self.wallets:
                    continue  # nothing is to be remarked: it need not end a part
                if moving[index]:
                    self.header[lay.MOVEMENT // 8] = self.movements.word(commands[index])
                end = int(np.searchsorted(events["cause_seq"], first + index, "right"))
                yield events[at:end]
                at = end
                answer = events[end - 1] if end else None
                if answer is None or answer["kind"] != EventKind.COMPLETED:
                    continue
                if moving[index]:
                    codes = self.wallet_names[: len(self.wallets)].tolist()
                    self.movements.follow(commands[index], first + index, codes)
                else:
                    follow = remark_deposit if named[index] else apply_setting
                    follow(self, commands[index], int(answer["seq"]))
        yield events[at:]

    def _post(self, commands: Records, events: Records, first: int) -> Records:
        if not len(events):
            return self._rows[:0].copy()
        self.grow(int(events["participant"].max()) + 1)
        causes = events["cause_seq"]
        own = commands[max(0, int(causes.min()) - first) : int(causes.max()) - first + 1]
        settings = own[(own["kind"] == RISK) & (own["order_type"] != Setting.DEPOSIT)]
        wide = len(settings)
        batches = settings[settings["order_type"] == SET_APPLY]["aux"]
        wide += int(np.clip(batches, 0, self.count).sum())
        marks = own[(own["kind"] == RISK) & (own["order_type"] == SET_MARK)]["symbol"]
        wide += self.count * int(np.count_nonzero(marks == b""))
        of_contracts = (settings["order_type"] >= SET_CONTRACT_MARK) & (settings["qty_lots"] == 1)
        wide += self.count * int(np.count_nonzero(of_contracts))
        # A mark moves gain and margin of a participant in one row; a takeover has two rows.
        room = len(events) * (2 if self.wallets else 1) + wide * len(self.participants) + 2
        # Measured: a copy out of one buffer cost as much as the posting.
        rows = np.empty(room, lay.TRANSACTION_DTYPE)
        commands, events = np.ascontiguousarray(commands), np.ascontiguousarray(events)
        taken, written = post(
            LedgerState.of(self._place()),
            commands.ctypes.data,
            first,
            events.ctypes.data,
            len(events),
            rows.ctypes.data,
        )
        if taken < len(events):
            error = lay.Error(int(self.header[lay.ERROR // 8]))
            event = events[taken]
            at = f"event {int(event['seq'])} of command {int(event['cause_seq'])}"
            self.failed = f"{at} ({self._where(event)}): {WHY[error]}"
            raise LedgerError(self.failed)
        if len(settings) and (settings["order_type"] == SET_RULES).any():
            self.name_rows()
        rows = rows[:written]
        of_terms = rows[rows["kind"] == lay.Kind.ADJUSTED]
        for event_seq, index, units in of_terms[["event_seq", "instrument", "order_id"]].tolist():
            if (event_seq, index, units) not in self.units_before[-self.count :]:
                self.units_before.append((event_seq, index, units))
        return rows

    def name_rows(self) -> None:
        """Take the symbol and the pair of each row that had no symbol at the journal's begin."""
        for index in self._slots:
            row = self.instruments[index]
            code = row[lay.SYMBOL // 8 : lay.SYMBOL // 8 + 1].tobytes().rstrip(b"\0")
            self.symbols[index] = code.decode()
            base, quote = (int(row[word // 8]) - lay.MONEY_SLOTS for word in (lay.BASE, lay.QUOTE))
            self.spot[index] = base, quote, int(row[lay.LOT_UNITS // 8])
        self._by_code |= names_by_code(self.symbols)

    def multiplier_at(self, index: int, event_seq: int) -> int:
        """Money a lot and tick of an instrument when an event was posted."""
        for before, of, units in self.units_before:
            if of == index and event_seq < before:
                return units
        return int(self.instruments[index, lay.MULTIPLIER // 8])

    def _where(self, event: Any) -> str:
        index = int(event["instrument"])
        symbol = self.symbols[index] if index < self.count else "no instrument"
        return f"participant {int(event['participant'])}, {symbol}"

    # The current state.

    @property
    def event_seq(self) -> int:
        """The last event that was posted."""
        return int(self.header[lay.EVENT_SEQ // 8])

    @property
    def cause_seq(self) -> int:
        """The command that caused it."""
        return int(self.header[lay.CAUSE_SEQ // 8])

    @property
    def now_ns(self) -> int:
        """Sequenced time of the last transaction, ns since the epoch."""
        return int(self.header[lay.NOW_NS // 8])

    @property
    def asset_count(self) -> int:
        """Return how many assets have balances: money first, then each instrument's lots."""
        return self.first_lots + self.count

    @property
    def money_names(self) -> list[str]:
        """Names of money and of the assets that have wallets, by asset; a slot of money that is not
        used has none."""
        wallets = [name for name, _ in self.wallets]
        names = [f"{name}{MARGIN}" if name in wallets else name for name, _ in self.monies]
        free = [""] * (self.asset_room - len(wallets))
        return [*names, *[""] * (lay.MONEY_SLOTS - len(names)), *wallets, *free]

    @property
    def assets(self) -> list[str]:
        """Names by asset, instruments last."""
        return [*self.money_names, *self.symbols]

    @property
    def scales(self) -> dict[str, int]:
        """Decimals by name, of money and of the assets that have wallets."""
        return {
            name: self.decimals(asset) for asset, name in enumerate(self.money_names) if name != ""
        }

    @property
    def all_spot(self) -> bool:
        """Return whether wallets pay every instrument, so that there is no margin account."""
        return bool(self.spot) and len(self.spot) == self.count

    def decimals(self, asset: int) -> int:
        """Return the decimals of an asset's amounts; lots are whole."""
        if asset < lay.MONEY_SLOTS:
            return self.monies[asset][1] if asset < len(self.monies) else 0
        of_wallets = asset - lay.MONEY_SLOTS
        return self.wallets[of_wallets][1] if of_wallets < len(self.wallets) else 0

    def balance(self, owner: int, asset: int, kind: int) -> int:
        """Return the balance of one account, as an integer of any size."""
        index = index_of(owner, asset, kind, self.asset_count)
        return _value(*self.balances[index].tolist()) if index < len(self.balances) else 0

    def nonzero_balances(self) -> Iterator[tuple[Place, int]]:
        """Every account whose balance is not 0, in the table's order."""
        for index in np.flatnonzero(self.balances.any(axis=1)).tolist():
            place = place_of(index, self.asset_count)
            yield place, _value(*self.balances[index].tolist())

    def fees_owed(self) -> dict[tuple[int, int], int]:
        """Return the fees by schedule that participants owe, units by participant and asset.  A
        participant that owes nothing, or has rebates to come, is not among them."""
        return {
            (place.participant, place.asset): -due
            for place, due in self.nonzero_balances()
            if place.participant is not None
            and place.kind == Account.FEES_DUE
            and place.asset < lay.MONEY_SLOTS
            and due < 0
        }

    def money(self, kind: int) -> npt.NDArray[np.object_]:
        """Return, by participant, what its margin account has in all money together (as the core's
        risk counts it) in the accounts of a kind: Python integers."""
        part = self._by_place[1:, : lay.MONEY_SLOTS, kind]
        total: npt.NDArray[np.object_] = (
            part[..., 1].astype(object) * (1 << 64) + part[..., 0].astype(np.uint64).astype(object)
        ).sum(axis=1)
        return total

    def lots(self, kind: int) -> npt.NDArray[np.int64]:
        """Return, by participant and instrument, the low halves of the accounts of a kind: exact
        within int64."""
        return self._by_place[1:, self.first_lots :, kind, 0]

    def in_wallets(self, kind: int) -> npt.NDArray[np.int64]:
        """Return, by participant and asset, what wallets hold in the accounts of a kind, as
        :meth:`lots` does: the core lets no wallet pass 2^62."""
        return self._by_place[1:, lay.MONEY_SLOTS :, kind, 0][:, : len(self.wallets)]

    @property
    def _by_place(self) -> npt.NDArray[np.int64]:
        """Low and high half by owner, asset and kind."""
        return self.balances.reshape(-1, self.asset_count, KINDS, 2)

    def sums(self) -> list[int]:
        """Return the sum of all accounts of each asset; each must be 0."""
        rows = self._by_place
        high = rows[..., 1].sum(axis=(0, 2))
        unsigned = rows[..., 0].astype(np.uint64)
        low = (unsigned & 0xFFFFFFFF).sum(axis=(0, 2)).tolist()
        upper = (unsigned >> np.uint64(32)).sum(axis=(0, 2)).tolist()
        return [
            int(h) * (1 << 64) + int(u) * (1 << 32) + int(v)
            for h, u, v in zip(high.tolist(), upper, low, strict=True)
        ]


def _longer(table: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.int64]:
    longer = np.zeros((length, table.shape[1]), np.int64)
    longer[: len(table)] = table
    return longer


def _value(low: int, high: int) -> int:
    return high * (1 << 64) + (low & (1 << 64) - 1)


# Settings: what the ledger goes by, changed by sequenced commands.  The core has let each through;
# what contradicts the books changes nothing and is remarked.


def name_monies(books: Books) -> None:
    """Write the codes of money, and of assets with wallets, into the header for the kernel."""
    names = [asset_word(name) for name, _ in books.monies]
    first = lay.MONEY_NAMES // 8
    books.header[first : first + lay.MONEY_SLOTS] = 0
    books.header[first : first + len(names)] = names
    books.wallet_names[: len(books.wallets)] = [asset_word(name) for name, _ in books.wallets]


def apply_setting(books: Books, command: Any, event_seq: int) -> None:
    """Follow a command (ORDER_DTYPE) that the core has let through by the event ``event_seq``."""
    what = Setting(int(command["order_type"]))
    refusal = {
        Setting.LEDGER_TIER: _tier,
        Setting.LEDGER_MINIMUM: _minimum,
        Setting.LEDGER_FEES: _fees,
        Setting.LEDGER_ASSET: _asset,
        Setting.LEDGER_QUOTE: _quote,
        Setting.LEDGER_COLLECT: _collect,
    }[what](books, command)
    if refusal:
        books.remarks.append(Remark(event_seq, f"{what.name}: {refusal}"))


def asset_of(books: Books, command: Any) -> str:
    """Return the money that a command names; None without one."""
    word = int(command["price_ticks"])
    if word > MAX_PURPOSES:
        return asset_named(word, names_by_word(dict(books.monies) | dict(books.wallets)))
    return text_of(command["symbol"], "ascii")


def remark_deposit(books: Books, command: Any, event_seq: int) -> None:
    """Note that a deposit in money that was never declared is kept in suspense."""
    name = asset_of(books, command)
    if books.wallets:
        return
    names = [known for known, _ in books.monies]
    if name and name not in names:
        amount, who = int(command["aux"]), int(command["qty_lots"])
        text = f"DEPOSIT of {amount} to participant {who}: there is no money {name!r}; there are: "
        text += f"{', '.join(names)}; it is booked in {names[0]} against suspense"
        books.remarks.append(Remark(event_seq, text, who))


def _tier(books: Books, c: Any) -> str:
    schedule, tier = divmod(int(c["qty_lots"]), 16)
    aux, at = int(c["aux"]), 1 + tier * lay.TIER_WORDS
    maker = (aux & 0xFFFFFFFF) - ((aux & 0x80000000) << 1)
    begin = int(c["price_ticks"])
    unused = begin == NEVER
    books.schedules[schedule, at : at + 3] = lay.UNUSED_TIER if unused else begin, maker, aux >> 32
    return ""


def _minimum(books: Books, c: Any) -> str:
    books.schedules[int(c["qty_lots"]), 0] = int(c["aux"])
    return ""


def _collect(books: Books, c: Any) -> str:
    books.schedules[int(c["qty_lots"]), lay.COLLECTS_QUOTE // 8] = int(c["aux"])
    return ""


def _fees(books: Books, c: Any) -> str:
    """Setting no schedule for all participants and instruments ends every other assignment, too."""
    who, number = int(c["qty_lots"]), int(c["aux"]) + 1
    symbol = books.symbol_of(c)
    if who >= 0:
        books.grow(who + 1)
    index = books.symbols.index(symbol) if symbol else -1
    if who < 0 and index < 0:
        books.header[lay.SCHEDULE_OF_ALL // 8] = number
        if not number:
            # No participant pays by a schedule: what a venue file begins with.
            books.instruments[:, lay.INSTRUMENT_SCHEDULE // 8] = 0
            books.participants[:, lay.PARTICIPANT_SCHEDULE // 8] = 0
            books.participants[:, lay.SPOT_SCHEDULE // 8] = 0
            books.cells[:, lay.CELL_SCHEDULE // 8] = 0
    elif who < 0:
        books.instruments[index, lay.INSTRUMENT_SCHEDULE // 8] = number
    elif index < 0:
        books.participants[who, lay.PARTICIPANT_SCHEDULE // 8] = number
        books.participants[who, lay.SPOT_SCHEDULE // 8] = number
    else:
        books.cells[who * books.count + index, lay.CELL_SCHEDULE // 8] = number
    return ""


def _asset(books: Books, c: Any) -> str:
    """Money that the ledger does not know yet; the first takes the place of the nameless CASH."""
    word, decimals = int(c["price_ticks"]), int(c["aux"]) & DECIMALS_MASK
    if word > MAX_PURPOSES:
        name = asset_text(word, int(c["aux"]), int(c["qty_lots"]))
    else:
        name = text_of(c["symbol"], "ascii")
    known = dict(books.monies) | dict(books.wallets)
    if known.get(name, decimals) != decimals:
        return f"scale mismatch: {name} has {known[name]} decimals, not {decimals}"
    if books.spot and name not in dict(books.wallets) and len(books.wallets) < books.asset_room:
        # As the core: it has wallets from here on.
        books.wallets.append((name, decimals))
        name_monies(books)
    if name in dict(books.monies) or books.all_spot:
        return ""
    untouched = not books.balances.reshape(-1, books.asset_count, 4, 2)[:, 0].any()
    if [*dict(books.monies)] == ["CASH"] and untouched:
        books.monies[0] = (name, decimals)
    elif name in dict(books.wallets):
        # Margin accounts hold it from the first instrument on that is quoted in it.
        return ""
    elif len(books.monies) == lay.MONEY_SLOTS:
        return f"{name}: there are {lay.MONEY_SLOTS} kinds of money already"
    else:
        books.monies.append((name, decimals))
    name_monies(books)
    return ""


def _quote(books: Books, c: Any) -> str:
    symbol = books.symbol_of(c)
    name = asset_of(books, c)
    if books.symbols.index(symbol) in books.spot:
        return f"{symbol} is a spot instrument: its quote asset is fixed by the journal"
    wallets = dict(books.wallets)
    if name in wallets and name not in dict(books.monies) and len(books.monies) < lay.MONEY_SLOTS:
        books.monies.append((name, wallets[name]))
        name_monies(books)
    names = [known for known, _ in books.monies]
    if name not in names:
        return f"{symbol}: there is no money {name!r}; there are: {', '.join(names)}"
    slot, decimals = names.index(name), int(c["aux"])
    if decimals != books.monies[slot][1]:
        return (
            f"scale mismatch: amounts of {symbol} have {decimals} decimals, {name} has "
            f"{books.monies[slot][1]}"
        )
    row = books.instruments[books.symbols.index(symbol)]
    if row[lay.TOUCHED // 8] and row[lay.QUOTE // 8] != slot:
        return f"{symbol} was traded or held in {names[int(row[lay.QUOTE // 8])]} already"
    row[lay.QUOTE // 8] = slot
    return ""
