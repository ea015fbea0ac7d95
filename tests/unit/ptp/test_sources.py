"""ptp/sources.py, management.py, host.py: what the kernel, ptp4l and chrony say becomes samples
whose error holds the truth, and what makes no sense is silence with a reason."""

import errno
import struct

import pytest

from openoutcry.ptp import management, sources
from openoutcry.ptp.host import Bracket, Machine, SourceSilent, ptp_devices
from openoutcry.ptp.leap import SECOND_NS
from openoutcry.ptp.simulate import GM_IDENTITY, SimulatedMachine, World
from openoutcry.ptp.sources import (
    PTP_SYS_OFFSET,
    PTP_SYS_OFFSET_EXTENDED,
    PTP_SYS_OFFSET_PRECISE,
    ChronySource,
    KernelSource,
    LinuxptpSource,
    PhcSource,
    Trail,
    find_sources,
)
from openoutcry.wire.enums import ClockSource

NOMINAL_NS = 0.4


def machine(table, **world):
    return SimulatedMachine(table, World(**world))


def true_tai_at(host, ticks):
    """When the simulated counter stood at ``ticks``, from now backwards."""
    behind = (host.ticks() - ticks) / host.world.ticks_per_ns / (1 + host.rate_ppb * 1e-9)
    return host.true_tai_ns - behind


def samples(host, source, table, count=200, pause_s=1.0):
    readings = []
    for _ in range(count):
        sample = source.sample(host, table)
        if sample is not None:
            readings.append((sample, sample.tai_ns - true_tai_at(host, sample.ticks)))
        host.pause(pause_s)
    return readings


@pytest.mark.parametrize(
    ("ioctls", "kind"),
    [
        ((PTP_SYS_OFFSET_PRECISE, PTP_SYS_OFFSET_EXTENDED), ClockSource.PHC_PRECISE),
        ((PTP_SYS_OFFSET_EXTENDED, PTP_SYS_OFFSET), ClockSource.PHC_EXTENDED),
        ((PTP_SYS_OFFSET,), ClockSource.PHC_BASIC),
    ],
)
def test_the_best_ioctl_of_a_hardware_clock_is_used(table, ioctls, kind):
    """Precise, else extended, else basic; each sample's error holds the truth."""
    host = machine(table, ioctls=ioctls, spike_share=0)
    readings = samples(host, PhcSource(NOMINAL_NS, "/dev/ptp0", "phc"), table)
    assert {sample.source for sample, _ in readings} == {kind}
    assert all(abs(off) <= sample.error_ns for sample, off in readings)
    assert max(sample.error_ns for sample, _ in readings) < 5_000


def test_a_hardware_clock_by_itself_vouches_for_nothing(table):
    """Without a ptp4l that holds it nobody says that it is right."""
    host = machine(table)
    ((sample, _),) = samples(host, PhcSource(NOMINAL_NS, "/dev/ptp0"), table, 1)
    assert not sample.held
    assert not sample.traceable


def test_a_driver_without_any_ioctl_is_silent(table):
    """The reason is the driver's own."""
    host = machine(table, ioctls=())
    source = PhcSource(NOMINAL_NS, "/dev/ptp0", "phc")
    for _ in range(2):
        with pytest.raises(SourceSilent, match=r"/dev/ptp0: (Operation not|its driver has none)"):
            source.sample(host, table)


