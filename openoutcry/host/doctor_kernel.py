"""Doctor: memory, scheduler, clocks, mitigations, and what the hypervisor takes."""

import resource
from collections.abc import Iterator

from openoutcry.host import doctor_costs as costs
from openoutcry.host.findings import Finding, Host, chosen, measured

HUGE = "sys/kernel/mm/transparent_hugepage"
CLOCK = "sys/devices/system/clocksource/clocksource0"
THP_WHY = {
    "always": "the kernel may compact memory under any program, us included, to make 2 MiB pages",
    "madvise": "2 MiB pages need fewer TLB entries; only programs that request them get them",
    "never": "2 MiB pages need fewer TLB entries; here not even MADV_HUGEPAGE gives any",
}
DEDICATED = "a dedicated instance, or on the host: virsh vcpupin DOMAIN VCPU CORE"
STEAL_BOUND = 0.01
WHOLE_MAP = "0 0 4294967295"
"""/proc/self/uid_map outside of any user namespace."""
SLACK_NS = 1_000


def transparent_huge_pages(host: Host) -> Iterator[Finding]:
    """Return whether the kernel makes huge pages by itself."""
    mode = chosen(host.text(f"{HUGE}/enabled"))
    why = THP_WHY.get(mode or "", THP_WHY["madvise"])
    if mode is None:
        yield Finding("memory", "transparent huge pages", "unseen", "cannot see: no THP", why)
        return
    small = measured(lambda: costs.touch_ns_per_page(False))
    huge = measured(lambda: costs.touch_ns_per_page(True))
    cost = None
    if small and huge and mode != "never":
        cost = f"first touch of 4 KiB: {small:.0f} ns in small pages, {huge:.0f} ns in huge ones"
    yield Finding(
        "memory",
        "transparent huge pages",
        "good" if mode == "madvise" else "costs",
        mode,
        why,
        cost,
        None if mode == "madvise" else f"echo madvise | sudo tee /{HUGE}/enabled",
        ((f"{HUGE}/enabled", "madvise"),),
    )
    shared = chosen(host.text(f"{HUGE}/shmem_enabled"))
    if shared is not None:
        yield Finding(
            "memory",
            "huge pages in shared memory",
            "note",
            shared,
            "rings live in shared memory; small rings that stay in L2 gain nothing from it",
        )


def huge_pages(host: Host) -> Iterator[Finding]:
    """Huge pages that are reserved."""
    why = "DPDK's memory pools want reserved pages; without them it runs with --no-huge, slower"
    total = host.number("proc/sys/vm/nr_hugepages")
    if total is None:
        yield Finding("memory", "reserved huge pages", "unseen", "cannot see: no hugetlb", why)
        return
    yield Finding(
        "memory",
        "reserved huge pages",
        "good" if total else "costs",
        f"{total} of 2 MiB",
        why,
        change=None if total else "sudo sysctl vm.nr_hugepages=256",
        settings=(("proc/sys/vm/nr_hugepages", "256"),),
    )


def locking(host: Host) -> Iterator[Finding]:
    """Return how much memory may be locked, and swap areas in use."""
    why = "a page that was swapped out or never touched stops the task that needs it"
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    limit = "without limit" if soft == resource.RLIM_INFINITY else f"up to {soft // 1024} KiB"
    allowed = measured(costs.lockable)
    enough = bool(allowed) and (soft == resource.RLIM_INFINITY or soft >= 1 << 30)
    yield Finding(
        "memory",
        "memory locking",
        "good" if enough else "costs",
        f"{limit}, {'works' if allowed else 'refused'}",
        why,
        change=None
        if enough
        else "ulimit -l unlimited (limits.conf: memlock unlimited; docker run --ulimit memlock=-1)",
    )
    swap = len((host.text("proc/swaps") or "").splitlines()) - 1
    if swap > 0:
        yield Finding(
            "memory", "swap", "costs", f"{swap} areas in use", why, change="sudo swapoff -a"
        )


def real_time(host: Host) -> Iterator[Finding]:
    """The share of time that real-time tasks may have."""
    why = "a real-time task that spins is stopped for the rest of each period, 50 ms by default"
    runtime = host.number("proc/sys/kernel/sched_rt_runtime_us")
    period = host.number("proc/sys/kernel/sched_rt_period_us")
    if runtime is None or period is None:
        yield Finding("scheduler", "real-time throttling", "unseen", "cannot see", why)
        return
    free = runtime < 0 or runtime >= period
    text = "off" if free else f"{runtime} µs of each {period} µs"
    # Our spinning stages are not real-time, only the journal writer is, and it sleeps mostly.
    yield Finding(
        "scheduler",
        "real-time throttling",
        "note",
        text,
        why + "; our busy-polling stages are not real-time, so it does not affect them",
        change=None
        if free
        else "sudo sysctl kernel.sched_rt_runtime_us=-1 (only with cores kept free for the kernel)",
    )


def priority(host: Host) -> Iterator[Finding]:
    """Return whether this process may have real-time priority."""
    why = (
        "the journal's writer wakes for each commit; without real-time priority it waits in "
        "the queue"
    )
    refused = measured(costs.real_time_refusal)
    if refused is None:
        yield Finding("scheduler", "real-time priority", "unseen", "cannot see", why)
        return
    yield Finding(
        "scheduler",
        "real-time priority",
        "costs" if refused else "good",
        refused or "allowed",
        why,
        change="sudo prlimit --rtprio=1 --pid $$ (limits.conf: rtprio 1; docker run --cap-add "
        "SYS_NICE)"
        if refused
        else None,
    )


