"""Wrong verdicts change a run's hashes: the equality of golden model and RTL can fail.

The flow has a stated share of each reject (refused_flow.py).  The faults stand between the RTL and
the pipeline, which runs as always; the long test breaks the Verilog itself.
"""

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from openoutcry.gateway_fpga.live import LiveGateway
from openoutcry.gateway_fpga.live import device as library
from openoutcry.pipeline import gateway_stage
from openoutcry.pipeline.run import Options, run
from openoutcry.wire import ErrorBit
from openoutcry.wire.records import ORDER, RECORD_BYTES
from tests.oracles.refused_flow import SETTINGS, RefusedFlow

ORDERS = 1_024


def hashes(gateway: str, topology: str = "inline") -> tuple[str, str]:
    result = run(
        Options(
            source=RefusedFlow(ORDERS, 11),
            topology=topology,
            gateway=gateway,
            gateway_settings=SETTINGS,
            durability="none",
            order_capacity=1 << 12,
        )
    )
    assert result["commands"] == ORDERS
    return result["event_hash"], result["state_hash"]


@pytest.fixture(scope="module")
def right() -> tuple[str, str]:
    """The golden model's."""
    return hashes("golden")


ZEROED, STUCK, LATE, BIT_MISSING, NONE = range(5)
BREAK = f"""
#include <stdint.h>

typedef int64_t (*batch_function)(int64_t handle, int64_t orders, int64_t count);
struct fault {{ int64_t function, handle, what, bits, held; }};

int64_t broken_batch(int64_t handle, int64_t orders, int64_t count)
{{
    struct fault *fault = (struct fault *)handle;
    int64_t rejected = ((batch_function)fault->function)(fault->handle, orders, count);
    for (int64_t n = 0; n < count; n++) {{
        uint16_t *code = (uint16_t *)(orders + {RECORD_BYTES} * n + {ORDER.offsets["error_code"]});
        int64_t right = *code;
        switch (fault->what) {{
        case {ZEROED}: *code = 0; break;
        /* The first that refuses is said of all behind it. */
        case {STUCK}: if (fault->held == 0) fault->held = right; *code = fault->held; break;
        case {LATE}: *code = fault->held; fault->held = right; break;
        case {BIT_MISSING}: *code = right & ~fault->bits; break;
        }}
    }}
    return rejected;
}}
"""


class Fault(ctypes.Structure):
    """What stands in the place of the RTL's handle."""

    _fields_ = [(name, ctypes.c_int64) for name in ("function", "handle", "what", "bits", "held")]


@pytest.fixture(scope="module")
def broken_batch(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The address of the function that calls the RTL and spoils its verdicts."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "broken.c").write_text(BREAK)
    command = ["cc", "-O1", "-shared", "-fPIC", "-o", "broken.so", "broken.c"]
    subprocess.run(command, cwd=folder, check=True)
    loaded = ctypes.CDLL(str(folder / "broken.so"))
    return ctypes.cast(loaded.broken_batch, ctypes.c_void_p).value


def spoil(monkeypatch: pytest.MonkeyPatch, function: int, what: int, bits: int = 0) -> None:
    """From here on the pipeline's RTL answers through the fault."""
    kept = []

    class Spoilt(LiveGateway):
        @classmethod
        def loaded(cls, *given: Any) -> LiveGateway:
            gateway = LiveGateway.loaded(*given)
            kept.append(Fault(gateway.function, gateway.handle, what, bits, 0))
            gateway.function, gateway.handle = function, ctypes.addressof(kept[-1])
            return gateway

    monkeypatch.setattr(gateway_stage, "LiveGateway", Spoilt)


@pytest.mark.parametrize("topology", ["inline", "processes"])
def test_the_right_verdicts_give_the_golden_models_hashes(
    topology: str, broken_batch: int, right: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With and without the function between, so that it is the faults that the tests below see."""
    assert hashes("rtl", topology) == right
    spoil(monkeypatch, broken_batch, NONE)
    assert hashes("rtl", topology) == right


@pytest.mark.parametrize("topology", ["inline", pytest.param("processes", marks=pytest.mark.long)])
@pytest.mark.parametrize("what", [ZEROED, STUCK, LATE], ids=["zeroed", "stuck", "late"])
def test_wrong_verdicts_change_events_and_book(
    what: int,
    topology: str,
    broken_batch: int,
    right: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Always 0, always the first refusal's, that of the order before."""
    spoil(monkeypatch, broken_batch, what)
    event_hash, state_hash = hashes("rtl", topology)
    assert event_hash != right[0]
    assert state_hash != right[1]


@pytest.mark.parametrize("bit", list(ErrorBit), ids=lambda bit: bit.name)
def test_one_reason_that_is_never_given_changes_the_events(
    bit: ErrorBit, broken_batch: int, right: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A single bit of the verdict is always 0.  The matcher's own checks may refuse the order, but
    for another reason."""
    spoil(monkeypatch, broken_batch, BIT_MISSING, 1 << bit)
    assert hashes("rtl")[0] != right[0]


VERDICT = "wire [15:0] verdict = code & check_mask;"
BROKEN_RTL = {
    "zeroed": "wire [15:0] verdict = 16'd0;",
    "stuck": "reg [15:0] verdict = 16'd0;\n"
    "    always @(posedge clk)\n"
    "        if (advance && check_valid && verdict == 16'd0) verdict <= code & check_mask;",
    "late": "reg [15:0] verdict = 16'd0;\n"
    "    always @(posedge clk) if (advance && check_valid) verdict <= code & check_mask;",
    "one-bit-wrong": "wire [15:0] verdict = (code & check_mask) & ~16'h1000;",
}


@pytest.mark.long
@pytest.mark.parametrize("name", list(BROKEN_RTL))
def test_broken_verilog_changes_the_events(
    name: str, right: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same faults in the validator itself, built and run like the one that is right."""
    rtl = tmp_path / "rtl"
    shutil.copytree(library.RTL, rtl)
    source = rtl / "outcry_validator.v"
    text = source.read_text()
    assert text.count(VERDICT) == 1
    source.write_text(text.replace(VERDICT, BROKEN_RTL[name]))
    monkeypatch.setattr(library, "RTL", rtl)
    assert hashes("rtl")[0] != right[0]
