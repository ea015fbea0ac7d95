"""Bad names, broken captures, devices that are not there or go away: a clear error each."""

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shim_wire import (
    PCAP_HEADER,
    drain,
    frame,
    in_namespace,
    ip,
    make_ring,
    needs_shim,
    packets_of,
    pcapng_block,
    random_orders,
    write_pcap,
    write_pcapng,
)

from openoutcry.dpdk_shim import native
from openoutcry.dpdk_shim.native import NotBuilt
from openoutcry.dpdk_shim.ports import available, open_port
from openoutcry.dpdk_shim.shim import Shim
from openoutcry.dpdk_shim.spec import PortError, parse_port

FRAMES = [frame(data) for data in packets_of(random_orders(9), 3)]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "does not begin with"), ("eth0", "does not begin with"), ("tcp:1", "does not begin"),
        ("udp:", "nothing stands after"), ("udp:9000", "not HOST:PORT"),
        ("udp:h:99999", "the UDP port is '99999'"), ("udp:::1:9000", "brackets"),
        ("udp:h:1,pace=full", "udp has no option pace"), ("udp:h:1,x=1", "unknown option 'x=1'"),
        ("packet:eth0,udp_port=0", "udp_port is '0'"), ("xdp:eth0:x", "queue is 'x'"),
        ("pcap:f,pace=slow", "pace is full or capture"), ("udp:h:1,framing=fix", "framing is"),
        ("packet:e,to_mac=1", "no address like"), ("xdp:e:0,to=h", "not HOST:PORT"),
    ],
)  # fmt: skip
def test_a_name_that_is_none_says_what_is_wrong(text: str, word: str) -> None:
    """The message quotes the name and says what is missing."""
    with pytest.raises(PortError, match=word) as caught:
        parse_port(text)
    assert repr(text) in str(caught.value)


def test_names_are_understood() -> None:
    """Options of ours are taken; a file may have commas; the rest behind a device is DPDK's."""
    assert parse_port("pcap:a,b.pcap,pace=capture").target == "a,b.pcap"
    assert parse_port("xdp:eth0:3").queue == 3
    assert parse_port("xdp:eth0").queue == 0
    spec = parse_port("dpdk:net_memif,role=client,framing=mold,id=0")
    assert (spec.device, spec.framing) == ("net_memif,role=client,id=0", 1)
    assert parse_port("dpdk:0000:03:00.0").is_pci
    assert parse_port("udp:[::]:9000").target == "[::]:9000"


def open_fails(text: str) -> str:
    needs_shim()
    with pytest.raises(PortError) as caught:
        open_port(parse_port(text)).close()
    assert text in str(caught.value)
    return str(caught.value)


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
                shim.run(timeout_s=300)
            return str(caught.value)

    message = in_namespace(work)
    assert text in message
    assert "gone" in message


def broken(tmp_path: Path, data: bytes) -> str:
    """The error for a capture of these bytes."""
    path = tmp_path / "broken.cap"
    path.write_bytes(data)
    return open_fails(f"pcap:{path}")


def test_a_broken_capture_names_the_byte(tmp_path: Path) -> None:
    """Empty, foreign, of another link type, with a block whose lengths differ."""
    assert "byte 0: the file is empty" in broken(tmp_path, b"")
    assert "neither pcap nor pcapng" in broken(tmp_path, b"GIF89a")
    assert "byte 20: link type 113" in broken(tmp_path, PCAP_HEADER[:20] + struct.pack("<I", 113))
    good = write_pcapng(tmp_path / "good", FRAMES).read_bytes()
    first = len(pcapng_block(0x0A0D0D0A, bytes(16)))
    assert f"byte {first + 4}: block length 21" in broken(
        tmp_path, good[: first + 4] + struct.pack("<I", 21) + good[first + 8 :]
    )
    assert "second length" in broken(tmp_path, good[:-4] + struct.pack("<I", 16))
    section = good[:first]
    assert "interface 0 was not described" in broken(
        tmp_path, section + pcapng_block(6, bytes(20) + FRAMES[0])
    )
    huge = PCAP_HEADER + struct.pack("<IIII", 0, 0, 2**31, 2**31)
    assert "byte 32: a packet of 2147483648 bytes" in broken(tmp_path, huge)


@pytest.mark.parametrize("write", [write_pcap, write_pcapng])
def test_a_capture_cut_at_any_byte(write: Any, tmp_path: Path) -> None:
    """At the end of a packet it is a shorter capture, anywhere else an error with the byte; nothing
    of it was published by then."""
    needs_shim()
    data = write(tmp_path / "whole", FRAMES[:2]).read_bytes()
    whole, messages = 0, []
    path = tmp_path / "cut"
    for size in range(len(data)):
        path.write_bytes(data[:size])
        try:
            with open_port(parse_port(f"pcap:{path}")) as port:
                whole += 1
                assert port.packets_left < 2
        except PortError as error:
            messages.append(str(error))
    assert all(", byte " in text for text in messages)
    assert whole == (2 if write is write_pcap else 4)


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
            shim.run(timeout_s=300)
            assert shim.account()["unaccounted"] == 0
            assert len(drain(ring)) <= 9
        return
    assert ", byte " in message


def test_a_part_of_a_frame_is_refused_as_cut(tmp_path: Path) -> None:
    """A capture made with a snap length shows as CUT, not as a wrong length."""
    needs_shim()
    data = FRAMES[0]
    head = struct.pack("<IIII", 1, 0, 100, len(data))
    (tmp_path / "snap.pcap").write_bytes(PCAP_HEADER + head + data[:100])
    with make_ring() as ring, Shim([parse_port(f"pcap:{tmp_path}/snap.pcap")], ring) as shim:
        shim.run(timeout_s=300)
        account = shim.account()
    assert account["rejected_cut"] == account["packets"] == 1


def test_without_a_compiler_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No compiler: not built, because; and the command that gives it. The findings say the same."""
    monkeypatch.setenv("CC", "no-such-compiler")
    native.load.cache_clear()
    try:
        with pytest.raises(NotBuilt, match=r"not built, because .*no-such-compiler.*apt-get"):
            native.load()
        findings = {finding.name: finding for finding in available()}
        assert not findings["shim"].works
        assert "apt-get install" in findings["shim"].command
        assert not findings["udp"].works
    finally:
        native.load.cache_clear()


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
        ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", script, *free,
         "packet:lo", "xdp:lo:0"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    errors, commands = json.loads(done.stdout.splitlines()[-1])
    assert [errors[text] for text in free] == [""] * 3
    assert "CAP_NET_RAW" in errors["packet:lo"]
    assert "outcry doctor" in errors["xdp:lo:0"]
    assert "setcap cap_net_raw" in commands["packet"]
    assert "setcap" in commands["xdp"]
