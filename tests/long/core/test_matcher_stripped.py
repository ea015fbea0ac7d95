"""The build without the rarer order types, beside which `outcry bench matcher` runs the whole."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.matcher import Engine
from openoutcry.wire.enums import EventKind, OrderType, Reason
from openoutcry.wire.kernel import STRIPPED
from openoutcry.wire.records import make_instruments
from tests.support.waiting import BOUND_S

COMMANDS = 20_000
# Also run by the process with the stripped build, which says what it found.
IN_THAT_BUILD = f"""
import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})
import test_matcher_stripped as test
test.say()
"""


def plain_hashes() -> list[str]:
    """What a flow of limit orders and cancels leaves: the state's hash and the events', but for
    what a reject tells: the stripped build has one reason for all."""
    flow = GeneratedFlow("normal", COMMANDS, 5)
    orders = np.concatenate(list(flow.chunks()))
    orders["seq"] = np.arange(1, len(orders) + 1)
    engine = Engine(flow.instruments)
    events = engine.process(orders)
    rejected = events["kind"] == EventKind.REJECTED
    assert 0 < rejected.sum() < len(events) // 10
    for name in ("reason", "side"):
        events[name][rejected] = 0
    return [engine.state_hash(), hashlib.sha256(events.tobytes()).hexdigest()]


def answers() -> dict[str, tuple[int, int]]:
    """To one new order of each type: the first event's kind and reason."""
    (template,) = next(GeneratedFlow("static", 1, 1).chunks())[:1]
    first_events = {}
    for order_type in OrderType:
        order = np.array([template])
        order["seq"], order["order_id"], order["order_type"] = 1, 1, order_type
        event = Engine(make_instruments(["OUTCRY"])).process(order)[0]
        first_events[order_type.name] = (int(event["kind"]), int(event["reason"]))
    return first_events


def say() -> None:
    assert STRIPPED
    print(json.dumps([plain_hashes(), answers()]))


@pytest.mark.long
def test_the_stripped_build_answers_plain_commands_as_the_whole_and_refuses_the_rest() -> None:
    """Events and state of a plain flow bit by bit; of the types the three plain ones are taken."""
    done = subprocess.run(
        [sys.executable, "-c", IN_THAT_BUILD],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        env=os.environ | {"OUTCRY_STRIPPED": "1"},
    )
    assert done.returncode == 0, done.stderr
    hashes, refused = json.loads(done.stdout)
    assert hashes == plain_hashes()
    whole = answers()
    taken = {
        name for name, answer in refused.items() if answer != [EventKind.REJECTED, Reason.MALFORMED]
    }
    assert taken == {"LIMIT", "MARKET", "POST_ONLY"}
    assert all(refused[name] == list(whole[name]) for name in taken)
