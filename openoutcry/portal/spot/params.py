"""Parameters of a request: names with text, each read by what it must be."""

import json
import re
from collections.abc import Iterable

from openoutcry.portal.spot.errors import (
    BAD_SYMBOL,
    DUPLICATE_SYMBOLS,
    INVALID_STATUS,
    MANDATORY,
    MORE_THAN_HOURS,
    TOO_MANY_PARAMETERS,
    UNREAD,
    ApiError,
    bad_combination,
    empty,
    illegal,
    missing,
)
from openoutcry.portal.trading.instruments import Market, Markets
from openoutcry.wire.decimals import DECIMAL

CLIENT_ID = re.compile(r"[\.A-Z\:/a-z0-9_-]{1,36}")
MAX_PARAMETERS = 60
NAMES = r"^\[(\"[A-Z0-9]{1,20}\"(,\"[A-Z0-9]{1,20}\"){0,}){0,1}\]$"
STATUSES = ("TRADING", "HALT", "BREAK")
MICROSECONDS_FROM = 10**14
"""A moment that a client names is in microseconds from here on, and below it in milliseconds."""
DAY_MS = 86_400_000
OF_CONTRACTS = "Invalid symbol: contracts are at /fapi/v1, and are traded at /v1/orders."
OF_SIGNED = frozenset({"timestamp", "recvWindow", "signature"})


