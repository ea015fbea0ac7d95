"""The module of the copier's row: it has nothing but its step."""

from tests.support.pipeline.topology_rows import copy_step as step

__all__ = ["step"]
