"""What a participant wants notices of: its fills, a price, how much of a limit is used.

A rule of a price or a limit gives one notice when it begins to hold.  That it holds is kept, so a
console that starts again does not repeat the notice.  Rules are kept in a file of mode 0600: the
address of a webhook is often a secret.
"""

import json
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from openoutcry.console.screen.orders import Fill
from openoutcry.wire import OutcryError

NAME = "screen-rules.json"
FILL, PRICE, LIMIT = "fill", "price", "limit"
MAX_RULES = 20
"""Maximum rules of one session."""
MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9][A-Za-z0-9.-]{0,190}")
MAX_URL = 500
PORTS = {"http": 80, "https": 443}
"""Port of a webhook whose address names none."""
SIDES = {"B": "bought"}


class RuleError(OutcryError):
    """A rule cannot be."""


@dataclass
class Rule:
    """``above`` and ``price`` (ten-thousandths) are of a price, ``limit`` and ``percent`` of a
    limit."""

    kind: str
    symbol: str = ""
    above: bool = True
    price: int = 0
    limit: str = ""
    percent: int = 0
    mail: str = ""
    webhook: str = ""
    number: str = ""
    holds: bool = False

    def words(self, decimals: Callable[[str], int]) -> str:
        """The rule as the page shows it; ``decimals``: of an instrument's prices."""
        if self.kind == FILL:
            return f"a fill{' in ' + self.symbol if self.symbol else ''}"
        if self.kind == PRICE:
            shown = price_text(self.price, decimals(self.symbol))
            return f"{self.symbol} at {shown} or {'above' if self.above else 'below'}"
        return f"{self.percent} % of {self.limit}{' in ' + self.symbol if self.symbol else ''}"


def price_text(price: int, decimals: int) -> str:
    """Ten-thousandths as text; no digit is left out that is not 0."""
    text = f"{price // 10_000}.{price % 10_000:04}"
    whole, _, places = text.partition(".")
    kept = places.rstrip("0").ljust(min(decimals, 4), "0")
    return f"{whole}.{kept}" if kept else whole


def fill_text(fill: Fill, decimals: Callable[[str], int]) -> str:
    """A fill as a message shows it."""
    did = SIDES.get(fill.side, "sold")
    return f"{did} {fill.qty_lots} {fill.symbol} at {price_text(fill.price, decimals(fill.symbol))}"


def require_allowed(url: str, hosts: tuple[str, ...]) -> None:
    """Raises :class:`RuleError` for what is not the address of a webhook, and for one whose host
    and port are not in ``hosts``.  A host without a port allows the default port of the address's
    scheme."""
    try:
        address = urlsplit(url)
        host, port = address.hostname or "", address.port
    except ValueError:
        raise RuleError("webhook: that is not a URL") from None
    plain = url.isascii() and url.isprintable()
    if (
        address.scheme not in PORTS
        or len(url) > MAX_URL
        or not plain
        or " " in url
        or "@" in address.netloc
    ):
        raise RuleError("webhook: a URL is http:// or https://, a host and a path")
    usual = PORTS[address.scheme]
    port = usual if port is None else port
    shown = f"[{host}]" if ":" in host else host
    allowed = {one.casefold() for one in hosts}
    if f"{shown}:{port}" not in allowed and not (port == usual and {shown, host} & allowed):
        raise RuleError(
            f"webhook: the venue allows none to {shown or 'nobody'}:{port} (outcry screen "
            "--webhook-host)"
        )


