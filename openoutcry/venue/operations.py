"""What the exchange operator may ask for while the venue is open, and the commands that it becomes.

Blocking comes before cancelling, always: between the two nothing new gets in.
"""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import LARGEST, NO_LIMIT, Setting
from openoutcry.risk.region import setting
from openoutcry.risk.settings import operators_setting, setting_in_force
from openoutcry.venue.amounts import LIMITS, amounts_in, asset_of, in_units
from openoutcry.venue.announce_desk import ANNOUNCE, AnnounceDesk
from openoutcry.venue.bust_desk import BUST, BustDesk
from openoutcry.venue.bust_desk import KEYS as BUST_KEYS
from openoutcry.venue.contract_desk import CONTRACT_REQUESTS, ContractDesk
from openoutcry.venue.corporate_desk import CORPORATE_REQUESTS, CorporateDesk
from openoutcry.venue.desk import DeskError, Work
from openoutcry.venue.desk_record import MAX_REASON
from openoutcry.venue.division import BY_PRICE
from openoutcry.venue.fee_collection import FEES_DUE
from openoutcry.venue.four_eyes import FourEyes, widens
from openoutcry.venue.instruments_desk import INSTRUMENT_REQUESTS, InstrumentsDesk, Phases
from openoutcry.venue.limits import FileLimits
from openoutcry.venue.money_desk import MONEY_REQUESTS, MoneyDesk
from openoutcry.venue.movement_desk import LISTING, MOVEMENT_REQUESTS, MovementDesk
from openoutcry.venue.off_book_desk import OFF_BOOK, OffBookDesk
from openoutcry.venue.operators import OPERATOR, SUPERVISOR, OperatorError, Operators
from openoutcry.venue.own_limits_desk import OWN_LIMIT, OWN_LIMITS, OwnLimitsDesk
from openoutcry.venue.participants_desk import PARTICIPANT_REQUESTS, ParticipantsDesk
from openoutcry.venue.requests import BY, EFFECTIVE, NOTHING, PROVEN, Requests
from openoutcry.venue.risk_tables import (
    MAX_BURST,
    OF_CELLS,
    OF_INSTRUMENTS,
    OF_PARTICIPANTS,
    limit,
    shown,
    usual_burst,
)
from openoutcry.venue.rolled import values_of
from openoutcry.venue.rules_desk import CHANGE, Doors, RulesDesk
from openoutcry.venue.session_switch import SessionSwitch
from openoutcry.venue.sessions_desk import SESSION_REQUESTS, SessionsDesk
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind, Phase
from openoutcry.wire.instrument_states import InstrumentState
from openoutcry.wire.symbols import code_of

REFUSES = "the core rejected it"
INDEX_REPORT = "index-report"
ASKED_ONLY = ("log-in", "log-out", LISTING, OWN_LIMITS, INDEX_REPORT)
"""Requests that become no command, so they are not written down and any operator may make them."""
ANY_OPERATOR = ("withdrawal-request", "withdrawal-cancel", "deposit-seen")
"""Steps of movements that take no supervisor: they let nothing out and make nothing available."""
KNOWN = OF_PARTICIPANTS | OF_CELLS | OF_INSTRUMENTS
"""Limits by name, but those of groups."""
ALL_INSTRUMENTS = "*"
"""Not a symbol: of a halt, every instrument there is."""
STEPS = ("reject all", "cancel all", "disable sessions", "publish", "dump state", "notify")
"""The emergency close, in its order."""


REHEARSED = (
    "{participants} participants would be blocked",
    "{orders} open orders would be cancelled",
    "{participants} participants would be disabled",
    "{instruments} instruments would halt",
    "the state is recorded",
    "this line",
)
"""Reports of the steps of a rehearsal."""


def command(kind: CommandKind, **fields: Any) -> npt.NDArray[Any]:
    """Return a command of a kind, ORDER_DTYPE of (1,), with some fields."""
    record = np.zeros(1, ORDER_DTYPE)
    record["kind"] = kind
    for name, value in fields.items():
        record[name] = value
    return record


def disconnect(participant: int) -> npt.NDArray[Any]:
    """Cancels all orders of a participant."""
    return command(CommandKind.DISCONNECT, participant=participant)


def no_session(name: Any, on: bool) -> Work:
    """Refuse a request about a session, in a venue without any."""
    raise DeskError("this venue has no sessions")


def no_phases(symbol: str, state: InstrumentState, call_s: int) -> list[npt.NDArray[Any]]:
    """Return the PHASE commands of an instrument's state, in a venue without a calendar: none."""
    return []


