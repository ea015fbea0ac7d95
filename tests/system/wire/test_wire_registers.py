"""wire/registers.py: one map for Verilog, C and Python, and a place for every symbol."""

import itertools
import re
import subprocess
from pathlib import Path

from openoutcry import PACKAGE
from openoutcry.wire import registers


def test_verilog_and_c_know_the_same_map(tmp_path: Path) -> None:
    """Each register's word number, each field's range and each constant, parsed from the Verilog
    header and printed by a compiled program."""
    text = (PACKAGE / "gateway_fpga" / "rtl" / "outcry_registers.vh").read_text()
    for x in registers.REGISTERS:
        assert re.search(rf"OUTCRY_REG_{x.name.upper()} 10'd{x.offset // 4} ", text), x.name
    for f in registers.ROW_FIELDS:
        assert f"OUTCRY_ROW_{f.name.upper()} {f.low + f.bits - 1}:{f.low} " in text
    wanted = [(f"REG_{x.name.upper()}", x.offset) for x in registers.REGISTERS]
    wanted += [(f"ROW_{f.name.upper()}_LOW", f.low) for f in registers.ROW_FIELDS]
    wanted += [(f"ROW_{f.name.upper()}_BITS", f.bits) for f in registers.ROW_FIELDS]
    wanted += registers.register_constants()
    prints = "".join(f'printf("%u\\n", (unsigned)OUTCRY_{name});' for name, _ in wanted)
    source = tmp_path / "map.c"
    source.write_text(
        f'#include <stdio.h>\n#include "outcry_registers.h"\nint main(void) {{ {prints}\n'
        "unsigned sum = 0; for (int w = 0; w < 3; w++) for (int h = 0; h < 16; h++)\n"
        "for (int v = 0; v < 16; v++) sum = sum * 31 + OUTCRY_HASH_TABLES[w][h][v];\n"
        'printf("%u\\n", sum); return 0; }\n'
    )
    flags = ["-std=c11", "-Wall", "-Wextra", "-pedantic", "-Werror", f"-I{PACKAGE / 'wire'}"]
    subprocess.run(["gcc", *flags, str(source), "-o", str(tmp_path / "map")], check=True)
    printed = subprocess.run([tmp_path / "map"], capture_output=True, text=True, check=True)
    checksum = 0
    for way, half, value in itertools.product(range(3), range(16), range(16)):
        checksum = (checksum * 31 + registers.HASH_TABLES[way][half][value]) % 2**32
    assert [int(x) for x in printed.stdout.split()] == [v for _, v in wanted] + [checksum]
