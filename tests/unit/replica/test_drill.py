"""The drill finds nothing lost, and would find it."""

from pathlib import Path

from openoutcry.bench.drill import judged
from openoutcry.bench.drill_client import DrillClient
from tests.support.replica.replica_cluster import append, new_journal


def client(acknowledged: dict[int, int], doubled: list[int]) -> DrillClient:
    return DrillClient((("127.0.0.1", 1),), 1, acknowledged=acknowledged, doubled=doubled)


def test_what_is_lost_doubled_or_reordered_is_counted(tmp_path: Path) -> None:
    writer = new_journal(tmp_path / "journal")
    append(writer, 2, 5, order_id=True)  # order n is command n
    writer.abandon()
    for answered, doubled, counts in (
        ({1: 1, 4: 4, 10: 10}, [], (0, 0, 0)),
        ({1: 1, 2: 3}, [], (1, 0, 0)),
        ({11: 11}, [], (1, 0, 0)),
        ({2: 2, 5: 5}, [5], (0, 1, 0)),
        ({2: 5, 5: 2}, [], (2, 0, 1)),
    ):
        report = judged(client(answered, doubled), tmp_path / "journal")
        assert (report["lost"], report["doubled"], report["reordered"]) == counts
