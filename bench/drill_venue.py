"""One of a drill's two venue nodes: a folder with a venue file and a journal, and the real command.

The command runs over that folder as a primary (`outcry serve`) or as a standby (`outcry venue
standby`).
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from openoutcry.host.processes import die_with_parent
from openoutcry.replica.primary import WINDOW

PORT = 9000
LEASE_MS = 2_000
VENUE = """
[venue]
name = "DRILL"
journal = "journal"
durability = "replicated"
policy = "both"
volatile_journal = true
housekeeping_cores = 64
order_capacity = 4096
checkpoint_every = 0
[durability]
nats = "{nats}"
lease_ms = {lease_ms}
[calendar]
time_zone = "Etc/UTC"
weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
time_every_s = 600
[[schedule]]
name = "all day"
day = ["00:00 CONTINUOUS", "23:59 CLOSED"]
[[instrument]]
symbol = "GOLD"
[[participant]]
number = 1
name = "client"
[[port]]
protocol = "packets-unauthenticated"
address = "{address}:{port}"
"""


class VenueNode:
    """A node by its name; its processes live in the network namespace of that file."""

    def __init__(self, name: str, folder: Path, nats: Path, address: str, namespace: str) -> None:
        self.name = name
        self.folder = folder
        self.journal = folder / "journal"
        self.address = address
        self.namespace = namespace
        self.process: subprocess.Popen[bytes] | None = None
        self.stages: list[int] = []
        """Its processes when it was signalled last."""
        folder.mkdir(mode=0o700)
        text = VENUE.format(nats=nats, lease_ms=LEASE_MS, address=address, port=PORT)
        file = folder / "venue.toml"
        file.write_text(text)
        file.chmod(0o600)

    def start(self, what: str) -> None:
        """``what``: serve or standby."""
        command = [
            "nsenter",
            f"--net={self.namespace}",
            sys.executable,
            "-m",
            "openoutcry",
            *(("serve",) if what == "serve" else ("venue", what)),
            str(self.folder / "venue.toml"),
        ]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                preexec_fn=die_with_parent,
                start_new_session=True,
            )

    @property
    def lives(self) -> bool:
        """Return whether its process was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def document(self, name: str) -> dict[str, Any]:
        """Return the document that its process writes next to the journal."""
        try:
            document = dict(json.loads((self.journal / name).read_text()))
        except (OSError, ValueError):
            return {}
        mine = self.process is not None and document.get("pid") == self.process.pid
        return document if mine else {}

    @property
    def serves(self) -> bool:
        """Return whether its venue is open."""
        return self.lives and self.document("status.json").get("state") == "open"

    @property
    def follows(self) -> bool:
        """Return whether it is a standby that has everything the primary has, and a run that
        waits."""
        standby = self.document("standby.json")
        hot = standby.get("role") == "following" and standby.get("prepared") is True
        near = standby.get("lag_blocks", 9) <= 1 and standby.get("lag_messages", 99) <= WINDOW
        return self.lives and hot and near

    def send(self, number: int) -> None:
        """A signal to every process of it."""
        if self.process is None:
            return
        if number != signal.SIGCONT:
            self.stages = _descendants(self.process.pid)
        for pid in [self.process.pid, *self.stages]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def kill(self) -> None:
        """SIGKILL, until every process of it is gone."""
        if self.process is None:
            return
        self.send(signal.SIGKILL)
        self.process.wait()
        for pid in self.stages:
            while os.path.exists(f"/proc/{pid}"):
                time.sleep(0.005)

    def stop(self) -> None:
        """Stop the processes in order."""
        if self.lives:
            assert self.process is not None
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()

    def last_words(self) -> str:
        """Return its name and the last lines of its log, for an error message."""
        lines = (self.folder / "log").read_text(errors="replace").split("\n")
        return f"{self.name}: " + " / ".join(line for line in lines[-8:] if line)


def _descendants(pid: int) -> list[int]:
    pids: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            pids += [child, *_descendants(child)]
    return pids
