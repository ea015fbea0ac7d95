"""Publishing a journal: fenced, chained, never alone."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from openoutcry.journal.block import digest
from openoutcry.journal.reader import JournalReader
from openoutcry.replica.access import Access
from openoutcry.replica.actions import Timing
from openoutcry.replica.backup import Copier, restore
from openoutcry.replica.cluster import Cluster
from openoutcry.replica.driver import now_ns
from openoutcry.replica.jetstream import (
    NO_QUORUM,
    WRONG_LAST_SEQUENCE,
    Entry,
    JetStream,
    Refused,
    Subscription,
    Tail,
    acknowledged,
    messages,
    retry_until_leader,
)
from openoutcry.replica.link import Link, Message, connect, reach
from openoutcry.replica.message import Kind, unpack
from openoutcry.replica.place import PLACE_FILE
from openoutcry.replica.publisher import Publisher
from openoutcry.wire.errors import ReplicaError, Unreachable
from tests.support.replica.replica_cluster import Frozen, append, drain, new_journal
from tests.support.waiting import BOUND_S, wait_until

QUICK = Timing(600_000_000, 100_000_000, 100_000_000)


def answer(link: Link) -> object:
    wait_until(lambda: link.wait(0.1))
    return link.take()


def test_a_server_is_given_up_if_it_was_asked_and_not_for_our_own_absence(
    cluster: Cluster, link: Link
) -> None:
    """A process that had no core for a minute has heard nothing: the server is asked, and
    answers."""
    link._heard_s -= 60.0
    link.wait(0.0)
    assert link.request("$JS.API.INFO").data
    link.wait(0.0)  # and what was asked then is not held against it later
    with Frozen(cluster, 3):
        link._heard_s -= 60.0
        with pytest.raises(Unreachable, match="silent for"):
            wait_until(lambda: link.wait(0.1))


def test_of_two_writers_of_one_number_one_is_refused(link: Link) -> None:
    stream = JetStream(link, "FENCE")
    assert stream.open().last == 0
    stream.publish(1, b"first")
    assert acknowledged(answer(link)) == 1  # type: ignore[arg-type]
    stream.publish(1, b"second")
    with pytest.raises(Refused) as refused:
        acknowledged(answer(link))  # type: ignore[arg-type]
    assert refused.value.code in WRONG_LAST_SEQUENCE
    assert list(messages(stream, 1, 1)) == [(1, b"first")]


def test_who_begins_while_the_cluster_chooses_a_leader_asks_for_the_lease_again(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusals are put in by hand; the third answer is the real one."""
    refusals = [Refused(NO_QUORUM[0], "JetStream system temporarily unavailable")] * 2
    answered = JetStream.get

    def get(self: JetStream, key: str) -> Entry | None:
        if refusals:
            raise refusals.pop()
        return answered(self, key)

    append(new_journal(tmp_path / "journal"), 3)
    publisher = Publisher(tmp_path / "journal", cluster.access, "CHOOSING", "here/1")
    monkeypatch.setattr(JetStream, "get", get)
    publisher.begin(BOUND_S)
    assert not refusals
    drain(publisher)
    publisher.close()


def test_who_asks_a_cluster_without_a_leader_asks_again(link: Link) -> None:
    """The refusal is put in by hand; what is asked again then, and answered, is the real stream."""
    stream = JetStream(link, "AGAIN")
    stream.open()
    stream.publish(1, b"first")
    assert acknowledged(answer(link)) == 1  # type: ignore[arg-type]
    reading = Subscription(stream, 1)

    def refused(code: int) -> Message:
        error = {"error": {"err_code": code, "description": "JetStream system unavailable"}}
        return Message(reading._create_inbox, 0, "", {}, "", json.dumps(error).encode())

    assert reading.take(refused(NO_QUORUM[0])) is None
    with pytest.raises(Refused):
        reading.take(refused(10_059))
    reading._heard_s = 0.0
    inbox = reading._create_inbox
    reading.tick()
    assert reading._create_inbox != inbox
    received: list[tuple[int, bytes]] = []

    def has_come() -> bool:
        while link.wait(0.1):
            message = link.take()
            if message is not None and (one := reading.take(message)) is not None:
                received.append(one)
                return True
        return False

    wait_until(has_come)
    assert received == [(1, b"first")]
    reading.close()


