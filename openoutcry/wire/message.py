"""What a protocol message is: a type byte and fields without gaps, big-endian.

From a table of them (messages.py) come the offsets that kernels read as constants, numpy dtypes for
references and tests, and the tables of the documents.
"""

from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from struct import Struct
from typing import Any

import numpy as np

CTYPES = {"u8": ">u1", "u16": ">u2", "u32": ">u4", "u48": "V6", "u64": ">u8", "i32": ">i4"}
"""``price4`` is a u32 and ``price8`` a u64 with four decimals; ``alpha`` is ASCII, left-justified,
padded with spaces; ``digits`` is an ASCII number, right-justified."""
SIZES = {"u8": 1, "u16": 2, "u32": 4, "u48": 6, "u64": 8, "i32": 4, "price4": 4, "price8": 8}
CODES = {"u8": "B", "u16": "H", "u32": "I", "u48": "6s", "u64": "Q", "i32": "i"}
"""Format characters of the module struct."""
SAME_AS = {"price4": "u32", "price8": "u64"}


@dataclass(frozen=True)
class Field:
    name: str
    ctype: str
    doc: str
    size: int = 0

    @property
    def size_bytes(self) -> int:
        """Bytes that the field takes."""
        return self.size or SIZES[self.ctype]

    @property
    def range(self) -> tuple[int, int]:
        """Least and greatest value of a number."""
        bits = 8 * self.size_bytes
        return (
            (-(1 << bits - 1), (1 << bits - 1) - 1) if self.ctype == "i32" else (0, (1 << bits) - 1)
        )

    @property
    def numpy_type(self) -> str:
        """The type of the field in a numpy dtype."""
        text = f"S{self.size}"
        return text if self.size else CTYPES[SAME_AS.get(self.ctype, self.ctype)]


@dataclass(frozen=True)
class Message:
    """One message.  Its first byte is ``kind``; the fields follow it without a gap."""

    name: str
    kind: str
    size_bytes: int
    doc: str
    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        filled = 1 + sum(field.size_bytes for field in self.fields)
        assert filled == self.size_bytes, f"{self.name}: {filled} of {self.size_bytes} bytes"

    @property
    def offsets(self) -> dict[str, int]:
        """Return the byte of each field in the message, by name; the type is byte 0."""
        at, result = 1, {}
        for field in self.fields:
            result[field.name] = at
            at += field.size_bytes
        return result

    @property
    def at(self) -> Any:
        """The offsets as a named tuple of integers, which a kernel reads as constants."""
        return namedtuple(f"{self.name}_at", self.offsets)(**self.offsets)

    def dtype(self) -> np.dtype[Any]:
        """The structured numpy dtype: ``kind`` and the fields."""
        return np.dtype([("kind", "S1"), *((f.name, f.numpy_type) for f in self.fields)])

    def pack(self, **values: Any) -> bytes:
        """The message's bytes: text padded with spaces, what is not given zero (text: spaces).

        Raises ``ValueError`` naming the field that cannot hold its value."""
        unknown = values.keys() - self._parts.keys()
        assert not unknown, f"{self.name} has no field {min(unknown)!r}"
        data: list[Any] = [self.kind.encode()]
        for name, (field, least, most) in self._parts.items():
            value = values.get(name, b"" if field.size else 0)
            if field.size:
                data.append(_padded(field, value))
                continue
            if not least <= value <= most:
                raise ValueError(f"{name} {value} is not {least} to {most}")
            data.append(value.to_bytes(6, "big") if field.ctype == "u48" else value)
        return self._struct.pack(*data)

    @cached_property
    def _parts(self) -> dict[str, tuple[Field, int, int]]:
        return {field.name: (field, *field.range) for field in self.fields}

    @cached_property
    def _struct(self) -> Struct:
        codes = (
            f"{f.size}s" if f.size else CODES[SAME_AS.get(f.ctype, f.ctype)] for f in self.fields
        )
        return Struct(">c" + "".join(codes))

    def unpack(self, data: bytes) -> dict[str, Any]:
        """The fields by name, text unchanged (spaces kept); ``data`` may be longer."""
        row = np.frombuffer(data, self.dtype(), 1)[0]
        return {
            field.name: data[at : at + field.size].decode("latin-1")
            if field.size
            else int.from_bytes(row[field.name].tobytes(), "big")
            if field.ctype == "u48"
            else int(row[field.name])
            for field, at in zip(self.fields, self.offsets.values(), strict=True)
        }


def _padded(field: Field, value: Any) -> bytes:
    """Raises ``ValueError`` for what the field cannot hold; no password is in it."""
    if isinstance(value, str):
        if not value.isascii():
            raise ValueError(f"{_named(field, value)} is not ASCII")
        value = value.encode("ascii")
    data = bytes(value)
    if len(data) > field.size:
        text = _named(field, data.decode("latin-1"))
        raise ValueError(f"{text} has {len(data)} characters; at most {field.size} fit")
    return data.rjust(field.size) if field.ctype == "digits" else data.ljust(field.size)


def _named(field: Field, value: str) -> str:
    """A field and its value for an error."""
    return field.name if field.name == "password" else f"{field.name} {value!r}"


@dataclass(frozen=True)
class Protocol:
    """A protocol's messages: those that clients send and those that the server does."""

    name: str
    client: tuple[Message, ...]
    server: tuple[Message, ...]

    def from_client(self, kind: str) -> Message:
        """The client's message of that type; raises ``StopIteration`` for any other."""
        return next(message for message in self.client if message.kind == kind)

    def from_server(self, kind: str) -> Message:
        """The server's message of that type; raises ``StopIteration`` for any other."""
        return next(message for message in self.server if message.kind == kind)

    def __iter__(self) -> Iterator[Message]:
        yield from self.client
        yield from self.server


@dataclass(frozen=True)
class Option:
    """An option of OUCH 5.0: a byte of length (of tag and value), the tag, the value."""

    tag: int
    field: Field
    enters: bool = False
    """A new order may have it."""
    replaces: bool = False
    """A replace may have it."""