def test_a_device_that_goes_away_is_asked_again(table):
    """Unplugged is not refused: when it is back it is read as before."""
    host = machine(table, phc_silent=True)
    source = PhcSource(NOMINAL_NS, "/dev/ptp0", "phc")
    with pytest.raises(SourceSilent, match="No such file"):
        source.sample(host, table)
    host.world.phc_silent = False
    assert source.sample(host, table).source is ClockSource.PHC_PRECISE


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EIO, errno.EACCES])
def test_an_error_that_may_pass_does_not_cost_the_ioctl(table, number):
    """Busy once, the best ioctl is asked again at the next reading; one that the driver does not
    have is not."""
    host = machine(table)
    source = PhcSource(NOMINAL_NS, "/dev/ptp0", "phc")
    plain, requests = host.device, []

    def failing(path, request, buffer):
        requests.append(request)
        raise OSError(number, "not now")

    host.device = failing
    with pytest.raises(SourceSilent, match="/dev/ptp0: not now"):
        source.sample(host, table)
    assert requests == [PTP_SYS_OFFSET_PRECISE, PTP_SYS_OFFSET_EXTENDED, PTP_SYS_OFFSET]
    host.device = plain
    assert source.sample(host, table).source is ClockSource.PHC_PRECISE


@pytest.mark.parametrize(
    ("owned", "chosen", "reason"),
    [
        ({"sim0": "/dev/ptp0"}, False, None),
        ({"sim0": "/dev/ptp1"}, True, "ptp4l holds /dev/ptp1"),
        ({}, True, None),
        ({}, False, "may hold another clock; choose one by --phc"),
    ],
)
def test_a_ptp4l_corrects_the_clock_that_it_holds(table, owned, chosen, reason):
    """With several hardware clocks, the one of its interface; where that cannot be told, the only
    one or the one that was chosen."""
    host = machine(table, interface_clocks=owned)
    source = PhcSource(NOMINAL_NS, "/dev/ptp0", "phc", chosen)
    if reason is None:
        assert source.sample(host, table).held
        return
    with pytest.raises(SourceSilent, match=reason):
        source.sample(host, table)


def test_of_several_hardware_clocks_none_is_chosen(monkeypatch):
    """Two devices and one ptp4l: neither is taken for its clock unasked."""
    monkeypatch.setattr(sources, "ptp_devices", lambda: ["/dev/ptp0", "/dev/ptp1"])
    clocks = find_sources(NOMINAL_NS, None, "/run/p")[:2]
    assert [(s.path, s.chosen) for s in clocks] == [("/dev/ptp0", False), ("/dev/ptp1", False)]
    assert find_sources(NOMINAL_NS, "/dev/ptp1", "/run/p")[0].chosen


def test_a_system_clock_stepped_during_the_reading_gives_no_sample(table):
    """The readings before and after the ioctl part by more than a clock can run off."""
    host = machine(table, ioctls=(PTP_SYS_OFFSET_EXTENDED,))
    plain = host.device

    def stepping(path, request, buffer):
        plain(path, request, buffer)
        host.world.system_offset_ns += 1_000_000

    host.device = stepping
    with pytest.raises(SourceSilent, match="stepped during the reading"):
        PhcSource(NOMINAL_NS, "/dev/ptp0", "phc").sample(host, table)


def test_a_ptp4l_of_another_clock_does_not_correct_the_hardware_one(table):
    """With software time stamps its offset is the system clock's, which keeps UTC, 37 s away."""
    host = machine(table)
    with pytest.raises(SourceSilent, match="ptp4l keeps another clock"):
        PhcSource(NOMINAL_NS, "/dev/ptp0", "software").sample(host, table)


def test_linuxptp_corrects_the_system_clock(table):
    """The sample stands at the moment of ptp4l's measurement, within path, accuracy and slew."""
    host = machine(table, spike_share=0)
    readings = samples(host, LinuxptpSource(NOMINAL_NS, "software"), table)
    assert len(readings) > 190
    assert all(abs(off) <= sample.error_ns for sample, off in readings)
    assert all(s.grandmaster == GM_IDENTITY and s.traceable for s, _ in readings)


def test_a_slew_of_the_system_clock_is_granted(table):
    """While somebody slews it at 500 ppm, and at the moment when he begins, the truth stays in."""
    host, source = machine(table, spike_share=0), None
    source = LinuxptpSource(NOMINAL_NS, "software")
    for slew_ppb in (0, 500_000, 0, -500_000):
        host.world.system_slew_ppb = slew_ppb
        readings = samples(host, source, table, 20)
        assert all(abs(off) <= sample.error_ns for sample, off in readings)


