"""A process that reads released events to the end of the run and prints what it saw.

As ``slow`` it stops once it is on the ring until the gate has taken its cursor away, says when it
has stopped and when it goes on, how far it has come in the journal, and when it has returned to the
ring; as ``stuck`` it never reads again.
"""

import json
import sys
import time
from pathlib import Path

from openoutcry.journal.event_hash import START, hash_array, hash_text
from openoutcry.pipeline.top import running
from openoutcry.runtime.released import ReleasedReader


def main(pid: int, name: str, journal: str, manner: str) -> None:
    print("started", flush=True)
    owner = None
    while owner is None:
        owner = next((p.owner for p in running() if p.owner.pid == pid), None)
    reader = ReleasedReader(owner, name, [Path(journal)] if journal else [])
    chain = hash_array(START, reader.poll())
    print("attached", flush=True)
    while not reader.ended:
        if not owner.alive():
            sys.exit("the pipeline's owner died")
        stops = manner == "stuck" or (manner == "slow" and not reader.times_detached)
        if stops and reader.on_ring and reader.place.event_seq:
            print("stopped", flush=True)
            while reader.released_seq - reader.place.event_seq <= 2 * reader.row.queue:
                time.sleep(0.001)
            while manner == "stuck":
                time.sleep(1)
            print("goes on", flush=True)
        if manner == "slow" and reader.times_detached and reader.on_ring:
            manner = "fast"
            print("returned", flush=True)
        events = reader.poll()
        chain = hash_array(chain, events)
        if manner == "slow" and reader.times_detached and len(events):
            print(reader.place.event_seq, flush=True)
        if not len(events):
            time.sleep(0.0005)
    print(
        json.dumps(
            {
                "events": reader.place.event_seq,
                "event_hash": hash_text(chain),
                "joined": reader.times_joined,
                "detached": reader.times_detached,
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
