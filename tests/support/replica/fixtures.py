"""One cluster for every test of this folder, which stays in one worker (tests/conftest.py), and the
real command."""

from contextlib import ExitStack

import pytest

from openoutcry.replica.cluster import Cluster
from tests.support.pipeline.outcry_command import outcry
from tests.support.replica.replica_cluster import link
from tests.support.waiting import BOUND_S

__all__ = ["cluster", "link", "outcry"]

running: list[Cluster] = []
held = ExitStack()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """The nodes end with this folder's last test, not with the session: they take a part of a
    core."""
    if nextitem is None or "/replication/" not in str(nextitem.path):
        running.clear()
        held.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, pytestconfig):
    """Three nodes that run; a test that ends one starts it again."""
    if not running:
        pytestconfig.add_cleanup(held.close)  # where a failure ends the session
        nodes = Cluster.make(tmp_path_factory.mktemp("nats") / "cluster")
        held.callback(nodes.stop)
        nodes.start()
        nodes.wait_ready(BOUND_S)
        running.append(nodes)
    return running[0]
