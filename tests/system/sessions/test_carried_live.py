"""A venue that is carried over while it trades: no order is lost or done twice, sessions continue
where they were, and a file that does not fit leaves the venue as it is."""

from contextlib import suppress
from pathlib import Path

from openoutcry.client.fix import FixClient, FixNumbers
from openoutcry.client.ouch import OuchClient
from openoutcry.client.waiting import ClientError, SessionEnded
from openoutcry.journal import JournalReader
from openoutcry.journal.events import events_of, oldest_point
from openoutcry.journal.replay import replay
from openoutcry.wire.enums import EventKind
from tests.oracles.carried import orders_of_begin
from tests.support.order_entry.sessions_venue import HASH, PASSWORD
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY, free_port
from tests.support.venue.served_venue import ServedVenue
from tests.support.waiting import BOUND_S
from tests.system.sessions.test_carried import TIN, VENUE


def commanded(venue: ServedVenue, *words: str) -> tuple[int, str]:
    """Exit status and output of the operator's command about a venue that is open."""
    command = [*OUTCRY, "venue", "carry", "venue.toml", *words]
    done = warm_outcry.run_command(command, cwd=venue.folder)
    return done.returncode, done.stdout + done.stderr


def change(venue: ServedVenue, before: str, after: str) -> str:
    """Write another file; the one that was there."""
    file = venue.folder / "venue.toml"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))
    return text


def test_orders_while_the_venue_is_carried_over(tmp_path: Path) -> None:
    ouch, fix = free_port(), free_port()
    text = VENUE.replace(":OUCH", f":{ouch}").replace(":FIX", f":{fix}").replace("HASH", HASH)
    venue = ServedVenue(tmp_path, "2026-03-02T10:00", port="", venue=text)
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    one = OuchClient("127.0.0.1", ouch, "ONE", PASSWORD)
    two = FixClient("127.0.0.1", fix, "TWO", PASSWORD, target="TEST")
    tokens = [one.buy("GOLD", 5, "10.00") for _ in range(20)]
    for _ in tokens:
        assert one.next(BOUND_S).name == "accepted"

    before = change(venue, 'symbol = "GOLD"\n', 'symbol = "GOLD"\nprice_step_ticks = 300\n')
    status, said = commanded(venue)
    assert status == 1
    assert "20 open orders do not fit the new rules" in said
    one.cancel(tokens.pop())
    assert one.next(BOUND_S).name == "canceled"  # it trades as before
    (tmp_path / "venue.toml").write_text(before + TIN.replace("HASH", HASH))

    carrying = warm_outcry.Process(
        [*OUTCRY, "venue", "carry", "venue.toml", "--json"], cwd=tmp_path
    )
    sent = list(tokens)
    with suppress(SessionEnded, ClientError, OSError):
        while carrying.poll() is None:
            sent.append(one.buy("GOLD", 1, "9.00"))
            assert one.next(BOUND_S).name == "accepted"
    carrying.wait(BOUND_S)
    assert carrying.returncode == 0
    place = one.session, one.sequence
    again = OuchClient("127.0.0.1", ouch, "ONE", PASSWORD, session=place[0], sequence=place[1])
    # What was sent last may not have arrived; whatever did is told once.
    told = []
    with suppress(ClientError):
        while (message := again.next(1)) is not None:
            told.append(message["token"])
    assert told in ([], [sent[-1]])
    numbers: FixNumbers = two.numbers
    two = FixClient("127.0.0.1", fix, "TWO", PASSWORD, target="TEST", numbers=numbers)
    two.sell("TIN", 3, "2.00")
    assert two.next(BOUND_S)[150] == "0"
    three = OuchClient("127.0.0.1", ouch, "THREE", PASSWORD)
    three.buy("TIN", 3, "2.00")
    assert {three.next(BOUND_S).name for _ in range(2)} == {"accepted", "executed"}
    venue.stop()
    (old,) = tmp_path.glob("journal-until-*")
    accepted = [*accepted_in(old), *accepted_in(venue.journal)]
    assert len(accepted) == len(set(accepted))
    assert [replay(part)["equal"] for part in (old, venue.journal)] == [True, True]
    # Every order that its client was told of, and perhaps the last one that was sent.
    rest = orders_of_begin(venue.journal)["GOLD 1"]
    assert len(rest) in (len(sent) - 1, len(sent))
    assert sum(lots for *_, lots in rest[:19]) == 19 * 5


def test_a_venue_that_waits_for_its_day_is_not_carried_over(tmp_path: Path) -> None:
    """Its process has the file of before, and would open the new journal with it."""
    text = VENUE.replace(":OUCH", f":{free_port()}").replace(":FIX", f":{free_port()}")
    text = text.replace("HASH", HASH)
    venue = ServedVenue(tmp_path, "2026-03-02T10:00", port="", venue=text)
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    venue.set_time("2026-03-02T17:00")
    venue.wait_for(lambda status: status["state"] == "closed")
    status, said = commanded(venue)
    assert status == 1
    assert "the venue is served, and has no run now" in said
    venue.stop()
    assert commanded(venue)[0] == 0


def test_a_second_request_is_not_told_what_became_of_the_first(tmp_path: Path) -> None:
    """The venue's status says nothing of the first one any more when the second is answered."""
    text = VENUE.replace(":OUCH", f":{free_port()}").replace(":FIX", f":{free_port()}")
    venue = ServedVenue(tmp_path, "2026-03-02T10:00", port="", venue=text.replace("HASH", HASH))
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    (tmp_path / "journal.next").write_text("in the way")
    status, said = commanded(venue)
    assert status == 1
    assert "the venue continues as before" in said
    assert "journal.next is in the way" in said
    venue.wait_for(lambda status: status["state"] == "open")
    (tmp_path / "journal.next").unlink()
    status, said = commanded(venue)
    assert (status, "the venue is open" in said) == (0, True)
    status, said = commanded(venue)
    assert (status, "the venue is open" in said) == (0, True)
    venue.stop()
    assert len(list(tmp_path.glob("journal-until-*"))) == 2
    assert replay(venue.journal)["equal"]


def accepted_in(journal: Path) -> list[tuple[int, int]]:
    """Every order that a journal's commands have brought into a book, by instrument and id."""
    reader, found = JournalReader(journal), []
    for batch in events_of(reader, oldest_point(reader)):
        rows = batch.events[batch.events["kind"] == EventKind.ACCEPTED]
        found += zip(rows["instrument"].tolist(), rows["order_id"].tolist(), strict=True)
    return found
