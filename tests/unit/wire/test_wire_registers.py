"""wire/registers.py: one map for Verilog, C and Python, and a place for every symbol."""

import pytest

from openoutcry.wire import registers


def test_registers_are_aligned_and_apart() -> None:
    """Words on word boundaries, in order, none over another, all inside the window."""
    end = 0
    for register in registers.REGISTERS:
        assert register.offset % registers.WORD_BYTES == 0
        assert register.offset >= end
        end = register.offset + register.count * registers.WORD_BYTES
    assert end <= registers.WINDOW_BYTES


def test_the_shadow_is_as_wide_as_the_row() -> None:
    """As many shadow registers as a row has words, and no field over another or the end."""
    shadow = next(x for x in registers.REGISTERS if x.name == "row_shadow")
    assert shadow.count * 32 == registers.ROW_BITS
    used = [bit for f in registers.ROW_FIELDS for bit in range(f.low, f.low + f.bits)]
    assert len(used) == len(set(used))
    assert max(used) < registers.ROW_BITS


def test_a_row_image_holds_each_field_where_it_is_declared() -> None:
    """Every field alone, at its largest, gives just its own bits."""
    for field in registers.ROW_FIELDS:
        full = 2**field.bits - 1
        assert registers.row_image({field.name: full}) == full << field.low
    assert registers.row_image({"max_price_ticks": -1}) == (2**64 - 1) << 64
    with pytest.raises(ValueError, match="price_fives"):
        registers.row_image({"price_fives": 8})


def test_the_map_hash_follows_every_declaration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another name, offset or field is another text, so another hash."""
    before = registers.registers_text()
    moved = (*registers.REGISTERS[:-1], registers.Register("row_shadow", 0x180, "RW", "", 18))
    monkeypatch.setattr(registers, "REGISTERS", moved)
    assert registers.registers_text() != before
