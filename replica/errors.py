"""What can go wrong between a venue and its replicas, for whoever operates it to read."""

from openoutcry.wire.errors import OutcryError


class ReplicaError(OutcryError):
    """The stream of a venue's blocks could not be reached, or is not what it should be."""


class Unreachable(ReplicaError):
    """No server of the cluster answers now; one may later."""
