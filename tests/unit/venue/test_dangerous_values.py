"""Values of settings that are dangerous at either end: the schema has bounds for each."""

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import openoutcry.custody
import openoutcry.portal
import openoutcry.venue
from openoutcry.cli.main import main
from openoutcry.custody import settings as custody
from openoutcry.portal import settings as portal
from openoutcry.venue import file as venue_file
from openoutcry.venue import session_keys
from openoutcry.wire.toml_tables import Key
from tests.support.venue.served_venue import VENUE

TAIL = "$BniNbEuxYX87MWcrsJLOZg$e/bBC1lqhhAvTLmAM+5XCrXMJKgNaiE46mCX"
HUGE = 10**60
REFUSED = [
    ("id", 19, 8, 1, 1, "too little work"),
    ("id", 19, 7_167, 16, 1, "too little work"),
    ("id", 19, 19_456, 1, 1, "too little work"),
    ("id", 19, 0, 0, 0, "too little work"),
    ("id", 19, 67_108_864, 99, 1, "take too much"),
    ("id", 19, (1 << 18) + 1, 2, 1, "take too much"),
    ("id", 19, 65_536, 17, 1, "take too much"),
    ("id", 19, 65_536, 3, 17, "take too much"),
    ("id", 19, 65_536, 3, 0, "take too much"),
    ("id", 16, 65_536, 3, 4, "version 19"),
    ("i", 19, 65_536, 3, 4, "argon2id"),
    ("d", 19, 65_536, 3, 4, "argon2id"),
]
TAKEN = [
    (7_168, 5, 1),
    (9_216, 4, 1),
    (12_288, 3, 1),
    (19_456, 2, 1),
    (65_536, 3, 4),
    (1 << 18, 16, 16),
]
ENDS = [
    (venue_file.VENUE, "failures_before_lock", 1, 100),
    (session_keys.TERMS, "queue_bytes", 1 << 12, 1 << 28),
    (session_keys.TERMS, "heartbeat_ms", 100, 3_600_000),
    (session_keys.TERMS, "timeout_ms", 200, 3_600_000),
    (custody.CHAIN, "gap", 1, 10_000),
    (custody.CHAIN, "fee_rate", 1, 10_000),
    (custody.CHAIN, "fee_rate_most", 1, 10_000),
    (custody.CHAIN, "sweep_fee_most", 1, 10_000),
    (custody.CHAIN, "valid_s", 60, 86_400),
    (portal.QUOTES, "last_look_ms", 1, 60_000),
    (portal.REGISTRATION, "challenge_cost", 0, 10**7),
]


def keys() -> Iterator[tuple[str, Key]]:
    """Every key of every table of settings in the rooms of the venue, the portal and custody."""
    for room in (openoutcry.venue, openoutcry.portal, openoutcry.custody):
        for found in pkgutil.iter_modules(room.__path__, f"{room.__name__}."):
            module = importlib.import_module(found.name)
            for table, value in vars(module).items():
                if isinstance(value, dict):
                    for name, key in value.items():
                        if isinstance(key, Key):
                            yield f"{found.name}.{table}.{name}", key


@pytest.mark.promise(
    "Numbers of settings have bounds at both ends, in the schema that `venue check` and every "
    "start read. The work of a password's argon2id is neither too little nor too much",
    group="venue",
)
def test_every_number_of_the_settings_has_two_ends() -> None:
    found = 0
    for name, key in keys():
        for huge in (HUGE, -HUGE, float("inf"), float("nan")):
            try:
                taken = key.parse(huge)
            except ValueError:
                continue
            raise AssertionError(f"{name} takes {huge}: {taken}")
        found += 1
    assert found > 100


@pytest.mark.parametrize(("table", "name", "least", "most"), ENDS)
def test_the_ends_are_the_ones_of_the_table(
    table: dict[str, Key], name: str, least: int, most: int
) -> None:
    for value in (least, most):
        assert table[name].parse(value) == value
    for value in (least - 1, most + 1):
        with pytest.raises(ValueError, match=f"{least} to {most}"):
            table[name].parse(value)


@pytest.mark.promise(
    "Numbers of settings have bounds at both ends, in the schema that `venue check` and every "
    "start read. The work of a password's argon2id is neither too little nor too much",
    group="venue",
)
@pytest.mark.parametrize(("kind", "version", "kib", "passes", "lanes", "words"), REFUSED)
def test_a_hash_with_dangerous_parameters_is_refused(
    kind: str, version: int, kib: int, passes: int, lanes: int, words: str, tmp_path: Path
) -> None:
    """By the reader of sessions and operators, by custody's, and by ``venue check``."""
    text = f"$argon2{kind}$v={version}$m={kib},t={passes},p={lanes}{TAIL}"
    for parse in (session_keys.password_hash, custody.PERSON["password"].parse):
        with pytest.raises(ValueError, match=words):
            parse(text)
    path = tmp_path / "venue.toml"
    path.write_text(
        f'{VENUE}\n[[operator]]\nname = "anna"\nrole = "operator"\npassword = "{text}"\n'
    )
    path.chmod(0o600)
    done = CliRunner().invoke(main, ["venue", "check", str(path)])
    assert done.exit_code == 1
    assert words in done.output
    assert TAIL[1:10] not in done.output


@pytest.mark.parametrize(("kib", "passes", "lanes"), TAKEN)
def test_a_hash_with_usual_parameters_is_taken(kib: int, passes: int, lanes: int) -> None:
    text = f"$argon2id$v=19$m={kib},t={passes},p={lanes}{TAIL}"
    assert session_keys.password_hash(text) == text
