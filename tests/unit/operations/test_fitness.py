"""What is not fit for production is said, and no longer once it is changed."""

import json
import os
from collections import namedtuple
from resource import RLIM_INFINITY

from openoutcry.host.findings import Host
from openoutcry.operations import fitness
from tests.support.operations.fitness import BAD, OWN, session, states, venue
from tests.support.user_commands import run
from tests.support.venue.served_venue import PORT, VENUE


def test_what_anybody_may_send_and_read(tmp_path):
    anybody = venue(tmp_path, PORT.format(port=9_000), mode=0o644)
    assert states(fitness.ports, anybody)["packets"] == BAD
    assert states(fitness.secrets, anybody)["the venue file"] == BAD
    assert states(fitness.ports, venue(tmp_path, session("A", OWN)))["loopback"] == BAD


def test_where_the_journal_is_stored(tmp_path, monkeypatch):
    file = venue(
        tmp_path,
        text=VENUE.replace(
            "housekeeping_cores", 'copies = ["/dev/shm/copy", "copy"]\nhousekeeping_cores'
        ),
    )
    checks = {one.name: one for one in fitness.journal(file, Host())}
    assert checks["copies"].state == BAD
    assert str(tmp_path / "copy") in checks["copies"].what
    assert "/dev/shm" not in checks["copies"].what
    assert checks["checkpoints"].state == BAD
    volatile = venue(tmp_path, text=VENUE.replace('"journal"', '"/dev/shm/outcry-nowhere"'))
    assert states(fitness.journal, volatile)["medium"] == BAD
    Disk = namedtuple("Disk", "f_bavail f_frsize f_blocks")
    for left, state in ((fitness.DISK_BYTES - 1, BAD), (fitness.DISK_BYTES, "good")):
        monkeypatch.setattr(os, "statvfs", lambda path, left=left: Disk(left, 1, left))
        assert states(fitness.journal, file)["disk left"] == state


def test_what_the_host_lacks(tmp_path, monkeypatch):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "swaps").write_text("Filename Type Size\n/swapfile file 1\n")
    file, host = venue(tmp_path), Host(tmp_path)
    assert states(fitness.cores, file, host)["isolated cores"] == BAD
    assert states(fitness.cores, file, host)["housekeeping cores"] == BAD
    assert states(fitness.account, file, host)["swap"] == BAD
    for user, state in ((0, BAD), (1_000, "good")):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        assert states(fitness.account, file, host)["account"] == state
    for holds, state in ((False, BAD), (True, "good")):
        clock = {"source": "system", "bound_ns": None, "rts25": {"holds": holds}}
        monkeypatch.setattr(fitness, "clock_status", lambda clock=clock: clock)
        assert states(fitness.clock, file, host)["clock"] == state


def test_what_is_missing_for_locked_memory_and_huge_pages(tmp_path, monkeypatch):
    file, host = venue(tmp_path), Host(tmp_path)
    wanted = fitness.shared_bytes(file)
    assert wanted > 1 << 20
    for limit, state in ((wanted - 1, "note"), (wanted, "good"), (RLIM_INFINITY, "good")):
        monkeypatch.setattr(
            fitness.resource, "getrlimit", lambda which, limit=limit: (limit, limit)
        )
        assert states(fitness.memory, file, host)["locked memory"] == state
    assert states(fitness.memory, file, host)["huge pages"] == "note"
    switch = tmp_path / fitness.SHMEM_HUGE
    switch.parent.mkdir(parents=True)
    release = tmp_path / "proc" / "sys" / "kernel" / "osrelease"
    release.parent.mkdir(parents=True)
    for version, mode, state in (
        ("5.10.0-8-amd64", "never", "note"),
        ("5.10.0-8-amd64", "advise", "note"),
        ("5.10.0-8-amd64", "within_size", "good"),
        ("6.1.0-20-amd64", "never", "good"),
        ("6.12", "deny", "note"),
    ):
        release.write_text(f"{version}\n")
        switch.write_text(f"always advise [{mode}]\n")
        assert states(fitness.memory, file, host)["huge pages"] == state


def test_a_check_that_fails_costs_itself_alone(tmp_path, monkeypatch):
    def broken(file, host):
        yield 1 / 0

    monkeypatch.setattr(fitness, "CHECKS", (broken, fitness.limits))
    first, *others = fitness.examine_venue(venue(tmp_path))
    assert (first.state, first.name) == ("unseen", "broken")
    assert others


def test_the_command_says_it_and_ends_with_1(tmp_path):
    venue(tmp_path)
    document = json.loads(run("outcry doctor --venue --json", tmp_path, status=1))
    assert document["fit"] is False
    assert {row["state"] for row in document["findings"]} <= {"good", "note", "unfit", "unseen"}
    shown = run("outcry doctor --venue venue.toml", tmp_path, status=1)
    assert "not fit for production. Nothing was changed." in shown
