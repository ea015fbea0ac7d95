"""What `outcry bench replication` publishes is a journal, and the peer gets its messages."""

import json

from openoutcry.bench.replication import _bare, _publish
from openoutcry.replica.link import connect
from openoutcry.replica.message import Kind, split, unpack

BLOCKS = 3


def test_the_messages_that_the_peer_gets_are_those_of_the_journal(tmp_path, cluster):
    seconds, published, plain = _publish(cluster, tmp_path, BLOCKS)
    assert seconds > 0
    # Behind the epoch message.
    messages = [unpack(data, position) for position, data in enumerate(published, start=2)]
    assert {message.kind for message in messages} == {Kind.BLOCKS}
    assert sum(len(split(message.blocks)) for message in messages) == 1 + BLOCKS, (
        "and the first block"
    )
    assert [bytes(message.blocks.data) for message in messages] == plain
    link = connect(cluster.keeper)
    try:
        before = streams(link)
        assert _bare(cluster, published) > 0
        new_streams = {name: count for name, count in streams(link).items() if name not in before}
        assert sum(new_streams.values()) == len(published)
        # Its messages are no chain: whoever verifies this cluster's nodes would call it damaged.
        for name in new_streams:
            assert json.loads(link.request(f"$JS.API.STREAM.DELETE.{name}", b"").data)["success"]
    finally:
        link.close()
    assert list(tmp_path.iterdir()) == [], "nothing is left"


def streams(link):
    """The cluster's, and how many messages each has."""
    answer = json.loads(link.request("$JS.API.STREAM.LIST", b"{}").data)
    return {row["config"]["name"]: row["state"]["messages"] for row in answer["streams"]}
