"""The kernel's own accounts of a core: interrupts by name, steal, switches, SMIs.

Each is a count since boot.  Two readings around a stretch of time give what happened in it; an
account that this host does not show is the reason instead of a number, never a zero.
"""

import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path("/")
SMI_COUNT = 0x34
STEAL_COLUMN, SLICES_COLUMN = 8, 9

Account = dict[str, int]
Accounts = dict[str, Account | str]


def read_accounts(core: int) -> Accounts:
    """Every account of ``core`` now, by its name in ACCOUNTS, or why it cannot be read."""
    accounts: Accounts = {}
    for name, read in ACCOUNTS.items():
        try:
            accounts[name] = read(core)
        except OSError as error:
            accounts[name] = f"{error.filename}: {error.strerror}"
        except ValueError as error:
            accounts[name] = str(error)
    return accounts


def accounts_between(before: Mapping[str, Account | str], after: Accounts) -> Accounts:
    """Return the counts from one reading to the next; a count that is new began at 0."""
    accounts: Accounts = {}
    for name, now in after.items():
        then = before[name]
        if isinstance(then, str) or isinstance(now, str):
            accounts[name] = then if isinstance(then, str) else now
            continue
        accounts[name] = {what: max(0, count - then.get(what, 0)) for what, count in now.items()}
    return accounts


def interrupt_counts(text: str) -> dict[str, dict[int, int]]:
    """/proc/interrupts as counts by name and core: devices by their drivers' names, the rest by
    the kernel's abbreviation.

    The header names the cores, as only those online have a column.  Lines of one name (a device
    with several interrupts) are summed; lines without a count for each core (ERR) are left out.
    """
    header, *lines = text.splitlines() or [""]
    cores = [int(word.removeprefix("CPU")) for word in header.split()]
    counts: dict[str, dict[int, int]] = {}
    for line in lines:
        number, _, rest = line.strip().partition(":")
        words = rest.split()
        values, description = words[: len(cores)], words[len(cores) :]
        if len(values) < len(cores) or not all(word.isdigit() for word in values):
            continue
        name = _device(description) if number.isdigit() and description else number
        sums = counts.setdefault(name, dict.fromkeys(cores, 0))
        for core, value in zip(cores, values, strict=True):
            sums[core] += int(value)
    return counts


def _device(words: list[str]) -> str:
    """The drivers at a line's end; those that share the interrupt are separated by commas."""
    first = len(words) - 1
    while first and words[first - 1].endswith(","):
        first -= 1
    return " ".join(words[first:])


def _interrupts(core: int) -> Account:
    path = ROOT / "proc/interrupts"
    counts = interrupt_counts(path.read_text())
    on_core = {name: by_core[core] for name, by_core in counts.items() if core in by_core}
    if not on_core:
        raise ValueError(f"{path} has no column CPU{core}")
    return on_core


def _stolen(core: int) -> Account:
    """ns that the hypervisor gave to others, to the kernel's hundredth of a second."""
    row = _row(ROOT / "proc/stat", core, STEAL_COLUMN)
    return {"ns": row[STEAL_COLUMN] * 1_000_000_000 // os.sysconf("SC_CLK_TCK")}


def _switches(core: int) -> Account:
    """Return how many times a task got the core (Documentation/scheduler/sched-stats.rst)."""
    return {"switches": _row(ROOT / "proc/schedstat", core, SLICES_COLUMN)[SLICES_COLUMN]}


def _row(path: Path, core: int, least: int) -> list[int]:
    """The numbers of the line "cpuN …" by their column; the name is column 0."""
    for line in path.read_text().splitlines():
        words = line.split()
        if words and words[0] == f"cpu{core}":
            if len(words) <= least:
                raise ValueError(f"{path}: cpu{core} has {len(words)} columns, {least + 1} needed")
            return [core, *map(int, words[1:])]
    raise ValueError(f"{path} has no line cpu{core}")


def _own_switches(core: int) -> Account:
    """Return how many times the calling process got a core, and the ns for which it waited for
    one."""
    path = ROOT / "proc/self/schedstat"
    words = path.read_text().split()
    if len(words) < 3 or not int(words[2]):
        raise ValueError(f"{path}: this kernel does not count")
    return {"waited_ns": int(words[1]), "switches": int(words[2])}


def _smis(core: int) -> Account:
    """System management interrupts (Intel's MSR_SMI_COUNT; AMD and virtual machines have none)."""
    path = ROOT / f"dev/cpu/{core}/msr"
    try:
        with path.open("rb", buffering=0) as msr:
            msr.seek(SMI_COUNT)
            data = msr.read(8)
    except OSError as error:
        why = f"{path}: {error.strerror} (sudo modprobe msr; AMD and virtual machines have none)"
        raise ValueError(why) from None
    if len(data) < 8:
        raise ValueError(f"{path}: {len(data)} of 8 bytes")
    # The register's upper half is reserved.
    return {"smis": struct.unpack("<Q", data)[0] & 0xFFFFFFFF}


ACCOUNTS: dict[str, Callable[[int], Account]] = {
    "interrupts": _interrupts,
    "stolen": _stolen,
    "switches": _switches,
    "own switches": _own_switches,
    "smis": _smis,
}
