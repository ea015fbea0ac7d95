"""What may be asked of deposits and withdrawals with a life cycle: the first step, and each later.

A movement's reference is the reference of the request that began it.  Each later step is another
request, which names the movement.  A portal and custody ask as an operator does::

    ask(journal, request_withdrawal(7, "BTC", 30_000, reference="wd 4711"))
    ask(journal, step("withdrawal-approve", "wd 4711", reference="approve wd 4711"))
    ask(journal, listing("withdrawal", "approved"))["movements"]
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import MovementState, MovementStep, ParticipantStatus, Setting
from openoutcry.risk.movements import FROM_STATES, OPEN_STATES, MovementsView, OneMovement
from openoutcry.risk.region import setting
from openoutcry.risk.requests import reference_bytes
from openoutcry.risk.spot_layout import LARGEST_TOTAL
from openoutcry.venue.calendar import utc_text
from openoutcry.venue.desk import UNAVAILABLE, DeskError, Work
from openoutcry.venue.requests import BY, NOTHING
from openoutcry.venue.wallet_desk import OfWallets, require_nothing_owed
from openoutcry.wire.asset_names import asset_word
from openoutcry.wire.toml_tables import integer

Request = dict[str, Any]
WITHDRAWAL, DEPOSIT = "withdrawal", "deposit"
STEPS = {
    "withdrawal-request": MovementStep.REQUEST,
    "withdrawal-approve": MovementStep.APPROVE,
    "withdrawal-sent": MovementStep.SEND,
    "withdrawal-done": MovementStep.FINISH,
    "withdrawal-cancel": MovementStep.CANCEL,
    "withdrawal-fail": MovementStep.FAIL,
    "deposit-seen": MovementStep.SEE,
    "deposit-credit": MovementStep.CREDIT,
    "deposit-reverse": MovementStep.REVERSE,
}
MOVEMENT_REQUESTS = tuple(STEPS)
SECOND_PERSON = ("withdrawal-approve", "deposit-credit")
"""Steps that the operator of the first step does not do."""
LISTING = "movements"
CUSTODY_STATUS = "custody.json"
"""File in the journal's folder in which custody says how it is, for the console."""
MAX_LISTED = 1_000
STATES = {
    WITHDRAWAL: [state for state in MovementState if state <= MovementState.FAILED],
    DEPOSIT: [state for state in MovementState if state > MovementState.FAILED],
}


def state_after(do: str) -> str:
    """Return the state in which a step leaves its movement."""
    return MovementState(int(STEPS[do])).name.lower()


# Requests, as a caller makes them


def request_withdrawal(
    participant: int, asset: str, amount: int, reference: str, decimals: int | None = None
) -> Request:
    """The amount, in whole units, is reserved.  ``decimals``: those that the caller counts with; a
    request with others than the asset's is refused."""
    return _first("withdrawal-request", participant, asset, amount, reference, decimals)


def deposit_seen(
    participant: int, asset: str, amount: int, reference: str, decimals: int | None = None
) -> Request:
    """A deposit that is not yet certain: it is recorded, and moves nothing."""
    return _first("deposit-seen", participant, asset, amount, reference, decimals)


def _first(
    do: str, participant: int, asset: str, amount: int, reference: str, decimals: int | None
) -> Request:
    request = {"do": do, "participant": participant, "asset": asset, "amount": amount}
    return request | {"reference": reference, "decimals": decimals}


def step(do: str, movement: str, reference: str) -> Request:
    """A later step (one of ``STEPS``) of the movement with a reference; ``reference``: the step's
    own."""
    return {"do": do, "movement": movement, "reference": reference}


def listing(
    kind: str,
    state: str | None = None,
    participant: int | None = None,
    movement: str | None = None,
) -> Request:
    """Return a request for the movements of a kind that are in a state, or have not ended; or for
    the one with a reference, in any state."""
    request = {"do": LISTING, "kind": kind, "state": state, "participant": participant}
    return request | {"movement": movement}