def not_carried(number: object) -> Work:
    """Refuse to carry a venue over that is not served."""
    raise DeskError("this venue cannot be carried over while it is open")


class Operations:
    """Turns requests into work, on the limits and the state of one run."""

    def __init__(
        self,
        limits: FileLimits,
        halted: Callable[[str, bool], Iterable[npt.NDArray[Any]]],
        dump: Callable[[str], dict[str, str]],
        note: Callable[[str], None],
        session: Callable[[Any, bool], Work] = no_session,
        call: Callable[[str], Iterable[npt.NDArray[Any]]] = lambda symbol: (),
        now: Callable[[], npt.NDArray[Any]] = lambda: np.zeros(0, ORDER_DTYPE),
        dumped: Callable[[], bool] = lambda: True,
        switch: SessionSwitch | None = None,
        today: Callable[[], int] = lambda: 0,
        report: Callable[[str, str, int], str] = lambda underlying, source, price: "no index",
        carrying: Callable[[object], Work] = not_carried,
        entered: Phases = no_phases,
        doors: Doors = lambda at, row: "",
        decimals: Callable[[str], int] = lambda slot: 2,
    ) -> None:
        """For the calendar, ``halted(symbol, yes)`` notes a halt and gives its PHASE commands;
        ``call(symbol)`` gives those of an auction; ``today`` is the number of the trading day.

        ``entered(symbol, state, call_s)`` notes an instrument's state and gives its PHASE commands.
        ``doors(index, row)`` says why a door could not say what rules of an instrument allow.
        ``decimals(slot)``: of the prices of a slot for an instrument.

        For indices, ``report(underlying, source, price)`` takes a source's price or says why not.

        To dump, ``dump(name)`` writes the current state and says where; ``dumped`` says whether
        what it has begun is done.

        ``carrying(number)`` has the venue continue with its file as it is now.

        The others: ``note`` reports to those who watch the venue, ``session(name, kill)`` switches
        a session, ``switch`` has the sessions that are added and changed, ``now`` gives a TIME that
        changes nothing."""
        self.limits, self.halted, self.dump, self.note = limits, halted, dump, note
        self.session, self.call, self.now, self.dumped = session, call, now, dumped
        self.report, self.carrying = report, carrying
        self.view, self.spec = limits.view, limits.spec
        self.money = MoneyDesk(limits.spec.money, limits.symbols, limits.view)
        sources = {own: index_ for index_ in limits.spec.indices for own in index_.own}
        self.issuers = CorporateDesk(
            limits.symbols, limits.spec.money, limits.view, halted, sources
        )
        given = limits.symbols, limits.view, today, limits.spec, self.issuers.reference
        self.contracts = ContractDesk(*given)
        self.listings = InstrumentsDesk(limits.symbols, limits.view, limits.spec, entered)
        self.rules = RulesDesk(limits.symbols, limits.view, doors)
        self.pairs = AnnounceDesk(limits.symbols, limits.view, doors, decimals)
        self.people = ParticipantsDesk(limits.numbers, limits.view, disconnect, limits.of_new)
        self.doors = SessionsDesk(switch, self.people)
        self.moves = MovementDesk(limits.spec.money, limits.view, self.people.require_open)
        self.negotiated = OffBookDesk(limits.symbols, limits.view)
        self.busts, self.today = BustDesk(limits.symbols, limits.view), today
        people, every_s = self.people.require_open, limits.spec.time_every_s
        self.own = OwnLimitsDesk(limits.symbols, limits.view, every_s, people, disconnect)
        self.operators, self.four_eyes = Operators(self.spec.operators), FourEyes()
        self.requests = Requests(limits.view)

    def work_of(self, request: dict[str, Any]) -> Work:
        """Raises :class:`DeskError` naming what cannot be."""
        does: dict[Any, Callable[[dict[str, Any]], Work]] = {
            "set": self._set,
            "adv-roll": self._roll_adv,
            "kill": partial(self._switch, on=True),
            "enable": partial(self._switch, on=False),
            "halt": self._halt,
            "resume": self._resume,
            "auction": self._auction,
            "disconnect": self._disconnect,
            "emergency-close": self._emergency,
            **dict.fromkeys(MONEY_REQUESTS, self._of_money),
            **dict.fromkeys(MOVEMENT_REQUESTS, self._of_movement),
            **dict.fromkeys(CORPORATE_REQUESTS, self._of_issuer),
            **dict.fromkeys(CONTRACT_REQUESTS, self._of_contract),
            **dict.fromkeys((*INSTRUMENT_REQUESTS, CHANGE, ANNOUNCE), self._of_instruments),
            **dict.fromkeys(PARTICIPANT_REQUESTS, self._of_participants),
            **dict.fromkeys(SESSION_REQUESTS, self._of_sessions),
            OFF_BOOK: self._off_book,
            BUST: self._bust,
            "rehearse": self._rehearse,
            "carry": self._carry,
            LISTING: self._listing,
            OWN_LIMIT: lambda asked: self.own.work_of(
                asked, self._participant(asked.get("participant"))
            ),
            OWN_LIMITS: lambda asked: self.own.listed(self._participant(asked.get("participant"))),
            "log-in": self._log_in,
            "log-out": self._log_out,
            INDEX_REPORT: self._index_report,
        }
        action = request.get("do")
        if action not in does:
            raise DeskError(f"there is no request {action!r}; there are {', '.join(does)}")
        why = request.get("why") or ""
        if type(why) is not str or len(why) > MAX_REASON:
            raise DeskError(f"why: the reason must be a text of at most {MAX_REASON} characters")
        request = in_units(request, self.spec.money, self.money.assets)
        by, proven = self._who(request)
        if by and action not in ASKED_ONLY:
            self.operators.check(by, OPERATOR)
        request = request | {BY: by, PROVEN: proven}
        if action in ASKED_ONLY:
            return does[action](request)
        return self.requests.once(request, does[action])

    def _who(self, request: dict[str, Any]) -> tuple[int, bool]:
        """The number of the named operator, from 1 (0: no operator is named), and whether a
        password proves it.  Stopping needs no name, but a name that is given must be proven."""
        if request.get("operator"):
            words = (request.get(key) for key in ("operator", "password", "code"))
            return self.operators.prove(*words), True
        return (
            (self.operators.holder(request["ticket"]), False) if "ticket" in request else (0, False)
        )

    def name_of(self, request: dict[str, Any]) -> str:
        """The operator whose request was just taken; '' if the request names no operator."""
        if request.get("operator"):
            return str(request["operator"])
        return (
            self.operators.name(self.operators.holder(request["ticket"]))
            if "ticket" in request
            else ""
        )

    def _log_in(self, request: dict[str, Any]) -> Work:
        if not request[PROVEN]:
            raise OperatorError("a login needs an operator's name and password")
        by = request[BY]
        more = {"ticket": self.operators.ticket(by), "role": self.operators[by].role}
        return Work(NOTHING, [f"{self.operators.name(by)} logged in"], more=more)

    def _log_out(self, request: dict[str, Any]) -> Work:
        self.operators.leave(request.get("ticket"))
        return Work(NOTHING, ["logged out"])

    def _of_money(self, request: dict[str, Any]) -> Work:
        named = request.get("participant")
        who = -1 if named is None else self._participant(named)
        by = request[BY]
        if request["do"] in ("deposit", FEES_DUE) and who >= 0:
            self.people.require_open(who)
        work = self.money.work_of(request, who, by)
        if not by:
            return work
        self.operators.check(by, SUPERVISOR)
        if request["do"] in ("deposit", "asset-credit"):
            return self._by_two(request, ("participant", "amount", "asset", "purpose"), work)
        return work

    def _of_movement(self, request: dict[str, Any]) -> Work:
        named = request.get("participant")
        who = -1 if named is None else self._participant(named)
        if request[BY] and request["do"] not in ANY_OPERATOR:
            self.operators.check(request[BY], SUPERVISOR)
        work = self.moves.work_of(request, who, self.requests.asked[0])
        if request[BY] and request["do"] == "withdrawal-fail":
            return self._by_two(request, ("movement",), work)
        return work

    def _listing(self, request: dict[str, Any]) -> Work:
        named = request.get("participant")
        return self.moves.listed(request, -1 if named is None else self._participant(named))

    def _of_issuer(self, request: dict[str, Any]) -> Work:
        by = request[BY]
        work = self.issuers.work_of(request, by)
        if by:
            self.operators.check(by, SUPERVISOR)
            keys = ("instrument", "new", "old", "amount", "lots", "price")
            work = self._by_two(request, keys, work)
        if len(work.records):
            self.note(f"operator: {work.done[-1]}")
        return work

    def _index_report(self, request: dict[str, Any]) -> Work:
        """A price of a source: it becomes a command only as a part of an index."""
        if request[BY]:
            self.operators.check(request[BY], OPERATOR)
        price = request.get("price")
        if type(price) is not int:
            raise DeskError(f"price: {price!r} is not a whole number of ticks")
        underlying, source = (str(request.get(name) or "") for name in ("underlying", "source"))
        why = self.report(underlying, source, price)
        if why:
            raise DeskError(why)
        return Work(NOTHING, [f"{source} reports {price} ticks"])

    def _of_contract(self, request: dict[str, Any]) -> Work:
        if request[BY]:
            self.operators.check(request[BY], SUPERVISOR)
        work = self.contracts.work_of(request, request[BY])
        if request[BY] and request["do"] == "contract-adjust":
            work = self._by_two(request, ("underlying", "new", "old"), work)
        self.note(f"operator: {work.done[-1]}")
        return work

    def _of_instruments(self, request: dict[str, Any]) -> Work:
        had_effect = partial(self.requests.had_effect, *self.requests.asked)
        desks: dict[str, Any] = {CHANGE: self.rules, ANNOUNCE: self.pairs}
        desk = desks.get(request["do"], self.listings)
        work = desk.work_of(request, request[BY], had_effect)
        if request[BY]:
            self.operators.check(request[BY], SUPERVISOR)
            if not request.get(EFFECTIVE):
                keys = "instrument", "price", "call_s", "rules", "cancel_off_grid"
                work = self._by_two(request, keys, work)
        for line in work.done:
            self.note(f"operator: {line}")
        return work

    def _off_book(self, request: dict[str, Any]) -> Work:
        if request[BY]:
            self.operators.check(request[BY], SUPERVISOR)
        legs = request.get("legs")
        names = ("buyer", "seller") if legs is None else ("asker", "asked")
        first, second = (self._participant(request.get(name)) for name in names)
        work = self.negotiated.work_of(request, first, second, self.requests.asked[0])
        if not request[BY]:
            return work
        keys = *names, "instrument", "lots", "price", "asked_by", "legs"
        return self._by_two(request, keys, work)

    def _bust(self, request: dict[str, Any]) -> Work:
        if request[BY]:
            self.operators.check(request[BY], SUPERVISOR)
        buyer, seller = (self._participant(request.get(name)) for name in ("buyer", "seller"))
        asked = self.requests.asked[0]
        work = self.busts.work_of(request, buyer, seller, asked, self.today())
        if request[BY]:
            work = self._by_two(request, BUST_KEYS, work)
        self.note(f"operator: {work.done[-1]}")
        return work

    def _of_participants(self, request: dict[str, Any]) -> Work:
        who = self._participant(request.get("participant"))
        last = who if request.get("last") is None else self._participant(request["last"])
        group = request.get("group")
        if request[BY] and request["do"] != "participant-suspend":
            self.operators.check(request[BY], SUPERVISOR)
        work = self.people.work_of(request, who, last, self._group(group) if group else 0)
        self.note(f"operator: {work.done[-1]}")
        return work

    def _carry(self, request: dict[str, Any]) -> Work:
        """The venue continues in a new journal, with its file as it is now."""
        by, number = request[BY], request.get("number")
        if not by:
            return self.carrying(number)
        self.operators.check(by, SUPERVISOR)
        work = self._by_two(request, ("number",), self.carrying(number))
        self.note(f"operator: {work.done[-1]}")
        return work

    def _of_sessions(self, request: dict[str, Any]) -> Work:
        if request[BY]:
            self.operators.check(request[BY], SUPERVISOR)
        work = self.doors.work_of(request)
        self.note(f"operator: {request['do'].replace('-', ' ')} {request.get('name')}")
        return work

    def _by_two(self, request: dict[str, Any], keys: Iterable[str], work: Work) -> Work:
        """Money and holdings are moved by two persons, as a limit is widened."""
        self._with_password(request)
        key = request["do"], *(request.get(name) for name in keys)
        if self._is_confirmed(key, request[BY], work.done[-1]):
            return self._with_all_wishes(key, work)
        return Work(
            NOTHING, [f"{work.done[-1]}: waiting for a second supervisor"], more={"waits": True}
        )

    def _with_all_wishes(self, key: Any, work: Work) -> Work:
        """Work of a request that is confirmed.  Who has asked for the same meanwhile, as by a
        second click, wishes nothing more with its end: it would be half of a later request."""
        ended = work.ended

        def ends() -> None:
            self.four_eyes.wishes.pop(key, None)
            ended()

        work.ended = ends
        return work

    def _is_confirmed(self, key: Any, operator: int, shown: str) -> bool:
        """Return whether another operator has asked for the same, whose request is done with
        this one."""
        wish = self.four_eyes.confirmed(key, operator, shown, self.requests.asked)
        if wish is not None:
            self.requests.take_wish(wish.asked)
        return wish is not None

    # Limits

    def _set(self, request: dict[str, Any]) -> Work:
        name = request.get("limit")
        if name == "deposit":
            as_money = {"do": "deposit", "amount": request.get("value"), "purpose": "outside"}
            return self._of_money(request | as_money)
        symbol = str(request.get("instrument") or "")
        who, what, parse = self._limit_of(request, symbol)
        index = self._instrument(symbol) if symbol else -1
        if what is Setting.MARGIN and self.limits.margin_is_the_core_s(symbol):
            if self.spec.margin is not None:
                raise DeskError(f"{symbol} is under scenario margin: see venue contract margin")
            raise DeskError(f"{symbol} has margin_bps: each mark sets the margin of a lot")
        try:
            value = parse(request.get("value"))
            second = _burst(request.get("burst") or 0, what)
            if what is Setting.RATE:
                second = second or usual_burst(value, self.spec.time_every_s)
        except ValueError as error:
            raise DeskError(f"{name}: {error}") from None
        if name in BY_PRICE and self.view.word(lay.PARTITIONS) and value != KNOWN[name].default:
            raise DeskError(
                f"{name} depends on prices: it needs one partition, not "
                f"{self.view.word(lay.PARTITIONS)}"
            )
        if what is Setting.MAINTENANCE and value:
            self._judged(who)
        before = operators_setting(self.view, what, who, index)
        place = f"{name} of {_whose(request)}"
        is_money, money = name in LIMITS, asset_of(request, "value", self.spec.money)

        def said(one: int) -> str:
            said = shown(what, one)
            return self.money.text(one, money) if is_money and said == one else str(said).lower()

        new, old = said(value), said(before[0])

        def refused() -> str:
            current = operators_setting(self.view, what, who, index)[0]
            return "" if current == value else f"{place}: the core rejected {new}"

        by, key = request[BY], (what, who, symbol, value, second)
        if by and widens(what, before, (value, second)):
            self.operators.check(by, SUPERVISOR)
            self._with_password(request)
            if not self._is_confirmed(key, by, f"{place} to {new}"):
                self.note(f"operator {self.operators.name(by)} requests: {place} to {new}")
                answer = f"{place} to {new} is wider than {old}: waiting for a second supervisor"
                return Work(NOTHING, [answer], more={"before": before[0], "waits": True})
        record = setting(what, value, who, code_of(symbol), second, by)
        work = Work(record, [f"{place} is {new}"], refused, more={"before": before[0]})
        return self._with_all_wishes(key, work)

    def _limit_of(
        self, request: dict[str, Any], symbol: str
    ) -> tuple[int, Setting, Callable[[Any], int]]:
        """Return whose limit it is, its setting, and what reads its value.  Raises
        :class:`DeskError`."""
        name = request.get("limit")
        if name == "group_gross_position":
            return self._group(request.get("group")), Setting.GROUP_GROSS_POSITION, limit
        if name not in KNOWN:
            names = ", ".join([*KNOWN, "group_gross_position", "deposit"])
            raise DeskError(f"there is no limit {name!r}; there are {names}")
        of_instrument = name in OF_INSTRUMENTS
        who = 0 if of_instrument else self._participant(request.get("participant"))
        if bool(symbol) != (of_instrument or name in OF_CELLS):
            counts = "applies to all instruments together" if symbol else "needs an instrument"
            raise DeskError(f"{name} {counts}")
        return who, KNOWN[name].setting, KNOWN[name].parse

    def _roll_adv(self, request: dict[str, Any]) -> Work:
        """The average daily volume of each instrument that is named."""
        by = request[BY]
        if by:
            self.operators.check(by, SUPERVISOR)
        wanted = values_of(request.get("volumes"))
        records = []
        for symbol, lots in wanted.items():
            index = self._instrument(symbol)
            if lots > LARGEST:
                raise DeskError(f"{symbol}: {lots} lots are more than {LARGEST}")
            if setting_in_force(self.view, Setting.ADV, 0, index)[0] != lots:
                records.append(setting(Setting.ADV, lots, 0, code_of(symbol), 0, by))

        def refused() -> str:
            others = [
                symbol
                for symbol, lots in wanted.items()
                if setting_in_force(self.view, Setting.ADV, 0, self._instrument(symbol))[0] != lots
            ]
            return f"{', '.join(others)}: another operator set it meanwhile" if others else ""

        shown = ", ".join(f"{symbol} {lots}" for symbol, lots in wanted.items())
        done = f"adv_lots by the days {request.get('days')}: {shown or 'of no instrument'}"
        return Work(np.concatenate([NOTHING, *records]), [done], refused)

    def _judged(self, who: int) -> None:
        if self.spec.liquidation is None:
            raise DeskError("maintenance_bps needs a table [liquidation] in the venue file")
        if self.view.of(who, lay.CREDIT) == NO_LIMIT:
            raise DeskError(
                f"participant {who} has no credit limit, so its capital is not checked; "
                "set one (0 is a limit)"
            )

    # Kill switches

    def _switch(self, request: dict[str, Any], on: bool) -> Work:
        what, name = request.get("what"), request.get("name")
        kinds = {
            "session": self._session,
            "participant": self._participants,
            "group": self._groups,
            "instrument": self._instruments,
            "market": self._market,
        }
        if what not in kinds:
            raise DeskError(f"{what!r} cannot be killed or enabled; choose from {', '.join(kinds)}")
        return kinds[what](request, name, on)

    def _session(self, request: dict[str, Any], name: Any, on: bool) -> Work:
        return self.session(name, on)

    def _disconnect(self, request: dict[str, Any]) -> Work:
        """Switch a session off and on again: its client is logged out, and may log in again."""
        name = request.get("name")
        work = self.session(name, True)
        work.done = [f"session {name} is disconnected"]
        work.follow = lambda: self.session(name, False)
        return work

    def _participants(self, request: dict[str, Any], name: Any, on: bool) -> Work:
        who = self._participant(name)
        records = [setting(Setting.KILL, int(on), who, operator=request[BY])]
        state = partial(operators_setting, self.view, Setting.KILL, who)
        return self._switched(request, f"participant {who}", records, [who], on, state)

    def _groups(self, request: dict[str, Any], name: Any, on: bool) -> Work:
        row = self._group(name)
        members = [number for number, group in self.spec.group_of.items() if group == name]
        records = [setting(Setting.GROUP_KILL, int(on), row, operator=request[BY])]
        state = partial(setting_in_force, self.view, Setting.GROUP_KILL, row)
        return self._switched(request, f"group {name}", records, members, on, state)

    def _switched(
        self,
        request: dict[str, Any],
        shown: str,
        records: list[npt.NDArray[Any]],
        members: list[int],
        on: bool,
        state: Callable[[], tuple[int, int]],
    ) -> Work:
        if request.get(EFFECTIVE) and state()[0] != int(on):
            return Work(NOTHING, [f"{shown} was switched again meanwhile; nothing was done"])
        if on:
            records += [disconnect(who) for who in members]

        def refused() -> str:
            if state()[0] != int(on):
                under = not on and any(self.view.is_under(who) for who in members)
                why = "under its maintenance margin" if under else "the core rejected the switch"
                return f"{shown}: {why}"
            left = sum(self.view.of(who, lay.OPEN) for who in members) if on else 0
            return f"{shown} is killed, but {left} orders are still open" if left else ""

        done = f"{shown} is killed; its orders are cancelled" if on else f"{shown} may trade again"
        self.note(f"operator: {shown}: {'kill' if on else 'enable'}")
        return Work(np.concatenate(records), [done], refused)

    def _instruments(self, request: dict[str, Any], name: Any, on: bool) -> Work:
        self._instrument(str(name))
        work = (self._halt if on else self._resume)(request | {"instrument": name})
        if on:
            cancel = command(CommandKind.MASS_CANCEL, symbol=code_of(str(name)), aux=1)
            work.records = np.concatenate([work.records, cancel])
            work.done.append(f"{name}: all open orders are cancelled")
        return work

    def _market(self, request: dict[str, Any], name: Any, on: bool) -> Work:
        operator = self._opener(request) if not on else request[BY]
        if on:
            cancel = command(CommandKind.MASS_CANCEL, aux=1)
            kill = setting(Setting.MARKET_KILL, 1, operator=operator)
            self.note("operator: the market is killed")
            return Work(
                np.concatenate([kill, cancel]),
                ["the market is killed; all open orders are cancelled"],
                lambda: "" if self.view.word(lay.MARKET_KILL) else REFUSES,
            )
        if not self.view.word(lay.MARKET_KILL):
            raise DeskError("the market is not killed")
        if self.view.word(lay.FIRST_OPERATOR) == operator:
            raise DeskError(
                "this operator has already requested it; a second operator must request it too"
            )
        first = self.view.word(lay.FIRST_OPERATOR) == 0
        done = (
            "one operator has requested it; a second operator must request it too"
            if first
            else ("the market is open again")
        )
        self.note(f"operator {self.operators.name(operator)}: {done}")

        def refused() -> str:
            if first:
                return (
                    "" if self.view.word(lay.FIRST_OPERATOR) == operator else "the core rejected it"
                )
            return "the core rejected it" if self.view.word(lay.MARKET_KILL) else ""

        record = setting(Setting.MARKET_KILL, 0, operator=operator)
        return Work(record, [done], refused, more={"open": not first})

    # Halts

    def _halt(self, request: dict[str, Any]) -> Work:
        """One instrument, or all of them with the name ALL_INSTRUMENTS."""
        symbol = str(request.get("instrument") or "")
        symbols = self.limits.symbols if symbol == ALL_INSTRUMENTS else [symbol]
        places, operator = [self._instrument(one) for one in symbols], request[BY]
        reason = _halt_reason(request.get("reason") or "")
        records: list[npt.NDArray[Any]] = []
        for one in symbols:
            records.append(setting(Setting.HALT, 1, 0, code_of(one), reason, operator))
            records += self.halted(one, True)
        shown = "every instrument" if symbol == ALL_INSTRUMENTS else symbol
        self.note(f"operator: {shown} is halted")

        def refused() -> str:
            halted = all(setting_in_force(self.view, Setting.HALT, 0, place)[0] for place in places)
            return "" if halted else f"{shown}: the core rejected it"

        return Work(np.concatenate(records), [f"{shown} is halted; cancels are accepted"], refused)

    def _resume(self, request: dict[str, Any]) -> Work:
        symbol = str(request.get("instrument") or "")
        index = self._instrument(symbol)
        state = self.listings.state(symbol)
        if not setting_in_force(self.view, Setting.HALT, 0, index)[0]:
            how = "`outcry venue instrument resume` ends that"
            is_suspended = state is InstrumentState.SUSPENDED
            raise DeskError(f"{symbol} is {f'suspended: {how}' if is_suspended else 'not halted'}")
        records = [setting(Setting.HALT, 0, 0, code_of(symbol), operator=request[BY])]
        phases = list(self.halted(symbol, False))
        names = [Phase(int(record["aux"][0])).name for record in phases]
        self.note(f"operator: {symbol} trades again")
        return Work(
            np.concatenate([*records, *phases]),
            [
                f"{symbol} is no longer halted, but suspended"
                if state is InstrumentState.SUSPENDED
                else f"{symbol} continues{' with ' + names[0] if names else ''}"
            ],
            lambda: (
                f"{symbol}: the core rejected it"
                if setting_in_force(self.view, Setting.HALT, 0, index)[0]
                else ""
            ),
        )

    def _auction(self, request: dict[str, Any]) -> Work:
        """A call phase for an instrument that trades continuously, and an auction after it."""
        symbol = str(request.get("instrument") or "")
        index = self._instrument(symbol)
        if setting_in_force(self.view, Setting.HALT, 0, index)[0]:
            raise DeskError(
                f"{symbol} is halted: resume it with `outcry venue resume`, which calls an auction"
            )
        phases = list(self.call(symbol))
        if not phases:
            raise DeskError(f"{symbol} does not trade continuously now, so no auction is called")
        self.note(f"operator: {symbol} is called to an auction")
        return Work(np.concatenate(phases), [f"{symbol} is called to an auction"])

    # Emergency

    def _emergency(self, request: dict[str, Any]) -> Work:
        """The six steps; one that was begun and broke off resumes after its last step."""
        begun = self.view.word(lay.EMERGENCY)
        if begun == len(STEPS):
            raise DeskError("the emergency close is done; two operators open the market again")
        return self._emergency_step(begun + 1, request[BY])

    def _emergency_step(self, step: int, operator: int) -> Work:
        records = []
        more: dict[str, Any] = {}
        if step == 1:
            records = [setting(Setting.MARKET_KILL, 1, operator=operator)]
        elif step == 2:
            records = [command(CommandKind.MASS_CANCEL, aux=1)]
        elif step == 3:
            numbers = self.limits.everybody()
            records = [setting(Setting.KILL, 1, who, operator=operator) for who in numbers]
        elif step == 4:
            for symbol in self.limits.symbols:
                records += [setting(Setting.HALT, 1, 0, code_of(symbol), operator=operator)]
                records += self.halted(symbol, True)
        elif step == 5:
            more = self.dump("emergency")
        text = f"emergency close: step {step} of {len(STEPS)}: {STEPS[step - 1]}"
        self.note(text)
        records.append(setting(Setting.EMERGENCY, step, operator=operator))
        return Work(
            np.concatenate(records),
            [f"step {step}: {STEPS[step - 1]}"],
            lambda: (
                "" if self.view.word(lay.EMERGENCY) >= step else f"{text}: the core rejected it"
            ),
            lambda: self._emergency_step(step + 1, operator) if step < len(STEPS) else None,
            more,
            self.dumped,
        )

    def _rehearse(self, request: dict[str, Any]) -> Work:
        """The six steps without what they do: each goes the commands' whole way, as a TIME."""
        return self._rehearse_step(1)

    def _rehearse_step(self, step: int) -> Work:
        numbers = self.limits.everybody()
        words = {
            "participants": len(numbers),
            "instruments": len(self.limits.symbols),
            "orders": sum(self.view.of(who, lay.OPEN) for who in numbers),
        }
        text = f"step {step} of {len(STEPS)}: {STEPS[step - 1]}: {REHEARSED[step - 1]}"
        text = text.format(**words)
        more = self.dump("rehearsal") if step == 5 else {}
        self.note(f"rehearsal: {text}")
        following = partial(self._rehearse_step, step + 1) if step < len(STEPS) else lambda: None
        return Work(
            self.now(), [f"rehearsal: {text}"], follow=following, more=more, ready=self.dumped
        )

    # Operators, participants and instruments

    def _participant(self, name: Any) -> int:
        try:
            if type(name) is not int and not re.fullmatch("-?[0-9]{1,20}", name):
                raise ValueError  # of what int takes: 1_0, digits of other scripts, true, 7.9
            who = int(name)
        except (TypeError, ValueError):
            raise DeskError(f"{name!r} is not a participant's number") from None
        if not 1 <= who < len(self.view.participants):
            raise DeskError(f"there is no participant {who}")
        return who

    def _group(self, name: Any) -> int:
        if name not in self.limits.groups:
            known = ", ".join(self.limits.groups) or "none"
            raise DeskError(f"there is no group {name!r}; there are: {known}")
        return self.limits.groups[name]

    def _instrument(self, symbol: str) -> int:
        if symbol not in self.limits.symbols:
            raise DeskError(f"there is no instrument {symbol!r}")
        return self.limits.symbols.index(symbol)

    def _opener(self, request: dict[str, Any]) -> int:
        """The number of an operator who may open the market, with another."""
        if len(self.spec.operators) < 2:
            raise DeskError(
                "resuming the market needs two operators; the venue file has "
                f"{len(self.spec.operators)} ([[operator]])"
            )
        self._with_password(request)
        self.operators.check(request[BY], SUPERVISOR)
        return int(request[BY])

    def _with_password(self, request: dict[str, Any]) -> None:
        if not request[PROVEN]:
            raise DeskError(
                "resuming the market needs an operator's name and password; give --operator"
                if request.get("what") == "market"
                else "widening a limit needs an operator's name and password; give --operator"
            )


