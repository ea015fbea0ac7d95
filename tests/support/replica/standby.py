"""What the tests of standby in several tiers share."""

from openoutcry.journal import JournalReader
from openoutcry.replay.events import commands_of


def tokens(journal):
    """Orders of the journal: order ids are given by the venue, so each is there once."""
    order_ids = []
    for block in JournalReader(journal).all_blocks():
        commands = commands_of(block)
        order_ids += commands["order_id"][commands["kind"] == 1].tolist()
    return order_ids
