"""Doctor: processors, caches, frequency, sleep states, and who may run on which core."""

import os
from collections.abc import Iterator

from openoutcry.host import doctor_costs as costs
from openoutcry.host.findings import Finding, Host, cores_of, measured

CPU = "sys/devices/system/cpu"
DEEP_EXIT_US = 10
"""A sleep state that takes longer than this to leave is worth a finding."""


def processor(host: Host) -> Iterator[Finding]:
    """The model, the microcode, and whether the time stamp counter is steady."""
    fields: dict[str, str] = {}
    for line in (host.text("proc/cpuinfo") or "").splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    online = cores_of(host.text(f"{CPU}/online"))
    model = fields.get("model name")
    if model is None:
        yield Finding(
            "processor",
            "model",
            "unseen",
            "cannot see: /proc/cpuinfo names none",
            "figures of different processors are not comparable",
        )
    else:
        yield Finding(
            "processor",
            "model",
            "note",
            f"{model}, {len(online) or 'unknown how many'} cores online",
            "figures of different processors are not comparable",
        )
    microcode = fields.get("microcode")
    state = "note" if microcode else "unseen"
    yield Finding(
        "processor",
        "microcode",
        state,
        microcode or "cannot see: the kernel does not show it",
        "an update can change the cost of locks, fences and branches; a virtual machine shows what "
        "its host chose to show",
        change=_microcode(fields) if microcode else None,
    )
    flags = fields.get("flags", "").split()
    steady = {"constant_tsc", "nonstop_tsc"} <= set(flags)
    if flags:
        yield Finding(
            "processor",
            "time stamp counter",
            "good" if steady else "costs",
            "constant and never stopping" if steady else "its pace changes with the frequency",
            "the clock is read from it; if it is unreliable, every reading is a system call",
        )


def _microcode(fields: dict[str, str]) -> str | None:
    """Return the command that installs an update; None in a virtual machine, whose host
    loads it."""
    if "hypervisor" in fields.get("flags", "").split():
        return None
    maker = {"AuthenticAMD": "amd64", "GenuineIntel": "intel"}.get(fields.get("vendor_id", ""))
    return f"sudo apt-get install {maker}-microcode, then reboot" if maker else None


def caches(host: Host) -> Iterator[Finding]:
    """The caches of core 0, and which cores share them."""
    rows = []
    for index in host.names(f"{CPU}/cpu0/cache"):
        place = f"{CPU}/cpu0/cache/{index}"
        level, kind = host.text(f"{place}/level"), host.text(f"{place}/type")
        if level and kind:
            letter = {"Data": "d", "Instruction": "i"}.get(kind, "")
            size, shared = host.text(f"{place}/size"), host.text(f"{place}/shared_cpu_list")
            rows.append(f"L{level}{letter} {size} (cores {shared})")
    why = "cores that share a cache transfer a line in a quarter of the time: `outcry bench cores`"
    if rows:
        yield Finding("processor", "caches of core 0", "note", ", ".join(rows), why)
    else:
        yield Finding("processor", "caches", "unseen", "cannot see: sysfs shows none", why)


def numa(host: Host) -> Iterator[Finding]:
    """Return whether memory belongs to several nodes."""
    nodes = [name for name in host.names("sys/devices/system/node") if name[4:].isdigit()]
    why = "memory of another node costs twice; keep a pipeline's cores and memory on one node"
    if len(nodes) > 1:
        lists = [f"{n}: {host.text(f'sys/devices/system/node/{n}/cpulist')}" for n in nodes]
        yield Finding(
            "processor",
            "NUMA",
            "costs",
            f"{len(nodes)} nodes ({', '.join(lists)})",
            why,
            change="numactl --cpunodebind=0 --membind=0 outcry run …",
        )
    elif nodes:
        yield Finding("processor", "NUMA", "good", "one node", why)
    else:
        yield Finding("processor", "NUMA", "unseen", "cannot see: no nodes in sysfs", why)


