"""One shared 64-bit counter."""

from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import SharedWord
from openoutcry.wire.memory import compare_exchange


@kernel
def _get(address: int) -> int:
    return SharedWord(address).value


@kernel
def _set(address: int, value: int) -> None:
    SharedWord(address).value = value


@kernel
def _swap(address: int, expected: int, value: int) -> int:
    return compare_exchange(address, expected, value)


class Sequence:
    """An aligned int64 word at an address, with the orderings that a cursor needs."""

    def __init__(self, address: int) -> None:
        self.address = address

    def get(self) -> int:
        """Acquire: what was written before the value was set is visible."""
        return int(_get(self.address))

    def set(self, value: int) -> None:
        """Release: what was read or written before stays before."""
        _set(self.address, value)

    def compare_and_set(self, expected: int, value: int) -> bool:
        """True for the one who changed it from ``expected``."""
        return bool(_swap(self.address, expected, value))

    def __repr__(self) -> str:
        return f"Sequence({self.get()})"
