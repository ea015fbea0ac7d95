"""Symbols outside, of up to 24 characters, and the eight bytes that a record has of them.

A symbol of up to eight characters is its own code.  A longer one has a code of its first three
characters and five that a hash of the whole chooses.  The rule is part of every journal: a symbol
has the same code in each venue, each client and each version.
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

from openoutcry.wire.text import text_of

MAX_SYMBOL = 24
"""Characters of a symbol outside."""
MAX_ASSET_NAME = 16
"""Characters of an asset's name outside; a longer one than CODE_BYTES has a code by the same
rule."""
CODE_BYTES = 8
PREFIX, HASHED = 3, 5
"""Characters of a longer symbol's code: the first ones of the symbol, and those of its hash."""
ALPHABET = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"
NAMES = "symbols"
"""Key of a journal's configuration: the symbol outside of each code that is not the symbol."""


def code_of(symbol: str) -> bytes:
    """The bytes of a record's field; of a text that is not a symbol those of no instrument."""
    code = symbol.encode("ascii", "replace")
    if len(code) <= CODE_BYTES:
        return code
    rest = int.from_bytes(blake2b(symbol.encode("utf-8", "replace"), digest_size=8).digest())
    hashed = bytearray()
    for _ in range(HASHED):
        rest, digit = divmod(rest, len(ALPHABET))
        hashed.append(ALPHABET[digit])
    return code[:PREFIX] + bytes(hashed)


def bare(symbol: str) -> str:
    """A symbol without case and punctuation, as Binance's programs name it."""
    return re.sub(r"[^A-Z0-9]", "", symbol.upper())


def check_symbol(symbol: str) -> None:
    """Raise ``ValueError`` unless an instrument may have this symbol."""
    if not 1 <= len(symbol) <= MAX_SYMBOL or any(not "!" <= one <= "~" for one in symbol):
        raise ValueError(f"{symbol!r} is not 1 to {MAX_SYMBOL} printable ASCII characters")


def names_by_code(symbols: Iterable[str]) -> dict[bytes, str]:
    """The symbol outside of each code."""
    return {code_of(symbol): symbol for symbol in symbols}


def symbol_text(code: bytes, names: Mapping[bytes, str]) -> str:
    """The symbol outside of a record's field, for people; of an unknown code the code itself."""
    code = bytes(code)
    return names.get(code) or text_of(code, "ascii")


def coded(symbols: Iterable[str]) -> dict[str, str]:
    """Return the symbols in a journal's configuration: code and symbol, where they differ."""
    return {
        code.decode(): symbol
        for code, symbol in names_by_code(symbols).items()
        if code != symbol.encode("ascii", "replace")
    }


def symbols_of(config: Mapping[str, Any]) -> list[str]:
    """The symbols outside of a journal's instruments, in their order."""
    names = config.get(NAMES, {})
    return [names.get(row["symbol"], row["symbol"]) for row in config["instruments"]]
