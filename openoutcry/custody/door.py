"""The door: what the portal asks of custody for its users, over its own socket.

The portal proves who a user is.  Custody decides about addresses, waits, sanctions, rules and
people, and says what has become of a withdrawal or a deposit.  The process at the door has no key
and sends nothing: it reads and writes the store, which :mod:`serve` works through.
"""

import json
from collections.abc import Callable
from typing import Any

from openoutcry.custody.chains import book_of
from openoutcry.custody.deposits import PENDING, SEEN, together
from openoutcry.custody.errors import Refused
from openoutcry.custody.scanner import GIVEN, give_address
from openoutcry.custody.serve import Parts
from openoutcry.custody.sockets import Request, whole
from openoutcry.custody.withdrawals import (
    CANCELLED,
    DONE,
    FAILED,
    HELD,
    REFUSED,
    SENT,
    Asked,
)

MOST_ROWS = 1_000
HIDDEN = 0o117
"""The door's socket is for its group, too: that of the portal's user."""
ENDED = (DONE, REFUSED, CANCELLED, FAILED)
NOT_TAKEN = "its receiver rejected it; the amount is back in the account"
NOT_TAKEN_CODE = "not_taken"
STOPPED, PEOPLE, PAYMENT, BLOCK, BLOCKS = "stopped", "people", "payment", "block", "blocks"
"""Conditions that a withdrawal waits for: the breaker, two people, its transaction, a block, more
of them."""
SHOWN = ("pending", "seen", "credited", "final", "gone", "reversed", "dust", "unsupported")
"""States of deposits that their owner is shown."""


