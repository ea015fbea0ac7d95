"""What the tests of replication view in several tiers share."""

from typing import Any


def level(replication: dict[str, Any]) -> bool:
    """All that is sequenced is acknowledged, in the stream, and in the standby."""
    published = replication["published"]
    seqs = {
        replication["cluster"]["last_seq"],
        *(row["last_seq"] for row in replication["standbys"]),
    }
    blocks = {published["block"], replication["cluster"]["last_block"]}
    return (
        published["sequenced"] > 3
        and published["lag_commands"] == published["behind_ms"] == 0
        and seqs == {published["sequenced"]} == {published["seq"]}
        and len(blocks) == 1
        and all(row["level"] and row["prepared"] for row in replication["standbys"])
        and all(row["lag"] == 0 for row in replication["nodes"])
        and replication["cluster"]["trouble"] == ""
    )