def timer_slack(host: Host) -> Iterator[Finding]:
    """Return how much later than asked a sleep may end."""
    slack = host.number("proc/self/timerslack_ns")
    why = "a sleep may end this much later than asked; the journal sleeps between commits"
    if slack is None:
        yield Finding("scheduler", "timer slack", "unseen", "cannot see", why)
        return
    late = measured(costs.sleep_overshoot_ns)
    yield Finding(
        "scheduler",
        "timer slack",
        "good" if slack <= SLACK_NS else "costs",
        f"{slack:,} ns",
        why,
        f"a sleep of 50 µs ends {late[0] / 1e3:.0f} µs late" if late else None,
        None
        if slack <= SLACK_NS
        else "echo 1000 | sudo tee /proc/$$/timerslack_ns (this shell, and what it starts)",
    )


def clock_source(host: Host) -> Iterator[Finding]:
    """The kernel's clock source, and what a reading costs here."""
    why = "every stamp is a reading of it; other sources than tsc cost a system call or a trap"
    name = host.text(f"{CLOCK}/current_clocksource")
    cost = measured(costs.clock_read_ns)
    cost_text = f"one reading {cost:.0f} ns" if cost else None
    if name is None:
        yield Finding("clock", "clock source", "unseen", "cannot see", why, cost_text)
        return
    others = (host.text(f"{CLOCK}/available_clocksource") or "").split()
    change = f"echo tsc | sudo tee /{CLOCK}/current_clocksource"
    if "tsc" not in others:
        change = _boot_tsc()
    yield Finding(
        "clock",
        "clock source",
        "good" if name == "tsc" else "costs",
        name,
        why,
        cost_text,
        None if name == "tsc" else change,
        ((f"{CLOCK}/current_clocksource", "tsc"),) if "tsc" in others else (),
    )


def _boot_tsc() -> str:
    return "add tsc=reliable to the kernel's command line, if the counter is known to be steady"


def mitigations(host: Host) -> Iterator[Finding]:
    """Active mitigations of processor flaws, and what a system call costs here."""
    place = "sys/devices/system/cpu/vulnerabilities"
    active = []
    for name in host.names(place):
        text = host.text(f"{place}/{name}") or ""
        if text.startswith("Mitigation"):
            active.append(name)
    cost = measured(costs.system_call_ns)
    why = "each system call, interrupt and switch pays for them; our hot path makes no system calls"
    if not host.names(place):
        yield Finding("kernel", "mitigations", "unseen", "cannot see: none in sysfs", why)
        return
    yield Finding(
        "kernel",
        "mitigations",
        "note" if active else "good",
        f"{len(active)} active: {', '.join(active)}" if active else "none active",
        why,
        f"one empty system call {cost:.0f} ns" if cost else None,
        "mitigations=off on the kernel's command line: only where every program on the host is "
        "trusted"
        if active
        else None,
    )


def virtual(host: Host) -> Iterator[Finding]:
    """Return whether the host is a guest, and how much time other guests take from it."""
    cpuinfo = host.text("proc/cpuinfo") or ""
    if not cpuinfo:
        yield Finding("kernel", "virtualisation", "unseen", "cannot see", "see steal")
        return
    why = "the hypervisor stops and moves our cores at any time and hides their layout"
    if "hypervisor" not in cpuinfo:
        yield Finding("kernel", "virtualisation", "good", "none", why)
        return
    vendor = host.text("sys/class/dmi/id/sys_vendor")
    share = measured(costs.steal_share)
    yield Finding(
        "kernel",
        "virtualisation",
        "costs",
        f"a guest ({vendor or 'maker unknown'})",
        why,
        change=DEDICATED,
    )
    name = "steal"
    if share is None:
        yield Finding("kernel", name, "unseen", "cannot see: not counted here", why)
        return
    total = _steal_since_boot(host)
    yield Finding(
        "kernel",
        name,
        "costs" if share > STEAL_BOUND else "good",
        f"{share:.1%} now" + (f", {total:.2%} since boot" if total is not None else ""),
        "time in which another machine ran on our core; a hypervisor may hide it",
        change=DEDICATED if share > STEAL_BOUND else None,
    )


def _steal_since_boot(host: Host) -> float | None:
    words = (host.text("proc/stat") or "").split("\n")[0].split()[1:9]
    if len(words) < 8:
        return None
    times = [int(word) for word in words]
    return times[7] / (sum(times) or 1)


def container(host: Host) -> Iterator[Finding]:
    """Return whether this process is in a container or a user namespace; no finding outside of
    one."""
    marks = host.text("proc/1/cgroup") or ""
    inside = host.text(".dockerenv") is not None or host.text("run/.containerenv") is not None
    inside = inside or "container=" in (host.text("proc/1/environ") or "")
    mapped = (host.text("proc/self/uid_map") or WHOLE_MAP).split() != WHOLE_MAP.split()
    if mapped or inside or any(word in marks for word in ("docker", "kubepods", "lxc")):
        what = "we run in a container"
        if mapped:
            what = "we run in a user namespace: root in it has no rights over the machine"
        yield Finding(
            "kernel",
            "container",
            "note",
            what,
            "quotas, seccomp and a masked /proc hide other processes and forbid perf and AF_XDP",
            change="docker run --cap-add SYS_NICE,IPC_LOCK,PERFMON --cpuset-cpus 2,3 …",
        )


CHECKS = (
    transparent_huge_pages,
    huge_pages,
    locking,
    real_time,
    priority,
    timer_slack,
    clock_source,
    mitigations,
    virtual,
    container,
)
