"""ptp/management.py: what a grandmaster says of itself decides state and bound, for every value
that it can send; what it does not say is unbounded."""

import itertools
import re

import pytest

from openoutcry.ptp.management import ACCURACY_NS, CLOCK_CLASSES, grandmaster_quality
from openoutcry.ptp.page import UNBOUNDED_NS
from openoutcry.ptp.sources import LinuxptpSource, PhcSource
from openoutcry.wire.enums import ClockFlag, ClockSource, ClockState
from openoutcry.wire.records import MAX_VALUE
from tests import ROOT
from tests.support.ptp.clock_daemon import simulate
from tests.support.ptp.ptp_faults import KINDS, change

TRACEABLE, UNTRACEABLE = 0x3C, 0x2C
STATES = {6: ClockState.LOCKED, 7: ClockState.HOLDOVER}
"""The only classes of a grandmaster that vouches for its time."""


def test_every_class_flag_and_accuracy_has_its_state_and_bound():
    """256 classes x traceable or not x 256 accuracies: only 6 and 7, traceable, with an accuracy
    that is stated, vouch for the time; all else is free running without a bound."""
    for number, traceable, code in itertools.product(range(256), (True, False), range(256)):
        accuracy_ns = ACCURACY_NS.get(code)
        vouched = number in STATES and traceable and accuracy_ns is not None
        expected = (
            (STATES[number], accuracy_ns) if vouched else (ClockState.FREE_RUNNING, UNBOUNDED_NS)
        )
        assert grandmaster_quality(number, traceable, accuracy_ns) == expected, (number, code)
    assert set(ACCURACY_NS) == set(range(0x17, 0x31)), "0xFE and the reserved ones state none"


def test_the_page_has_the_table():
    """docs/clock.md shows the classes of the code, no more and no fewer."""
    text = (ROOT / "docs/clock.md").read_text()
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \| `(\w+)` \|", text, re.M)
    assert rows == [
        (str(number), entry.meaning, entry.state.name.lower())
        for number, entry in CLOCK_CLASSES.items()
    ]


@pytest.mark.parametrize("number", [6, 7, 52, 58, 187, 193, 248, 255, 135])
@pytest.mark.parametrize("flags", [TRACEABLE, UNTRACEABLE])
@pytest.mark.parametrize("accuracy", [0x21, 0x31, 0xFE])
@pytest.mark.parametrize("kind", ["hardware", "software"])
def test_the_daemon_goes_by_the_table(table, number, flags, accuracy, kind):
    """What the daemon publishes, by card and by software time stamps: 100 us off, a grandmaster
    that vouches for nothing is never trusted, and no reading misses the truth."""
    vouched = number in STATES and flags == TRACEABLE and accuracy == 0x21
    world = {"gm_class": number, "gm_flags": flags, "gm_accuracy": accuracy}
    with simulate(
        table, which=KINDS[kind] | {"chrony": False}, gm_bias_ns=0 if vouched else 100_000, **world
    ) as simulation:
        simulation.run(8)
        status = simulation.daemon.status
        assert status.state is (STATES[number] if vouched else ClockState.FREE_RUNNING)
        assert (ClockFlag.TRACEABLE in status.flags) == vouched
        assert (ClockFlag.RTS25 in status.flags) == vouched
        assert (status.bound_ns < 100_000) == vouched
        assert simulation.readings > 20
        assert simulation.violations == 0


@pytest.mark.parametrize("jitter_ns", [0.0, 150.0, 20_000.0])
@pytest.mark.parametrize("kind", ["hardware", "software"])
def test_an_unknown_grandmaster_beside_a_right_chrony(table, kind, jitter_ns):
    """ptp4l's defaults, 100 us off and however quiet: chrony, which states a bound, is shown."""
    which = KINDS[kind] | {"chrony": True}
    world = {"gm_class": 248, "gm_accuracy": 0xFE, "gm_flags": 0x08, "gm_bias_ns": 100_000}
    with simulate(table, which=which, jitter_ns=jitter_ns, **world) as simulation:
        simulation.run(120)
        status = simulation.daemon.status
        assert (status.source, status.state) == (ClockSource.CHRONY, ClockState.LOCKED)
        assert ClockFlag.TRACEABLE in status.flags
        assert status.bound_ns < 3_000_000
        assert simulation.violations == 0


@pytest.mark.parametrize("later", [{"gm_class": 187}, {"gm_class": 52}, {"gm_accuracy": 0xFE}])
def test_a_grandmaster_that_loses_its_source_vouches_no_longer(table, later):
    """At once, and again once it has found it; what it said meanwhile is not in the new line."""
    with simulate(table, which={"chrony": False}) as simulation:
        simulation.run(60)
        assert ClockFlag.RTS25 in simulation.daemon.status.flags
        change(simulation, gm_bias_ns=100_000, **later)()
        simulation.run(20)
        assert simulation.daemon.status.state is ClockState.FREE_RUNNING
        assert ClockFlag.RTS25 not in simulation.daemon.status.flags
        change(simulation, gm_bias_ns=0, gm_class=6, gm_accuracy=0x21)()
        simulation.run(30)
        status = simulation.daemon.status
        assert status.state is ClockState.LOCKED
        assert status.bound_ns < 10_000
        assert simulation.violations == 0


def test_a_clock_that_nobody_vouches_for_has_no_bound(table):
    """A card without ptp4l, and chrony that follows itself: the page says that the time may be
    anything, the record that the bound is unknown."""
    with simulate(table, which={"chrony": False}) as simulation:
        host, nominal_ns = simulation.machine, simulation.nominal_ns
        card = PhcSource(nominal_ns, "/dev/ptp0").sample(host, table)
        assert card.error_ns >= UNBOUNDED_NS
        simulation.world.gm_accuracy = 0xFE
        unknown = PhcSource(nominal_ns, "/dev/ptp0", "phc").sample(host, table)
        assert unknown.error_ns >= UNBOUNDED_NS
        simulation.daemon.followers = simulation.daemon.followers[:1]
        simulation.run(5)
        record = simulation.page.evidence()[-1]
        assert record["bound_ns"] == MAX_VALUE
        assert simulation.page.at(simulation.machine.ticks()).bound_ns >= UNBOUNDED_NS


def test_software_time_stamps_grant_the_same(table):
    """Both ways to a grandmaster use one table."""
    with simulate(table, which=KINDS["software"], gm_class=52) as simulation:
        source = LinuxptpSource(simulation.nominal_ns, "software")
        samples = [source.sample(simulation.machine, table)]
        while samples[-1] is None:
            simulation.machine.pause(0.3)
            samples.append(source.sample(simulation.machine, table))
        assert samples[-1].error_ns >= UNBOUNDED_NS
        assert not samples[-1].traceable
