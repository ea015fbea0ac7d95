# SPDX-License-Identifier: Apache-2.0
"""The gateway's settings as a person writes them (TOML) and as a journal keeps them (JSON).

Both have the same tables and keys; ``docs/gateway-settings.toml`` is a commented example.  A
journal's document has only what differs from the defaults, so two equal settings are one document.
"""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy.typing as npt

from openoutcry.gateway_fpga.settings import (
    PARTICIPANTS,
    Limits,
    Settings,
    SettingsError,
    make_rows,
)
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.toml_tables import KeyPath, meant, misplaced, read_tables

SYMBOL_BYTES = 8
LIMIT_KEYS = {field.name: field.default for field in fields(Limits)}
PARTICIPANT_KEYS = ("enabled", "disabled")
RATE_KEYS = ("interval_ns", "burst_ns")
TABLES = ("symbols", "participants", "rate")


def read_settings(path: Path, instruments: npt.NDArray[Any]) -> Settings:
    """The settings that a file gives for these instruments.

    Raises :class:`SettingsError` naming the file, the table, the key and the value.
    """
    try:
        tables = read_tables(path, lambda mistakes: SettingsError(str(mistakes[0])))
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None
    except OutcryError as error:
        raise SettingsError(str(error)) from None
    try:
        settings = settings_of(tables.document)
        for symbol in settings.limits:
            if symbol not in {bytes(row["symbol"]) for row in instruments}:
                name = symbol.decode()
                raise _wrong(("symbols", name), f"[symbols.{name}] is no instrument of this run")
        make_rows(instruments, settings)
    except SettingsError as error:
        line = tables.line_of_error(error)
        raise SettingsError(f"{path}: line {line}: {error}") from error
    return settings


def settings_of(document: dict[str, Any]) -> Settings:
    """The settings of a file's or a journal's tables; :class:`SettingsError` names what is wrong
    in them."""
    _only(document, TABLES, ())
    symbols = _table(document, "symbols")
    participants = _table(document, "participants")
    rate = _table(document, "rate")
    _only(participants, PARTICIPANT_KEYS, ("participants",))
    _only(rate, RATE_KEYS, ("rate",))
    if "participants" in document and len(participants) != 1:
        raise _wrong(("participants",), "[participants] has either enabled or disabled")
    chosen = {n for key in participants for n in _numbers(participants, key)}
    everybody = frozenset(range(PARTICIPANTS))
    numbers = {f"rate_{key}": _integer(rate, key, ("rate",)) for key in rate}
    try:
        return Settings(
            limits={_symbol(name): _limits(name, symbols) for name in symbols},
            check_participants=bool(participants),
            participants_on=everybody - chosen if "disabled" in participants else frozenset(chosen),
            **numbers,
        )
    except SettingsError as error:
        text = str(error).replace("gateway setting rate_", "[rate] ")
        raise _wrong(getattr(error, "key_path", ("rate",)), text) from error


def document_of(settings: Settings) -> dict[str, Any] | None:
    """The tables of these settings: what a journal's configuration keeps; None for the defaults."""
    document: dict[str, Any] = {}
    symbols = {
        symbol.decode("latin-1"): {
            key: getattr(limits, key)
            for key, default in LIMIT_KEYS.items()
            if getattr(limits, key) != default
        }
        for symbol, limits in sorted(settings.limits.items())
        if limits != Limits()
    }
    if symbols:
        document["symbols"] = symbols
    if settings.check_participants:
        document["participants"] = {"enabled": _ranges(sorted(settings.participants_on))}
    rate = {key: getattr(settings, f"rate_{key}") for key in RATE_KEYS}
    if any(rate.values()):
        document["rate"] = rate
    return document or None


def first_difference(before: dict[str, Any] | None, now: dict[str, Any] | None) -> str:
    """Return where two documents differ first, and how: ``[rate] interval_ns: 1000, not 2000``."""
    before, now = before or {}, now or {}
    for name, old, new in _pairs(before, now, ""):
        if old != new:
            return f"{name}: {_shown(old)}, not {_shown(new)}"
    return ""


def _pairs(before: dict[str, Any], now: dict[str, Any], table: str) -> list[tuple[str, Any, Any]]:
    rows = []
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key), now.get(key)
        name = f"{table}.{key}" if table else key
        if isinstance(old, dict) and isinstance(new, dict):
            rows += _pairs(old, new, name)
        else:
            rows.append((f"[{table}] {key}" if table else f"[{key}]", old, new))
    return rows


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _wrong(path: KeyPath, text: str) -> OutcryError:
    return misplaced(SettingsError(text), path)


def _shown_place(place: KeyPath) -> str:
    return f"[{'.'.join(map(str, place))}]" if place else "the file"


def _only(table: dict[str, Any], known: tuple[str, ...], place: KeyPath) -> None:
    for key in table:
        if key not in known:
            text = f"{_shown_place(place)} has no {key!r}: there are {', '.join(known)}"
            raise _wrong((*place, key), text + meant(key, known))


def _table(document: dict[str, Any], name: str) -> dict[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise _wrong((name,), f"{name} is {table!r}, not a table [{name}]")
    return table


def _integer(table: dict[str, Any], key: str, place: KeyPath) -> int:
    value = table[key]
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong((*place, key), f"{_shown_place(place)} {key} is {value!r}, not an integer")
    return value


def _symbol(name: str) -> bytes:
    if not name.isascii() or not 1 <= len(name) <= SYMBOL_BYTES or "\0" in name:
        text = f"[symbols.{name}]: a symbol is 1 to {SYMBOL_BYTES} ASCII characters"
        raise _wrong(("symbols", name), text)
    return name.encode()


def _limits(name: str, symbols: dict[str, Any]) -> Limits:
    place = "symbols", name
    table = symbols[name]
    if not isinstance(table, dict):
        raise _wrong(place, f"[symbols] {name} is {table!r}, not a table {_shown_place(place)}")
    _only(table, tuple(LIMIT_KEYS), place)
    values = {key: _integer(table, key, place) for key in table if key != "halted"}
    halted = table.get("halted", False)
    if not isinstance(halted, bool):
        text = f"{_shown_place(place)} halted is {halted!r}, not true or false"
        raise _wrong((*place, "halted"), text)
    try:
        return Limits(halted=halted, **values)
    except SettingsError as error:
        text = str(error).replace("gateway setting", _shown_place(place))
        raise _wrong((*place, text.split()[1]), text) from error


def _numbers(table: dict[str, Any], key: str) -> list[int]:
    """A list of participants and of ranges ``"first-last"``."""
    place, where = ("participants", key), f"[participants] {key}"
    entries = table[key]
    if not isinstance(entries, list):
        raise _wrong(place, f"{where} is {entries!r}, not a list")
    numbers: list[int] = []
    for entry in entries:
        first, dash, last = entry.partition("-") if isinstance(entry, str) else ("", "", "")
        if isinstance(entry, int) and not isinstance(entry, bool):
            low = high = entry
        elif dash and all(part.isascii() and part.isdigit() for part in (first, last)):
            low, high = int(first), int(last)
        else:
            raise _wrong(place, f'{where} has {entry!r}, not a participant or a range "1-5"')
        if not 0 <= low <= high < PARTICIPANTS:
            raise _wrong(place, f"{where} has {entry!r}: participants are 0 to {PARTICIPANTS - 1}")
        numbers += range(low, high + 1)
    return numbers


def _ranges(numbers: list[int]) -> list[str]:
    """Sorted numbers as ranges ``"first-last"``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return [f"{first}-{last}" for first, last in runs]