def test_a_measurement_is_used_once(table):
    """Asked twice between two measurements of ptp4l there is nothing new."""
    host = machine(table)
    source = LinuxptpSource(NOMINAL_NS, "software")
    samples(host, source, table, 3)
    status = host.manage("software", management.TIME_STATUS_NP)
    host.manage = lambda socket, which: (
        status
        if which == management.TIME_STATUS_NP
        else SimulatedMachine.manage(host, socket, which)
    )
    host.pause(0.01)
    assert source.sample(host, table) is not None
    assert source.sample(host, table) is None


@pytest.mark.parametrize(
    ("world", "reason"),
    [
        ({"gm_silent": True}, "silent"),
        ({"gm_flags": 0}, "arbitrary"),
        ({"path_ns": 0}, "has not measured the path"),
    ],
)
def test_a_grandmaster_that_cannot_be_used_is_silence(table, world, reason):
    """No time scale, no path delay, no answer: each with its reason."""
    with pytest.raises(SourceSilent, match=reason):
        LinuxptpSource(NOMINAL_NS, "software").sample(machine(table, **world), table)


def test_a_grandmaster_that_does_not_say_how_good_it_is_is_not_traceable(table):
    """Accuracy unknown (0xFE): its time may be used, RTS 25 cannot rest on it."""
    host = machine(table, gm_accuracy=0xFE)
    readings = samples(host, LinuxptpSource(NOMINAL_NS, "software"), table, 5)
    assert readings
    assert not any(sample.traceable for sample, _ in readings)


def test_chrony_is_as_wrong_as_it_says(table):
    """Root dispersion and half the root delay hold chrony's own error."""
    readings = samples(machine(table), ChronySource(NOMINAL_NS), table, 100)
    assert all(abs(off) <= sample.error_ns for sample, off in readings)
    assert len(readings) == 100


@pytest.mark.parametrize("slew_ppm", [83_333, -83_333])
def test_what_chrony_slews_while_it_is_asked_is_granted(table, slew_ppm):
    """Its correction is of the moment of its answer, our reading later: of 10 ms at chronyd's
    fastest 0.8 ms have been taken away meanwhile.  Never more than there was to correct."""
    offset_ns = -slew_ppm * 10_000
    world = {"system_offset_ns": offset_ns, "system_slew_ppb": slew_ppm * 1_000}
    host = machine(table, chronyc_ns=10_000_000, chrony_ns=10_000.0, **world)
    readings = samples(host, ChronySource(NOMINAL_NS), table, 8, 0.5)
    assert max(abs(off) for _, off in readings) > 800_000
    assert all(abs(off) <= sample.error_ns for sample, off in readings)
    quiet = machine(table, chronyc_ns=10_000_000, chrony_ns=10_000.0, system_offset_ns=0)
    assert ChronySource(NOMINAL_NS).sample(quiet, table).error_ns < 100_000


def test_a_step_while_chronyc_runs_gives_no_sample(table):
    """Nobody knows whether the correction it reported was of before or after."""
    host = machine(table)
    plain = host.tracking

    def stepping():
        report = plain()
        host.world.system_offset_ns += 3_000_000
        return report

    host.tracking = stepping
    with pytest.raises(SourceSilent, match="stepped while chronyc ran"):
        ChronySource(NOMINAL_NS).sample(host, table)


