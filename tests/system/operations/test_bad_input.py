"""Bad input at the command line: a clear error, the right exit status, nothing half-written."""

import json
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.flow import GeneratedFlow, write_records
from openoutcry.wire.records import BLOCK_HEADER
from tests.support.cli.bad_input import Outcry, one_line_error
from tests.support.dpdk_shim.udp_runs import started
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY, find_pipeline, free_port
from tests.support.waiting import BOUND_S


def test_the_hardware_gateway_says_what_it_needs(
    outcry: Outcry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a C++ compiler the RTL cannot be built: the message says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("OUTCRY_CACHE_DIR", str(tmp_path))
    one_line_error(outcry("run", "--gateway", "rtl"), 1, "g++", "apt-get install")


def test_a_journal_directory_that_holds_a_journal_is_refused(
    outcry: Outcry, tmp_path: Path
) -> None:
    """An old journal is never overwritten; it still replays afterwards."""
    assert outcry("run", "--orders", 1000, "--journal", "day").returncode == 0
    before = {p: p.read_bytes() for p in (tmp_path / "day").glob("segment-*")}
    one_line_error(outcry("run", "--orders", 1000, "--journal", "day"), 1, "day")
    assert {p: p.read_bytes() for p in (tmp_path / "day").glob("segment-*")} == before
    assert outcry("replay", "day").returncode == 0


def test_a_journal_directory_in_use_names_the_pipeline(outcry: Outcry, tmp_path: Path) -> None:
    """A second pipeline on the same directory is refused with the first one's pid."""
    command = [*OUTCRY, "run", "--orders", "1000000", "--rate", "20000", "--journal", "day"]
    with warm_outcry.Process(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        find_pipeline(process.pid)
        done = outcry("run", "--orders", 1000, "--journal", "day")
        process.send_signal(signal.SIGINT)
        process.wait(timeout=BOUND_S)
    one_line_error(done, 1, "in use", str(process.pid))


def test_a_journal_of_another_layout_is_refused(outcry: Outcry, tmp_path: Path) -> None:
    """A journal that another build wrote says which side is older."""
    assert outcry("run", "--orders", 1000, "--journal", "day").returncode == 0
    segment = tmp_path / "day" / "segment-000000.ocj"
    data = bytearray(segment.read_bytes())
    at = BLOCK_HEADER.offsets["layout_hash"]
    data[at : at + 8] = np.uint64(0x1234).tobytes()
    segment.write_bytes(data)
    one_line_error(outcry("replay", "day"), 1, "layout", "newer than this program")


def test_replay_beyond_the_end_says_where_it_ends(outcry: Outcry) -> None:
    """--until past the last command is an error that names the last."""
    assert outcry("run", "--orders", 1000, "--journal", "day").returncode == 0
    one_line_error(outcry("replay", "day", "--until", 5000), 1, "1000", "5000")


def test_a_port_in_use_is_named(outcry: Outcry) -> None:
    """Somebody else's port: host and port in the message."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        one_line_error(outcry("run", "--udp", f"127.0.0.1:{port}"), 1, f"127.0.0.1:{port}")


def test_sending_without_a_listener_is_an_error(outcry: Outcry) -> None:
    """The sender says that nobody answers, and exits with 1."""
    port = free_port()
    done = outcry("send", "--to", f"127.0.0.1:{port}", "--orders", 10)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_orders_for_an_unknown_symbol_are_rejected_sequenced_and_journaled(
    tmp_path: Path,
) -> None:
    """Two of five orders from the network name a symbol nobody knows: five commands, two rejects
    by the gateway, all of them in the journal."""
    (chunk,) = GeneratedFlow("normal", 5, 1).chunks()
    chunk = chunk.copy()
    chunk["symbol"][1:3] = b"NOBODY"
    write_records(tmp_path / "orders.bin", [chunk])
    result = run_udp(tmp_path, ["--file", "orders.bin"], orders=5)
    assert (result["commands"], result["lost"]) == (5, 0)
    assert result["rejects"]["GATEWAY"] == 2
    assert result["replay"]["equal"] is True


def run_udp(folder: Path, what: list[str], orders: int) -> dict[str, Any]:
    """Run a listening pipeline for ``orders`` orders, send them to it, return its document."""
    port = free_port()
    listen = [*OUTCRY, "run", "--udp", f"127.0.0.1:{port}", "--orders", str(orders), "--json"]
    listen += ["--participant-orders", "max"]  # as a run from a file, to the hash
    with warm_outcry.Process(
        listen, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        started(process)
        sent = warm_outcry.run(["send", "--to", f"127.0.0.1:{port}", *what], folder)
        assert sent.returncode == 0, sent.stderr
        out, err = process.communicate(timeout=BOUND_S)
    assert process.returncode == 0, err
    return json.loads(out)


def test_orders_over_the_network_are_acknowledged(tmp_path: Path) -> None:
    """A generated flow over UDP: every order comes back to its sender, and the state is that of
    the same flow read directly."""
    result = run_udp(tmp_path, ["--flow", "normal", "--orders", "3000", "--seed", "5"], orders=3000)
    arguments = ["run", "--orders", 3_000, "--seed", 5, "--topology", "inline", "--json"]
    direct = warm_outcry.run(arguments, tmp_path)
    assert direct.returncode == 0, direct.stderr
    assert result["state_hash"] == json.loads(direct.stdout)["state_hash"]
    assert result["event_hash"] == json.loads(direct.stdout)["event_hash"]


needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="a mount namespace of one's own needs root and unshare(1)",
)


def in_small_mount(folder: Path, mount: str, size: str, *arguments: str) -> Any:
    """Run ``outcry`` with a small tmpfs of its own at ``mount``; it vanishes with the process."""
    command = " ".join([*OUTCRY, *arguments])
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", f"mount -t tmpfs -o size={size} none {mount} && {command}"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=BOUND_S,
    )


@needs_root
def test_a_dev_shm_that_is_too_small_says_what_is_needed(tmp_path: Path) -> None:
    """No SIGBUS in mid-run: the missing memory is named before anything starts."""
    done = in_small_mount(tmp_path, "/dev/shm", "256k", "run", "--orders", "1000")
    one_line_error(done, 1, "no space for shared memory", "bytes needed")


@needs_root
def test_a_full_disk_is_named_and_leaves_no_half_made_journal(tmp_path: Path) -> None:
    """The journal takes its space before the run: a disk without it is an error at once."""
    (tmp_path / "disk").mkdir()
    done = in_small_mount(
        tmp_path,
        f"{tmp_path}/disk",
        "4m",
        "run",
        "--orders",
        "1000000",
        "--volatile-journal",
        "--journal",
        f"{tmp_path}/disk/day",
        ";",
        "ls",
        "-A",
        f"{tmp_path}/disk/day",
        ">&2",
    )
    assert "No space left" in done.stderr
    assert "segment" not in done.stderr.splitlines()[-1]
