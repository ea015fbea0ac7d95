"""Symbols outside and their codes: a rule that every journal, venue and client shares."""

import pytest

from openoutcry.wire.symbols import (
    check_symbol,
    code_of,
    coded,
    names_by_code,
    symbol_text,
    symbols_of,
)

CODES = {
    "GOLD": b"GOLD",
    "BTC-USDT": b"BTC-USDT",
    "ETH-BTC-PERPETUAL-2026": b"ETH4FQEH",
    "ETH-BTC-PERPETUAL-2027": b"ETHGV8X1",
    "ABCDEFGHI": b"ABCN5REE",
}


@pytest.mark.parametrize(("symbol", "code"), CODES.items())
def test_a_symbol_has_the_same_code_in_every_version(symbol: str, code: bytes) -> None:
    assert code_of(symbol) == code
    check_symbol(symbol)


@pytest.mark.parametrize("symbol", ["", "G LD", "G\u00d4LD", "X" * 25, "A\0"])
def test_what_is_no_symbol_is_refused(symbol: str) -> None:
    with pytest.raises(ValueError, match="1 to 24 printable ASCII characters"):
        check_symbol(symbol)
    assert len(code_of(symbol)) <= 8


def test_a_thousand_symbols_of_one_market_have_distinct_codes() -> None:
    """Options of one underlying: the same first characters, and codes that a hash tells apart."""
    symbols = [f"BTC-29MAR26-{strike}-{side}" for strike in range(500) for side in "CP"]
    assert len(names_by_code(symbols)) == len(symbols)


def test_a_configuration_names_only_what_its_records_do_not() -> None:
    symbols = ["GOLD", "ETH-BTC-PERPETUAL-2026"]
    rows = [{"symbol": code_of(symbol).decode()} for symbol in symbols]
    names = coded(symbols)
    assert [*names.values()] == symbols[1:]
    assert symbols_of({"instruments": rows, "symbols": names}) == symbols
    assert symbols_of({"instruments": rows[:1]}) == symbols[:1]
    assert symbol_text(code_of(symbols[1]), names_by_code(symbols)) == symbols[1]
    assert symbol_text(b"OTHER\0\0\0".rstrip(b"\0"), {}) == "OTHER"
