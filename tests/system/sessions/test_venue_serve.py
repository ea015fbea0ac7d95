"""A venue stays open over days and over its own death: phases come by the calendar and once each,
DAY orders end with their day, GTC orders are carried over, what was acknowledged is never lost and
nothing is executed twice, however often all of it is killed."""

import json
import random
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from openoutcry.journal import Journal, JournalReader
from openoutcry.journal.checkpoints import checkpoint_seqs
from openoutcry.journal.replay import replay
from openoutcry.journal.sql import query
from openoutcry.pipeline.send import SendError
from openoutcry.pipeline.top import RunningPipeline, running
from openoutcry.risk.bits import Setting
from openoutcry.venue import days
from openoutcry.venue.desk_queue import NAME
from openoutcry.venue.log import log_folder, log_lines
from openoutcry.venue.serve import archive_sessions
from openoutcry.wire.enums import CommandKind, Phase, TimeInForce
from tests.support.market_data.feed_journal import each_second_trades
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY
from tests.support.venue.served_venue import VENUE, ServedVenue, orders
from tests.support.venue.venue_floor import Floor
from tests.support.waiting import BOUND_S, wait_until

SCHEDULE = (Phase.PRE_OPEN, Phase.CONTINUOUS, Phase.CLOSING_AUCTION, Phase.CLOSED)
DAY_PHASES = [(symbol, phase) for phase in SCHEDULE for symbol in ("GOLD", "TIN")]


@dataclass
class TwoDays:
    """What was seen of a venue over two days, which was killed in mid-day, over the close and
    between the days; while it was closed an operator asked for a kill and a halt."""

    floor: Floor
    day: dict[str, Any]
    phases_of_the_first_day: list[tuple[str, int]]
    answers: dict[str, dict[str, Any]]
    status_of_the_second_day: dict[str, Any]
    asked_first: list[Setting]
    last_run: dict[str, Any]


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> TwoDays:
    floor = Floor(
        tmp_path_factory.mktemp("days"), VENUE + '[[participant]]\nnumber = 2\nname = "two"\n'
    )
    venue, ask = floor.venue, floor.ask
    floor.publish(orders(1, 10, TimeInForce.DAY))
    venue.kill()  # in mid-day
    floor.open()
    floor.publish(orders(11, 20, TimeInForce.GTC))
    venue.set_time("2026-11-23T17:01")
    venue.wait_for_phase("CLOSING_AUCTION")
    venue.kill()  # and is down over the close
    venue.set_time("2026-11-23T18:00")
    venue.start()
    venue.wait_for(lambda status: status["state"] == "closed")
    (day,) = [json.loads(line) for line in (venue.journal / "days.jsonl").open()]
    phases = venue.phases()
    answers = {
        "kill": ask("kill", "participant", "2"),
        "halt": ask("halt", "TIN"),
        "resume": ask("resume", "participant", "2", status=1),
        "unknown": ask("kill", "participant", "9", status=1),
    }
    venue.kill()  # between two days
    venue.set_time("2026-11-24T09:30")
    venue.start()
    status = venue.wait_for(lambda s: s["state"] == "open" and s["risk"].get("killed") == [2])
    wait_until(lambda: not (venue.journal / NAME).exists(), "what was asked for is done")
    asked_first = [one for one in floor.settings() if one in (Setting.KILL, Setting.HALT)]
    ask("resume", "participant", "2")
    ask("resume", "instrument", "TIN")
    venue.set_time("2026-11-24T09:40")
    venue.wait_for_phase("CONTINUOUS")
    again = orders(11, 1, TimeInForce.GTC)
    again["kind"] = CommandKind.CANCEL
    floor.publish(again)
    last = venue.stop()["last_run"]
    return TwoDays(floor, day, phases, answers, status, asked_first, last)


