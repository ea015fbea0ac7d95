"""Each request of an operator has a reference, and is one action.

The caller chooses the reference; a request without one gets one here.  It goes ahead of what is
asked on the operator's lane and is part of the core's state (``risk/requests.py``), so what a
reference has done follows from the journal alone.  Here is what a repeat is answered, and how a
request that was cut off is finished.
"""

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal.desk_record import SECRET
from openoutcry.risk.bits import RISK_KIND, Setting
from openoutcry.risk.region import View, setting
from openoutcry.risk.requests import (
    EFFECT,
    LEG,
    WHOLE,
    Request,
    RequestState,
    reference_bytes,
    reference_text,
)
from openoutcry.venue.desk import UNAVAILABLE, DeskError, Work, nothing_follows
from openoutcry.wire import ORDER_DTYPE

BY, PROVEN, BEGUN, EFFECTIVE = "", " ", "  ", "   "
"""Keys that no request brings; the venue adds them.  They are the operator's number, whether by
password, that it was cut off, and that it was cut off after its effect.  After its effect, only
what follows is to be done."""
FACTS = "owed", "funded"
"""Keys of what the caller has read in the ledger, of fees (``fee_collection.py``)."""
NO_CONTENT = (*SECRET, *FACTS, "operator", "why", "reference", BY, PROVEN, BEGUN, EFFECTIVE)
"""Keys in which two requests with one reference may differ."""
FRAMING = (Setting.REQUEST, Setting.REQUEST_BEGUN, Setting.REQUEST_DONE)
"""The commands that only carry a reference."""
APPLIES = Setting.CONTRACT_APPLY, Setting.INSTRUMENT_APPLY
"""The commands that put in force what others have staged."""
NOTHING = np.zeros(0, ORDER_DTYPE)


def new_reference() -> str:
    """A reference that no other request has."""
    return secrets.token_hex(10)


