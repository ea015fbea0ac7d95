"""replay/events.py: one way along a journal, whatever the batches, the begin and the end."""

import multiprocessing

import numpy as np

from openoutcry.journal import JournalReader
from openoutcry.journal.checkpoints import checkpoint_seqs
from openoutcry.replay import checkpoint
from openoutcry.replay.checkpoint import (
    recover,
)
from openoutcry.replay.events import (
    count_trades,
)
from openoutcry.wire.enums import EventFlag, EventKind, Side
from openoutcry.wire.records import EVENT_DTYPE
from tests.support.market_data.feed_journal import each_second_trades


def test_two_that_save_at_once_are_not_in_each_others_way(tmp_path):
    """The supervisor of a venue that has taken over, and the process that writes checkpoints: who
    removes what is half made leaves the other's half alone."""
    home = each_second_trades(tmp_path / "j")
    points = [recover(home, seq) for seq in (150, 300)]
    journal_id = JournalReader(home).journal_id

    def save_often(point):
        for _ in range(40):
            checkpoint.save(home, journal_id, point)

    context = multiprocessing.get_context("fork")
    savers = [context.Process(target=save_often, args=(point,)) for point in points]
    for saver in savers:
        saver.start()
    for saver in savers:
        saver.join()
    assert [saver.exitcode for saver in savers] == [0, 0]
    assert checkpoint_seqs(home) == [150, 300]


def test_a_trade_counts_once_in_continuous_trading_and_in_an_auction():
    """Both of its sides are told, and each is told as filled."""
    continuous, auction = np.zeros(2, EVENT_DTYPE), np.zeros(2, EVENT_DTYPE)
    for trade in (continuous, auction):
        trade["kind"], trade["side"] = EventKind.FILLED, [Side.SELL, Side.BUY]
    continuous["flags"][0] = EventFlag.MAKER
    auction["flags"] = EventFlag.AUCTION
    assert count_trades(continuous) == 1
    assert count_trades(auction) == 1
    accepted = auction.copy()
    accepted["kind"] = EventKind.ACCEPTED
    assert count_trades(np.concatenate([continuous, auction, accepted])) == 2
