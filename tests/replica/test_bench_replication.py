"""What `outcry bench replication` publishes is a journal, and the peer gets its messages."""

import json

from openoutcry.bench.replication import _bare, _publish
from openoutcry.replica.link import connect
from openoutcry.replica.message import Kind, split, unpack

BLOCKS = 3


def test_the_messages_that_the_peer_gets_are_those_of_the_journal(tmp_path, cluster):
    bytes_per_s, published = _publish(cluster, tmp_path, BLOCKS)
    assert bytes_per_s > 0
    # Behind the epoch message.
    found = [unpack(data, position) for position, data in enumerate(published, start=2)]
    assert {message.kind for message in found} == {Kind.BLOCKS}
    assert sum(len(split(message.blocks)) for message in found) == 1 + BLOCKS, "and the first block"
    before = in_streams(cluster)
    assert _bare(cluster, published) > 0
    assert in_streams(cluster) - before == len(published)
    assert list(tmp_path.iterdir()) == [], "nothing is left"


def in_streams(cluster):
    """Messages that the cluster has."""
    link = connect(cluster.access)
    try:
        answer = json.loads(link.request("$JS.API.STREAM.LIST", b"{}").data)
        return sum(row["state"]["messages"] for row in answer["streams"])
    finally:
        link.close()
