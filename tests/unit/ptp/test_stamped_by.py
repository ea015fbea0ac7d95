"""The result of a run says what stamped its packets, from the counters of its ports."""

import re
from pathlib import Path

import pytest

import openoutcry.dpdk_shim
from openoutcry.dpdk_shim.names import Count
from openoutcry.dpdk_shim.spec import KINDS
from openoutcry.ptp.stamp_clock import (
    OF_HOST,
    OWN,
    STAMPED_BY,
    STAMPS_OF,
    stamp_clock,
    stamped_by,
    stamps_before,
)

ROOT = Path(__file__).resolve().parents[3]
SOURCES = Path(openoutcry.dpdk_shim.__path__[0]) / "c"
FLAG = re.compile(r"FRAME_(HARDWARE|KERNEL|CAPTURE)_TS")


def test_every_kind_of_stamp_has_its_words() -> None:
    counters = {one.name.lower() for one in Count if one.name.endswith("_TIMES")}
    assert set(STAMPED_BY) == counters


@pytest.mark.parametrize("counter", STAMPED_BY)
def test_packets_of_one_kind(counter: str) -> None:
    account = dict.fromkeys(STAMPED_BY, 0) | {counter: 3, "packets": 3}
    assert stamped_by(account) == STAMPED_BY[counter]
    assert stamp_clock(0, stamped_by(account))["stamps"] == STAMPED_BY[counter]


def test_packets_of_several_kinds_are_counted() -> None:
    text = stamped_by({"kernel_times": 2_000, "host_times": 2})
    assert text == f"2,000 packets by the kernel, CLOCK_REALTIME; 2 packets by {OWN}"


def test_an_input_without_packets_is_stamped_by_the_process() -> None:
    assert stamped_by({}) == stamped_by({"records": 5}) == OWN
    assert stamp_clock(0)["stamps"] == OWN


def test_the_table_has_every_kind_of_port() -> None:
    assert set(STAMPS_OF) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_has_what_the_driver_sets(kind: str) -> None:
    """A driver's source sets a flag for each kind of stamp that it has; without one, the host's."""
    name = {"pcap": "capture"}.get(kind, kind)
    flags = FLAG.findall((SOURCES / f"port_{name}.h").read_text())
    found = {f"{flag.lower()}_times" for flag in flags}
    assert found == set(STAMPS_OF[kind]) - set(OF_HOST)
    assert STAMPS_OF[kind][-2:] == OF_HOST


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_says_what_the_table_says(kind: str) -> None:
    words = "; ".join(STAMPED_BY[counter] for counter in STAMPS_OF[kind])
    assert f"| `{kind}:` | {words} |" in (ROOT / "docs" / "clock.md").read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_says_it_in_the_words_of_the_table(kind: str) -> None:
    """Before the run what can stamp, after it what did: each of the kind's stamps by its words."""
    words = [STAMPED_BY[counter] for counter in STAMPS_OF[kind]]
    assert sorted(stamps_before([kind]).split("; else ")) == sorted(words)
    for counter, who in zip(STAMPS_OF[kind], words, strict=True):
        assert stamped_by({counter: 5}) == who
    several = stamped_by(dict.fromkeys(STAMPS_OF[kind], 5))
    assert all(f"5 packets by {who}" in several for who in words)


def test_before_a_run_the_stamps_of_all_its_ports_are_named_once() -> None:
    assert stamps_before([]) == OWN
    assert stamps_before(["xdp", "udp"]) == (
        f"the card; else the kernel, CLOCK_REALTIME; else the clock daemon's page; else {OWN}"
    )
