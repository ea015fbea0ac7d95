"""wire/generate.py: the tree holds what is generated, and compilers agree with numpy."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from openoutcry.wire import enums, generate
from openoutcry.wire.layout import LAYOUT_HASH
from openoutcry.wire.records import MAGICS, RECORDS

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "wire" / "outcry_wire.h"

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler (gcc) here")


def leaf_fields(record):
    """(name, first byte, size in bytes) of each field, as numpy lays the dtype out."""
    dtype = record.dtype()
    return [(name, dtype.fields[name][1], dtype.fields[name][0].itemsize) for name in dtype.names]


@pytest.mark.parametrize("name", sorted(generate.generate()))
def test_generated_file_is_the_one_in_the_tree(name):
    """Nobody edited a generated file, and nobody forgot to generate it: byte for byte."""
    assert (ROOT / name).read_bytes() == generate.generate()[name].encode()


@pytest.mark.parametrize("name", sorted(generate.generate()))
def test_generated_file_says_so_in_its_first_line(name):
    """Who opens one learns at once where to edit instead."""
    assert generate.GENERATED in (ROOT / name).read_text().splitlines()[0]


def compile_c(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Compile ``program`` (which may include the header from ``folder``) with every warning."""
    source = folder / "check.c"
    source.write_text(program)
    flags = ["-std=c11", "-Wall", "-Wextra", "-pedantic", "-Werror", f"-I{folder}"]
    return subprocess.run(
        ["gcc", *flags, str(source), "-o", str(folder / "check")], capture_output=True, text=True
    )


@needs_gcc
def test_c_header_compiles_without_a_warning(tmp_path):
    """The header alone, twice included, passes -Werror with its static asserts."""
    shutil.copy(HEADER, tmp_path)
    twice = '#include "outcry_wire.h"\n' * 2
    done = compile_c(tmp_path, twice + "int main(void) { return 0; }\n")
    assert done.returncode == 0, done.stderr


@needs_gcc
def test_c_and_numpy_lay_out_every_field_alike(tmp_path):
    """A compiled program prints each field's offset and size; numpy gives the same."""
    shutil.copy(HEADER, tmp_path)
    lines = ['#include "outcry_wire.h"', "#include <stdio.h>", "int main(void) {"]
    expected = []
    for record in RECORDS:
        struct = f"struct outcry_{record.name}"
        for name, at, size in leaf_fields(record):
            size_of = f"sizeof((({struct} *)0)->{name})"
            lines.append(f'printf("%zu %zu\\n", offsetof({struct}, {name}), {size_of});')
            expected.append((at, size))
    done = compile_c(tmp_path, "\n".join([*lines, "return 0; }\n"]))
    assert done.returncode == 0, done.stderr
    printed = subprocess.run([tmp_path / "check"], capture_output=True, text=True, check=True)
    assert [tuple(map(int, line.split())) for line in printed.stdout.splitlines()] == expected


@needs_gcc
@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("    uint16_t participant; ", "    uint32_t participant; ", "static assertion failed"),
        ("int64_t qty_lots; ", "", "no member named|has no member"),
        ("sizeof(struct outcry_order) == 64", "sizeof(struct outcry_order) == 63", "assertion"),
    ],
)
def test_c_header_with_a_wrong_layout_does_not_compile(tmp_path, old, new, complaint):
    """The static asserts bite: a widened field, a lost one and a wrong size each stop gcc."""
    text = HEADER.read_text()
    assert old in text
    (tmp_path / HEADER.name).write_text(text.replace(old, new, 1))
    done = compile_c(tmp_path, '#include "outcry_wire.h"\nint main(void) { return 0; }\n')
    assert done.returncode != 0
    assert re.search(complaint, done.stderr)


def verilog_defines() -> dict[str, str]:
    """Every `define of the Verilog header: name -> text."""
    text = (ROOT / "wire" / "outcry_wire.vh").read_text()
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
    for header in ("outcry_wire.vh", "outcry_wire.h"):
        text = (ROOT / "wire" / header).read_text()
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