@pytest.mark.parametrize(
    ("errors_ns", "held"),
    [
        ((5_000_000, 200_000), True),
        ((0, 0), False),
        ((0, 16 * SECOND_NS), False),
        ((500_000, 16 * SECOND_NS), False),
        ((5_000_000, 0), False),
        ((500_000, 10_000), False),
    ],
)
def test_a_kernel_clock_without_an_estimate_is_not_held(table, errors_ns, held):
    """linuxptp calls the clock synchronised with a maximal error of 0 and leaves the estimated one
    alone: that is no bound, so it is as wide as for a clock that nobody disciplines."""
    host = machine(table, kernel_status=0, kernel_errors_ns=errors_ns)
    sample = KernelSource(NOMINAL_NS).sample(host, table)
    assert sample.held == held
    assert (sample.error_ns < SECOND_NS) == held
    assert sample.error_ns > errors_ns[0]


def test_a_maximal_error_that_is_set_to_nothing_again_and_again_is_none(table):
    """Somebody else's estimate was left behind in the kernel, and between two resets maxerror
    grows beyond it: one that was 0 a moment ago is no bound yet."""
    source, held = KernelSource(NOMINAL_NS), []
    for maxerror_ns in [0, 500_000] + [1_000_000] * 65:
        errors_ns = (maxerror_ns, 10_000)
        host = machine(table, kernel_status=0, kernel_errors_ns=errors_ns)
        held.append(source.sample(host, table).held)
    assert not any(held[:65])
    assert held[65:] == [True, True]


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        ("", "tracking report reads"),
        ("7F7F0101,,10,0,x,0,0,0,0,0,0,0,0,Normal\n", "tracking report reads"),
        ("00000000,,0,0,0,0,0,0,0,0,1,1,0,Not synchronised\n", "not synchronised"),
    ],
)
def test_a_report_of_chrony_that_means_nothing_is_silence(table, report, reason):
    """Empty, garbled, or not synchronised."""
    host = machine(table)
    host.tracking = lambda: report
    with pytest.raises(SourceSilent, match=reason):
        ChronySource(NOMINAL_NS).sample(host, table)


