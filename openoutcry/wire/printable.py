"""What the protocols call text: printable ASCII, from the space to the tilde.

Everything that a participant names goes through :func:`is_printable` before a record or metadata
keeps it; what does not pass is refused by the protocol's own reject.
"""

from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Bytes

FIRST, LAST = 32, 126


@kernel
def is_printable(address: int, size: int) -> bool:
    """Return whether each of ``size`` bytes at ``address`` is a printable character."""
    return is_printable_from(FIRST, address, size)


@kernel
def is_printable_from(first: int, address: int, size: int) -> bool:
    """Return whether each of ``size`` bytes at ``address`` is a printable character, and none below
    ``first``."""
    outside = 0
    for offset in range(size):
        byte = Bytes(address)[offset]
        outside |= (byte - first) | (LAST - byte)
    return outside >= 0