class Rules:
    """The rules of every session, by its name."""

    def __init__(
        self, folder: Path, decimals: Callable[[str], int], hosts: tuple[str, ...], mails: bool
    ) -> None:
        """``hosts``: where webhooks may go; ``mails``: there is a server for mail.  Raises
        :class:`RuleError` for a damaged file."""
        self.path, self.decimals, self.hosts, self.mails = folder / NAME, decimals, hosts, mails
        self._lock = Lock()
        self._of: dict[str, list[Rule]] = {}
        try:
            document = json.loads(self.path.read_text())
            self._of = {name: [Rule(**row) for row in rows] for name, rows in document.items()}
        except FileNotFoundError:
            pass
        except (ValueError, TypeError, AttributeError) as error:
            raise RuleError(f"{self.path}: {error}") from None

    def of(self, session: str) -> list[dict[str, Any]]:
        """Rules of a session, each with its words."""
        with self._lock:
            return [
                asdict(one) | {"words": one.words(self.decimals)}
                for one in self._of.get(session, ())
            ]

    def add(self, session: str, rule: Rule) -> str:
        """Add a rule and return its number. Raises :class:`RuleError`."""
        self._check(rule)
        rule.number = secrets.token_hex(8)
        with self._lock:
            kept = self._of.get(session, [])
            if len(kept) >= MAX_RULES:
                raise RuleError(f"there are {MAX_RULES} rules already; remove one first")
            self._write(self._of | {session: [*kept, rule]})
        return rule.number

    def remove(self, session: str, number: str) -> None:
        """Raises :class:`RuleError` if this session has none with that number."""
        with self._lock:
            kept = self._of.get(session, [])
            rest = [one for one in kept if one.number != number]
            if len(rest) == len(kept):
                raise RuleError("there is no such rule")
            self._write(self._of | {session: rest})

    def _check(self, rule: Rule) -> None:
        if rule.mail and not self.mails:
            raise RuleError("this venue sends no mail (outcry screen --smtp)")
        if rule.mail and not MAIL.fullmatch(rule.mail):
            raise RuleError("mail: that is not an address")
        if rule.webhook:
            require_allowed(rule.webhook, self.hosts)

    def _write(self, of: dict[str, list[Rule]]) -> None:
        """Write the rules to disk, all or none. Raises :class:`RuleError`."""
        new = self.path.with_suffix(".new")
        document = {name: [asdict(row) for row in rows] for name, rows in of.items() if rows}
        try:
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(document, file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
        except OSError as error:
            raise RuleError(f"{NAME} cannot be written: {error.strerror}") from None
        self._of = of

    def of_fill(self, session: str, fill: Fill) -> list[tuple[Rule, str]]:
        """Rules that report a fill, and the words."""
        with self._lock:
            kept = list(self._of.get(session, ()))
        text = fill_text(fill, self.decimals)
        return [(one, text) for one in kept if one.kind == FILL and one.symbol in ("", fill.symbol)]

    def check(
        self, session: str, last: dict[str, int], limits: list[dict[str, Any]]
    ) -> list[tuple[Rule, str]]:
        """Rules that have begun to hold, and the words.  ``last``: the last price by instrument;
        ``limits``: as ``participants_of`` has them."""
        begun, changed = [], False
        with self._lock:
            for rule in self._of.get(session, ()):
                holds, text = self._holds(rule, last, limits)
                if holds and not rule.holds:
                    begun.append((rule, text))
                changed |= holds is not None and holds != rule.holds
                rule.holds = rule.holds if holds is None else holds
            if changed:
                self._write(self._of)
        return begun

    def _holds(
        self, rule: Rule, last: dict[str, int], limits: list[dict[str, Any]]
    ) -> tuple[bool | None, str]:
        """None: nothing is known of it."""
        if rule.kind == PRICE:
            now = last.get(rule.symbol, 0)
            shown = price_text(now, self.decimals(rule.symbol))
            if not now:
                return None, ""
            return (
                now >= rule.price if rule.above else now <= rule.price
            ), f"{rule.symbol} at {shown}"
        for row in limits if rule.kind == LIMIT else ():
            if (row["limit"], row["instrument"]) == (rule.limit, rule.symbol):
                if row["used"] is None or not row["value"]:
                    return None, ""
                text = f"{row['used']:,} of {row['value']:,} {rule.limit} are used"
                return 100 * row["used"] >= rule.percent * row["value"], text
        return None, ""
