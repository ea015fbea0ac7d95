"""The power goes for all directories of a journal at once: what was acknowledged is found."""

import shutil

import numpy as np

from openoutcry.journal import Journal
from tests.support.journal.journal_cuts_of_copies import SEGMENT_BYTES, read_all
from tests.support.journal.power_cut import RecordingDisks


def test_the_power_goes_while_a_copy_that_lags_is_brought_up(tmp_path, orders):
    """At any call of it: the copy is whole up to somewhere, never a block of the rest without those
    before.  It lags by several blocks of one segment and by all of the next."""
    places = [tmp_path / name for name in "ab"]
    writer = Journal.create(places[0], {}, 100, SEGMENT_BYTES, copies=places[1:], policy="any")

    def append(blocks: int) -> None:
        for _ in range(blocks):
            first_seq = writer.written_seq + 1
            writer.append(first_seq, [orders(first_seq, 20)], 20, 1, durable=True)

    append(1)
    writer.close()
    shutil.copytree(places[1], tmp_path / "early")
    writer = Journal.resume(places[0])
    append(6)
    writer.abandon()
    shutil.rmtree(places[1])
    shutil.copytree(tmp_path / "early", places[1])
    disks = RecordingDisks(places)
    Journal.resume(places[0], disk=disks).abandon()
    for moment in range(len(disks.order)):
        for seed in range(5):
            rng = np.random.default_rng([moment, seed])
            left = disks.after_power_cut(moment, tmp_path / "found", rng)
            writer = Journal.resume(left[0], copies=left[1:])
            assert writer.failures == []
            assert writer.written_seq == 140
            writer.close()
            for place in left:
                assert read_all(place)[1] == orders(1, 140).tobytes()
            shutil.rmtree(tmp_path / "found")
