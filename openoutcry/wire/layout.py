"""``Layout``: one notation for every private block of memory, in kernels and in Python alike.

::

    class Row(Layout, size_bytes=256):
        "What a session knows of one of its orders."

        order_id: int = i64("the core's")
        state: int = u8("RowState")
        token: int = area(40, "the client's, padded with NULs")

    @kernel
    def close(row: Row) -> int:
        row.state = DONE
        return row.order_id

``Row(address)`` is the block at an address: a word in a kernel, an ``int`` in Python.  Reading and
writing a field is one load and one store of its type, nothing else; an ``area`` reads as its
address.  An array at an address is ``Words``, ``U32s``, ``U16s`` or ``Bytes``, and a field may
say what its address is of: ``stamps: Words = i64("...", of=Words)`` is read as
``context.stamps[index]``.  The callers of a kernel give it words; inside, a parameter is what its
annotation says, so that mypy distinguishes the addresses of blocks
(docs/decisions/024-layouts.md).
"""

import ctypes
import operator
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.imputils import (
    lower_builtin,
    lower_cast,
    lower_getattr_generic,
    lower_setattr_generic,
)
from numba.core.pythonapi import box
from numba.core.typeconv.castgraph import Conversion
from numba.core.typing.templates import (
    AbstractTemplate,
    AttributeTemplate,
    infer_getattr,
    infer_global,
    signature,
)
from numba.extending import models, register_model, type_callable

from openoutcry.wire.records import Record

SIZES = {"i64": 8, "u32": 4, "u16": 2, "u8": 1}
CTYPES: dict[str, Any] = {
    "i64": ctypes.c_int64,
    "u32": ctypes.c_uint32,
    "u16": ctypes.c_uint16,
    "u8": ctypes.c_uint8,
}
NUMPY = {"i64": "<i8", "u32": "<u4", "u16": "<u2", "u8": "u1"}

WORDS = {"u64": "i64", "char8": "i64"}
"""Fields of records that kernels read as words."""


@dataclass(frozen=True)
class Field:
    """A field: its type ("" for an area), its place and what it means."""

    ctype: str
    doc: str
    size_bytes: int
    place: int | None = None
    """Byte of the block at which it must be, None: after the field before."""
    is_fixed: bool = False
    """Written before any kernel runs: the compiler may keep it across stores."""
    is_atomic: bool = False
    """Loads acquire, stores release."""
    of: Any = None
    """Class of the block or array whose address it is."""
    name: str = ""
    offset: int = 0

    def __get__(self, block: "Layout | None", _: type) -> Any:
        if block is None:
            return self
        at = int(block) + self.offset
        value = CTYPES[self.ctype].from_address(at).value if self.ctype else at
        return value if self.of is None else self.of(value)

    def __set__(self, block: "Layout", value: int) -> None:
        if not self.ctype:
            raise AttributeError(f"{self.name} is an area: store to its bytes")
        CTYPES[self.ctype].from_address(int(block) + self.offset).value = value


def _scalar(ctype: str) -> Any:
    def field(
        doc: str = "",
        *,
        at: int | None = None,
        fixed: bool = False,
        atomic: bool = False,
        of: Any = None,
    ) -> Any:
        return Field(ctype, doc, SIZES[ctype], at, fixed, atomic, of)

    return field


i64 = _scalar("i64")
u32 = _scalar("u32")
u16 = _scalar("u16")
u8 = _scalar("u8")
"""Fields of one number: what it means, and its byte if it is not the next one.  Small ones are
zero-extended when read and truncated when written."""


def area(size_bytes: int, doc: str = "", *, at: int | None = None, of: Any = None) -> Any:
    """Bytes without a type, or an array (``of``): the field reads as their address."""
    return Field("", doc, size_bytes, at, of=of)


class Elements(int):
    """Base of the arrays of numbers that are known by their address alone.  Reading and writing an
    element is one load and one store of its type; small ones are zero-extended when read and
    truncated when written.  Nothing checks the index."""

    ctype: ClassVar[str] = ""
    fields: ClassVar[dict[str, Field]] = {}
    numba_type: ClassVar[Any] = None

    def __init_subclass__(cls, ctype: str) -> None:
        super().__init_subclass__()
        cls.ctype = ctype
        cls.numba_type = AddressType(cls)
        _declare(cls)

    @classmethod
    def of(cls, address: int) -> Self:
        """Like :meth:`Layout.of`."""
        return cast(Self, address)

    def __getitem__(self, index: int) -> int:
        value: int = CTYPES[self.ctype].from_address(int(self) + SIZES[self.ctype] * index).value
        return value

    def __setitem__(self, index: int, value: int) -> None:
        CTYPES[self.ctype].from_address(int(self) + SIZES[self.ctype] * index).value = value


