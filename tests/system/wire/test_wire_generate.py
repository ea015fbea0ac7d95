"""wire/generate.py: the tree holds what is generated, and compilers agree with numpy."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from openoutcry.wire.records import RECORDS
from tests.support.wire.wire_generate import HEADER, leaf_fields

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler (gcc) here")


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
