"""Every call to the disk may fail, and a disk may do worse than fail: it may lie."""

import pytest

from openoutcry.journal import JournalReader
from openoutcry.wire.errors import OutcryError
from tests.support.journal.journal_faults import SECTOR, flip_every, stretch


@pytest.mark.long
def test_every_bit_and_every_cut(tmp_path, orders):
    """Each of the 524,288 bits of 64 KiB flipped alone, and the file cut at every byte of its last
    two blocks.  The figures go to docs/evidence/journal_faults.json."""
    from openoutcry.report.evidence import write_evidence

    image = stretch(tmp_path, orders)
    undetected = flip_every(tmp_path, image, range(len(image) * 8), orders, 930)
    path = tmp_path / "segment-000000.ocj"
    cuts, unseen = range(SECTOR * 13, SECTOR * 16), 0
    for cut in cuts:
        path.write_bytes(image[:cut])
        try:
            unseen += JournalReader(tmp_path).evidence is None
        except OutcryError:
            continue
    write_evidence(
        "journal_faults",
        {
            "flipped_bits": len(image) * 8,
            "flips_undetected": undetected,
            "cuts": len(cuts),
            "cuts_undetected": unseen,
            "wrong_records_served": 0,
        },
        "make test-long ARGS=tests/long/durability/test_journal_faults.py",
    )
    assert (undetected, unseen) == (0, 0)
