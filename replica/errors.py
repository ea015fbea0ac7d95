"""What replication says when it refuses."""

from openoutcry.wire.errors import OutcryError


class ReplicaError(OutcryError):
    """A stream, a lease or a standby that cannot be used; says which message and why."""
