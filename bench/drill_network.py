"""A separate network for a drill: one bridge, a namespace for each host, links that can be cut.

The drill's process leaves the machine's network for a new, empty namespace; each host's namespace
is held by a process that dies with the drill's.  So whatever kills the drill, nothing is left.
"""

import subprocess
from collections.abc import Sequence

from openoutcry.bench.namespaces import called, hold_network, leave_network, namespace_of

SUBNET = "10.199.77"
BRIDGE = "drill"


class Network:
    """Hosts by name, each at a separate address; the drill's process is at ``.1``."""

    def __init__(self, hosts: Sequence[str]) -> None:
        """Raises :class:`OutcryError` where that is not permitted."""
        leave_network()
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
        holder = self._holders[host] = hold_network(host)
        _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
        _ip("link", "set", link, "master", BRIDGE, "up")
        inside = ["nsenter", f"--net={self.namespace(host)}", "ip"]
        called(*inside, "addr", "add", f"{self.addresses[host]}/24", "dev", "eth0")
        called(*inside, "link", "set", "eth0", "up")
        called(*inside, "link", "set", "lo", "up")

    def namespace(self, host: str) -> str:
        """The file of the host's namespace."""
        return namespace_of(self._holders[host])

    def cut(self, host: str) -> None:
        """The host is alone: nothing reaches it or comes from it."""
        _ip("link", "set", self._links[host], "down")

    def mend(self, host: str) -> None:
        """Connect the host again."""
        _ip("link", "set", self._links[host], "up")

    def kill(self, host: str) -> None:
        """The host's link is gone without a word, and so is its namespace once the processes in it
        have ended; it has an empty one in its place."""
        _ip("link", "delete", self._links[host])
        holder = self._holders.pop(host)
        holder.kill()
        holder.wait()
        self._add(host, self._links[host])
        # The address has another card now.
        _ip("neigh", "flush", "dev", BRIDGE)

    def close(self) -> None:
        """End the processes that hold the namespaces, which removes them."""
        for holder in self._holders.values():
            holder.kill()
            holder.wait()


def _ip(*words: str) -> None:
    called("ip", *words)
