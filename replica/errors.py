"""What replication says when it refuses."""

from openoutcry.wire.errors import OutcryError


class ReplicaError(OutcryError):
    """A stream, a lease or a standby that cannot be used; says which message and why."""


class Unreachable(ReplicaError):
    """No server of the cluster answers now; one may later."""


class Absent(Unreachable):
    """Nobody listens there."""
