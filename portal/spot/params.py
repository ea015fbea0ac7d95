"""Parameters of a request: names with text, each read by what it must be."""

import re
from collections.abc import Iterable

from openoutcry.portal.spot.errors import (
    BAD_SYMBOL,
    TOO_MANY_PARAMETERS,
    ApiError,
    illegal,
    missing,
)
from openoutcry.portal.trading.instruments import DECIMAL, Market, Markets

CLIENT_ID = re.compile(r"[\.A-Z\:/a-z0-9_-]{1,36}")
MAX_PARAMETERS = 40


class Params:
    """What a client has sent."""

    def __init__(self, pairs: Iterable[tuple[str, str]], markets: Markets) -> None:
        """Raises :class:`ApiError` for a name that occurs twice."""
        self.values: dict[str, str] = {}
        self.markets = markets
        for name, value in pairs:
            if name in self.values:
                raise ApiError(TOO_MANY_PARAMETERS, f"Duplicate values for parameter '{name}'.")
            if len(self.values) >= MAX_PARAMETERS:
                raise ApiError(TOO_MANY_PARAMETERS, "Too many parameters.")
            self.values[name] = value

    def text(self, name: str, default: str = "") -> str:
        """The parameter's value; the default if it is absent or empty."""
        return self.values.get(name, "") or default

    def needed(self, name: str) -> str:
        """The parameter's value.  Raises :class:`ApiError` if it is absent or empty."""
        value = self.text(name)
        if not value:
            raise missing(name)
        return value

    def whole(self, name: str, default: int | None = None, most: int = 2**62) -> int:
        """A number from 0; needed if there is no default."""
        value = self.text(name)
        if not value and default is not None:
            return default
        if not value:
            raise missing(name)
        if not (value.isascii() and value.isdigit() and len(value) <= 19):
            raise illegal(name)
        number = int(value)
        if number > most:
            raise illegal(name)
        return number

    def whole_or_none(self, name: str) -> int | None:
        """A number from 0; None if it is absent.  Raises :class:`ApiError` if it is malformed."""
        return self.whole(name) if self.text(name) else None

    def limit(self, default: int, most: int) -> int:
        """The parameter ``limit``, at most ``most``; absent or 0: the default.  Raises
        :class:`ApiError`."""
        value = self.whole("limit", default)
        return min(value, most) if value else default

    def decimal(self, name: str) -> str:
        """Text of a decimal number, or nothing."""
        value = self.text(name)
        if value and not (value.isascii() and DECIMAL.fullmatch(value)):
            raise illegal(name)
        return value

    def one_of(self, name: str, choices: Iterable[str], default: str = "") -> str:
        """One of the choices, or the default.  Raises :class:`ApiError` for another value."""
        value = self.text(name, default)
        if value and value not in choices:
            raise illegal(name)
        return value

    def client_id(self, name: str) -> str:
        """The client's name of a request, or nothing.  Raises :class:`ApiError` if it is
        malformed."""
        value = self.text(name)
        if value and not CLIENT_ID.fullmatch(value):
            raise illegal(name)
        return value

    def market(self) -> Market:
        """The instrument of the parameter ``symbol``.  Raises :class:`ApiError` if it is absent or
        unknown."""
        return self._market(self.needed("symbol"))

    def _market(self, name: str) -> Market:
        market = self.markets.by_name.get(name)
        if market is None:
            raise ApiError(BAD_SYMBOL, "Invalid symbol.")
        return market

    def some_markets(self) -> tuple[list[Market], bool]:
        """By ``symbol``, ``symbols`` (a JSON array), or all; and whether it is only one."""
        import json

        if self.text("symbol"):
            return [self.market()], True
        if not self.text("symbols"):
            return self.markets.all, False
        try:
            names = json.loads(self.text("symbols"))
        except (ValueError, RecursionError):
            names = None
        if type(names) is not list or not all(type(one) is str for one in names):
            raise illegal("symbols")
        return [self._market(name) for name in names], False
