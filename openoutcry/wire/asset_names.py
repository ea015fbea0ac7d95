"""Names of assets outside, of up to 16 characters, and the numbers that commands and the core have.

A name of up to eight characters is its own code, as a word.  A longer one has a code by the rule
for symbols (:func:`symbols.code_of`).  Where an asset is declared, by LEDGER_ASSET and in the
core's row of it, the characters of a longer name after the third are there too.  They are in the
bytes above that of the decimals, and in one word more.
"""

from collections.abc import Iterable

import numpy as np

from openoutcry.wire.symbols import CODE_BYTES, MAX_ASSET_NAME, PREFIX, code_of
from openoutcry.wire.text import text_of

DECIMALS_MASK = 0xFF
WITH_DECIMALS = 7
"""Characters in the word of the decimals."""


def asset_word(name: str) -> int:
    """The code of an asset as a number: a gateway knows the symbols of instruments alone."""
    return int.from_bytes(code_of(name).ljust(CODE_BYTES, b"\0"), "little", signed=True)


def asset_words(name: str, decimals: int) -> tuple[int, int, int]:
    """Return where an asset is declared: code, decimals with characters, more characters.

    Raises ``ValueError`` for a name that is too long or not ASCII.
    """
    if len(name) > MAX_ASSET_NAME or not name.isascii():
        raise ValueError(f"{name!r} is not up to {MAX_ASSET_NAME} ASCII characters")
    rest = name[PREFIX:].encode() if len(name) > CODE_BYTES else b""
    low = int.from_bytes(rest[:WITH_DECIMALS], "little")
    return asset_word(name), decimals | low << 8, int.from_bytes(rest[WITH_DECIMALS:], "little")


def asset_text(code: int, decimals: int, rest: int) -> str:
    """The name that an asset was declared by: the three words of :func:`asset_words`."""
    short = text_of(np.array([code], np.int64).view("S8")[0], "ascii")
    if not decimals >> 8:
        return short
    low = (decimals >> 8).to_bytes(CODE_BYTES, "little").rstrip(b"\0")
    high = rest.to_bytes(CODE_BYTES, "little", signed=True).rstrip(b"\0")
    return short[:PREFIX] + text_of(low + high, "ascii")


def names_by_word(names: Iterable[str]) -> dict[int, str]:
    """The name outside of each code."""
    return {asset_word(name): name for name in names}


def asset_named(word: int, names: dict[int, str]) -> str:
    """The name of a code, for people; of an unknown one the code itself."""
    return names.get(word) or text_of(np.array([word], np.int64).view("S8")[0], "ascii")
