"""host/doctor*.py: every finding from a known tree, and a sheet on any host whatever."""

import errno
import os
import sys
from types import SimpleNamespace

import pytest

from openoutcry.host import doctor_costs, doctor_devices
from openoutcry.host.doctor_cores import (
    frequency,
    interrupts,
    isolation,
    numa,
    processor,
    siblings,
    sleep_states,
)
from openoutcry.host.doctor_kernel import (
    clock_source,
    container,
    huge_pages,
    transparent_huge_pages,
    virtual,
)
from openoutcry.host.findings import Finding, Host, chosen, cores_of
from tests.support.host.doctor import by_name

CPU = "sys/devices/system/cpu"


@pytest.fixture
def tree(tmp_path):
    """Make files of a pretended host; returns the host."""

    def make(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        return Host(tmp_path)

    return make


def test_settings_that_cost_are_distinguished_from_those_that_do_not(tree):
    """A powersaving, hyper-threaded, two-node host with deep sleep states is found out."""
    host = tree(
        {
            f"{CPU}/online": "0-3",
            f"{CPU}/cpu0/cpufreq/scaling_governor": "powersave",
            f"{CPU}/intel_pstate/no_turbo": "0",
            f"{CPU}/cpu0/cpuidle/state0/name": "POLL",
            f"{CPU}/cpu0/cpuidle/state0/latency": "0",
            f"{CPU}/cpu0/cpuidle/state1/name": "C6",
            f"{CPU}/cpu0/cpuidle/state1/latency": "133",
            f"{CPU}/cpu0/topology/thread_siblings_list": "0,2",
            f"{CPU}/cpu1/topology/thread_siblings_list": "1,3",
            f"{CPU}/cpu2/topology/thread_siblings_list": "0,2",
            f"{CPU}/cpu3/topology/thread_siblings_list": "1,3",
            f"{CPU}/isolated": "2-3",
            f"{CPU}/nohz_full": "",
            "proc/cmdline": "quiet rcu_nocbs=2-3",
            "sys/devices/system/node/node0/cpulist": "0-1",
            "sys/devices/system/node/node1/cpulist": "2-3",
            "proc/irq/20/effective_affinity_list": "0",
            "proc/irq/21/effective_affinity_list": "1",
            "proc/77/comm": "irqbalance",
        }
    )
    checks = (frequency, sleep_states, siblings, isolation, numa, interrupts)
    findings = by_name(finding for check in checks for finding in check(host))
    states = {name: finding.state for name, finding in findings.items()}
    assert states == {
        "governor": "costs",
        "turbo": "note",
        "sleep states": "costs",
        "SMT": "costs",
        "isolated cores": "good",
        "tickless cores": "costs",
        "cores without RCU callbacks": "good",
        "NUMA": "costs",
        "interrupts": "costs",
    }
    assert "C6 133 µs" in findings["sleep states"].what
    assert "0,2 and 1,3" in findings["SMT"].what
    assert "irqbalance" in findings["interrupts"].what


def test_steal_and_clock_source_are_read(tree):
    """A virtual machine on a slow clock source, without huge pages."""
    host = tree(
        {
            "proc/cpuinfo": "flags\t: tsc hypervisor",
            "proc/stat": "cpu  900 0 0 0 0 0 0 100 0 0",
            "sys/class/dmi/id/sys_vendor": "Acme",
            "sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet",
            "sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet",
            "proc/sys/vm/nr_hugepages": "0",
        }
    )
    findings = by_name([*virtual(host), *clock_source(host), *huge_pages(host)])
    assert "Acme" in findings["virtualisation"].what
    assert "10.00% since boot" in findings["steal"].what
    assert (findings["steal"].state == "costs") == bool(findings["steal"].change)
    assert findings["clock source"].state == "costs"
    assert "echo tsc" in findings["clock source"].change
    assert findings["reserved huge pages"].change == "sudo sysctl vm.nr_hugepages=256"


@pytest.mark.parametrize(
    ("text", "cores"),
    [("0-2,5", [0, 1, 2, 5]), ("", []), (None, []), ("3", [3]), ("0-1\n", [0, 1])],
)
def test_lists_of_cores_are_read(text, cores):
    """The kernel's notation for sets of cores."""
    assert cores_of(text) == cores


def test_the_chosen_word_is_the_one_in_brackets():
    """sysfs marks the setting that holds."""
    assert chosen("always [madvise] never") == "madvise"
    assert chosen("never") == "never"


def test_costs_are_measured_and_plausible():
    """Each figure is of the size that such a thing takes on any machine."""
    assert 1 < doctor_costs.clock_read_ns() < 10_000
    assert 10 < doctor_costs.system_call_ns() < 1_000_000
    median, high = doctor_costs.sleep_overshoot_ns()
    assert 0 < median <= high
    assert doctor_costs.touch_ns_per_page(False) > 1


def test_a_counter_that_the_kernel_refuses_says_why():
    """Software events of the own process are there on any Linux; an unknown kind is refused."""
    refused = doctor_devices.open_counter(9999, 0)
    assert refused is not None


@pytest.mark.parametrize(
    ("code", "in_kernel", "advice"),
    [
        (errno.EACCES, True, ("perf_event_paranoid=-1", "perf_event_paranoid=-1")),
        (errno.EPERM, True, ("seccomp", "seccomp")),
        (errno.ENOSYS, True, ("--cap-add PERFMON", "--cap-add PERFMON")),
        (errno.ENOSYS, False, ("CONFIG_PERF_EVENTS", "CONFIG_PERF_EVENTS")),
        (errno.ENOENT, True, ("(virtual) processor", "this kernel does not count")),
    ],
)
def test_refused_events_name_what_refuses_them(tree, monkeypatch, code, in_kernel, advice):
    """The sysctl, a seccomp filter, the kernel's build, the processor: each by its own error, and
    the processor never for software events."""
    refused = os.strerror(code)
    monkeypatch.setattr(doctor_devices, "open_counter", lambda *event, in_kernel=False: refused)
    host = tree({"proc/sys/kernel/perf_event_paranoid": "2"} if in_kernel else {})
    findings = by_name(doctor_devices.perf_events(host))
    for name, part in zip(("hardware counters", "software events"), advice, strict=True):
        assert findings[name].state == "costs"
        assert part in findings[name].change
    assert "processor" not in findings["software events"].change


def test_counters_that_see_our_own_code_only_are_no_whole_ones(monkeypatch):
    """At perf_event_paranoid 2 a user's switches are counted as 0: the sheet says what is hidden,
    and what opens it."""

    def own_code_only(kind, number, in_kernel=False):
        return os.strerror(errno.EACCES) if in_kernel else None

    monkeypatch.setattr(doctor_devices, "open_counter", own_code_only)
    findings = by_name(doctor_devices.perf_events(Host()))
    assert findings["software events"].state == "costs"
    assert "not the kernel's" in findings["software events"].what
    assert "perf_event_paranoid" in findings["software events"].change


@pytest.mark.parametrize(("blocks", "state"), [(16_384, "costs"), (1 << 20, "good")])
def test_a_containers_shared_memory_is_too_little(tree, monkeypatch, blocks, state):
    """64 MiB, which is what docker gives, are said with what gives more."""
    room = SimpleNamespace(f_blocks=blocks, f_frsize=4096)
    monkeypatch.setattr(doctor_devices.os, "statvfs", lambda path: room)
    host = tree({"proc/mounts": "tmpfs /dev/shm tmpfs rw 0 0"})
    finding = by_name(doctor_devices.paths(host))["processes over shared memory"]
    assert finding.state == state
    assert ("--shm-size" in (finding.change or "")) == (state == "costs")


@pytest.mark.parametrize(
    ("maker", "flags", "change"),
    [
        ("AuthenticAMD", "tsc", "sudo apt-get install amd64-microcode, then reboot"),
        ("GenuineIntel", "tsc", "sudo apt-get install intel-microcode, then reboot"),
        ("AuthenticAMD", "tsc hypervisor", None),
    ],
)
def test_microcode_comes_from_the_processors_maker(tree, maker, flags, change):
    """One package and not both; none in a guest, whose host loads it."""
    text = f"vendor_id\t: {maker}\nmodel name\t: x\nmicrocode\t: 0x1\nflags\t\t: {flags}"
    findings = by_name(processor(tree({"proc/cpuinfo": text})))
    assert findings["microcode"].change == change


def test_cores_that_sysfs_does_not_show_are_not_called_none(tree):
    """A masked /sys: whether cores are isolated is not known, and not "none"."""
    findings = by_name(isolation(tree({"proc/cmdline": "quiet"})))
    assert findings["isolated cores"].state == "unseen"
    assert findings["tickless cores"].state == "unseen"


def test_a_user_namespace_is_distinguished_from_the_machine(tree):
    """Root of a namespace has no rights outside; without a mapping, or marks, nothing is said."""
    (inside,) = container(tree({"proc/self/uid_map": "         0       1000          1"}))
    assert "no rights over the machine" in inside.what
    assert not list(container(tree({"proc/self/uid_map": " 0  0 4294967295"})))


def test_one_core_is_not_to_be_isolated(tree):
    """Nothing can be kept from the only core; with two the last one is the one to free."""
    alone = by_name(isolation(tree({f"{CPU}/online": "0", f"{CPU}/isolated": ""})))
    assert {finding.state for finding in alone.values()} == {"note"}
    assert {finding.change for finding in alone.values()} == {None}
    pair = by_name(isolation(tree({f"{CPU}/online": "0-1"})))
    assert "isolcpus=1 " in pair["isolated cores"].change
    assert "rcu_nocbs=1 " in pair["cores without RCU callbacks"].change


@pytest.mark.parametrize(
    ("mode", "state", "why"),
    [
        ("[always] madvise never", "costs", "compact"),
        ("always [madvise] never", "good", "only programs that request"),
        ("always madvise [never]", "costs", "not even MADV_HUGEPAGE"),
    ],
)
def test_each_mode_of_huge_pages_has_its_own_reason(tree, mode, state, why):
    """`never` costs TLB entries, not compaction; what huge pages cost is not measured without."""
    host = tree({"sys/kernel/mm/transparent_hugepage/enabled": mode})
    finding = by_name(transparent_huge_pages(host))["transparent huge pages"]
    assert finding.state == state
    assert why in finding.why
    assert "never" not in finding.what or finding.cost is None


def test_ports_are_shown_as_the_shim_finds_them(monkeypatch):
    """What dpdk_shim.ports.available() returns becomes findings, works or not."""
    module = type(sys)("openoutcry.dpdk_shim.ports")
    port = type("Port", (), {"name": "pcap", "works": True, "why": "", "command": None})
    broken = type(
        "Port",
        (),
        {
            "name": "dpdk",
            "works": False,
            "why": "no libdpdk",
            "command": "apt-get install libdpdk-dev",
        },
    )
    module.available = lambda: [port, broken]
    module.__spec__ = __import__("importlib.machinery").machinery.ModuleSpec(module.__name__, None)
    monkeypatch.setitem(sys.modules, "openoutcry.dpdk_shim.ports", module)
    findings = by_name(doctor_devices.ports(Host()))
    assert findings["port pcap"].state == "good"
    assert findings["port dpdk"] == Finding(
        "our paths",
        "port dpdk",
        "costs",
        "no libdpdk",
        "packets without the kernel",
        change="apt-get install libdpdk-dev",
    )
