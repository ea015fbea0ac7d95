"""A separate network for a drill: one bridge, a namespace for each host, links that can be cut.

The drill's process leaves the machine's network for a new, empty namespace; each host's namespace
is held by a process that dies with the drill's.  So whatever kills the drill, nothing is left.
"""

import ctypes
import os
import subprocess
import time
from collections.abc import Sequence

from openoutcry.host.processes import die_with_parent
from openoutcry.wire.errors import OutcryError

CLONE_NEWNET = 0x40000000
SUBNET = "10.199.77"
BRIDGE = "drill"
WAIT_S = 10.0


class Network:
    """Hosts by name, each at a separate address; the drill's process is at ``.1``."""

    def __init__(self, hosts: Sequence[str]) -> None:
        """Raises :class:`OutcryError` where that is not permitted."""
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET):
            why = os.strerror(ctypes.get_errno())
            raise OutcryError(f"a network for the drill cannot be made: {why} (it needs root)")
        self.addresses = {host: f"{SUBNET}.{10 + index}" for index, host in enumerate(hosts)}
        self._holders: dict[str, subprocess.Popen[bytes]] = {}
        _ip("link", "set", "lo", "up")
        _ip("link", "add", BRIDGE, "type", "bridge")
        _ip("addr", "add", f"{SUBNET}.1/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        for index, host in enumerate(hosts):
            self._add(host, f"h{index}")
        self._links = {host: f"h{index}" for index, host in enumerate(hosts)}

    def _add(self, host: str, link: str) -> None:
        mine = os.readlink("/proc/self/ns/net")
        holder = self._holders[host] = subprocess.Popen(
            ["unshare", "--net", "sleep", "infinity"], preexec_fn=die_with_parent
        )
        deadline_s = time.monotonic() + WAIT_S
        while os.readlink(self.namespace(host)) == mine:
            if holder.poll() is not None or time.monotonic() > deadline_s:
                raise OutcryError(f"no network namespace for {host}")
            time.sleep(0.005)
        _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
        _ip("link", "set", link, "master", BRIDGE, "up")
        inside = ["nsenter", f"--net={self.namespace(host)}", "ip"]
        _run([*inside, "addr", "add", f"{self.addresses[host]}/24", "dev", "eth0"])
        _run([*inside, "link", "set", "eth0", "up"])
        _run([*inside, "link", "set", "lo", "up"])

    def namespace(self, host: str) -> str:
        """The file of the host's namespace."""
        return f"/proc/{self._holders[host].pid}/ns/net"

    def cut(self, host: str) -> None:
        """The host is alone: nothing reaches it or comes from it."""
        _ip("link", "set", self._links[host], "down")

    def mend(self, host: str) -> None:
        _ip("link", "set", self._links[host], "up")

    def close(self) -> None:
        for holder in self._holders.values():
            holder.kill()
            holder.wait()


def _ip(*words: str) -> None:
    _run(["ip", *words])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise OutcryError(f"{' '.join(command)}: {done.stderr.strip()}")
