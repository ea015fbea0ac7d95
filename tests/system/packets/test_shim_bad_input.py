"""Bad names, broken captures, devices that are not there or go away: a clear error each."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.dpdk_shim import native
from openoutcry.dpdk_shim.native import NotBuilt
from openoutcry.dpdk_shim.ports import available, open_port
from openoutcry.dpdk_shim.shim import Shim
from openoutcry.dpdk_shim.spec import PortError, parse_port
from tests.support.dpdk_shim.shim_bad_input import FRAMES, open_fails
from tests.support.dpdk_shim.shim_wire import (
    drain,
    in_namespace,
    ip,
    make_ring,
    needs_shim,
    write_pcap,
    write_pcapng,
)
from tests.support.waiting import BOUND_S


def test_devices_that_are_not_there() -> None:
    """An interface, a file, a host, an address of somebody else."""
    assert "there is no interface 'nosuch0'" in open_fails("packet:nosuch0")
    assert "there is no interface 'nosuch0'" in open_fails("xdp:nosuch0:0")
    assert "No such file" in open_fails("pcap:/nowhere/x.pcap")
    assert "no address for no-such-host.invalid" in open_fails("udp:no-such-host.invalid:9000")
    assert "cannot listen" in open_fails("udp:192.0.2.1:9000")


def test_a_queue_that_does_not_exist() -> None:
    """AF_XDP on queue 99 of a veth interface names the queue."""
    message = in_namespace(lambda: open_fails("xdp:vb:99"))
    assert "queue 99" in message


@pytest.mark.parametrize("text", ["packet:vb", "xdp:vb:0"])
def test_an_interface_that_vanishes(text: str) -> None:
    """The cable's end is deleted while the port listens: an error that names it, no spinning."""
    needs_shim()

    def work() -> str:
        with make_ring() as ring, Shim([parse_port(text)], ring) as shim:
            assert shim.run(timeout_s=0.05) == 0
            ip("link delete va")
            with pytest.raises(PortError) as caught:
                shim.run(timeout_s=BOUND_S)
            return str(caught.value)

    message = in_namespace(work)
    assert text in message
    assert "gone" in message


@given(st.booleans(), st.integers(0, 700), st.binary(min_size=1, max_size=8))
def test_a_capture_with_any_bytes_changed_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, ng: bool, at: int, noise: bytes
) -> None:
    """Random damage anywhere: an error, or packets that are each accounted for; never a crash."""
    needs_shim()
    folder = tmp_path_factory.getbasetemp()
    data = (write_pcapng if ng else write_pcap)(folder / "whole", FRAMES).read_bytes()
    path = folder / "damaged"
    path.write_bytes(data[:at] + noise + data[at + len(noise) :])
    try:
        port = open_port(parse_port(f"pcap:{path}"))
    except PortError as error:
        message = str(error)
    else:
        with make_ring() as ring, port, Shim([port], ring) as shim:
            shim.run(timeout_s=BOUND_S)
            assert shim.account()["unaccounted"] == 0
            assert len(drain(ring)) <= 9
        return
    assert ", byte " in message


def test_without_a_compiler_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No compiler: not built, because; and the command that gives it. The findings say the same."""
    monkeypatch.setenv("CC", "no-such-compiler")
    native._load.cache_clear()
    try:
        with pytest.raises(NotBuilt, match=r"not built, because .*no-such-compiler.*apt-get"):
            native.load()
        findings = {finding.name: finding for finding in available()}
        assert not findings["shim"].works
        assert "apt-get install" in findings["shim"].command
        assert not findings["udp"].works
    finally:
        native._load.cache_clear()


def test_every_path_has_a_finding() -> None:
    """What works says on what; what does not says why and the one command."""
    for finding in available():
        assert finding.why
        assert finding.works or finding.command or "shim" in finding.why


def test_rings_that_the_shim_cannot_write_are_refused() -> None:
    """Too small for a burst; ports that do not go together."""
    needs_shim()
    spec = parse_port("udp:127.0.0.1:0")
    with make_ring(32) as ring, pytest.raises(ValueError, match="64 slots"):
        Shim([spec], ring)
    with make_ring() as ring:
        with pytest.raises(PortError, match="1 to 4 ports"):
            Shim([], ring)
        with pytest.raises(PortError, match="one framing"):
            Shim([spec, parse_port("udp:127.0.0.1:0,framing=mold")], ring)
        with pytest.raises(PortError, match="DPDK"):
            Shim([spec, parse_port("dpdk:net_ring0")], ring)


def test_without_rights_the_ports_that_need_none_work(tmp_path: Path) -> None:
    """A process without capabilities: sockets, captures and DPDK's own devices open; the others say
    which right is missing, and the findings name the command."""
    needs_shim(dpdk=True)
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv to give rights up")
    capture = write_pcap(tmp_path / "x.pcap", FRAMES)
    script = """
import json, sys
from openoutcry.dpdk_shim.ports import available, open_port
from openoutcry.dpdk_shim.spec import PortError, parse_port
errors = {}
for text in sys.argv[1:]:
    try:
        open_port(parse_port(text)).close()
        errors[text] = ""
    except PortError as error:
        errors[text] = str(error)
print(json.dumps([errors, {f.name: f.command for f in available() if not f.works}]))
"""
    free = ["udp:127.0.0.1:0", f"pcap:{capture}", "dpdk:net_ring0"]
    done = subprocess.run(
        [
            "setpriv",
            "--bounding-set=-all",
            "--inh-caps=-all",
            sys.executable,
            "-c",
            script,
            *free,
            "packet:lo",
            "xdp:lo:0",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    errors, commands = json.loads(done.stdout.splitlines()[-1])
    assert [errors[text] for text in free] == [""] * 3
    assert "CAP_NET_RAW" in errors["packet:lo"]
    assert "outcry doctor" in errors["xdp:lo:0"]
    assert "setcap cap_net_raw" in commands["packet"]
    assert "setcap" in commands["xdp"]
