"""Situations in which a machine shows or allows less, made for one command each.

``command_in(SITUATION, words)`` is the command line that runs ``words`` in it;
``why_not(SITUATION)`` says why it cannot be made here, or None.  Nothing of the machine is changed:
a situation ends with the command.
"""

import ctypes
import errno
import os
import platform
import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from functools import cache

from openoutcry.host.doctor_devices import PERF_EVENT_OPEN

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
SHM_BYTES = 64 << 20
"""What docker gives a container."""
MASKS = f"""set -e
mount -t tmpfs -o size={SHM_BYTES} none /dev/shm
mount -t tmpfs none /sys
for hidden in interrupts schedstat sched_debug timer_list kcore keys; do
    [ ! -e /proc/$hidden ] || mount --bind /dev/null /proc/$hidden
done
mount --bind /proc/sys /proc/sys
mount -o remount,ro,bind /proc/sys
exec "$@"
"""
OWN_NAMESPACES = (
    "unshare",
    "--map-root-user",
    "--mount",
    "--pid",
    "--ipc",
    "--uts",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--",
    "sh",
    "-c",
    MASKS,
    "sh",
)
FILTERED = (sys.executable, __file__)


def _one_core() -> tuple[str, ...]:
    return ("taskset", "--cpu-list", str(min(os.sched_getaffinity(0))))


def _no_rights() -> tuple[str, ...]:
    """Another user number without a capability, to whom the files still belong."""
    return ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")


SITUATIONS = {
    "one core": _one_core,
    "no rights": _no_rights,
    "no perf events": lambda: FILTERED,
    "container": lambda: (*OWN_NAMESPACES, *FILTERED),
    "container, one core": lambda: (*_one_core(), *OWN_NAMESPACES, *FILTERED),
}


def command_in(situation: str, words: Sequence[str]) -> list[str]:
    return [*SITUATIONS[situation](), *words]


@cache
def why_not(situation: str) -> str | None:
    """Why this machine cannot make the situation, or None."""
    if platform.machine() not in PERF_EVENT_OPEN:
        return "the number of perf_event_open is not known here"
    for tool in ("unshare", "taskset"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    done = subprocess.run(command_in(situation, ["true"]), capture_output=True, text=True)
    return done.stderr.strip() or f"ended with {done.returncode}" if done.returncode else None


def refuse_perf_events() -> None:
    """From here on perf_event_open(2) fails with EPERM, in this process and all that it starts."""
    # BPF: load the call's number; is it perf_event_open? then EPERM; else allow.
    steps = [
        (0x20, 0, 0, 0),
        (0x15, 0, 1, PERF_EVENT_OPEN[platform.machine()]),
        (0x06, 0, 0, REFUSE | errno.EPERM),
        (0x06, 0, 0, ALLOW),
    ]
    words = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", 4, ctypes.addressof(words)))
    libc = ctypes.CDLL(None, use_errno=True)
    where = ctypes.c_void_p(ctypes.addressof(program))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        PR_SET_SECCOMP, SECCOMP_MODE_FILTER, where, 0, 0
    ):
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    refuse_perf_events()
    os.execvp(sys.argv[1], sys.argv[1:])
