"""``outcry rings``: what is printed, what is removed, and how it ends."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from openoutcry.ring.segment import SHM
from tests.support.cli.rings import Outcry
from tests.support.pipeline import warm_outcry

WRITER = """
import sys, time
import numpy as np
from openoutcry.ring import *
from openoutcry.ring.segment import segment_name
from openoutcry.wire import ORDER_DTYPE
name = segment_name(ProcessIdentity.mine(), sys.argv[1])
ring = RingBuffer.create(name, 4096, ORDER_DTYPE, ["journal"])
producer, reader = ring.producer(), ring.reader("journal")
records = np.zeros(1, ORDER_DTYPE)
records["symbol"], records["kind"], records["side"] = b"OUTCRY", 1, 2
count = 0
while True:
    count += 1
    records["order_id"] = count
    producer.publish(records)
    for _ in reader.drain():
        pass
    if count == 10:
        print(name, flush=True)  # there is something to be seen
    time.sleep(0.0002)
"""


@pytest.fixture
def writer() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that publishes some thousand orders a second, and the name of its ring."""
    with warm_outcry.Process(
        [sys.executable, "-c", WRITER, "cli-test"], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        name = child.stdout.readline().strip()
        yield child, name
        child.kill()
    (SHM / name).unlink(missing_ok=True)


def test_a_running_ring_is_listed_for_people(outcry: Outcry, writer) -> None:
    """Name, owner, geometry, rate, and each process attached with its life."""
    child, name = writer
    done = outcry("rings", name)
    assert (done.returncode, done.stderr) == (0, "")
    text = done.stdout
    assert text.startswith(f"{name}\n    owner {child.pid} alive (user {os.geteuid()}), ")
    assert "4,096 slots of 64 bytes" in text
    assert "records/s" in text
    assert f"{child.pid} alive, heartbeat " in text
    assert "producer 0" in text
    assert "reader   journal" in text
    assert "behind" in text


def test_json_is_one_document_with_every_figure(outcry: Outcry, writer) -> None:
    """Rings and other segments apart; each figure by name."""
    child, name = writer
    info = {"records_per_s": 0}
    while info["records_per_s"] == 0:  # a busy machine may not let the writer run meanwhile
        done = outcry("rings", "--json")
        assert done.returncode == 0
        document = json.loads(done.stdout)
        assert sorted(document) == ["others", "rings"]
        (info,) = [info for info in document["rings"] if info["name"] == name]
    assert (info["state"], info["owner_pid"], info["owner_alive"]) == ("ring", child.pid, True)
    assert (info["capacity"], info["slot_bytes"]) == (4096, 64)
    assert info["published"] >= info["gating"] > 0
    assert info["records_per_s"] > 0
    assert [one["pid"] for one in info["consumers"] + info["producers"]] == [child.pid] * 2


def test_records_are_shown_as_they_pass(outcry: Outcry, writer) -> None:
    """By a part of the name; one line a record, enumerations by name, in order."""
    _, name = writer
    done = outcry("rings", "cli-test", "--tail", "20")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line for line in done.stdout.splitlines() if not line.startswith("...")]
    assert len(lines) == 20
    seqs = [int(line.split()[0].replace(",", "")) for line in lines]
    assert seqs == sorted(set(seqs))
    assert all("symbol=OUTCRY" in line and "kind=new side=sell" in line for line in lines)
    document = json.loads(outcry("rings", name, "--tail", "20", "--json").stdout)
    assert document["ring"] == name
    seqs = [record["seq"] for record in document["records"]]
    assert len(seqs) == 20
    assert seqs[-1] - seqs[0] + 1 == 20 + document["missed"] + document["tombstones"]
    assert all(record["order_id"] == record["seq"] for record in document["records"])


def test_what_the_dead_left_is_removed_and_the_living_kept(outcry: Outcry, writer) -> None:
    """Kept with the reason while the process lives; removed once it is killed; then gone."""
    child, name = writer
    done = outcry("rings", "--clean")
    assert done.returncode == 0
    assert f"kept    {name}: its owner, process {child.pid}, lives" in done.stdout
    child.kill()
    child.wait()
    listed = outcry("rings", name).stdout
    assert f"owner {child.pid} dead" in listed
    document = json.loads(outcry("rings", "--clean", "--json").stdout)
    assert name in document["removed"]
    assert name not in document["kept"]
    assert not (SHM / name).exists()
    gone = outcry("rings", name)
    assert gone.returncode == 1
    assert f"there is no ring '{name}' on this machine" in gone.stderr