def test_the_kernels_word_is_taken(table):
    """Nobody disciplines the clock: 16 s, and nobody stands behind it; in an inserted second the
    kernel says which of the two it is."""
    host = machine(table)
    ((sample, off),) = samples(host, KernelSource(NOMINAL_NS), table, 1)
    assert not sample.held
    assert abs(off) <= sample.error_ns >= 16 * SECOND_NS
    leap = table.leaps_tai_ns[-1]
    inside = SimulatedMachine(table, World(system_offset_ns=0), leap + SECOND_NS // 2)
    sample = KernelSource(NOMINAL_NS).sample(inside, table)
    assert abs(sample.tai_ns - inside.true_tai_ns) < 1_000_000


def test_the_trail_needs_three_brackets():
    """Two readings give a rate and no idea whether it holds."""
    trail = Trail(1.0)
    for at in (0, 1000, 2000):
        assert trail.ticks_of(500) is None
        trail.add(Bracket(at, at, at + 2))
    assert trail.ticks_of(1500) == (1501, 3)
    assert trail.ticks_of(2500) is None
    trail.add(Bracket(3000, 100, 3002))
    assert trail.ticks_of(1500) is None


def test_a_device_that_is_no_clock_says_so(table):
    """The real ioctl on /dev/null: the kernel refuses all three, and the source names it."""
    with pytest.raises(SourceSilent, match=r"/dev/null: Inappropriate ioctl"):
        PhcSource(NOMINAL_NS, "/dev/null").sample(Machine(), table)


def test_every_source_of_a_machine_is_tried():
    """The kernel's clock is always there; chrony and ptp4l are asked."""
    kinds = [s.kind for s in find_sources(NOMINAL_NS, "/dev/ptp7", "/run/p")]
    assert kinds == [
        ClockSource.PHC_PRECISE,
        ClockSource.LINUXPTP,
        ClockSource.CHRONY,
        ClockSource.KERNEL,
    ]
    assert len(find_sources(NOMINAL_NS, None, None)) == 2 + len(ptp_devices())


# Messages


def test_request_numbers_are_the_kernels():
    """As linux/ptp_clock.h makes them on x86-64: direction, size, type '=', number."""
    assert PTP_SYS_OFFSET == 0x43403D05
    assert PTP_SYS_OFFSET_PRECISE == 0xC0403D08
    assert PTP_SYS_OFFSET_EXTENDED == 0xC4C03D09


def test_the_ports_state_is_reported(table):
    """Beside each sample of a ptp4l, and where it hears nobody."""
    host = machine(table, port_state="uncalibrated")
    ((sample, _),) = samples(host, PhcSource(NOMINAL_NS, "/dev/ptp0", "phc"), table, 1)
    assert sample.port_state == "uncalibrated"
    manage = host.manage
    host.world.port_state = "faulty"

    def hears_nobody(path, identifier):
        data = bytearray(manage(path, identifier))
        if identifier == management.TIME_STATUS_NP:
            data[38:42] = bytes(4)
        return bytes(data)

    host.manage = hears_nobody
    with pytest.raises(SourceSilent, match=r"hears no grandmaster \(port faulty\)"):
        PhcSource(NOMINAL_NS, "/dev/ptp0", "phc").sample(host, table)
    assert management.port_state(bytes(10) + b"\x2a") == "42"
    with pytest.raises(management.ManagementError, match="too few"):
        management.port_state(bytes(10))


def test_a_question_is_a_management_get():
    """54 bytes, version 2, to every clock and port, hops 0, action GET, one empty TLV."""
    query = management.message(management.TIME_STATUS_NP, 7)
    assert len(query) == 54
    assert query[:4] == bytes([0x0D, 2, 0, 54])
    assert query[30:32] == bytes([0, 7])
    assert query[34:48] == b"\xff" * 10 + b"\0\0\0\0"
    assert query[48:] == bytes([0, 1, 0, 2, 0xC0, 0])


def an_answer(identifier, data, kind=1):
    header = management.message(identifier)[:48]
    return header + struct.pack(">HHH", kind, 2 + len(data), identifier) + data


def test_an_answer_is_opened():
    """Its data, without what may stand behind it."""
    assert management.body(an_answer(0x2001, b"abcd") + b"more", 0x2001) == b"abcd"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"", "0 bytes"),
        (b"\0" * 60, "not a management message"),
        (an_answer(0x2002, b""), "answered 0x2002 when asked for 0x2001"),
        (an_answer(0x2001, b"", kind=2), "refuses data set 0x2001"),
    ],
    ids=["empty", "short", "another data set", "refusal"],
)
def test_a_wrong_answer_is_refused(answer, text):
    """Short, of another kind, of another data set, or a refusal."""
    with pytest.raises(management.ManagementError, match=text):
        management.body(answer, 0x2001)


@pytest.mark.parametrize(
    ("parse", "name"),
    [
        (management.time_status, "TIME_STATUS_NP"),
        (management.parent, "PARENT_DATA_SET"),
        (management.path_delay_ns, "CURRENT_DATA_SET"),
        (management.time_properties, "TIME_PROPERTIES_DATA_SET"),
        (management.interface, "PORT_PROPERTIES_NP"),
    ],
)
def test_a_short_data_set_is_named(parse, name):
    """Which data set it was and how many bytes it had."""
    with pytest.raises(management.ManagementError, match=rf"{name} has 1 bytes"):
        parse(b"\0")


def test_clock_accuracies_are_the_standards():
    """IEEE 1588-2019, table 5, at its corners."""
    table = management.ACCURACY_NS
    assert [table[k] for k in (0x17, 0x1D, 0x20, 0x21, 0x22, 0x23, 0x29, 0x2F, 0x30)] == [
        1,
        1,
        25,
        100,
        250,
        1_000,
        10**6,
        10**9,
        10**10,
    ]
    assert 0xFE not in table
    assert 0x31 not in table
