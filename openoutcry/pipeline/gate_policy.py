"""What an event must wait for: one policy over the journal's directories and the replicas."""

from dataclasses import dataclass

from openoutcry.runtime.work import PipelineError

LOCAL, STREAM = "journal", "replica"


@dataclass(frozen=True)
class GatePolicy:
    """``directories``: how many of the journal's own must have a command (ring/policy.py);
    ``waits_for``: the stages whose confirmation the gate needs, ``all`` of them or ``any``."""

    directories: str
    waits_for: tuple[str, ...]
    which: str
    text: str

    @property
    def synced(self) -> bool:
        """Return whether each block is made durable before it counts as written."""
        return LOCAL in self.waits_for


LOCALLY = {
    "all": GatePolicy("all", (LOCAL,), "all", "in every directory of the journal"),
    "quorum": GatePolicy("quorum", (LOCAL,), "all", "in a majority of the journal's directories"),
    "any": GatePolicy("any", (LOCAL,), "all", "in any one of the journal's directories"),
}
REPLICATED = {
    "local": GatePolicy(
        "all",
        (LOCAL,),
        "all",
        "in every directory of the journal; the replicas follow asynchronously",
    ),
    "replicated": GatePolicy(
        "all",
        (STREAM,),
        "all",
        "on a majority of the replicas; the journal here is synced once a second",
    ),
    "both": GatePolicy(
        "all",
        (LOCAL, STREAM),
        "all",
        "in every directory of the journal and on a majority of the replicas",
    ),
    "quorum": GatePolicy(
        "quorum",
        (LOCAL, STREAM),
        "all",
        "in a majority of the journal's directories and on a majority of the replicas",
    ),
    "any": GatePolicy(
        "any",
        (LOCAL, STREAM),
        "any",
        "in any one directory of the journal, or on a majority of the replicas",
    ),
}
ALIASES = {False: {"local": "all"}, True: {"all": "both"}}
POLICIES = ("all", "quorum", "any", "local", "replicated", "both")


def gate_policy(name: str, replicated: bool) -> GatePolicy:
    """The policy ``name``; ``all`` asks for every copy that the run has.

    Raises :class:`PipelineError` for a policy that requires replicas where none are configured.
    """
    rows = REPLICATED if replicated else LOCALLY
    policy = rows.get(ALIASES[replicated].get(name, name))
    if policy is None:
        raise PipelineError(
            f"policy {name} asks for replicas: only --durability replicated has any"
        )
    return policy
