"""The Verilated gateway as a library: RTL and golden model bit for bit, and the registers of both.

One driver speaks to both through the same calls.
"""

from pathlib import Path

import numpy as np
import pytest

from openoutcry.gateway_fpga import make_rules, validate_orders
from openoutcry.gateway_fpga.live import LiveGateway
from openoutcry.gateway_fpga.live import device as library
from tests.support.gateway_fpga.orders import INSTRUMENTS, SETTINGS, random_orders
from tests.system.gateway.test_c_verdict import compile_verdict


@pytest.mark.long
def test_ten_million_orders_rtl_golden_and_c(tmp_path: Path) -> None:
    """RTL, golden model and C, 10,000,000 boundary-biased random orders with every setting on, in
    one run of one gateway each: zero differences."""
    library = compile_verdict(tmp_path)
    rules, c_rules = make_rules(INSTRUMENTS, SETTINGS), make_rules(INSTRUMENTS, SETTINGS)
    gateway = LiveGateway.loaded(INSTRUMENTS, SETTINGS)
    differences = 0
    for seed in range(20):
        orders = random_orders(500_000, 1_000 + seed)
        rtl, c = orders.copy(), orders.copy()
        validate_orders(orders, rules)
        gateway.validate(rtl)
        library.judge(c.ctypes.data, len(c), c_rules.ctypes.data)
        differences += int(np.count_nonzero(orders["error_code"] != rtl["error_code"]))
        differences += int(np.count_nonzero(orders["error_code"] != c["error_code"]))
        assert orders.tobytes() == rtl.tobytes() == c.tobytes(), f"seed {1_000 + seed}"
    assert differences == 0


@pytest.mark.long
@pytest.mark.parametrize("without", ["no headers", "no clang"])
def test_g_plus_plus_builds_what_clang_cannot(
    without: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A clang without the C++ library's headers, or none: the same gateway, built by g++."""
    clang = tmp_path / "clang++"
    clang.write_text("#!/bin/sh\necho \"fatal error: 'cstdint' file not found\" >&2\nexit 1\n")
    clang.chmod(0o755)
    compilers = {"no headers": (str(clang), "g++"), "no clang": ("g++",)}
    monkeypatch.setattr(library, "COMPILERS", compilers[without])
    monkeypatch.setattr(library, "CACHE_ROOT", tmp_path)
    orders = random_orders(10_000, 9)
    golden = orders.copy()
    rejected = validate_orders(golden, make_rules(INSTRUMENTS, SETTINGS))
    gateway = LiveGateway.loaded(INSTRUMENTS, SETTINGS)
    assert gateway.compiler.startswith("GCC ")
    assert gateway.validate(orders) == rejected
    assert golden.tobytes() == orders.tobytes()
    monkeypatch.setattr(library, "COMPILERS", (str(clang),))
    with pytest.raises(library.LiveBuildError, match="cstdint"):
        LiveGateway()
