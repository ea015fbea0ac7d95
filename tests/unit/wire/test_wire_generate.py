"""wire/generate.py: the tree holds what is generated, and compilers agree with numpy."""

import re
from importlib import import_module
from itertools import pairwise

import numpy as np
import pytest

from openoutcry import PACKAGE
from openoutcry.wire import enums, generate
from openoutcry.wire.layout_hash import LAYOUT_HASH
from openoutcry.wire.order_ids import ORDER_ID_RANGES, VENUE_ORDER_IDS
from openoutcry.wire.records import MAGICS, RECORDS
from tests import ROOT
from tests.support.wire.wire_generate import HEADER, leaf_fields


@pytest.mark.parametrize("name", sorted(generate.generate()))
def test_generated_file_is_the_one_in_the_tree(name):
    """Nobody edited a generated file, and nobody forgot to generate it: byte for byte."""
    assert (ROOT / name).read_bytes() == generate.generate()[name].encode(), (
        "run python -m openoutcry.wire.generate"
    )


@pytest.mark.parametrize("name", sorted(generate.generate()))
def test_generated_file_says_so_in_its_first_line(name):
    """Who opens one learns at once where to edit instead."""
    first = (ROOT / name).read_text().splitlines()[0]
    room = name.removeprefix("openoutcry/").rpartition("/")[0]
    assert generate.GENERATED in first.replace(f"from {room}/ ", "from wire/ ")


@pytest.mark.parametrize("name", generate.ROOM_ENUMS)
def test_numbers_of_a_rooms_enumerations_are_its_members(name):
    """Each member of each enumeration, by its prefix and name, and nothing else."""
    numbers = import_module(f"openoutcry.{name[:-3].replace('/', '.')}")
    expected = {}
    for path, prefixes in generate.ROOM_ENUMS[name].items():
        module = import_module(f"openoutcry.{path[:-3].replace('/', '.')}")
        for enum, prefix in prefixes.items():
            start = f"{prefix}_" if prefix else ""
            expected |= {f"{start}{one.name}": one.value for one in getattr(module, enum)}
    assert {key: value for key, value in vars(numbers).items() if key.isupper()} == expected
    assert all(type(getattr(numbers, key)) is int for key in expected)


def verilog_defines() -> dict[str, str]:
    """Every `define of the Verilog header: name -> text."""
    text = (PACKAGE / "gateway_fpga" / "rtl" / "outcry_wire.vh").read_text()
    return dict(re.findall(r"^`define (\w+) +([^/\n]+?) *(?://.*)?$", text, re.MULTILINE))


def test_verilog_ranges_are_the_numpy_offsets():
    """Each field's [high:low] is eight times numpy's byte range, and no range stands for a field
    that is not there."""
    ranges = {k: v for k, v in verilog_defines().items() if re.fullmatch(r"\d+:\d+", v)}
    expected = {}
    for record in RECORDS:
        for name, at, size in leaf_fields(record):
            key = f"OUTCRY_{record.name}_{name}".upper()
            expected[key] = f"{8 * (at + size) - 1}:{8 * at}"
    assert ranges == expected


def test_verilog_ranges_of_the_house():
    """The beat that the hardware is built around, in figures that no generator computes."""
    defines = verilog_defines()
    assert defines["OUTCRY_ORDER_PRICE_TICKS"] == "63:0"
    assert defines["OUTCRY_ORDER_QTY_LOTS"] == "127:64"
    assert defines["OUTCRY_ORDER_SYMBOL"] == "191:128"
    assert defines["OUTCRY_ORDER_SEQ"] == "511:448"
    assert defines["OUTCRY_LAYOUT_HASH"] == f"64'h{LAYOUT_HASH:016x}"


def test_no_name_is_defined_twice():
    """A field and an enumeration member never share a name; the later would win silently."""
    for header in ("gateway_fpga/rtl/outcry_wire.vh", "wire/outcry_wire.h"):
        text = (PACKAGE / header).read_text()
        names = re.findall(r"^[`#]define (\w+)", text, re.MULTILINE)
        assert len(names) == len(set(names)) > 50


def test_every_enumeration_member_is_in_both_headers():
    """C and Verilog know each member by the same name and value, and the value fits its width."""
    c_text = HEADER.read_text()
    c_defines = dict(re.findall(r"^#define (\w+) (\d+)$", c_text, re.MULTILINE))
    verilog = verilog_defines()
    for enum in enums.ENUMS:
        for member in enum:
            stem = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.__name__).upper()
            name = f"OUTCRY_{stem}_{member.name}"
            assert int(c_defines[name]) == member
            width, value = map(int, verilog[name].split("'d"))
            assert value == member < 2**width


def test_magics_spell_their_names_in_memory():
    """Stored little-endian, a magic reads as text in a hex dump, in C as in Python."""
    text = HEADER.read_text()
    spelt = {"BLOCK": b"OUTCRYJB", "PACKET": b"OCRY", "RING": b"OUTCRYRB", "CONTROL": b"OUTCRYCT"}
    spelt["CLOCK"] = b"OUTCRYCK"
    for name, letters in spelt.items():
        value = MAGICS[f"{name}_MAGIC"]
        assert np.array([value], dtype="<u8").tobytes().rstrip(b"\0") == letters
        assert f"#define OUTCRY_{name}_MAGIC UINT64_C(0x{value:x})" in text
    assert set(MAGICS) == {f"{name}_MAGIC" for name in spelt}


def test_the_command_says_of_each_file_whether_it_changed(tmp_path, monkeypatch, capsys):
    """A run that printed nothing left open whether anything had been generated."""
    for name in generate.generate():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    names = list(generate.generate())
    generate.main()
    assert capsys.readouterr().out.splitlines() == [f"{name}: written" for name in names]
    (tmp_path / names[0]).write_text("edited")
    generate.main()
    expected = [f"{names[0]}: written", *(f"{name}: unchanged" for name in names[1:])]
    assert capsys.readouterr().out.splitlines() == expected
    assert (tmp_path / names[0]).read_text() == generate.generate()[names[0]]


def test_every_order_id_has_one_owner():
    """The ranges cover 64 bits in order, and packets have what is below the venue's own."""
    assert (ORDER_ID_RANGES[0].first, ORDER_ID_RANGES[-1].last) == (-(2**63), 2**63 - 1)
    assert all(one.last + 1 == other.first for one, other in pairwise(ORDER_ID_RANGES))
    assert ORDER_ID_RANGES[0].last < VENUE_ORDER_IDS
