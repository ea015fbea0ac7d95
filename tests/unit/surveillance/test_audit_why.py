"""Why an order did not trade: scenarios, each with its one right answer."""

import numpy as np
import pytest

from openoutcry.surveillance.audit.why import why
from openoutcry.wire.enums import EventKind
from openoutcry.wire.errors import AuditError
from tests.support.surveillance import audit_journals as journals

SCENARIOS = {
    "nobody came to its price": (
        """NEW id=1 SELL 5@101
        NEW id=9 BUY 5@99
        NEW id=2 BUY 5@101
        CANCEL id=9""",
        "PRICE",
        {"opposite_ticks": 101, "opposite_within_lots": 0, "ahead_at_arrival_lots": 0,
         "low_ticks": 101, "end": "USER", "end_seq": 4},
    ),
    "others were ahead of it": (
        """NEW id=1 BUY 5@100
        NEW id=2 BUY 7@101
        NEW id=9 BUY 5@100
        NEW id=3 SELL 10@100
        CANCEL id=9""",
        "QUEUE",
        {"ahead_at_arrival_orders": 2, "ahead_at_arrival_lots": 12, "traded_ahead_lots": 10,
         "ahead_at_end_orders": 1, "ahead_at_end_lots": 2},
    ),
    "somebody hidden at a better price was": (
        """NEW id=1 BUY 5@101 HIDDEN
        NEW id=9 BUY 5@100
        NEW id=3 SELL 5@100""",
        "QUEUE",
        {"ahead_at_arrival_orders": 1, "traded_ahead_lots": 5, "end": "OPEN"},
    ),
    "a part traded, then the queue ran dry": (
        """NEW id=9 BUY 5@100
        NEW id=3 SELL 2@100
        CANCEL id=9""",
        "PRICE",
        {"traded_lots": 2, "traded_on_arrival_lots": 0, "end": "USER"},
    ),
    "it traded whole": (
        """NEW id=1 SELL 5@100
        NEW id=9 BUY 5@100""",
        "TRADED",
        {"traded_lots": 5, "end": "FILLED"},
    ),
    "immediate or cancel, with something hidden within its price": (
        """NEW id=1 SELL 2@100 HIDDEN
        NEW id=9 BUY 5@100 IOC""",
        "REST_CANCELLED",
        {"opposite_hidden_lots": 2, "traded_lots": 2, "end": "IOC_REST"},
    ),
    "fill or kill": (
        """NEW id=1 SELL 2@100
        NEW id=9 BUY 5@100 FOK""",
        "REST_CANCELLED",
        {"opposite_within_lots": 2, "traded_lots": 0, "end": "FOK_UNFILLABLE"},
    ),
    "it may only rest": (
        """NEW id=1 SELL 2@100
        NEW id=9 BUY 5@100 POST_ONLY""",
        "REJECTED",
        {"reason": "WOULD_CROSS", "opposite_ticks": 100},
    ),
    "the phase": (
        """PHASE CLOSED
        NEW id=9 BUY 5@100""",
        "REJECTED",
        {"reason": "WRONG_PHASE", "phase": "CLOSED"},
    ),
    "the call was never uncrossed": (
        """PHASE PRE_OPEN
        NEW id=1 SELL 5@100
        NEW id=9 BUY 5@100""",
        "PHASE",
        {"phases": ["PRE_OPEN"], "end": "OPEN"},
    ),
    "a stop whose trigger was not reached": (
        """NEW id=1 SELL 5@100
        NEW id=2 BUY 1@100
        NEW id=9 BUY 5 STOP trigger=110
        NEW id=3 BUY 1@100
        CANCEL id=9""",
        "NOT_TRIGGERED",
        {"high_ticks": 100, "end": "USER"},
    ),
    "a peg without a price": (
        """NEW id=9 BUY 5@100 PEG_MARKET
        CANCEL id=9""",
        "NO_PEG_PRICE",
        {"end": "USER"},
    ),
    "all or none, and only a part was there": (
        """NEW id=1 SELL 2@100
        NEW id=9 BUY 5@100 ALL_OR_NONE
        CANCEL id=9""",
        "NOT_WHOLE",
        {"opposite_within_lots": 2, "traded_lots": 0},
    ),
    "its own participant stood against it": (
        """NEW id=1 SELL 5@100 p7
        NEW id=9 BUY 5@100 p7 CANCEL_NEWEST""",
        "SELF_TRADE",
        {"traded_lots": 0, "end": "SELF_TRADE"},
    ),
    "the gateway": (
        """NEW id=9 BUY 5@100 err=512""",
        "REJECTED",
        {"reason": "GATEWAY"},
    ),
    "off the price step": (
        """INSTRUMENT sym=A price_step_ticks=5
        NEW id=9 BUY 5@101""",
        "REJECTED",
        {"reason": "OFF_STEP"},
    ),
    "a market order with nobody there": (
        """NEW id=9 BUY 5 MARKET""",
        "REST_CANCELLED",
        {"opposite_ticks": None, "end": "MARKET_REST"},
    ),
    "an order for the close that never came": (
        """NEW id=9 BUY 5@100 AT_CLOSE
        NEW id=1 SELL 5@100
        CANCEL id=9""",
        "PHASE",
        {"end": "USER"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_answer_names_the_rule_and_its_figures(tmp_path, name):
    script, cause, facts = SCENARIOS[name]
    answer = why(journals.scripted(tmp_path / "journal", script), 9)
    assert (answer.cause, {key: answer.facts.get(key, "-") for key in facts}) == (cause, facts), (
        answer.lines
    )
    assert answer.lines


def test_of_several_orders_with_an_id_one_is_named_by_its_command(tmp_path):
    script = """NEW id=9 BUY 5@100
    CANCEL id=9
    NEW id=9 SELL 5@100
    NEW id=1 BUY 5@100"""
    home = journals.scripted(tmp_path / "journal", script)
    assert why(home, 9).cause == "TRADED"
    assert why(home, 9, entry=1).cause == "PRICE"
    with pytest.raises(AuditError, match="command 2 is not a new order 9"):
        why(home, 9, entry=2)
    with pytest.raises(AuditError, match="no order 5 of A is in this journal"):
        why(home, 5, "A")


def test_what_waits_at_the_speed_bump_is_reported(tmp_path):
    orders = journals.orders(5, 600, 90 * 10**9)
    # The last sixty come a second apart: at the end some of them wait.
    orders["rx_ts_ns"][-60:] = orders["rx_ts_ns"][-61] + np.arange(1, 61) * 10**9
    home = journals.write(tmp_path / "journal", orders, 4, bump=True)
    commands, events, _ = journals.read_all(home)
    news = set(commands["seq"][commands["kind"] == 1].tolist())
    waits = events[(events["kind"] == EventKind.DELAYED)]
    entered = set(events["contra_id"][events["kind"] == EventKind.ENTERED].tolist())
    cause_counts = {}
    for event in [*waits[:4], *waits[-6:]]:
        seq = int(event["cause_seq"])
        if seq in news:
            symbol = bytes(commands["symbol"][seq - 1]).decode()
            answer = why(home, int(event["order_id"]), symbol, seq)
            assert answer.facts["release_ns"] == event["contra_id"]
            assert (answer.cause == "DELAYED") == (seq not in entered)
            cause_counts[answer.cause] = cause_counts.get(answer.cause, 0) + 1
    assert cause_counts["DELAYED"]
    assert len(cause_counts) > 1


def test_the_command_says_it(outcry, tmp_path):
    home = journals.scripted(tmp_path / "journal", SCENARIOS["others were ahead of it"][0])
    done = outcry("audit", "why", home, "9")
    assert done.returncode == 0, done.stderr
    assert "2 orders with 12 lots were ahead of it" in done.stdout
    assert done.stdout.endswith("cause: QUEUE\n")
    assert outcry("audit", "why", home, "77").returncode == 1
