"""The commands of a venue that run until they are stopped, as one table.

systemd's units, the compose file and the Kubernetes manifests of ``outcry venue deploy files`` are
all made of it (``deployment.py``), with the same account, folders and rights.
"""

from dataclasses import dataclass

FILE = "/etc/openoutcry/venue.toml"
STATE = "/var/lib/openoutcry"
"""Working directory of every service: the venue file's journal is `journal` in it."""
JOURNAL = f"{STATE}/journal"
CLUSTER = f"{STATE}/cluster"
INSTANCE = "%i"
"""In a command: the name of the instance, as systemd writes it."""


@dataclass(frozen=True)
class Service:
    """One command that runs until it is stopped.

    ``command`` is what follows ``outcry``.  ``image`` has the extras that it needs.  ``needs`` are
    the services that it is started after.  ``default`` says whether every deployment has it: the
    others are for venues with custody, replication or a clock of their own.  ``serves_strangers``:
    people outside of the venue's operator reach it, so that it may change no journal.  ``path`` is
    what a health check asks of ``port`` over HTTP, ``check`` a command that ends with 0 if all is
    well.
    """

    name: str
    command: str
    description: str
    image: str = "venue"
    needs: tuple[str, ...] = ("venue",)
    default: bool = True
    serves_strangers: bool = False
    port: int = 0
    path: str = ""
    check: str = ""
    restart_s: int = 1

    @property
    def unit(self) -> str:
        """Name of its unit for systemd."""
        return "openoutcry" if self.name == "venue" else f"openoutcry-{self.name}"

    @property
    def is_venue(self) -> bool:
        """Whether it runs the stages, with their priority and their memory."""
        return self.name in ("venue", "standby")


SERVICES = (
    Service(
        "venue",
        f"serve {FILE}",
        "venue",
        needs=(),
        check=f"venue status {FILE}",
    ),
    Service(
        "metrics",
        f"venue metrics {FILE}",
        "metrics",
        port=9464,
        path="/metrics",
    ),
    Service("console", f"venue console {FILE}", "operators' console", port=9470, path="/"),
    Service("alarms", f"venue alarms watch {FILE} --json", "alarms, in the journal of its unit"),
    Service(
        "ledger", f"ledger follow {JOURNAL}", "ledger, written beside the journal", restart_s=10
    ),
    Service(
        "reconcile",
        f"ledger reconcile {JOURNAL} --follow --since-last",
        "comparison of journal, ledger, risk and store each second; a discrepancy ends it with 1",
        needs=("venue", "ledger"),
        restart_s=10,
    ),
    Service(
        "surveillance",
        f"surveillance follow {JOURNAL}",
        "detection of market abuse",
        restart_s=10,
    ),
    Service(
        "portal",
        f"portal serve {FILE}",
        "portal: accounts, API and page for people",
        image="portal",
        serves_strangers=True,
        port=9480,
        path="/api/v3/ping",
    ),
    Service(
        "screen",
        f"screen {FILE}",
        "page on which participants trade",
        default=False,
        serves_strangers=True,
        port=9471,
        path="/",
    ),
    Service(
        "standby",
        f"venue standby {FILE}",
        "standby of a replicated venue, on another host",
        needs=(),
        default=False,
    ),
    Service(
        "incidents",
        "venue incidents watch /etc/openoutcry/incidents.toml",
        "messages to people about alarms, until one acknowledges",
        default=False,
        restart_s=5,
    ),
    Service(
        "availability",
        "venue availability watch /etc/openoutcry/availability.toml",
        "probes that use the venue as a customer would, on another host",
        needs=(),
        default=False,
        restart_s=5,
    ),
    Service(
        "cluster@",
        f"cluster up {CLUSTER} --node {INSTANCE} --until-killed",
        "one node of NATS, each on its own host; INSTANCE is its name or its host",
        needs=(),
        default=False,
    ),
    Service(
        "cluster-watch",
        f"cluster watch {CLUSTER}",
        "check of the disks of the nodes on this host",
        needs=(),
        default=False,
        restart_s=10,
    ),
    Service(
        "backup",
        f"cluster backup copy {CLUSTER} --to {STATE}/backup --follow",
        "copy of the replicated journal to files",
        needs=(),
        default=False,
        restart_s=10,
    ),
    Service(
        "custody",
        "custody serve /etc/openoutcry/custody.toml",
        "deposits and withdrawals on chains",
        image="custody",
        default=False,
        restart_s=5,
    ),
    Service(
        "custody-door",
        "custody door /etc/openoutcry/custody.toml",
        "custody's answers to the portal",
        image="custody",
        needs=("custody",),
        default=False,
        restart_s=5,
    ),
    Service(
        "clock",
        "clock serve",
        "clock page of this host",
        image="engine",
        needs=(),
        default=False,
    ),
)
"""Every one, in the order of starting."""

BY_HAND = {
    "custody sign": "a signer's host is nobody else's, and its PIN is typed or comes by a pipe",
    "custody attest": "as a signer",
    "demo": "for trials",
    "custody demo": "for trials",
    "route demo": "for trials",
    "feed listen": "a subscriber's",
    "route order": "ends with its order",
    "route record": "ends when its recording is long enough",
    "venue contract feed": "one for each underlying and source",
    "venue logs": "a look",
    "client": "a participant's",
    "run": "for measurements",
    "top": "a look",
}
"""Commands that may run for long and are no service, each with the reason."""

IMAGES = {
    "engine": ("journal",),
    "venue": ("console", "replication", "ledger", "surveillance", "journal", "telemetry"),
    "portal": ("portal", "ledger", "replication"),
    "custody": ("custody", "portal"),
    "tools": ("journal", "ledger", "surveillance", "replication", "console", "portal", "custody"),
}
"""Extras of the package in each image."""
