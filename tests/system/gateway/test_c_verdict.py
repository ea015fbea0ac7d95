"""The verdict in C, compiled, against the golden model on a million random orders."""

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest

from openoutcry import PACKAGE
from openoutcry.gateway_fpga import Settings, make_rules, validate_orders
from tests import ROOT
from tests.support.gateway_fpga.orders import INSTRUMENTS, SETTINGS, random_orders


def compile_verdict(folder: Path) -> ctypes.CDLL:
    """A library with ``judge(orders, count, rules)`` over the generated header."""
    source = folder / "judge.c"
    source.write_text(
        '#include "outcry_verdict.h"\n'
        "void judge(struct outcry_order *orders, int64_t count, void *rules);\n"
        "void judge(struct outcry_order *orders, int64_t count, void *rules) {\n"
        "    for (int64_t n = 0; n < count; n++)\n"
        "        orders[n].error_code = outcry_verdict(&orders[n], rules);\n}\n"
    )
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    includes = [f"-I{ROOT / 'gateway_fpga'}", f"-I{PACKAGE / 'wire'}"]
    subprocess.run(
        ["gcc", *flags, *includes, str(source), "-o", str(folder / "judge.so")], check=True
    )
    library = ctypes.CDLL(str(folder / "judge.so"))
    library.judge.argtypes = [ctypes.c_int64] * 3
    return library


def judge(library: ctypes.CDLL, orders: np.ndarray, settings: Settings) -> None:
    rules = make_rules(INSTRUMENTS, settings)
    library.judge(orders.ctypes.data, len(orders), rules.ctypes.data)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(SETTINGS, id="everything"),
        pytest.param(Settings(), id="defaults", marks=pytest.mark.long),
    ],
)
def test_c_equals_golden_on_a_million_orders(tmp_path: Path, settings: Settings) -> None:
    """Half a million boundary-biased orders a setting: no bit of any record differs."""
    library = compile_verdict(tmp_path)
    orders = random_orders(500_000, 11, settings)
    golden = orders.copy()
    judge(library, orders, settings)
    validate_orders(golden, make_rules(INSTRUMENTS, settings))
    assert orders.tobytes() == golden.tobytes()
