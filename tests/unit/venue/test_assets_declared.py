"""Assets with names of up to 16 characters, everywhere; and assets that the operator declares while
a venue with spot instruments trades, over a restart and in every book."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.journal.replay import replay
from openoutcry.ledger.copy_rows import encoded
from openoutcry.ledger.exchange import Exchange
from openoutcry.ledger.follow import follow
from openoutcry.ledger.layout import TRANSACTION_DTYPE
from openoutcry.ledger.ledger_state import at, opened, save
from openoutcry.ledger.parquet_store import ask
from openoutcry.ledger.reconcile import Reconciliation
from openoutcry.ledger.schedules import money
from openoutcry.venue.file import VenueFileError, read_venue
from openoutcry.venue.limits import LimitsError, check_structure, hook_settings
from openoutcry.wire.asset_names import asset_text, asset_word, asset_words
from openoutcry.wire.enums import Side
from tests.support.ledger.spot_venue import in_market
from tests.support.risk.spot_page import HEAD, PEOPLE, TABLES
from tests.support.venue.floor import InlineFloor
from tests.support.venue.spot_floor import FLOOR, wallet

LONG, OTHER = "WRAPPED-BITCOIN1", "USD-STABLE-NOTE"
ROOM = "asset_capacity = 5\n"


def with_long_names(text):
    for key in ("name", "base", "quote", "asset"):
        text = text.replace(f'{key} = "BTC"', f'{key} = "{LONG}"')
    return text


TEXT = with_long_names(FLOOR.replace("[calendar]", ROOM + "[calendar]", 1))


@pytest.fixture
def floor(tmp_path):
    floor = InlineFloor(tmp_path, TEXT)
    yield floor
    if floor.run is not None:
        floor.close()


LETTERS = st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":\\")
names = st.text(LETTERS, min_size=2, max_size=16)


def refused(floor, *words):
    """What a command that the desk refuses prints."""
    done = floor.outcry(*words)
    assert done.exit_code == 1
    return done.output


@given(names, st.integers(0, 18))
def test_a_name_comes_back_from_its_words(name, decimals):
    words = asset_words(name, decimals)
    assert asset_text(*words) == name
    assert words[0] == asset_word(name)
    assert words[0] > 255
    assert words[1] & 255 == decimals
    assert min(words) >= 0
    if len(name) <= 8:
        assert words == (int.from_bytes(name.encode().ljust(8, b"\0"), "little"), decimals, 0)


def test_a_longer_name_is_refused():
    with pytest.raises(ValueError, match="not up to 16"):
        asset_words("X" * 17, 2)


def test_long_names_and_new_assets_are_the_same_in_every_book(floor):
    floor.ask("deposit", "2", "500000000", "--asset", LONG)
    floor.ask("deposit", "1", "900000000000", "--asset", "USD")
    floor.send(in_market("BTC-USD", 1, Side.SELL, 10, 5_000_000, 2))
    # Not there yet.
    assert "there is no asset" in refused(floor, "deposit", "3", "5", "--asset", OTHER)
    floor.ask("assets", "declare", OTHER, "6", "--reference", "new one")
    again = floor.ask("assets", "declare", OTHER, "6", "--reference", "new one")
    assert again["repeated"]
    floor.ask("deposit", "3", "7000000", "--asset", OTHER)
    floor.ask("deposit", "seen", "3", "11", OTHER, "--reference", "tx 1")
    floor.ask("deposit", "credit", "tx 1")
    floor.ask("withdraw", "request", "3", "2000000", OTHER, "--reference", "wd 1")
    floor.ask("assets", "credit", "3", "10", OTHER)
    assert wallet(floor, 3, OTHER) == [5_000_011, 2_000_000, 10, 0]
    floor.send(in_market("BTC-USD", 2, Side.BUY, 10, 5_000_000, 1))
    assert wallet(floor, 1, LONG)[0] == 10 * 10_000 * 999 // 1_000
    assert OTHER in floor.outcry("limits", "show", "--participant", "3").output
    history = floor.outcry("fees", "history").output
    for text in (
        f"{OTHER} is an asset with 6 decimals",
        f"participant 3 gets 7.000000 {OTHER} from outside",
        f"withdrawal 'wd 1': 2.000000 {OTHER} of participant 3 is requested",
        f"participant 2 gets 5.00000000 {LONG} from outside",
    ):
        assert text in history
    # A restart has both, without the file's knowing the new one.
    floor.again()
    assert wallet(floor, 3, OTHER) == [5_000_011, 2_000_000, 10, 0]
    listed = floor.ask("withdraw", "list")["movements"]
    assert [(row["reference"], row["asset"]) for row in listed] == [("wd 1", OTHER)]
    floor.ask("deposit", "3", "1", "--asset", OTHER)
    one = Reconciliation(floor.journal_path, None)
    assert one.advance().difference is None
    books = at(floor.journal_path).books
    assert dict(books.wallets) == {"USD": 6, LONG: 8, "ETH": 8, OTHER: 6}
    assert [row["asset"] for row in money(books)][-4:] == ["USD", LONG, "ETH", OTHER]
    assert Exchange.of(books).assets[-1] == (OTHER, 6)
    follow(floor.journal_path, None, True, lambda: False, print)
    rows = ask(
        floor.journal_path / "ledger",
        "select user_id, currency, balance, reserved from exchange.balances "
        f"where currency in ('{OTHER}', '{LONG}') order by all",
    ).to_pylist()
    held = {
        (row["user_id"], row["currency"]): (float(row["balance"]), float(row["reserved"]))
        for row in rows
    }
    assert held[3, OTHER] == (7.000012, 2.0)
    assert held[1, LONG] == (0.000999, 0.0)
    # A checkpoint of the ledger has the new asset.
    state = at(floor.journal_path)
    save(state)
    assert opened(floor.journal_path).books.wallets == books.wallets
    assert opened(floor.journal_path).seq == state.seq


def test_what_cannot_be_declared_has_its_word(floor):
    def word(*asked):
        return refused(floor, "assets", "declare", *asked)

    assert "scale mismatch: USD has 6 decimals, not 2" in word("USD", "2")
    assert "is not 1 to 16 printable" in word("X" * 17, "2")
    assert "is an instrument's symbol" in word("BTC-USD", "2")
    floor.ask("assets", "declare", "EUR", "2")
    floor.ask("assets", "declare", "EUR", "2")
    floor.ask("assets", "declare", OTHER, "6")
    assert "room for 5 assets" in word("DOGE", "0")
    for asset in ("EUR", OTHER):
        assert wallet(floor, 1, asset) == [0, 0, 0, 0]
    assert floor._desk.view.wallets.count == 5


def test_the_next_file_may_name_what_was_declared(floor, tmp_path):
    floor.ask("assets", "declare", OTHER, "6")
    floor.ask("deposit", "3", "7", "--asset", OTHER)
    more = f'[[asset]]\nname = "{OTHER}"\ndecimals = 6\n[[asset]]\nname = "EUR"\ndecimals = 2\n'
    floor.file.write_text(floor.file.read_text() + "\n" + more)
    floor.again()
    assert wallet(floor, 3, OTHER) == [7, 0, 0, 0]
    floor.ask("deposit", "3", "9", "--asset", "EUR")
    assert wallet(floor, 3, "EUR")[0] == 9
    last = floor.close()
    assert replay(floor.journal_path)["state_hash"] == last["state_hash"]


def test_the_file_is_checked(tmp_path):
    path = tmp_path / "venue.toml"

    def read(text):
        path.write_text(text)
        return read_venue(path)

    whole = with_long_names(HEAD + PEOPLE + TABLES)
    venue = read(whole.replace("order_capacity = 1024\n", "order_capacity = 1024\n" + ROOM))
    hooks = hook_settings([1], 1_024, venue.risk, asset_capacity=venue.asset_capacity)
    assert hooks["asset_capacity"] == 5
    assert [name for name, _ in hooks["assets"]] == ["USD", LONG, "ETH"]
    check_structure(hooks, venue.risk, [1])
    two = "".join(f'[[asset]]\nname = "A{n}"\ndecimals = 2\n' for n in range(3))
    larger = read(whole + two)
    with pytest.raises(LimitsError, match="asset A0: the journal has room for 5 assets"):
        check_structure(hooks, larger.risk, [1])
    other = read(whole.replace(f'"{LONG}"', '"WBTC"'))
    with pytest.raises(LimitsError, match="are fixed by the journal"):
        check_structure(hooks, other.risk, [1])
    without = hook_settings([1], 1_024, venue.risk)
    assert "asset_capacity" not in without
    for text, message in (
        (whole.replace(LONG, LONG + "X"), "is not 1 to 16 printable characters"),
        (HEAD.replace("[calendar]", ROOM + "[calendar]") + PEOPLE
         + '[[instrument]]\nsymbol = "GOLD"\n', "the venue has no spot instrument"),
    ):  # fmt: skip
        with pytest.raises(VenueFileError, match=message):
            read(text)


def test_a_name_of_24_characters_goes_into_a_database():
    """The widest that a symbol can be."""
    rows = np.zeros(1, TRANSACTION_DTYPE)
    data = encoded(rows, ["ETH-BTC-PERPETUAL-202612"], [LONG])
    assert b"ETH-BTC-PERPETUAL-202612" in data
    assert LONG.encode() in data