def siblings(host: Host) -> Iterator[Finding]:
    """Return whether hardware threads share cores."""
    why = "two threads of one core share its caches and its units: a neighbour halves both"
    pairs = set()
    for core in cores_of(host.text(f"{CPU}/online")) or [0]:
        text = host.text(f"{CPU}/cpu{core}/topology/thread_siblings_list")
        if text is None:
            yield Finding("processor", "SMT", "unseen", "cannot see: no topology in sysfs", why)
            return
        if len(cores_of(text)) > 1:
            pairs.add(text)
    if pairs:
        yield Finding(
            "processor",
            "SMT",
            "costs",
            f"threads share cores: {' and '.join(sorted(pairs))}",
            why,
            change="echo off | sudo tee /sys/devices/system/cpu/smt/control",
        )
        return
    what = "one thread a core"
    if "hypervisor" in (host.text("proc/cpuinfo") or ""):
        what += ", as far as the hypervisor shows"
    yield Finding("processor", "SMT", "good", what, why)


def frequency(host: Host) -> Iterator[Finding]:
    """The frequency governor and turbo."""
    why = "a core that slowed down while waiting needs tens of µs to speed up"
    governor = host.text(f"{CPU}/cpu0/cpufreq/scaling_governor")
    if governor is None:
        yield Finding(
            "frequency",
            "governor",
            "unseen",
            "cannot see: no cpufreq driver (in a virtual machine the host decides)",
            why,
        )
    else:
        good = governor == "performance"
        yield Finding(
            "frequency",
            "governor",
            "good" if good else "costs",
            governor,
            why,
            change=None if good else "sudo cpupower frequency-set -g performance",
            settings=_of_cores(host, ["cpufreq/scaling_governor"], "performance"),
        )
    why = "turbo is faster until heat or neighbours end it: figures differ from run to run"
    boost, no_turbo = host.text(f"{CPU}/cpufreq/boost"), host.text(f"{CPU}/intel_pstate/no_turbo")
    if boost is None and no_turbo is None:
        yield Finding("frequency", "turbo", "unseen", "cannot see: no switch in sysfs", why)
        return
    on = boost == "1" or no_turbo == "0"
    switch = (
        "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost"
        if boost is not None
        else "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo"
    )
    yield Finding(
        "frequency",
        "turbo",
        "note",
        "on" if on else "off",
        why,
        change=f"{switch} (to compare runs)" if on else None,
    )


def sleep_states(host: Host) -> Iterator[Finding]:
    """The idle states of core 0, and how late a short sleep ends here."""
    why = "waking a core from a deep state costs its exit time before the first instruction"
    place = f"{CPU}/cpu0/cpuidle"
    deep, shown = dict[str, str](), []
    for state in host.names(place):
        name = host.text(f"{place}/{state}/name") or state
        exit_us = host.number(f"{place}/{state}/latency") or 0
        off = host.text(f"{place}/{state}/disable") == "1"
        shown.append(f"{name} {exit_us} µs" + (" (off)" if off else ""))
        if exit_us >= DEEP_EXIT_US and not off:
            deep[state] = name
    if not shown:
        yield Finding("frequency", "sleep states", "unseen", "cannot see: no cpuidle", why)
        return
    late = measured(costs.sleep_overshoot_ns)
    cost = None
    if late:
        cost = (
            f"a sleep of 50 µs ends {late[0] / 1e3:.0f} µs late (99 of 100 within "
            f"{late[1] / 1e3:.0f} µs), timer slack included"
        )
    driver = host.text(f"{CPU}/cpuidle/current_driver")
    yield Finding(
        "frequency",
        "sleep states",
        "costs" if deep else "good",
        f"{driver or 'no driver'}: {', '.join(shown)}",
        why,
        cost,
        "sudo cpupower idle-set -D 0 (or idle=poll on the kernel's command line)" if deep else None,
        _of_cores(host, [f"cpuidle/{state}/disable" for state in deep], "1"),
    )


def _of_cores(host: Host, files: list[str], value: str) -> tuple[tuple[str, str], ...]:
    """Return the same value for files of every core."""
    online = cores_of(host.text(f"{CPU}/online"))
    return tuple((f"{CPU}/cpu{core}/{file}", value) for core in online for file in files)


ISOLATION = (
    (
        "isolated cores",
        "isolated",
        "isolcpus",
        "the scheduler puts nothing else on an isolated core",
    ),
    (
        "tickless cores",
        "nohz_full",
        "nohz_full",
        "elsewhere a timer interrupts the running task 100 to 1000 times a second, some µs each",
    ),
)


