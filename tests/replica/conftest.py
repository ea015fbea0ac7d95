"""The cluster of this worker, and the real command."""

from outcry_command import outcry
from replica_cluster import cluster, link

__all__ = ["cluster", "link", "outcry"]
