"""wire/registers.py: one map for Verilog, C and Python, and a place for every symbol."""

import pytest

from openoutcry.wire import registers as r


def test_registers_are_aligned_and_apart() -> None:
    """Words on word boundaries, in order, none over another, all inside the window."""
    end = 0
    for register in r.REGISTERS:
        assert register.offset % r.WORD_BYTES == 0
        assert register.offset >= end
        end = register.offset + register.count * r.WORD_BYTES
    assert end <= r.WINDOW_BYTES


def test_the_shadow_is_as_wide_as_the_row() -> None:
    """As many shadow registers as a row has words, and no field over another or the end."""
    shadow = next(x for x in r.REGISTERS if x.name == "row_shadow")
    assert shadow.count * 32 == r.ROW_BITS
    used = [bit for f in r.ROW_FIELDS for bit in range(f.low, f.low + f.bits)]
    assert len(used) == len(set(used))
    assert max(used) < r.ROW_BITS


def test_a_row_image_holds_each_field_where_it_is_declared() -> None:
    """Every field alone, at its largest, gives just its own bits."""
    for field in r.ROW_FIELDS:
        full = 2**field.bits - 1
        assert r.row_image({field.name: full}) == full << field.low
    assert r.row_image({"max_price_ticks": -1}) == (2**64 - 1) << 64
    with pytest.raises(ValueError, match="price_fives"):
        r.row_image({"price_fives": 8})


def test_the_map_hash_follows_every_declaration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another name, offset or field is another text, so another hash."""
    before = r.registers_text()
    moved = (*r.REGISTERS[:-1], r.Register("row_shadow", 0x180, "RW", "", 18))
    monkeypatch.setattr(r, "REGISTERS", moved)
    assert r.registers_text() != before