class Layout(int):
    """Base of the blocks' classes; see the module."""

    size_bytes: ClassVar[int] = 0
    fields: ClassVar[dict[str, Field]] = {}
    numba_type: ClassVar[Any] = None

    def __init_subclass__(cls, size_bytes: int = 0, record: Record | None = None) -> None:
        super().__init_subclass__()
        if record is not None:
            size_bytes = record.size_bytes
            for of_record in record.fields:
                ctype = WORDS.get(of_record.ctype, of_record.ctype)
                at = record.offsets[of_record.name]
                setattr(cls, of_record.name, Field(ctype, of_record.doc, SIZES[ctype], at))
        fields = dict(cls.fields)
        at = max((field.offset + field.size_bytes for field in fields.values()), default=0)
        own = [(name, field) for name, field in vars(cls).items() if isinstance(field, Field)]
        for name, field in own:
            at = at if field.place is None else field.place
            field = replace(field, name=name, offset=at)
            align = SIZES.get(field.ctype, 1)
            assert at % align == 0, f"{cls.__name__}.{name} at byte {at} is not aligned"
            setattr(cls, name, field)
            fields[name] = field
            at += field.size_bytes
        cls.fields = fields
        end = max((f.offset + f.size_bytes for f in fields.values()), default=0)
        cls.size_bytes = size_bytes or max(cls.size_bytes, end)
        assert end <= cls.size_bytes, f"{cls.__name__}: fields fill {end} of {cls.size_bytes} bytes"
        cls.numba_type = AddressType(cls)
        _declare(cls)

    @classmethod
    def of(cls, address: int) -> Self:
        """``address`` for Python to call a kernel with: a plain ``int``, which numba takes twelve
        times as fast as one of a class."""
        return cast(Self, address)

    @classmethod
    def offset(cls, name: str) -> int:
        """Byte of the block at which a field begins."""
        return cls.fields[name].offset

    @classmethod
    def words(cls, **values: Any) -> dict[int, Any]:
        """Return values of fields, by the byte at which each begins."""
        return {cls.offset(name): value for name, value in values.items()}

    @classmethod
    def dtype(cls, named: dict[str, str] | None = None, **formats: str) -> np.dtype[Any]:
        """The structured numpy dtype of the block; ``named``: fields that have another name there;
        ``formats``: of fields that numpy is to see otherwise.  Of fields that share bytes it has
        the first declared."""
        fields: list[Field] = []
        other = named or {}
        for field in cls.fields.values():
            end = field.offset + field.size_bytes
            if all(end <= f.offset or f.offset + f.size_bytes <= field.offset for f in fields):
                fields.append(field)
        return np.dtype(
            {
                "names": [other.get(field.name, field.name) for field in fields],
                "formats": [
                    formats.get(field.name, NUMPY.get(field.ctype, f"V{field.size_bytes}"))
                    for field in fields
                ],
                "offsets": [field.offset for field in fields],
                "itemsize": cls.size_bytes,
            }
        )

    def address_of(self, name: str) -> int:
        """Address of a field."""
        return int(self) + self.fields[name].offset

    def dump(self) -> Iterator[tuple[str, int | bytes]]:
        """The fields' names and values, of an area its bytes."""
        for name, field in self.fields.items():
            yield (
                name,
                getattr(self, name)
                if field.ctype
                else ctypes.string_at(int(self) + field.offset, field.size_bytes),
            )


class AddressType(types.Type):
    """numba's type of a block's address: an int64 that has fields."""

    def __init__(self, layout: type[Layout] | type[Elements]) -> None:
        self.address_of: Any = layout
        super().__init__(name=f"{layout.__module__}.{layout.__qualname__}")

    def can_convert_to(self, typingctx: Any, other: Any) -> Any:
        """A layout's address is an int64, and an address of each layout that it begins as."""
        if isinstance(other, AddressType) and issubclass(self.address_of, other.address_of):
            return Conversion.safe
        return Conversion.safe if other == types.int64 else None

    def can_convert_from(self, typingctx: Any, other: Any) -> Any:
        """Return whether a block can be made from 0, which is not a block, where a variable is
        either."""
        return Conversion.safe if isinstance(other, types.Integer) else None

    def unify(self, typingctx: Any, other: Any) -> Any:
        """An address and an integer, in one variable, are an address."""
        return self if isinstance(other, types.Integer) else None


@register_model(AddressType)
class _Word(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, address: AddressType) -> None:
        super().__init__(manager, address, ir.IntType(64))


@lower_cast(AddressType, types.Integer)
@lower_cast(AddressType, AddressType)
def _same_word(context: Any, builder: Any, fromty: Any, toty: Any, value: Any) -> Any:
    return value


@lower_cast(types.Integer, AddressType)
def _word(context: Any, builder: Any, fromty: Any, toty: Any, value: Any) -> Any:
    return context.cast(builder, value, fromty, types.int64)