def words_of(request: dict[str, Any]) -> str:
    """Return the request in words, in a line."""
    keys = ("do", "what", "match", "name", "limit", "participant", "group", "instrument", "value",
            "schedule", "tier", "from_volume", "maker_bps", "taker_bps", "minimum", "amount",
            "asset", "decimals", "purpose", "movement", "new", "old", "buyer", "seller", "lots",
            "price", "units", "of", "volume", "call_s", "rules")  # fmt: skip
    counted = [key for key in amounts_in(request) if type(request.get(key)) is int]
    return " ".join(
        f"{request[key]} units" if key in counted else str(request[key])
        for key in keys
        if request.get(key) not in (None, "")
    )


def _halt_reason(text: Any) -> int:
    """A code of ITCH 5.0's as the core has it: its letters as a big-endian number; 0: none."""
    if text == "":
        return 0
    if not isinstance(text, str) or not re.fullmatch("[A-Z0-9]{1,4}", text):
        raise DeskError(
            f"{text!r} is not a reason; write up to four capitals and digits, such as T1 or H10"
        )
    return int.from_bytes(text.encode().ljust(4), "big")


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"{value!r} is not a whole number")
    if abs(value) > LARGEST:
        raise ValueError(f"{value} is not {-LARGEST} to {LARGEST}")
    return value


def _burst(value: Any, what: Setting) -> int:
    """Return how many orders may come at once, which only a rate says; 0: it is not said."""
    burst = _whole(value)
    if what is not Setting.RATE:
        if burst:
            raise ValueError("burst applies only to orders_per_s")
        return 0
    if not 0 <= burst <= MAX_BURST:
        raise ValueError(f"burst is {burst}, not 1 to {MAX_BURST:,}")
    return burst


def _whose(request: dict[str, Any]) -> str:
    parts = []
    if request.get("participant"):
        parts.append(f"participant {request['participant']}")
    if request.get("group"):
        parts.append(f"group {request['group']}")
    if request.get("instrument"):
        parts.append(f"{request['instrument']}")
    return " in ".join(parts)
