"""The payer's way to the signers and the attestor."""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from openoutcry.custody.errors import CustodyError, Refused
from openoutcry.custody.settings import SIGNATURES
from openoutcry.custody.sockets import ANSWER_S, Request, ask, whole
from openoutcry.custody.statement import Statement

MAX_NUMBER = 2**62
"""Highest number of a request to sign; each signer has its own bound."""
REFUSED_S = 10.0
"""Seconds for all but signatures.  A change of the store waits for what a signer would refuse: less
than others wait for that."""
SILENT_S, AGAIN_S = 5.0, 60.0
"""Who gave no answer for so long is not asked again for a while."""
MOST_ASKED = 400
"""Requests that a signer lists, signed and refused ones."""


class Links:
    """Links to signers and attestor, by their sockets. ``needed``: signatures of
    one transaction."""

    def __init__(self, signers: Sequence[Path], attestor: Path, needed: int = SIGNATURES) -> None:
        self.signers, self.attestor, self.needed = tuple(signers), attestor, needed
        self._silent: dict[Path, float] = {}
        """By its socket: until when one that gave no answer is not asked again."""
        self._told: dict[Path, set[tuple[str, str]]] = {signer: set() for signer in self.signers}
        """Destinations that a signer has and another has not."""

    def _one(self, path: Path, request: Request, answer_s: float = ANSWER_S) -> Request:
        """Ask one of them.  One behind a tunnel that leads nowhere takes all the time that it has:
        each request after that would, and deposits of all chains wait meanwhile."""
        began_s = time.monotonic()
        if began_s < self._silent.get(path, 0.0):
            raise CustodyError(f"{path}: no answer a moment ago")
        try:
            return ask(path, request, answer_s)
        except Refused:
            raise
        except CustodyError:
            if (now_s := time.monotonic()) >= began_s + SILENT_S:
                self._silent[path] = now_s + AGAIN_S
            raise

    def last_number(self) -> int:
        """The highest that any signer has seen.  Too few signers may be away for a number to have
        only their signatures.

        Raises :class:`CustodyError` if more are away."""
        numbers: list[int] = []
        away = CustodyError("the file names no signers")
        for signer in self.signers:
            try:
                numbers.append(
                    whole(self._one(signer, {"do": "state"}, REFUSED_S), "number", MAX_NUMBER)
                )
            except CustodyError as error:
                away = error
            except (ValueError, KeyError):
                away = CustodyError(f"{signer}: its answer has no number")
        if len(self.signers) - len(numbers) >= self.needed:
            raise away
        return max(numbers, default=0)

    def asked(self) -> dict[str, list[tuple[str, str]]]:
        """Return the recent requests to each signer: identities, and why one was refused. A signer
        that is away, or whose answer cannot be read, says nothing."""
        found = {}
        for signer in self.signers:
            with suppress(CustodyError, ValueError, TypeError):
                rows = self._one(signer, {"do": "state"}, REFUSED_S).get("asked", [])[:MOST_ASKED]
                found[signer.stem] = [(str(identity), str(code)) for identity, code in rows]
        return found

    def state(self, reference: str, participant: int) -> tuple[Statement, str]:
        """The venue's statement on a withdrawal, and its signature in hexadecimal.

        Raises :class:`CustodyError` if the attestor refuses or does not answer."""
        request = {"do": "state", "reference": reference, "participant": participant}
        answer = self._one(self.attestor, request, REFUSED_S)
        try:
            return Statement(**answer["statement"]), str(answer["signature"])
        except (KeyError, TypeError):
            raise CustodyError(f"{self.attestor}: its answer is not a statement") from None

    def announce(self, rows: Sequence[tuple[str, str]]) -> tuple[list[tuple[str, str]], str]:
        """Let every signer note destinations (chain, address), whose wait begins there.  One that
        is away keeps the others from none.  Returns what all have noted, and why the rest waits."""
        why = ""
        for one, told in self._told.items():
            for row in [row for row in rows if row not in told]:
                try:
                    self._one(
                        one, {"do": "announce", "chain": row[0], "address": row[1]}, REFUSED_S
                    )
                    told.add(row)
                except Refused as error:
                    why = str(error)  # of a chain that it has no key on, perhaps
                except CustodyError as error:
                    why = str(error)
                    break
        done = [row for row in rows if all(row in told for told in self._told.values())]
        for told in self._told.values():
            told.difference_update(done)
        return done, why

    def refused(
        self, chain: str, claims: list[dict[str, Any]], body: dict[str, Any] | None = None
    ) -> dict[str, str]:
        """Payments that a signer would not sign now, by reference, and why; by ``WHOLE`` why not
        the draft with this body.  Raises as :meth:`sign`."""
        found: dict[str, str] = {}
        request = {"do": "refused", "chain": chain, "claims": claims, "body": body}
        for answer in self._ask(request, REFUSED_S):
            found |= {str(one): str(why) for one, why in dict(answer["refusals"]).items()}
        return found

    def sign(
        self, number: int, chain: str, claims: list[dict[str, Any]], body: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Answers of as many signers as are needed; a signer that does not answer is skipped.

        Raises :class:`Refused` with the first refusal, and :class:`CustodyError` if too few
        answer."""
        request = {"do": "sign", "number": number, "chain": chain, "claims": claims, "body": body}
        return self._ask(request)

    def _ask(self, request: dict[str, Any], answer_s: float = ANSWER_S) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        away: list[CustodyError] = []
        for signer in self.signers:
            if len(answers) == self.needed:
                break
            try:
                answers.append(self._one(signer, request, answer_s))
            except Refused:
                raise
            except CustodyError as error:
                away.append(error)
        if len(answers) < self.needed:
            why = away[0] if away else f"the file names {len(self.signers)} signers"
            raise CustodyError(f"{len(answers)} of {self.needed} signatures: {why}")
        return answers

    def reserves(self, chain: str, message: str) -> list[dict[str, Any]]:
        """Each signer's signature of a message that is no transaction."""
        request = {"do": "reserves", "chain": chain, "message": message}
        return [self._one(signer, request) for signer in self.signers]
