"""`outcry run --port` and `outcry send --port`: the whole pipeline behind the packet shim."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.dpdk_shim import build_packets
from openoutcry.dpdk_shim.ports import hardware_address_of
from openoutcry.flow import GeneratedFlow
from tests.support.dpdk_shim.shim_wire import frame, in_namespace, needs_shim, write_pcap
from tests.support.dpdk_shim.udp_runs import started
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY, free_port
from tests.support.waiting import BOUND_S

ORDERS = 2_000


@pytest.fixture(autouse=True)
def _built() -> None:
    needs_shim()


def outcry(*arguments: str, ok: bool = True) -> tuple[dict[str, Any], str]:
    done = warm_outcry.run(arguments, Path.cwd())
    assert (done.returncode == 0) == ok, done.stderr
    return json.loads(done.stdout) if ok else {}, done.stderr


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated flow as a capture."""
    orders = np.concatenate(list(GeneratedFlow("normal", ORDERS, 1).chunks()))
    frames = [frame(data) for data in build_packets(orders, 3, 1, 0)]
    return write_pcap(tmp_path_factory.mktemp("flow") / "flow.pcap", frames)


@pytest.mark.parametrize("topology", ["inline", "processes"])
def test_a_capture_gives_the_book_of_its_flow(
    topology: str, capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The capture of a flow through the shim ends with the very state and events of the flow
    itself, all packets are accounted for, and the journal replays."""
    monkeypatch.chdir(tmp_path)
    flow = ["run", "--orders", str(ORDERS), "--topology", "inline", "--durability", "none"]
    direct, _ = outcry(*flow, "--json")
    result, _ = outcry("run", "--port", f"pcap:{capture}", "--topology", topology, "--json")
    assert result["commands"] == ORDERS
    assert result["lost"] == result["duplicated"] == 0
    assert result["state_hash"] == direct["state_hash"]
    assert result["event_hash"] == direct["event_hash"]
    assert result["replay"]["equal"] is True
    account = result["source"]["account"]
    assert account["unaccounted"] == account["records_not_sequenced"] == 0
    assert account["capture_times"] == account["packets"]


def test_dpdk_feeds_the_pipeline(
    capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same capture by DPDK's driver, in a stage's own process: the same commands, and it ends
    when as many orders as were asked for have come."""
    needs_shim(dpdk=True)
    monkeypatch.chdir(tmp_path)
    port = f"dpdk:net_pcap0,rx_pcap={capture}"
    result, _ = outcry("run", "--port", port, "--orders", str(ORDERS), "--json")
    assert result["commands"] == ORDERS
    assert result["lost"] == 0
    assert result["replay"]["equal"] is True
    assert result["source"]["account"]["unaccounted"] == 0


def test_two_lines_of_a_feed_are_one_source(
    capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--port twice: the same capture as lines A and B gives every order once."""
    monkeypatch.chdir(tmp_path)
    both = ["--port", f"pcap:{capture}", "--port", f"pcap:{capture}"]
    result, _ = outcry("run", *both, "--topology", "inline", "--durability", "none", "--json")
    account = result["source"]["account"]
    assert result["commands"] == ORDERS
    assert account["duplicate_packets"] == account["published"]
    assert account["unaccounted"] == 0


def test_orders_and_replies_over_a_cable(tmp_path: Path) -> None:
    """`outcry run --port xdp:…` answers `outcry send --port packet:…`, and `outcry send --to` by
    the kernel's own sockets: every order acknowledged."""
    os.chdir(tmp_path)

    def work() -> list[int]:
        address = hardware_address_of("vb").hex(":")
        listening = warm_outcry.Process(
            [*OUTCRY, "run", "--port", "xdp:vb:0,udp_port=9000", "--durability", "none", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            started(listening)
            port = f"packet:va,to=10.9.0.2:9000,source=10.9.0.1:7,to_mac={address}"
            sent, _ = outcry("send", "--port", port, "--orders", "500", "--rate", "2000", "--json")
        finally:
            listening.send_signal(signal.SIGINT)
            stdout, errors = listening.communicate(timeout=BOUND_S)
        assert listening.returncode == 0, errors
        result = json.loads(stdout)
        account = result["source"]["account"]
        return [
            sent["acknowledged"],
            sent["unanswered"],
            result["lost"],
            account["unaccounted"],
            account["reply_events"] > 0,
        ]

    assert in_namespace(work) == [500, 0, 0, 0, True]


def test_without_a_compiler_no_port_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason and the command that gives one, in a sentence; nothing is left half made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CC", "no-such-compiler")
    for source in (["--udp", f"127.0.0.1:{free_port()}"], ["--port", "pcap:nowhere"]):
        _, refused = outcry("run", *source, ok=False)
        assert "there is no C compiler (no-such-compiler): sudo apt-get install gcc" in refused
        assert "Traceback" not in refused
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["run", "--port", "nosuch:1"], "does not begin with"),
        (["run", "--port", "pcap:/nowhere"], "No such file"),
        (["run", "--port", "packet:nosuch0"], "no interface"),
        (["send", "--port", "packet:lo"], "add where to send"),
    ],
)
def test_a_bad_port_is_one_line(arguments: list[str], word: str, tmp_path: Path) -> None:
    """Exit status 1 and a sentence; no journal is left half made."""
    os.chdir(tmp_path)
    _, stderr = outcry(*arguments, ok=False)
    assert word in stderr
    assert "Traceback" not in stderr
    assert list(tmp_path.iterdir()) == []