@infer_getattr
class _Fields(AttributeTemplate):
    key = AddressType

    def generic_resolve(self, value: Any, attr: Any) -> Any:  # type: ignore[override]
        field = value.address_of.fields.get(attr)
        if field is None:
            return None
        return types.int64 if field.of is None else field.of.numba_type


def _pointer(builder: Any, address: Any, field: Field) -> tuple[Any, int]:
    bits = 8 * field.size_bytes
    at = builder.add(address, ir.Constant(ir.IntType(64), field.offset))
    return builder.inttoptr(at, ir.IntType(bits).as_pointer()), bits


@lower_getattr_generic(AddressType)
def _read(context: Any, builder: Any, address: AddressType, value: Any, name: str) -> Any:
    field = address.address_of.fields[name]
    if not field.ctype:
        return builder.add(value, ir.Constant(ir.IntType(64), field.offset))
    pointer, bits = _pointer(builder, value, field)
    if field.is_atomic:
        return builder.load_atomic(pointer, "acquire", bits // 8)
    word = builder.load(pointer, align=bits // 8)
    if field.is_fixed:
        word.set_metadata("invariant.load", builder.module.add_metadata([]))
    return word if bits == 64 else builder.zext(word, ir.IntType(64))


@lower_setattr_generic(AddressType)
def _write(context: Any, builder: Any, signature: Any, args: Any, name: str) -> Any:
    field = signature.args[0].address_of.fields[name]
    if not field.ctype:
        raise TypeError(f"{name} is an area: store to its bytes")
    pointer, bits = _pointer(builder, args[0], field)
    word = args[1] if bits == 64 else builder.trunc(args[1], ir.IntType(bits))
    if field.is_atomic:
        builder.store_atomic(word, pointer, "release", bits // 8)
    else:
        builder.store(word, pointer, align=bits // 8)


@box(AddressType)
def _to_python(address: AddressType, value: Any, c: Any) -> Any:
    return c.pyapi.long_from_longlong(value)


def _is_array(address: Any) -> bool:
    return isinstance(address, AddressType) and issubclass(address.address_of, Elements)


@infer_global(operator.getitem)
class _Element(AbstractTemplate):
    def generic(self, args: Any, keywords: Any) -> Any:  # type: ignore[override]
        array, index = args
        if _is_array(array) and isinstance(index, types.Integer):
            return signature(types.int64, array, types.int64)
        return None


@infer_global(operator.setitem)
class _SetElement(AbstractTemplate):
    def generic(self, args: Any, keywords: Any) -> Any:  # type: ignore[override]
        array, index, _ = args
        if _is_array(array) and isinstance(index, types.Integer):
            return signature(types.none, array, types.int64, types.int64)
        return None


def _element(builder: Any, array: AddressType, address: Any, index: Any) -> tuple[Any, int]:
    # As numba's own arithmetic, whose overflow is undefined: the code is that of a load at
    # ``address + 8 * index``.
    size_bytes = SIZES[array.address_of.ctype]
    if size_bytes > 1:
        index = builder.mul(ir.Constant(ir.IntType(64), size_bytes), index, flags=["nsw"])
    at = builder.add(address, index, flags=["nsw"])
    return builder.inttoptr(at, ir.IntType(8 * size_bytes).as_pointer()), 8 * size_bytes


@lower_builtin(operator.getitem, AddressType, types.Integer)
def _read_element(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    pointer, bits = _element(builder, signature.args[0], *args)
    word = builder.load(pointer, align=bits // 8)
    return word if bits == 64 else builder.zext(word, ir.IntType(64))


@lower_builtin(operator.setitem, AddressType, types.Integer, types.Integer)
def _write_element(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    address, index, word = args
    pointer, bits = _element(builder, signature.args[0], address, index)
    word = word if bits == 64 else builder.trunc(word, ir.IntType(bits))
    builder.store(word, pointer, align=bits // 8)
    return context.get_dummy_value()


def _declare(layout: type[Layout] | type[Elements]) -> None:
    """Have kernels call the class as Python does."""
    address = layout.numba_type

    @type_callable(layout)
    def of_address(context: Any) -> Any:
        return lambda word: address if isinstance(word, types.Integer | AddressType) else None

    @lower_builtin(layout, types.Integer)
    @lower_builtin(layout, AddressType)
    def cast(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.cast(builder, args[0], signature.args[0], types.int64)


class Words(Elements, ctype="i64"):
    """int64s at an address."""


class U32s(Elements, ctype="u32"):
    """Unsigned 32-bit numbers at an address."""


class U16s(Elements, ctype="u16"):
    """Unsigned 16-bit numbers at an address."""


class Bytes(Elements, ctype="u8"):
    """Bytes at an address."""


class SharedWord(Layout, size_bytes=8):
    """A word that one process writes and others read: a cursor, a stamp, a flag."""

    value: int = i64("loads acquire, stores release", atomic=True)
    own_value: int = i64("the same for its only writer, which needs no order", at=0)