@dataclass
class MovementDesk(OfWallets):
    """Turns such requests into work."""

    require_open: Callable[[int], None]
    """Raises :class:`DeskError` unless there is such a participant, which is not closed."""
    moving: set[str] = field(default_factory=set)
    """References of movements with a step that is on its way to the core."""

    @property
    def movements(self) -> MovementsView:
        """The deposits and withdrawals. Raises ``DeskError`` if the journal began without their
        life cycles."""
        if self.wallets.movements is None:
            raise DeskError(
                "this journal began without life cycles of deposits and withdrawals; start a new "
                "journal for them, or use the one-step commands"
            )
        return self.wallets.movements

    def work_of(self, request: Request, who: int, reference: str) -> Work:
        """``who``: the participant named, -1: none is; ``reference``: the request's.

        Raises :class:`DeskError` naming what cannot be."""
        what = STEPS[request["do"]]
        if not FROM_STATES[what]:
            return self._begin(request, what, who, reference)
        return self._go_on(request, what)

    def listed(self, request: Request, who: int) -> Work:
        """The movements that are asked for, in the answer's ``movements``."""
        kind, named, reference = (request.get(name) for name in ("kind", "state", "movement"))
        if kind not in STATES:
            raise DeskError(f"movements are a {WITHDRAWAL} or a {DEPOSIT} each, not {kind!r}")
        known = {state.name.lower(): state for state in STATES[kind]}
        if named is not None and named not in known:
            raise DeskError(f"a {kind} is {', '.join(known)}, not {named!r}")
        states = [known[named]] if named else [s for s in STATES[kind] if s in OPEN_STATES]
        if reference is None:
            found = self.movements.chosen(states, None if who < 0 else who)
        else:
            one = self._find(reference, kind)
            found = [one] if one is not None and who in (-1, one.participant) else []
        rows = [
            movement_row(one) | {"text": self.wallets.text(one.amount, one.asset)}
            for one in found[:MAX_LISTED]
        ]
        more = {"movements": rows, "left_off": len(found) - len(rows)}
        return Work(NOTHING, [f"{len(found)} {kind}s"], more=more)

    def _begin(self, request: Request, what: MovementStep, who: int, reference: str) -> Work:
        kind = WITHDRAWAL if what is MovementStep.REQUEST else DEPOSIT
        if who < 0:
            raise DeskError(f"name the participant of the {kind}")
        name = self._asset(request)
        try:
            amount = integer(1, LARGEST_TOTAL)(request.get("amount"))
        except ValueError as error:
            raise DeskError(f"amount: {error}") from None
        known = self.movements.find(reference)
        if known is not None:
            return self._known(known, kind, (who, name, amount))
        self._check_participant(who, kind)
        if self.movements.word("open") >= len(self.movements.rows):
            raise DeskError(
                f"{self.movements.word('open')} deposits and withdrawals are open: end some first"
            )
        if kind == WITHDRAWAL:
            self._check_free(who, name, amount)
        reserved = "requested: reserved" if kind == WITHDRAWAL else "seen: not available yet"
        shown = f"{kind} {reference!r}: {self.wallets.text(amount, name)} of participant {who}"
        record = setting(
            Setting.MOVEMENT, amount, who, second=asset_word(name), operator=request[BY]
        )
        record["time_in_force"] = int(what)

        def refused() -> str:
            if self.movements.find(reference) is not None:
                return ""
            return self._why(
                lambda: self._check_free(who, name, amount) if kind == WITHDRAWAL else None, shown
            )

        work = Work(record, [f"{shown} is {reserved}"], refused)
        return self._on_its_way(work, reference)

    def _known(self, one: OneMovement, kind: str, asked: tuple[int, str, int]) -> Work:
        """A movement has the reference: the same again is nothing new."""
        is_same = (one.participant, one.asset, one.amount) == asked
        if not is_same or one.is_deposit != (kind == DEPOSIT):
            raise DeskError(
                f"reference {one.reference!r} belongs to another movement: {self._shown(one)}"
            )
        more = {"repeated": True, "reference": one.reference, "seq": one.number}
        return Work(NOTHING, [f"{self._shown(one)}; nothing was repeated"], more=more)

    def _go_on(self, request: Request, what: MovementStep) -> Work:
        kind = request["do"].partition("-")[0]
        one = self._named(request.get("movement"), kind)
        self._check_step(one, what)
        self._check_person(request, one)
        record = setting(
            Setting.MOVEMENT, one.amount, one.participant, second=one.number, operator=request[BY]
        )
        record["time_in_force"] = int(what)
        done = self._shown(one, MovementState(int(what)))
        shown: list[str] = [done]

        def refused() -> str:
            now = self._named(one.reference, kind)
            if what not in now.steps:
                return self._why(lambda: self._check_step(now, what), done)
            if what is MovementStep.REVERSE and now.short:
                owed, text = self.wallets.shortfall(one.participant, one.asset), self.wallets.text
                shown.append(
                    f"participant {one.participant} is {text(now.short, one.asset)} short because "
                    f"of it, {text(owed, one.asset)} in total, and cannot withdraw until that is "
                    "paid"
                )
            return ""

        return self._on_its_way(Work(record, shown, refused), one.reference)

    def _on_its_way(self, work: Work, reference: str) -> Work:
        """One step of a movement after the other."""
        if reference in self.moving:
            text = f"{reference!r}: another step is in progress; try again"
            raise DeskError(text, UNAVAILABLE)
        work.begun = lambda: self.moving.add(reference)
        work.ended = lambda: self.moving.discard(reference)
        return work

    def _why(self, check: Callable[[], None], shown: str) -> str:
        """Explain why the core has refused: the word for it, by its state now."""
        try:
            check()
        except DeskError as error:
            return str(error)
        return f"{shown}: the core rejected it"

    def _named(self, reference: Any, kind: str) -> OneMovement:
        one = self._find(reference, kind)
        if one is None:
            raise DeskError(f"there is no {kind} {reference!r}, or it ended long ago")
        return one

    def _find(self, reference: Any, kind: str) -> OneMovement | None:
        try:
            reference_bytes(str(reference or ""))
        except ValueError as error:
            raise DeskError(f"movement: {error}") from None
        one = self.movements.find(str(reference))
        return None if one is None or one.is_deposit != (kind == DEPOSIT) else one

    def _asset(self, request: Request) -> str:
        name = request.get("asset")
        if name not in self.wallets.names:
            known = ", ".join(self.wallets.names)
            raise DeskError(f"there is no asset {name!r} with wallets; there are: {known}")
        decimals, known_decimals = request.get("decimals"), self.wallets.decimals(str(name))
        if decimals is not None and decimals != known_decimals:
            raise DeskError(f"scale mismatch: {name} has {known_decimals} decimals, not {decimals}")
        return str(name)

    def _check_participant(self, who: int, kind: str) -> None:
        self.require_open(who)
        if kind == WITHDRAWAL:
            self._check_may_withdraw(who)

    def _check_may_withdraw(self, who: int) -> None:
        if ParticipantStatus(self.view.of(who, lay.STATUS)) is ParticipantStatus.SUSPENDED:
            text = f"participant {who} is suspended and cannot withdraw"
            raise DeskError(text, "suspended")
        require_nothing_owed(self.wallets, who)

    def _check_free(self, who: int, name: str, amount: int) -> None:
        available, reserved, _ = self.wallets.balance(who, name)
        if amount > max(available, 0):
            texts = [self.wallets.text(one, name) for one in (max(available, 0), reserved, amount)]
            raise DeskError(
                f"participant {who} has {texts[0]} available ({texts[1]} reserved by open orders "
                f"and withdrawals), not {texts[2]}",
                "insufficient_balance",
            )

    def _check_step(self, one: OneMovement, what: MovementStep) -> None:
        if one.state not in FROM_STATES[what]:
            again = " already" if int(one.state) == what else ""
            wanted = " or ".join(state.name.lower() for state in FROM_STATES[what])
            raise DeskError(
                f"{self._shown(one)}{again}; this step needs one that is {wanted}; nothing was done"
            )
        if what in (MovementStep.APPROVE, MovementStep.SEND):
            self._check_may_withdraw(one.participant)

    def _check_person(self, request: Request, one: OneMovement) -> None:
        """Two persons for what lets money out, or makes it available."""
        by = request[BY]
        if by and by == one.operator and request["do"] in SECOND_PERSON:
            raise DeskError(
                f"{self._shown(one)} by this operator: a different one must take this step"
            )

    def _shown(self, one: OneMovement, state: MovementState | None = None) -> str:
        kind = DEPOSIT if one.is_deposit else WITHDRAWAL
        name, amount = (state or one.state).name.lower(), self.wallets.text(one.amount, one.asset)
        return f"{kind} {one.reference!r}: {amount} of participant {one.participant} is {name}"


def movement_row(one: OneMovement) -> dict[str, Any]:
    """Return a movement as a list shows it."""
    return {
        "reference": one.reference,
        "participant": one.participant,
        "asset": one.asset,
        "amount": one.amount,
        "state": one.state.name.lower(),
        "seq": one.number,
        "began": utc_text(one.began_ns),
        "changed": utc_text(one.changed_ns),
        "changed_seq": one.changed_seq,
        "short": one.short,
    }