class Door:
    """Answers one portal."""

    def __init__(self, parts: Parts) -> None:
        self.parts, self.file, self.store = parts, parts.file, parts.store
        self.withdrawals = parts.withdrawals
        self.books = {spec.name: book_of(spec) for spec in self.file.chains}
        self._doing: dict[str, Callable[[Request], Request]] = {
            "offers": self._offers,
            "check": self._check,
            "form": self._form,
            "whitelist": self._whitelist,
            "unlist": self._unlist,
            "listed": self._listed,
            "withdraw": self._withdraw,
            "withdrawals": self._states,
            "cancel": self._cancel,
            "address": self._address,
            "deposits": self._deposits,
        }

    def answer(self, request: Request) -> Request:
        """Answer one request of the portal.  Raises :class:`Refused`."""
        do = self._doing.get(str(request.get("do")))
        if do is None:
            raise Refused("unknown_request", f"the door does not do {request.get('do')!r}")
        return do(request)

    def _offers(self, request: Request) -> Request:
        """The chains and their assets, and how many blocks a deposit needs."""
        rows = [
            {"asset": asset.name, "chain": asset.chain, "confirmations": asset.confirmations}
            for asset in self.file.assets
        ]
        stopped = bool(self.parts.breaker.why())
        return {"assets": rows, "wait_s": self.file.whitelist_wait_s, "stopped": stopped}

    # Addresses to pay to

    def _check(self, request: Request) -> Request:
        asked = _asked(request)
        address = self.withdrawals.check(asked)
        asset = self.file.asset(asked.asset)
        assert asset is not None
        return {"address": address, "chain": asset.chain}

    def _form(self, request: Request) -> Request:
        terms = str(request["chain"]), whole(request, "participant"), str(request["address"])
        return {"address": self.withdrawals.normal_address(*terms)}

    def _whitelist(self, request: Request) -> Request:
        terms = str(request["chain"]), whole(request, "participant"), str(request["address"])
        usable_ns = self.withdrawals.add_address(*terms, str(request.get("label", ""))[:100])
        return {"usable_ns": usable_ns}

    def _unlist(self, request: Request) -> Request:
        terms = str(request["chain"]), whole(request, "participant"), str(request["address"])
        return {"removed": self.withdrawals.remove_address(*terms)}

    def _listed(self, request: Request) -> Request:
        return {"addresses": self.withdrawals.listed(whole(request, "participant"))}

    # Withdrawals

    def _withdraw(self, request: Request) -> Request:
        asked = _asked(request)
        if not asked.salt:
            raise Refused(
                "no_name", "a withdrawal needs a name, so that a repeated request is done once"
            )
        return {"reference": self.withdrawals.ask(asked)}

    def _cancel(self, request: Request) -> Request:
        self.withdrawals.cancel(whole(request, "participant"), str(request["reference"]))
        return {}

    def _states(self, request: Request) -> Request:
        """Return the state of each withdrawal whose reference exists."""
        names = [str(one) for one in request["references"]][:MOST_ROWS]
        stopped, tops = bool(self.parts.breaker.why()), self._tops()
        found = {}
        for name in names:
            row = self.store.row("select * from withdrawals where reference = ?", name)
            if row is not None:
                found[name] = self._state(row, stopped, tops)
        return {"withdrawals": found}

    def _tops(self) -> dict[str, int]:
        query = "select chain, max(height) as top from blocks group by chain"
        return {row["chain"]: int(row["top"]) for row in self.store.rows(query)}

    def _state(self, row: Any, stopped: bool, tops: dict[str, int]) -> dict[str, Any]:
        chain, state = row["chain"], row["state"]
        found = {"state": state, "why": "", "code": "", "txid": "", "confirmations": 0, "waits": ""}
        found["final"] = self.file.chain(chain).final
        if state in (REFUSED, CANCELLED):
            found["why"], found["code"] = row["why"], row["code"]
        if state == FAILED:
            found["why"], found["code"] = NOT_TAKEN, NOT_TAKEN_CODE
        height = 0
        if row["draft"] is not None:
            draft = self.store.row("select * from drafts where id = ?", row["draft"])
            assert draft is not None
            if draft["sent_ns"] is not None or draft["height"] is not None:
                found["txid"] = self._transaction(chain, draft)
            height = int(draft["height"] or 0)
        if height:
            found["confirmations"] = max(0, tops.get(chain, 0) - height + 1)
        if state not in ENDED:
            found["waits"] = _waits(state, stopped, found["txid"], height)
        return found

    def _transaction(self, chain: str, draft: Any) -> str:
        """Return the transaction's id in the form of the chain's explorers."""
        if self.parts.rails[chain].signs_transactions:
            return str(draft["txid"] or "")
        return str(json.loads(draft["notes"]).get("transaction", ""))

    # Deposits

    def _address(self, request: Request) -> Request:
        """The newest of a participant to which nothing was paid yet, else another one.  ``owner``:
        the participant of its main account, whose deposits count together."""
        chain, participant = str(request["chain"]), whole(request, "participant")
        owner = whole(request, "owner") if "owner" in request else participant
        if chain not in self.books:
            raise Refused("unknown_chain", f"custody takes no deposits on {chain!r}")
        query = (
            "select address from addresses as a where chain = ? and participant = ? "
            "and purpose = ? and not exists (select 1 from deposits as d "
            "where d.chain = a.chain and d.address = a.address) order by place desc limit 1"
        )
        with self.store.change():
            self.store.run("insert or replace into owners values (?, ?)", participant, owner)
            row = self.store.row(query, chain, participant, GIVEN)
            if row is not None:
                return {"address": row["address"]}
            spec = self.file.chain(chain)
            return {"address": give_address(self.store, self.books[chain], spec, participant)}

    def _deposits(self, request: Request) -> Request:
        """A participant's, the newest first."""
        marks = ", ".join("?" * len(SHOWN))
        query = (
            f"select * from deposits where participant = ? and state in ({marks}) "
            "order by changed_ns desc limit ?"
        )
        participant, tops = whole(request, "participant"), self._tops()
        rows = self.store.rows(query, participant, *SHOWN, MOST_ROWS)
        return {"deposits": [self._deposit(row, tops) for row in rows]}

    def _deposit(self, row: Any, tops: dict[str, int]) -> dict[str, Any]:
        asset, height = self.file.asset(row["asset"]), row["height"]
        top = tops.get(row["chain"], 0)
        blocks = 0 if height is None else top - int(height) + 1
        needed, units = 0, int(row["units"])
        if asset is not None and row["state"] in (PENDING, SEEN):
            units = max(units, together(self.store, asset, row["participant"], top))
        if asset is not None:
            needed = asset.needed(units)
        names = "reference", "chain", "asset", "units", "state", "txid", "address", "changed_ns"
        shown = {name: row[name] for name in names}
        return shown | {"confirmations": max(0, blocks), "needed": needed}


def _asked(request: Request) -> Asked:
    terms = whole(request, "participant"), str(request["asset"]), str(request["address"])
    salt, device, changes = (str(request.get(name, "")) for name in ("salt", "device", "changes"))
    is_cancelled = request.get("cancelled") is True
    return Asked(*terms, whole(request, "units"), salt, device, changes, is_cancelled)


def _waits(state: str, stopped: bool, txid: str, height: int) -> str:
    if height:
        return BLOCKS
    if txid:
        return BLOCK
    if stopped:
        return STOPPED
    if state == HELD:
        return PEOPLE
    return PAYMENT if state == SENT else ""