def test_two_days_with_kills_in_each_state(two_days: TwoDays) -> None:
    venue, last = two_days.floor.venue, two_days.last_run
    assert (two_days.day["day"], two_days.day["open_orders"]) == ("2026-11-23", 20)
    assert two_days.phases_of_the_first_day == DAY_PHASES
    assert (last["open_orders"], last["lost"], last["duplicated"]) == (19, 0, 0)
    of_the_second = venue.phases()[len(DAY_PHASES) :]
    gold = [phase for symbol, phase in of_the_second if symbol == "GOLD"]
    tin = [phase for symbol, phase in of_the_second if symbol == "TIN"]
    assert gold == [Phase.PRE_OPEN, Phase.CONTINUOUS]
    assert tin == [Phase.VOLATILITY_AUCTION, Phase.CONTINUOUS]  # it was halted first
    assert replay(venue.journal)["state_hash"] == last["state_hash"]
    assert venue.journal.joinpath("status.json").exists()
    shown = warm_outcry.run_command([*OUTCRY, "venue", "status", two_days.floor.file])
    assert "TEST: stopped" in shown.stdout
    assert "2026-11-23: ended after command" in shown.stdout


def test_requests_between_two_days_are_done_first(two_days: TwoDays) -> None:
    """Between two trading days the operator's desk keeps what stops something, over a kill of the
    venue, and the next run begins with it; what opens is refused in a line."""
    answers = two_days.answers
    assert answers["kill"]["queued"]
    assert "when the next day starts" in answers["kill"]["done"][0]
    assert answers["halt"]["queued"]
    assert "closed between" in answers["resume"]["error"]
    assert "no participant 9" in answers["unknown"]["error"]
    assert two_days.asked_first == [Setting.KILL, Setting.HALT]
    assert two_days.status_of_the_second_day["risk"]["halted"] == ["TIN"]


def test_a_venue_says_when_it_begins_ends_and_what_happened(two_days: TwoDays) -> None:
    """In its log, over kills; each line has its place in the journal."""
    venue = two_days.floor.venue
    lines = list(log_lines(venue.journal))
    texts = [line["message"] for line in lines]
    assert texts.count("serving") == 4
    assert texts[-1] == "stopped"
    opened = [line["event.sequence"] for line in lines if "CONTINUOUS" in line["message"]]
    assert 0 < opened[-1] <= len(venue.commands())
    last_start = max(at for at, text in enumerate(texts) if text == "serving")
    numbers = [line["event.sequence"] for line in lines[last_start + 1 :]]
    assert numbers == sorted(numbers)
    keys = {
        "@timestamp",
        "log.level",
        "message",
        "ecs.version",
        "service.name",
        "service.node.name",
        "process.pid",
        "event.sequence",
    }
    assert all(set(line) == keys for line in lines)
    assert log_folder(venue.journal).stat().st_mode & 0o077 == 0


def pipeline_of(venue: ServedVenue) -> RunningPipeline:
    """The one that the venue's process runs."""
    assert venue.process is not None
    pid = venue.process.pid
    return wait_until(
        lambda: [pipeline for pipeline in running() if pipeline.owner.pid == pid],
        f"process {pid} runs a pipeline",
    )[0]


@pytest.mark.parametrize("rounds", [1, pytest.param(12, marks=pytest.mark.long)])
def test_kills_in_mid_traffic_lose_nothing_acknowledged_and_double_nothing(
    rounds: int, tmp_path: Path
) -> None:
    """SIGKILL once the venue has sequenced some of the orders that are on their way."""
    venue, rng = ServedVenue(tmp_path, "2026-11-23T10:00"), random.Random(1)
    acknowledged = 0
    for round_number in range(rounds):
        venue.start()
        venue.wait_for_phase("CONTINUOUS")
        mine = orders(1 + round_number * 1_000, 400, TimeInForce.GTC, 1_000 * (round_number + 1))
        results = []

        def sent(batch=mine, into=results) -> None:
            with suppress(SendError):  # the venue was gone before the first packet
                into.append(venue.send(batch, timeout_s=2.0)["acknowledged"])

        pipeline = pipeline_of(venue)
        passed = pipeline.positions()["sequenced"] + rng.randint(1, len(mine))
        sender = threading.Thread(target=sent)
        sender.start()

        def has_passed(
            pipeline: RunningPipeline = pipeline,
            passed: int = passed,
            sender: threading.Thread = sender,
        ) -> bool:
            # The sender gives up if the venue does not answer in time.
            return pipeline.positions()["sequenced"] >= passed or not sender.is_alive()

        wait_until(has_passed, f"{passed} commands are sequenced")
        venue.kill()
        sender.join()
        acknowledged += sum(results)
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    last = venue.stop()["last_run"]
    commands = venue.commands()
    ids = commands["order_id"][commands["kind"] == CommandKind.NEW].tolist()
    assert len(set(ids)) == len(ids)
    assert acknowledged <= len(ids) == last["open_orders"]
    assert venue.phases() == DAY_PHASES[:4]


