"""The cluster of this worker."""

from replica_cluster import cluster, link

__all__ = ["cluster", "link"]