class Params:
    """Parameters of a client's request."""

    def __init__(self, pairs: Iterable[tuple[str, str]], markets: Markets) -> None:
        """Raises :class:`ApiError` for a name that occurs twice."""
        self.values: dict[str, str] = {}
        self.markets = markets
        for name, value in pairs:
            if name in self.values:
                text = f"Duplicate values for a parameter detected: '{name}'."
                raise ApiError(TOO_MANY_PARAMETERS, text)
            if len(self.values) >= MAX_PARAMETERS:
                raise ApiError(TOO_MANY_PARAMETERS, "Too many parameters.")
            self.values[name] = value

    def require_known(self, names: frozenset[str]) -> None:
        """Raises :class:`ApiError` for a parameter that the request has not.  A signature is one of
        each, so that a program may sign all that it sends."""
        sent = self.values.keys()
        unread = len(sent - OF_SIGNED - names)
        if not unread:
            return
        if not names and not sent & OF_SIGNED:
            text = f"Too many parameters; expected '0' and received '{unread}'."
            raise ApiError(TOO_MANY_PARAMETERS, text)
        text = f"read '{len(sent) - unread}' parameter(s) but was sent '{len(sent)}'."
        raise ApiError(UNREAD, f"Not all sent parameters were read; {text}")

    def given(self, name: str) -> str:
        """The parameter's value; nothing if it is absent or empty."""
        return self.values.get(name, "")

    def text(self, name: str, default: str = "") -> str:
        """The value of a parameter that need not be sent; the default if it is absent.  Raises
        :class:`ApiError` if it was sent empty."""
        if self.values.get(name) == "":
            raise empty(name)
        return self.values.get(name, default)

    def needed(self, name: str) -> str:
        """The parameter's value.  Raises :class:`ApiError` if it is absent or empty."""
        value = self.given(name)
        if not value:
            raise missing(name)
        return value

    def whole(self, name: str, default: int | None = None, most: int = 2**62) -> int:
        """A number from 0; needed if there is no default."""
        value = self.needed(name) if default is None else self.text(name, str(default))
        if not (value.isascii() and value.isdigit() and len(value) <= 19):
            raise illegal(name, "^[0-9]{1,20}$")
        number = int(value)
        if number > most:
            text = f"'{name}' contains unexpected value. Cannot be greater than {most}."
            raise ApiError(MANDATORY, text)
        return number

    def whole_or_none(self, name: str) -> int | None:
        """A number from 0; None if it is absent.  Raises :class:`ApiError` if it is malformed."""
        return self.whole(name) if self.text(name) else None

    def moment_ms(self, name: str) -> int | None:
        """A moment, sent in milliseconds or microseconds; None if it is absent."""
        moment = self.whole_or_none(name)
        is_fine = moment is not None and moment >= MICROSECONDS_FROM
        return moment // 1_000 if moment is not None and is_fine else moment

    def times_ms(self, within_a_day: bool = False) -> tuple[int | None, int | None]:
        """``startTime`` and ``endTime``.  Raises :class:`ApiError` if they are more than 24 hours
        apart and must not be."""
        start, end = self.moment_ms("startTime"), self.moment_ms("endTime")
        if within_a_day and start is not None and end is not None and end - start > DAY_MS:
            text = "More than 24 hours between startTime and endTime."
            raise ApiError(MORE_THAN_HOURS, text)
        return start, end

    def flag(self, name: str, default: bool = False) -> bool:
        """``true`` or ``false``."""
        value = self.text(name, str(default)).lower()
        if value not in ("true", "false"):
            raise illegal(name, "^(true|false)$")
        return value == "true"

    def limit(self, default: int, most: int) -> int:
        """The parameter ``limit``, at most ``most``; absent or 0: the default.  Raises
        :class:`ApiError`."""
        value = self.whole("limit", default)
        return min(value, most) if value else default

    def decimal(self, name: str, is_needed: bool = False) -> str:
        """Text of a decimal number, or nothing.  ``is_needed``: the caller refuses nothing."""
        value = self.given(name) if is_needed else self.text(name)
        if value and not (value.isascii() and DECIMAL.fullmatch(value)):
            raise illegal(name, "^([0-9]{1,20})(\\.[0-9]{1,20})?$")
        return value

    def one_of(self, name: str, choices: Iterable[str], default: str = "") -> str:
        """One of the choices, or the default.  Raises :class:`ApiError` for another value."""
        value = self.text(name, default)
        if value and value not in choices:
            raise illegal(name, f"^({'|'.join(choices)})$")
        return value

    def client_id(self, name: str) -> str:
        """The client's name of a request, or nothing.  Raises :class:`ApiError` if it is
        malformed."""
        value = self.text(name)
        if value and not CLIENT_ID.fullmatch(value):
            raise illegal(name, f"^{CLIENT_ID.pattern}$")
        return value

    def market(self) -> Market:
        """The instrument of the parameter ``symbol``.  Raises :class:`ApiError` if it is absent or
        unknown."""
        return self._market(self.needed("symbol"))

    def _market(self, name: str) -> Market:
        market = self.markets.by_name.get(name)
        if market is None:
            is_contract = name in self.markets.contracts_by_name
            raise ApiError(BAD_SYMBOL, OF_CONTRACTS if is_contract else "Invalid symbol.")
        return market

    def contract(self) -> Market:
        """The contract of the parameter ``symbol``.  Raises :class:`ApiError` if it is absent or
        unknown."""
        market = self.markets.contracts_by_name.get(self.needed("symbol"))
        if market is None:
            raise ApiError(BAD_SYMBOL, "Invalid symbol.")
        return market

    def status(self) -> str:
        """``symbolStatus``, or nothing.  Raises :class:`ApiError` for another word."""
        status = self.text("symbolStatus")
        if status and status not in STATUSES:
            raise ApiError(INVALID_STATUS, "Invalid symbolStatus.")
        return status

    def some_markets(self, is_needed: bool = False) -> tuple[list[Market], bool]:
        """Return markets by ``symbol``, ``symbols`` (a JSON array), or all; and whether it is only
        one. ``is_needed``: there must be one of the two."""
        if is_needed and not (self.given("symbol") or self.given("symbols")):
            text = "Param 'symbol' or 'symbols' must be sent, but both were empty/null!"
            raise ApiError(MANDATORY, text)
        symbol, symbols = self.text("symbol"), self.text("symbols")
        if symbol and symbols:
            raise bad_combination()
        if symbol:
            return [self.market()], True
        if not symbols:
            return self.markets.all, False
        try:
            names = json.loads(symbols)
        except (ValueError, RecursionError):
            names = None
        if type(names) is not list or not all(type(one) is str for one in names):
            raise illegal("symbols", NAMES)
        if len(set(names)) < len(names):
            raise ApiError(DUPLICATE_SYMBOLS, "Symbol is present multiple times in the list.")
        return [self._market(name) for name in names], False

    def symbol_count(self) -> int:
        """Return how many symbols are named; 0: all."""
        if self.given("symbol"):
            return 1
        return self.given("symbols").count(",") + 1 if self.given("symbols") else 0