def test_an_entry_is_replaced_only_with_its_revision(link: Link) -> None:
    stream = JetStream(link, "ENTRY")
    stream.open()
    assert stream.get("lease") is None
    revision = stream.put("lease", b"mine", 0)
    with pytest.raises(Refused):
        stream.put("lease", b"yours", 0)
    assert stream.put("lease", b"mine again", revision) > revision
    entry = stream.get("lease")
    assert entry is not None
    assert entry.value == b"mine again"


def test_a_stream_of_another_make_is_refused(link: Link) -> None:
    stream = JetStream(link, "FOREIGN")
    config = stream._stream_config(1) | {"max_msgs": 5}
    retry_until_leader(lambda: stream.call("STREAM.CREATE.OUTCRY-FOREIGN", config, BOUND_S))
    with pytest.raises(ReplicaError, match=r"a foreign stream: its (num_replicas|max_msgs)"):
        stream.open()


def test_every_block_is_in_the_stream_in_order_and_a_later_start_continues(
    cluster: Cluster, link: Link, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    writer = new_journal(journal)
    append(writer, 40)
    first = Publisher(journal, cluster.access, "ORDER", "here/1")
    first.begin(BOUND_S)
    drain(first)
    assert first.safe_seq == 400

    def leased() -> bool:
        first.turn(0.02)
        return first.until_ns > now_ns()

    wait_until(leased, "it has a lease")
    first.close()
    append(writer, 5, 1_984)
    second = Publisher(journal, cluster.access, "ORDER", "here/2")
    second.begin(BOUND_S)
    assert second.epoch >= 2  # more, if its first lease ran out on a busy machine
    assert second.epoch > first.epoch
    drain(second)
    assert second.safe_seq == writer.written_seq
    stream = JetStream(link, "ORDER")
    stream_messages = [unpack(data, at) for at, data in messages(stream, 1, stream.tail().last)]
    epochs = [m.epoch for m in stream_messages if m.kind == Kind.EPOCH]
    # More than these two, if a lease ran out on a busy machine.
    assert epochs == sorted({*epochs, first.epoch, second.epoch})
    blocks = [m.blocks for m in stream_messages if m.blocks.next_block > m.blocks.first_block]
    assert max(len(one.data) for one in blocks) <= 132 << 10
    assert len(blocks) < 40  # small blocks travel together
    data = b"".join(bytes(one.data) for one in blocks)
    assert data == b"".join(bytes(b.whole) for b in JournalReader(journal).all_blocks())
    second.close()
    writer.abandon()


def test_a_second_journal_is_not_published_into_a_stream(cluster: Cluster, tmp_path: Path) -> None:
    for name in ("one", "two"):
        new_journal(tmp_path / name).abandon()
    first = Publisher(tmp_path / "one", cluster.access, "TWO", "one/1")
    first.begin(BOUND_S)
    drain(first)
    first.close()
    second = Publisher(tmp_path / "two", cluster.access, "TWO", "two/1")
    with pytest.raises(ReplicaError, match=r"another journal's.*two journals need two names"):
        second.begin(BOUND_S)
    second.close()


def test_a_journal_that_has_lost_its_end_does_not_lead(cluster: Cluster, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    writer = new_journal(journal)
    append(writer, 5)
    publisher = Publisher(journal, cluster.access, "SHORT", "here/1")
    publisher.begin(BOUND_S)
    drain(publisher)
    publisher.close()
    writer.abandon()
    block = list(JournalReader(journal).all_blocks())[-1]
    path = journal / "segment-000000.ocj"
    with open(path, "r+b") as file:
        file.seek(block.offset)
        file.write(bytes(block.header.block_bytes))
    (journal / PLACE_FILE).unlink()
    (journal / "watermark").unlink(missing_ok=True)
    again = Publisher(journal, cluster.access, "SHORT", "here/2")
    with pytest.raises(ReplicaError, match=r"the stream has blocks up to 5 .* only up to 4"):
        again.begin(BOUND_S)
    again.close()


def test_a_stream_that_was_wiped_is_not_taken_for_the_old_one(
    cluster: Cluster, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    new_journal(journal).abandon()
    publisher = Publisher(journal, cluster.access, "WIPED", "here/1")
    publisher.begin(BOUND_S)
    drain(publisher)
    publisher.close()
    place = json.loads((journal / PLACE_FILE).read_text())
    (journal / PLACE_FILE).write_text(json.dumps(place | {"position": 99}))
    with pytest.raises(ReplicaError, match="it was wiped, or is another cluster's"):
        Publisher(journal, cluster.access, "WIPED", "here/1").begin(BOUND_S)


def test_a_server_that_is_lost_while_it_is_asked_at_a_start_is_left_for_the_next(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which server takes the connection then is not looked at: a busy machine's may not answer."""
    new_journal(tmp_path / "journal").abandon()
    real, asked, first_tried = JetStream.tail_reaching, [], []

    def tail_reaching(self: JetStream, position: int) -> Tail:
        asked.append(self.link.server)
        if len(asked) <= lost:
            raise Unreachable("silent for 4.1 s")
        return real(self, position)

    def reached(access: Access, first: int = 0) -> Link:
        first_tried.append(first)
        return reach(access, first)

    monkeypatch.setattr(JetStream, "tail_reaching", tail_reaching)
    monkeypatch.setattr("openoutcry.replica.publisher.reach", reached)
    lost = len(cluster.access.servers) + 1
    publisher = Publisher(tmp_path / "journal", cluster.access, "NEXT", "here/1")
    publisher.begin(BOUND_S)
    publisher.close()
    assert first_tried[: lost + 1] == list(range(lost + 1))
    asked.clear()
    first_tried.clear()
    monkeypatch.setattr(JetStream, "open", lambda self, replicas: None)
    with pytest.raises(Unreachable, match="silent for"):
        Publisher(tmp_path / "journal", cluster.access, "NEXT", "here/1").begin(0.0)
    assert first_tried == [0]


def test_a_server_that_falls_silent_gets_no_more_requests(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    while (link := connect(cluster.access)).name != cluster.nodes[0].name:
        link.close()
    real, asked_when_lost = JetStream.call, []

    def call(self: JetStream, *question: Any) -> dict[str, Any]:
        asked_when_lost.append(bool(self.link.lost))
        return real(self, *question)

    monkeypatch.setattr(JetStream, "call", call)
    with Frozen(cluster, 1), pytest.raises(Unreachable, match="silent for"):
        JetStream(link, "SILENT").open()
    link.close()
    assert asked_when_lost
    assert not any(asked_when_lost)


def holds_its_lease(publisher: Publisher) -> bool:
    publisher.turn(0.02)
    return not publisher.cut_off


def test_cut_off_from_the_quorum_its_lease_ends_and_it_says_so(
    cluster: Cluster, tmp_path: Path
) -> None:
    journal, notices = tmp_path / "journal", []
    writer = new_journal(journal)
    append(writer, 1)
    publisher = Publisher(
        journal, cluster.access, "CUT", "here/1", timing=QUICK, say=notices.append
    )
    publisher.begin(BOUND_S)
    drain(publisher)
    wait_until(lambda: holds_its_lease(publisher), "it has a lease")
    with Frozen(cluster, 2):
        append(writer, 1)

        def over() -> bool:
            publisher.read()
            publisher.turn(0.01)
            return publisher.cut_off and bool(notices)

        wait_until(over, "it stops alone")
        assert publisher.safe_seq == 10
        assert "cut off from the quorum" in notices[0]
    drain(publisher)
    assert publisher.safe_seq == 20

    def goes_on() -> bool:
        publisher.turn(0.01)
        return not publisher.cut_off and "answers again" in notices[-1]

    wait_until(goes_on)
    publisher.close()
    writer.abandon()


def test_a_clock_that_is_wrong_is_reported_and_does_no_harm(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices: list[str] = []
    journal = tmp_path / "journal"
    new_journal(journal).abandon()
    monkeypatch.setattr(JetStream, "skew_s", lambda self: 3_600.0)  # not the machine's own clock
    publisher = Publisher(journal, cluster.access, "SKEW", "here/1", say=notices.append)
    publisher.begin(BOUND_S)
    drain(publisher)
    assert "3600.0 s from this machine's" in notices[0]
    wait_until(lambda: holds_its_lease(publisher), "it has a lease")
    publisher.close()


def test_without_a_quorum_a_start_says_so_and_ends(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openoutcry.replica.link.REACH_S", 1.0)
    new_journal(tmp_path / "journal").abandon()
    publisher = Publisher(tmp_path / "journal", cluster.access, "ALONE", "here/1")
    with Frozen(cluster, 3), pytest.raises(Unreachable, match=r"no answer|silent for"):
        publisher.begin(2.0)


def test_who_was_superseded_releases_nothing_more(cluster: Cluster, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    writer = new_journal(journal)
    append(writer, 2)
    old = Publisher(journal, cluster.access, "OLD", "old/1", timing=QUICK)
    old.begin(BOUND_S)
    drain(old)
    new = Publisher(journal, cluster.access, "OLD", "new/1", timing=QUICK)
    new.begin(BOUND_S)  # while the old one does not turn: its lease runs out
    assert new.epoch >= 2
    assert old.cut_off
    append(writer, 1)

    def fenced() -> bool:
        old.read()
        old.turn(0.01)
        assert old.cut_off
        return bool(old.stopped)

    wait_until(fenced, "it sees that another leads")
    assert old.safe_seq == 20
    drain(new)
    assert new.safe_seq == 30
    for one in (old, new):
        one.close()
    writer.abandon()


def test_a_leader_that_was_just_elected_is_asked_again(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that the stream ends before what was acknowledged until it has applied what it holds:
    that is no other stream."""
    writer = new_journal(tmp_path / "journal")
    publisher = Publisher(tmp_path / "journal", cluster.access, "ELECTED", "here/1")
    publisher.begin(BOUND_S)
    append(writer, 2)
    drain(publisher)
    copier = Copier(cluster.access, "ELECTED", tmp_path / "copy")
    retry_until_leader(copier.copy)
    assert copier.copied.tip.last_seq == 20
    real, short = JetStream.tail, [True, True]

    def tail(self: JetStream, bucket: bool = False) -> Tail:
        whole = real(self, bucket)
        return replace(whole, last=0) if short and short.pop() else whole

    monkeypatch.setattr(JetStream, "tail", tail)
    assert retry_until_leader(copier.copy) == 0
    assert short == []
    copier.close()
    publisher.close()
    writer.abandon()


def test_a_copy_continues_where_it_was_and_vouches_for_what_is_whole(
    cluster: Cluster, tmp_path: Path
) -> None:
    journal, folder = tmp_path / "journal", tmp_path / "copy"
    writer = new_journal(journal)
    publisher = Publisher(journal, cluster.access, "COPY", "here/1")
    publisher.begin(BOUND_S)
    for _ in range(3):
        append(writer, 4)
        drain(publisher)
        copier = Copier(cluster.access, "COPY", folder)
        retry_until_leader(copier.copy)  # as Copier.follow does: who does not answer is asked again
        assert retry_until_leader(copier.copy) == 0
        assert copier.copied.tip.last_seq == writer.written_seq
        copier.close()
    restore(folder, tmp_path / "restored")
    blocks = [list(JournalReader(d).all_blocks()) for d in (journal, tmp_path / "restored")]
    assert [digest(b.whole) for b in blocks[0]] == [digest(b.whole) for b in blocks[1]]
    with pytest.raises(ReplicaError, match="already holds a journal"):
        restore(folder, tmp_path / "restored")
    (path,) = folder.glob("*.messages")
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    cut = restore(folder, tmp_path / "cut")
    assert "the file ends inside a message" in cut.flaw
    assert cut.tip.last_seq == 80
    flipped = bytearray(whole)
    flipped[100] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(ReplicaError, match="holds no block"):
        restore(folder, tmp_path / "none")
    assert not (tmp_path / "none").exists()
    copier = Copier(cluster.access, "COPY", folder)  # what is not whole is fetched again
    retry_until_leader(copier.copy)
    copier.close()
    assert path.read_bytes() == whole
    publisher.close()
    writer.abandon()