def test_three_days_in_seconds_by_an_accelerated_clock(outcry, tmp_path: Path) -> None:
    """Without a packet port; the days' own commands are all there is, and the journal has them."""
    (tmp_path / "venue.toml").write_text(VENUE)
    serving = warm_outcry.Process(
        [
            *OUTCRY,
            "serve",
            "venue.toml",
            "--from",
            "2026-11-26T07:00",
            "--speed",
            "40000",
            "--json",
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    noted = tmp_path / "journal" / "days.jsonl"

    def three_days_noted() -> bool:
        assert serving.poll() is None, serving.communicate()
        return noted.exists() and noted.read_text().count("\n") >= 3

    wait_until(three_days_noted, "three days have ended")
    serving.terminate()
    out, err = serving.communicate(timeout=BOUND_S)
    assert serving.returncode == 0, err
    document = json.loads(out)
    # A Friday, a weekend, and the days after it, each ended once, in order.
    days = [row["day"] for row in document["days"]]
    assert days[:3] == sorted(days[:3])
    assert not {"2026-11-28", "2026-11-29"} & set(days)
    assert document["last_run"]["lost"] == document["last_run"]["duplicated"] == 0
    replayed = replay(tmp_path / "journal")
    assert replayed["state_hash"] == document["last_run"]["state_hash"]


@pytest.mark.parametrize("signal_name", ["SIGINT", "SIGTERM"])
def test_a_venue_that_is_closed_stops_at_once(signal_name: str, tmp_path: Path) -> None:
    venue = ServedVenue(tmp_path, "2026-11-22T10:00")  # a Sunday
    venue.start()
    assert venue.process is not None
    assert venue.process.stderr is not None
    assert venue.process.stderr.readline() == "closed until 2026-11-23T08:00:00Z\n"
    subprocess.run(["kill", f"-{signal_name.removeprefix('SIG')}", str(venue.process.pid)])
    out, _ = venue.process.communicate(timeout=BOUND_S)
    assert venue.process.returncode == 0
    assert json.loads(out)["last_run"] == {}


def test_of_each_day_that_is_kept_all_stays_computable(tmp_path, monkeypatch, capsys) -> None:
    """Five days of 80 commands, two kept: what a trade of the first kept day was is known."""
    monkeypatch.setattr("os.nice", lambda step: step)
    home, grown = each_second_trades(tmp_path / "whole"), tmp_path / "j"
    reader = JournalReader(home)
    parts = [chunk for _, chunk in reader.chunks()]
    venue: Any = SimpleNamespace(journal=grown, retention_days=2)
    Journal.create(grown, reader.config, segment_bytes=1 << 15, direct=False).close()
    for day in range(5):
        with Journal.resume(grown, direct=False) as writer:
            for part in parts[8 * day : 8 * day + 8]:
                writer.append(int(part["seq"][0]), [part], len(part), 1_000)
        days.note_day(grown, {"day": f"2026-11-2{day}", "last_seq": 80 * day + 80})
        archive_sessions(venue, None)
        kept_from = max(0, 80 * (day - 1))
        assert events_from(grown, kept_from + 1) == events_from(home, kept_from + 1, 80 * day + 80)
    first = JournalReader(grown).first_seq
    assert 1 < first <= 240
    assert checkpoint_seqs(grown)[0] == 240
    assert f"commands {first} to 240 have no checkpoint before them" in capsys.readouterr().err


def events_from(home: Path, first: int, last: int = 2**62) -> list[dict[str, Any]]:
    text = f"select * from events where command_seq between {first} and {last} order by event_seq"
    rows: list[dict[str, Any]] = query(home, text).to_pylist()
    return rows
