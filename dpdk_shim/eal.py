"""DPDK's environment: started once a process, lazily, with as few demands as the host allows.

With free huge pages it takes them, else it runs in ordinary memory (slower, and good for tests).
Nothing it makes outlives the process: ``--in-memory`` and ``--no-shconf`` leave no files.
"""

import itertools
import os
from pathlib import Path
from typing import Any

from openoutcry.dpdk_shim.spec import PortError, PortSpec

HUGE_MB, ORDINARY_MB = 64, 128
_numbers = itertools.count()
_started: list[bool] = []
"""Empty until the EAL runs in this process; then whether it may use PCI cards."""


def start(shim: Any, spec: PortSpec) -> None:
    """Start the EAL unless it runs; raises :class:`PortError` when it cannot serve this port."""
    if _started:
        if spec.is_pci and not _started[0]:
            raise PortError(
                f"port {spec.text}: DPDK was started for virtual devices and cannot be started "
                "again: name the card first, or in another process"
            )
        return
    arguments = [argument.encode() for argument in arguments_for(spec.is_pci, huge_pages() > 0)]
    held = [shim.ffi.new("char[]", argument) for argument in arguments]
    error = shim.ffi.new("char[256]")
    if shim.lib.oc_dpdk_init(len(held), shim.ffi.new("char *[]", held), error) < 0:
        reason = shim.ffi.string(error).decode()
        raise PortError(
            f"port {spec.text}: {reason} (DPDK writes why above; huge pages: "
            "sudo sysctl vm.nr_hugepages=128)"
        )
    _keep.extend(held)
    _started.append(spec.is_pci)


_keep: list[Any] = []
"""The EAL keeps pointers to its arguments."""


def arguments_for(pci: bool, huge: bool) -> list[str]:
    """The EAL's command line (docs/shim.md says what each is for)."""
    cores = ",".join(str(core) for core in sorted(os.sched_getaffinity(0)))
    memory = (
        ["--in-memory", "-m", str(HUGE_MB)]
        if huge
        else [
            "--no-huge",
            "--no-shconf",
            "-m",
            str(ORDINARY_MB),
        ]
    )
    quiet = ["--log-level", "lib.*:warning", "--log-level", "pmd.*:warning"]
    return [
        "outcry",
        *([] if pci else ["--no-pci"]),
        "--no-telemetry",
        *quiet,
        *memory,
        "--lcores",
        f"0@({cores})",
    ]


def device_name(spec: PortSpec) -> str:
    """The device as the EAL takes it: a virtual one needs a separate number after its name."""
    name, comma, rest = spec.device.partition(",")
    if not spec.is_pci and not name[-1].isdigit():
        name += f"{os.getpid() % 10_000}{next(_numbers):03}"
    return name + comma + rest


def huge_pages() -> int:
    """Free huge pages of the default size."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("HugePages_Free:"):
            return int(line.split()[1])
    return 0


VIRTUAL = ("af_packet", "af_xdp", "memif", "null", "pcap", "ring", "tap")


def drivers() -> tuple[list[str], int]:
    """The drivers of virtual devices that DPDK would load here, and how many others there are."""
    names = {
        path.name.partition(".")[0].removeprefix("librte_net_")
        for folder in Path("/usr/lib").glob("*/dpdk/pmds-*")
        for path in folder.glob("librte_net_*.so*")
    }
    virtual = sorted(names & set(VIRTUAL))
    return [f"net_{name}" for name in virtual], len(names) - len(virtual)


def bound_cards() -> list[str]:
    """PCI addresses of cards that a user-space driver may take."""
    return sorted(path.name for path in Path("/sys/bus/pci/drivers/vfio-pci").glob("*:*"))