def isolation(host: Host) -> Iterator[Finding]:
    """Cores that the kernel keeps free of tasks, ticks and RCU callbacks."""
    options = host.boot_options()
    online = cores_of(host.text(f"{CPU}/online"))
    if not online:
        for name, _, _, why in ISOLATION:
            yield Finding("cores", name, "unseen", "cannot see: no cores in sysfs", why)
        online = sorted(os.sched_getaffinity(0))
    last = f"{online[-1]}" if len(online) < 4 else f"{online[1]}-{online[-1]}"
    for name, file, option, why in ISOLATION if host.text(f"{CPU}/online") else ():
        cores = ",".join(map(str, cores_of(host.text(f"{CPU}/{file}"))))
        yield _kept_free(name, cores, why, f"{option}={last}", len(online))
    callbacks = options.get("rcu_nocbs") or ""
    why = "the kernel's deferred frees run on every other core, at its own time"
    yield _kept_free(
        "cores without RCU callbacks", callbacks, why, f"rcu_nocbs={last}", len(online)
    )


def _kept_free(name: str, cores: str, why: str, option: str, online: int) -> Finding:
    """One core has to do everything: nothing can be kept from it."""
    if cores:
        return Finding("cores", name, "good", cores, why)
    if online < 2:
        return Finding("cores", name, "note", "none: needs a second core for the rest", why)
    return Finding("cores", name, "costs", "none", why, change=_boot(option))


def _boot(option: str) -> str:
    return f"add {option} to GRUB_CMDLINE_LINUX in /etc/default/grub, sudo update-grub, reboot"


def usable(host: Host) -> Iterator[Finding]:
    """Cores that this process may use, its CPU quota, and other load."""
    allowed = sorted(os.sched_getaffinity(0))
    why = "each stage needs a core; on fewer, stages share cores and wait for each other"
    yield Finding(
        "cores",
        "usable cores",
        "good" if len(allowed) >= 6 else "costs",
        f"this process may use {len(allowed)} ({','.join(map(str, allowed))}); from six "
        "on, every stage has its own",
        why,
    )
    quota = host.text("sys/fs/cgroup/cpu.max")
    if quota and not quota.startswith("max"):
        yield Finding(
            "cores",
            "CPU quota of the control group",
            "costs",
            quota,
            "a group that has used its quota is stopped until the period ends: up to 100 ms",
            change="docker run --cpus=0 …, or `max` in cpu.max; give cores with --cpuset-cpus",
        )
    load = measured(costs.busy_share)
    if load is not None:
        yield Finding(
            "cores",
            "other load",
            "costs" if load > 0.5 else "good",
            f"{load:.1f} tasks per core want to run (mean of the last minute)",
            "tasks on the same cores lengthen the tail",
            change="ps -eo pid,pcpu,comm --sort=-pcpu | head" if load > 0.5 else None,
        )


def interrupts(host: Host) -> Iterator[Finding]:
    """Report which cores serve interrupts, and whether irqbalance moves them."""
    why = "an interrupt delays the task on its core by 1 to 20 µs"
    by_core: dict[str, list[str]] = {}
    for number in host.names("proc/irq"):
        if number.isdigit():
            cores = host.text(f"proc/irq/{number}/effective_affinity_list")
            if cores:
                by_core.setdefault(cores, []).append(number)
    if not by_core:
        yield Finding("cores", "interrupts", "unseen", "cannot see: no /proc/irq to read", why)
        return
    counted = {core: len(numbers) for core, numbers in sorted(by_core.items())}
    what = ", ".join(f"{count} on core {core}" for core, count in counted.items())
    balancer = "irqbalance" in {host.text(f"proc/{pid}/comm") for pid in _pids(host)}
    if balancer:
        what += "; irqbalance is running and moves them"
    yield Finding(
        "cores",
        "interrupts",
        "costs" if len(counted) > 1 else "good",
        what,
        why,
        change=("sudo systemctl stop irqbalance; " if balancer else "")
        + "for i in /proc/irq/[0-9]*; do echo 0 | sudo tee $i/smp_affinity_list; done",
        settings=tuple(
            (f"proc/irq/{number}/smp_affinity_list", "0")
            for cores, numbers in by_core.items()
            for number in numbers
            if cores != "0" and not balancer
        ),
    )


def _pids(host: Host) -> list[str]:
    return [name for name in host.names("proc") if name.isdigit()]


CHECKS = (
    processor,
    caches,
    numa,
    siblings,
    frequency,
    sleep_states,
    isolation,
    usable,
    interrupts,
)
