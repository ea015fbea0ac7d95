"""journal/events.py: one way along a journal, whatever the batches, the begin and the end."""

import multiprocessing

from openoutcry.journal import JournalReader, checkpoint
from openoutcry.journal.checkpoint import recover
from openoutcry.journal.checkpoints import checkpoint_seqs
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
