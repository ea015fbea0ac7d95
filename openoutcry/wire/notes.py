"""What the core notes at an event in addition to its record.

A note is a word that follows from the sequenced commands as the event does.  It is in no record and
no hash.  The matcher's hooks leave it in the event's ``seq``, which is numbered only then.  The
stages pass it on next to the event ring.  A replay gives it with its events.

The one note that exists is a fill's: what it cost its side.
"""

from openoutcry.wire.kernel import kernel

FEE_SHIFT = 1
OF_BASE = 1
"""The fee is in the base asset of the instrument; without it, in the quote asset."""


@kernel
def fee_note(fee: int, of_base: bool) -> int:
    """The note of a fill that cost ``fee`` units (below 0: a rebate) of the base or quote asset."""
    return fee << FEE_SHIFT | (OF_BASE if of_base else 0)


@kernel
def fee_units(note: int) -> int:
    """Units that a fill cost; below 0: a rebate."""
    return note >> FEE_SHIFT


@kernel
def fee_is_of_base(note: int) -> bool:
    """Return whether they are of the base asset, as a buyer's are that pays in what it receives."""
    return note & OF_BASE != 0
