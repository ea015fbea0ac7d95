"""Bad names, broken captures, devices that are not there or go away: a clear error each."""

import struct
from pathlib import Path
from typing import Any

import pytest

from openoutcry.dpdk_shim.ports import open_port
from openoutcry.dpdk_shim.shim import Shim
from openoutcry.dpdk_shim.spec import PortError, parse_port
from tests.support.dpdk_shim.shim_bad_input import FRAMES, open_fails
from tests.support.dpdk_shim.shim_wire import (
    PCAP_HEADER,
    make_ring,
    needs_shim,
    pcapng_block,
    write_pcap,
    write_pcapng,
)
from tests.support.waiting import BOUND_S


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "does not begin with"),
        ("eth0", "does not begin with"),
        ("tcp:1", "does not begin"),
        ("udp:", "give an address after"),
        ("udp:9000", "not HOST:PORT"),
        ("udp:h:99999", "the UDP port is '99999'"),
        ("udp:::1:9000", "brackets"),
        ("udp:h:1,pace=full", "udp has no option pace"),
        ("udp:h:1,x=1", "unknown option 'x=1'"),
        ("packet:eth0,udp_port=0", "udp_port is '0'"),
        ("xdp:eth0:x", "queue is 'x'"),
        ("pcap:f,pace=slow", "pace is full or capture"),
        ("udp:h:1,framing=fix", "framing is"),
        ("packet:e,to_mac=1", "not an address like"),
        ("xdp:e:0,to=h", "not HOST:PORT"),
    ],
)
def test_a_name_that_is_invalid_says_what_is_wrong(text: str, word: str) -> None:
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


def test_a_part_of_a_frame_is_refused_as_cut(tmp_path: Path) -> None:
    """A capture made with a snap length shows as CUT, not as a wrong length."""
    needs_shim()
    data = FRAMES[0]
    head = struct.pack("<IIII", 1, 0, 100, len(data))
    (tmp_path / "snap.pcap").write_bytes(PCAP_HEADER + head + data[:100])
    with make_ring() as ring, Shim([parse_port(f"pcap:{tmp_path}/snap.pcap")], ring) as shim:
        shim.run(timeout_s=BOUND_S)
        account = shim.account()
    assert account["rejected_cut"] == account["packets"] == 1