def is_done(view: View, reference: str) -> bool:
    """Return whether the request with this reference has been carried out."""
    assert view.requests is not None
    row = view.requests.find(reference)
    return row is not None and int(row[Request.offset("state") // 8]) == RequestState.DONE


def content_of(request: dict[str, Any]) -> int:
    """A digest, 63 bits, of what is asked.  Only the opening of the market is another request when
    another operator asks: it takes two of them."""
    asked = {k: v for k, v in request.items() if k not in NO_CONTENT and v not in (None, "")}
    if (asked.get("do"), asked.get("what")) == ("enable", "market"):
        asked[BY] = request.get(BY, 0)
    text = json.dumps(asked, sort_keys=True).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest()) >> 1


def opening(reference: str, content: int, operator: int) -> list[npt.NDArray[Any]]:
    """The two commands that open a request."""
    words = np.frombuffer(reference_bytes(reference), np.int64).tolist()
    return [
        setting(Setting.REQUEST, words[2], words[1], second=words[0], operator=operator),
        setting(Setting.REQUEST_BEGUN, content, second=words[3], operator=operator),
    ]


class Requests:
    """The requests of one run."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.under_way: dict[str, int] = {}
        """Contents of the requests that are not answered yet, by reference."""
        self.asked: tuple[str, int] = ("", 0)
        """Reference and content of the request that is being worked out."""
        self.also_done: list[tuple[str, int]] = []
        """Wishes of others that the request which is being worked out fulfils."""

    def once(self, request: dict[str, Any], work_of: Callable[[dict[str, Any]], Work]) -> Work:
        """Return the work of the request, done at most once for each reference.

        Raises :class:`DeskError` if another request had the reference."""
        reference = request.get("reference") or new_reference()
        try:
            reference_bytes(str(reference))
        except ValueError as error:
            raise DeskError(str(error)) from None
        reference, content = str(reference), content_of(request)
        if reference in self.under_way:
            self._require_same(reference, content, self.under_way[reference])
            return self._waiting(reference, content)
        state = self._state(reference, content)
        if state is RequestState.DONE:
            return self._repeated(reference)
        self.asked, self.also_done = (reference, content), []
        is_effective = state is RequestState.EFFECTIVE
        work = work_of(request | {BEGUN: state is not None, EFFECTIVE: is_effective})
        if work.more.get("waits"):
            work.more["reference"] = reference
            return work
        return self._with_reference(work, reference, content, request, state)

    def take_wish(self, wish: tuple[str, int]) -> None:
        """Take another operator's wish that the present request fulfils: that request is done with
        this one."""
        if wish[0] and wish[0] != self.asked[0]:
            self.also_done.append(wish)

    def _state(self, reference: str, content: int) -> RequestState | None:
        """Return how far the request has come; None: the core has not had it."""
        row = None if self.view.requests is None else self.view.requests.find(reference)
        if row is None:
            return None
        self._require_same(reference, content, int(row[Request.offset("content") // 8]))
        return RequestState(int(row[Request.offset("state") // 8]))

    def had_effect(self, reference: str, content: int) -> bool:
        """Return whether the core has applied the command that is the request's effect."""
        state = self._state(reference, content)
        return state is not None and state is not RequestState.BEGUN

    def _require_same(self, reference: str, content: int, known: int) -> None:
        if content != known:
            raise DeskError(
                f"reference {reference!r} belongs to a different request; nothing was done"
            )

    def _waiting(self, reference: str, content: int) -> Work:
        """The same request is under way: its end is waited for."""

        def follow() -> Work:
            if self._state(reference, content) is RequestState.DONE:
                return self._repeated(reference)
            text = f"reference {reference!r}: the same request has failed; send it again"
            raise DeskError(text, UNAVAILABLE)

        ended = lambda: reference not in self.under_way  # noqa: E731
        return Work(NOTHING, [], follow=follow, ready=ended, more={"repeated": True})

    def _repeated(self, reference: str) -> Work:
        assert self.view.requests is not None
        row = self.view.requests.find(reference)
        seq = 0 if row is None else int(row[Request.offset("seq") // 8])
        done = f"reference {reference!r}: already done by command {seq:,}; nothing was repeated"
        return Work(NOTHING, [done], more={"repeated": True, "reference": reference, "seq": seq})

    def _with_reference(
        self,
        work: Work,
        reference: str,
        content: int,
        request: dict[str, Any],
        state: RequestState | None,
    ) -> Work:
        """The work with the reference before it, and the note that it is done after it."""
        operator = int(request.get(BY, 0))
        work.more = {"reference": reference} | work.more
        if self.view.requests is None:
            return work
        records, whole = self._marked(work, state)
        opened = opening(reference, content, operator)
        work.records = np.concatenate([*opened, records])
        ends = [*opened, setting(Setting.REQUEST_DONE, 0, operator=operator)] if not whole else []
        for other, asked in self.also_done:
            ends += [
                *opening(other, asked, operator),
                setting(Setting.REQUEST_DONE, 0, operator=operator),
            ]
        self.also_done = []
        begun, ended = work.begun, work.ended

        def begins() -> None:
            self.under_way[reference] = content
            begun()

        def ends_here() -> None:
            self.under_way.pop(reference, None)
            ended()

        work = replace(work, begun=begins, ended=ends_here, framing=len(opened))
        if not ends:
            return work
        return self._followed(work, Work(np.concatenate(ends), [], framing=len(ends)))

    def _marked(self, work: Work, state: RequestState | None) -> tuple[npt.NDArray[Any], bool]:
        """The work's commands, the one that is its effect marked as such; and whether that is all
        there is to do.  Of a batch that is the one that puts it in force.  Of several switches each
        may be set again, so none is marked."""
        is_risk, is_leg = work.records["kind"] == RISK_KIND, work.records["side"] == LEG
        risk, legs = np.flatnonzero(is_risk & ~is_leg), np.count_nonzero(is_risk & is_leg)
        if state is RequestState.EFFECTIVE:
            return np.delete(work.records, risk), False
        records = work.records.copy()
        is_one = len(records) - legs == len(risk) == 1
        whole = is_one and work.follow is nothing_follows
        if len(risk) == 1:
            records["side"][risk] = WHOLE if whole else EFFECT
        elif len(risk) and records["order_type"][risk[-1]] in APPLIES:
            records["side"][risk[-1]] = EFFECT
        return records, whole

    def _followed(self, work: Work, last: Work) -> Work:
        """The work, and ``last`` after everything that follows it."""

        def follow(following: Callable[[], Work | None]) -> Work:
            then = following()
            return last if then is None else self._followed(then, last)

        return replace(work, follow=partial(follow, work.follow))


class References:
    """The reference of each command of a journal, as its commands pass."""

    def __init__(self) -> None:
        self.text: list[int] = []
        self.current = ""

    def of(self, command: Any) -> str:
        """'' of a command that no reference goes ahead of."""
        what = int(command["order_type"])
        if command["kind"] != RISK_KIND:
            return ""
        if what == Setting.REQUEST:
            self.text = [int(command[name]) for name in ("price_ticks", "qty_lots", "aux")]
        elif what == Setting.REQUEST_BEGUN:
            self.current = reference_text([*self.text, int(command["price_ticks"])])
        elif command["side"]:
            return self.current
        return ""

    def each(self, commands: npt.NDArray[Any]) -> Iterator[tuple[Any, str]]:
        """Each command, with its reference."""
        for command in commands:
            yield command, self.of(command)
