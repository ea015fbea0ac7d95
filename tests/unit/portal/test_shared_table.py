"""The table that the processes of a portal share: it equals a dictionary."""

import fcntl
import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry.portal.accounts.api_keys import HMAC, ApiKey
from openoutcry.portal.shared_table import Table
from openoutcry.portal.spot.user_data import KEY_LENGTH, ListenKeys

CALLS = st.lists(
    st.tuples(
        st.sampled_from(["add", "set", "take", "number"]),
        st.integers(0, 5),
        st.integers(1, 9),
        st.integers(0, 3),
    ),
    max_size=60,
)


@given(CALLS)
@settings(deadline=None)
def test_a_table_counts_as_a_dictionary_does(calls):
    table, plain, now_s = Table(64), {}, 1_000.0
    for what, subject, number, wait_s in calls:
        now_s += wait_s
        until_s, name = now_s + 3, f"subject {subject}"
        plain = {one: row for one, row in plain.items() if row[1] > now_s}
        if what == "add":
            known = plain.get(name, (0, until_s))
            plain[name] = known[0] + number, known[1]
            assert table.add(name, number, until_s, now_s) == plain[name][0]
        elif what == "set":
            plain[name] = number, until_s
            assert table.set(name, number, until_s, now_s)
        elif what == "take":
            assert table.take(name, until_s, now_s) is (name not in plain)
            plain.setdefault(name, (1, until_s))
        assert table.entry(name, now_s) == plain.get(name, (0, 0.0))


def test_a_full_table_takes_nothing_new_and_forgets_nothing():
    table = Table(16)
    taken = [n for n in range(400) if table.take(f"{n}", 100.0, 1.0)]
    assert table.take("one more", 100.0, 1.0) is None
    assert not table.set("one more", 1, 100.0, 1.0)
    assert all(table.take(f"{n}", 100.0, 1.0) is False for n in taken)
    assert table.take("one more", 300.0, 101.0) is True


def test_where_counts_have_no_room_the_smallest_gives_way():
    table = Table(16)
    numbers = {n: table.add(f"{n}", 100 + n, 100.0, 1.0) for n in range(200)}
    assert numbers == {n: 100 + n for n in range(200)}
    assert table.number("199", 1.0) == 299
    left = [n for n in range(200) if table.number(f"{n}", 1.0)]
    assert len(left) <= 16
    assert min(left) > 0


def test_the_lock_is_held_until_the_last_that_entered_leaves():
    """Another opening of the file is asked, as another process would."""
    table, own_lock = Table(16), struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
    with open(f"/proc/self/fd/{table._file}", "r+b") as other:

        def is_locked():
            found = fcntl.fcntl(other, 36, own_lock)  # F_OFD_GETLK
            return struct.unpack("hhqqi4x", found)[0] != fcntl.F_UNLCK

        with table.held():
            assert table.add("a", 1, 100.0, 1.0) == 1
            assert is_locked()
            assert table.take("b", 100.0, 1.0) is True
            assert is_locked()
        assert not is_locked()
        with Table(16, is_shared=False).held():
            assert not is_locked()


KEY = ApiKey(7, 1, 1000, HMAC, b"", True, False, (), None)


def test_a_listen_key_of_another_portal_or_another_spelling_is_none():
    mine, theirs = ListenKeys(seal=b"mine"), ListenKeys(seal=b"theirs")
    key = mine.create(KEY)
    assert theirs.participant(key) == 0
    for place in range(KEY_LENGTH):
        other = "b" if key[place] != "b" else "c"
        assert mine.participant(key[:place] + other + key[place + 1 :]) == 0
    for text in ("", key[:-1], key + "a", "é" * KEY_LENGTH, "-" * KEY_LENGTH):
        assert mine.participant(text) == 0


def test_a_table_in_a_file_is_found_again_by_its_key_alone(tmp_path):
    def opened(key=b"key"):
        table = Table(16, path=tmp_path / "table", key=key)
        return ListenKeys(clock=lambda: 1.0, table=table, seal=b"seal")

    listen_key = opened().create(KEY)
    again = opened()
    assert again.participant(listen_key) == KEY.participant
    assert again.create(KEY) == listen_key
    assert opened(b"other").participant(listen_key) == 0
    assert (tmp_path / "table").stat().st_mode & 0o777 == 0o600
