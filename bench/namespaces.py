"""Network namespaces of a measurement: this process's, and others that a process holds.

Each ends with its process, so whatever kills the measurement, nothing is left.
"""

import ctypes
import os
import subprocess
import time

from openoutcry.host.processes import die_with_parent
from openoutcry.wire.errors import OutcryError

CLONE_NEWNET = 0x40000000
WAIT_S = 10.0


def leave_network() -> None:
    """This process is in an empty network.  Raises :class:`OutcryError` where that is not
    permitted."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        why = os.strerror(ctypes.get_errno())
        raise OutcryError(f"no network namespace: {why} (run as root)")


def enter_network(namespace: str) -> None:
    """This process is in the network of that file (:func:`namespace_of`)."""
    fd = os.open(namespace, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET):
            raise OutcryError(f"{namespace}: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(fd)


def hold_network(name: str) -> "subprocess.Popen[bytes]":
    """A process in an empty network, ``name``, which dies with this one.  It may be killed."""
    mine = os.readlink("/proc/self/ns/net")
    holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], preexec_fn=die_with_parent)
    until = time.monotonic() + WAIT_S
    while os.readlink(namespace_of(holder)) == mine:
        if holder.poll() is not None or time.monotonic() > until:
            raise OutcryError(f"no network namespace for {name}")
        time.sleep(0.005)
    return holder


def namespace_of(holder: "subprocess.Popen[bytes]") -> str:
    """The file of the network that it holds."""
    return f"/proc/{holder.pid}/ns/net"


def called(*words: str) -> str:
    """Run a command and return what it printed.  Raises :class:`OutcryError`."""
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise OutcryError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout
