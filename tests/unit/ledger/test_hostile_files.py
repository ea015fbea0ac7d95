"""Files that lie: a ledger's list of files and its Parquet, settlement's CSV, and proofs' JSON.
What is not as it should be is refused in words; nothing outside of the folder is read, and no
number becomes another one."""

import json
import random
import shutil
from functools import partial

import pyarrow as pa
import pyarrow.parquet
import pytest

from openoutcry.ledger import store_files
from openoutcry.ledger.ledger_state import folder_of, opened
from openoutcry.ledger.parquet_store import MANIFEST, connect, read_manifest, stored_files
from openoutcry.ledger.proof import files as proof_files
from openoutcry.ledger.settlement import corporate_files, files, tables
from openoutcry.ledger.settlement.corporate import Movement
from openoutcry.ledger.settlement.holdings import TRANSFERS
from openoutcry.ledger.settlement.settle import settle
from openoutcry.ledger.settlement.trades import COLUMNS, read_trades
from openoutcry.ledger.store_files import Files
from openoutcry.ledger.transactions import _stored
from openoutcry.wire.errors import LedgerError, ProofError, SettlementError
from tests.support.ledger.follow import once

EVER = 2**62
GOOD_NAME = "tail/part-000000000000000-000000.parquet"


@pytest.fixture(scope="module")
def store(day, tmp_path_factory):
    home = shutil.copytree(day, tmp_path_factory.mktemp("store") / "day")
    once(home)
    return home


@pytest.fixture(autouse=True)
def one_look(monkeypatch):
    """A file that cannot be read is looked at once more after a pause, which no test needs."""
    monkeypatch.setattr(store_files, "ATTEMPTS", 1)


def manifest(**change):
    return json.dumps({"journal_id": 1, "final": [], "tail": [], **change}).encode()


OUTSIDE = (
    "../part-000000000000000.parquet",
    "/etc/passwd",
    "/etc/part-000000000000000.parquet",
    "tail/../../part-000000000000000.parquet",
    "day=2026-11-22/../../../part-000000000000000.parquet",
    "https://elsewhere.example/part-000000000000000.parquet",
    "tail/part-000000000000000.parquet\0",
    "tail/part-*.parquet",
    "day=2026-11-22/part-\u0661" + 14 * "0" + ".parquet",
    "",
    7,
    None,
    [GOOD_NAME],
)


@pytest.mark.promise(
    "A Parquet file of the ledger whose columns hold something else (numbers beyond 64 bits, "
    "fractions, nothing, unknown names) is refused, and no number of it becomes another one. "
    "A ledger's list of files that names a file outside of its folder is refused",
    group="text",
)
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b'{"journal_id": 1}',
        manifest(journal_id="1"),
        manifest(final={}),
        manifest(tail=GOOD_NAME),
        *(manifest(final=[name]) for name in OUTSIDE),
        *(manifest(tail=[GOOD_NAME, name]) for name in OUTSIDE),
    ],
)
def test_a_list_of_files_that_lies_is_refused(tmp_path, text):
    (tmp_path / MANIFEST).write_bytes(text)
    for read in (read_manifest, connect, lambda folder: stored_files(folder, 1)):
        with pytest.raises(LedgerError):
            read(tmp_path)
    with pytest.raises(LedgerError):
        Files(tmp_path, ["event_seq", "part"]).rows(0, EVER)


def test_the_own_list_of_files_is_read(store):
    document = read_manifest(folder_of(store))
    assert document["final"] or document["tail"]
    assert connect(folder_of(store)).sql("select count(*) from transactions").fetchall()[0][0]


def largest(store, state):
    """Return the largest of the ledger's files."""
    files = stored_files(folder_of(store), state.reader.journal_id)
    return max((path for _, path in files), key=lambda path: path.stat().st_size)


def replaced(table, name, values):
    at = table.schema.get_field_index(name)
    return table.set_column(at, pa.field(name, values.type), values)


def lies(table):
    """The table with one column of something else."""
    count = table.num_rows
    beyond = pa.array([2**64 - 1] * count, pa.uint64())
    large = pa.array([10**30] * count, pa.decimal128(38))
    for name in ("event_seq", "cause_seq", "qty_lots", "participant"):
        yield f"{name} beyond 64 bits", replaced(table, name, beyond)
        yield f"{name} of 38 digits", replaced(table, name, large)
        yield f"{name} a fraction", replaced(table, name, pa.array([0.5] * count))
        yield f"{name} text", replaced(table, name, pa.array(["1"] * count))
        empty = pa.array([None] * count, pa.int64())
        yield f"{name} empty", replaced(table, name, empty)
        yield f"no {name}", table.drop_columns([name])
    yield "participant of more", replaced(table, "participant", pa.array([1 << 16] * count))
    yield "participant below", replaced(table, "participant", pa.array([-1] * count))
    for name in ("asset", "kind", "side", "instrument"):
        yield f"{name} unknown", replaced(table, name, pa.array(["NO SUCH"] * count))
        nothing = pa.array([None] * count, pa.string())
        yield f"{name} nothing", replaced(table, name, nothing)
        yield f"{name} a number", replaced(table, name, pa.array([1] * count))


@pytest.mark.promise(
    "A Parquet file of the ledger whose columns hold something else (numbers beyond 64 bits, "
    "fractions, nothing, unknown names) is refused, and no number of it becomes another one. "
    "A ledger's list of files that names a file outside of its folder is refused",
    group="text",
)
def test_a_parquet_file_that_lies_is_refused(store, tmp_path):
    state = opened(store)
    path = largest(store, state)
    table = pa.parquet.read_table(path, partitioning=None)
    assert len(_stored(path, state, -1, EVER, None)) == table.num_rows > 50
    path = tmp_path / "tail" / "part-000000000000000-000000.parquet"
    path.parent.mkdir()
    (tmp_path / MANIFEST).write_bytes(manifest(tail=[GOOD_NAME]))
    columns = ["event_seq", "part", "cause_seq", "qty_lots", "participant"]
    for what, lie in lies(table.slice(0, 50)):
        pa.parquet.write_table(lie, path)
        assert is_refused(_stored, path, state, 0, EVER, None), what
        if what.split()[0] in columns and "participant" not in what:
            assert is_refused(Files(tmp_path, columns).rows, -1, EVER), what


def is_refused(read, *terms):
    try:
        read(*terms)
    except LedgerError:
        return True
    return False


def test_a_damaged_parquet_file_is_refused_or_read(store, tmp_path):
    """Cut anywhere, with any bytes changed, and something else by its name."""
    state = opened(store)
    whole = largest(store, state).read_bytes()
    path = tmp_path / "part-000000000000000.parquet"
    rng, refused = random.Random(47), 0
    for number in range(120):
        data = bytearray(whole)
        if number < 40:
            data = data[: rng.randrange(len(data))]
        else:
            for _ in range(rng.choice((1, 1, 4, 40))):
                # The footer says where everything is.
                at = -rng.randrange(1, 4_000) if rng.random() < 0.7 else rng.randrange(len(data))
                data[at] = rng.randrange(256)
        path.write_bytes(data)
        refused += is_refused(_stored, path, state, 0, EVER, None)
    assert refused > 60
    for data in (b"", b"PAR1", b"PAR1PAR1", b"a,b\n1,2\n", whole[:4] + b"\xff" * 100 + whole[-8:]):
        path.write_bytes(data)
        with pytest.raises(LedgerError):
            _stored(path, state, 0, EVER, None)


TEXTS = (
    "", " ", "0", "-0", "-1", "1.5", "1e5", "+1", "0x10", "1_000", "\u0661", "9" * 19, "9" * 40,
    "-" + "9" * 19, str(2**63 - 1), str(2**63), str(-(2**63)), "NaN", "=1+1", "@x", "A" * 65,
    "\0", "\x1b[31m", "\u202e", "CLEARING", "2026-02-30", "0000-00-00", "9999-12-31", "today",
    "x" * 200_000, "A", "B", "USD", '"', "\u2028", "\ufeff1",
)  # fmt: skip
TRADE = "trade_id,trade_date,market,buyer,seller,asset,quantity_units,cash_asset,cash_units"
DECIMAL = "trade_id,trade_date,market,buyer,seller,asset,quantity,cash_asset,cash"


def in_usd(read):
    return partial(read, scales={"USD": 2})


FORMS = {
    "trades": (TRADE, "1,2026-11-23,24/7,A,B,GOLD,5,USD,100", read_trades),
    "balances": ("member,asset,balance_units", "A,USD,100", files.read_balances),
    "positions": ("member,units", "A,100", corporate_files.read_positions),
    "orders": (
        ",".join(corporate_files.ORDERS),
        "1,7,GOLD,BUY,LIMIT,100,5,ALLOW",
        corporate_files.read_orders,
    ),
    "decimal trades": (DECIMAL, "1,2026-11-23,24/7,A,B,GOLD,5,USD,1.50", in_usd(read_trades)),
    "decimal balances": ("member,asset,balance", "A,USD,0.70", in_usd(files.read_balances)),
    "decimal proof": ("member,asset,balance", "A,USD,0.70", in_usd(proof_files.read_balances)),
    "proof": ("member,asset,balance_units", "A,USD,100", proof_files.read_balances),
}


def is_read(path, read):
    """Otherwise it is refused by its name."""
    said = str(path)
    try:
        read(path)
    except (SettlementError, ProofError) as error:
        said = str(error)
    else:
        return True
    assert str(path) in said
    return False


@pytest.mark.promise(
    "A damaged record file or market recording is rejected with the row, field or byte. Any "
    "CSV file of settlement, corporate actions and proofs is read as it says, or refused by "
    "its row",
    group="text",
)
@pytest.mark.parametrize("form", FORMS)
def test_any_csv_is_read_or_refused_in_words(tmp_path, form):
    head, row, read = FORMS[form]
    path, rng, taken = tmp_path / "file.csv", random.Random(f"47 {form}"), 0
    path.write_text(f"{head}\n{row}\n")
    assert read(path)
    for _ in range(400):
        cells = [row.split(",") for _ in range(rng.randrange(1, 4))]
        for _ in range(rng.randrange(1, 3)):
            cells[rng.randrange(len(cells))][rng.randrange(len(cells[0]))] = rng.choice(TEXTS)
        data = "\n".join([head, *(",".join(one) for one in cells), ""]).encode()
        if rng.random() < 0.3:
            at = rng.randrange(len(data))
            data = (
                data[:at] + rng.choice((b"", b"\xff", b'"', b"\r", b"\0", b"\n")) + data[at + 1 :]
            )
        path.write_bytes(data)
        taken += is_read(path, read)
    assert 0 < taken < 300


def test_any_json_of_a_proof_is_read_or_refused_in_words(tmp_path):
    path, rng = tmp_path / "proof.json", random.Random(47)
    good = {
        "format": proof_files.FORMAT, "as_of_seq": "1", "members": "2", "root": "00" * 32,
        "sums": {"USD": "5"}, "public_key": "00" * 32, "signature": "00" * 64, "challenge": "",
        "member": "A", "salt": "00" * 32, "balances": ["5"], "leaf_index": "0",
        "siblings": [{"hash": "00" * 32, "sums": ["5"]}],
    }  # fmt: skip
    values = (None, True, 1, 1e999, 10**40, -1, [], [[]], {}, {"a": 1}, *TEXTS[:30])
    path.write_text(json.dumps(good))
    assert proof_files.read_statement(path)[0].sums == (5,)
    assert proof_files.read_inclusion(path).member == "A"
    for number in range(500):
        document = good | {rng.choice(list(good)): rng.choice(values)}
        text = json.dumps(document)
        if number % 3 == 0:
            text = text[: rng.randrange(len(text))]
        path.write_text(text)
        for read in (proof_files.read_statement, proof_files.read_inclusion):
            is_read(path, read)


def test_what_is_written_of_members_is_the_users_alone(tmp_path):
    """Each folder of a settlement and of a day has balances of every member."""
    path = tmp_path / "trades.csv"
    path.write_text(f"{TRADE}\n1,2026-11-23,24/7,A,B,GOLD,5,USD,100\n")
    trades = read_trades(path, 0)
    balances = {("A", "USD"): 100, ("B", "GOLD"): 5}
    files.write_settlement(tmp_path / "out", trades, settle(trades, balances, trades.days[0]))
    assert (tmp_path / "out").stat().st_mode & 0o077 == 0


BAD_AMOUNTS = {
    "1.001": "more than 2 decimals", "1e3": "not a decimal", "1,000": "not a decimal",
    "NaN": "not a decimal", "+1": "not a decimal", "--1": "not a decimal", ".5": "not a decimal",
    "1.": "not a decimal", "": "not a decimal", "-0.01": "is negative",
    "92233720368547758.08": "not a whole number of 64 bits",
}  # fmt: skip


@pytest.mark.parametrize("text", BAD_AMOUNTS)
def test_a_decimal_amount_is_the_assets_or_is_refused_by_its_row(tmp_path, text):
    path, row = tmp_path / "file.csv", "1,2026-11-23,24/7,A,B,GOLD,5,USD"
    path.write_text(f'{DECIMAL}\n{row},1.50\n{row.replace("1", "2", 1)},"{text}"\n')
    with pytest.raises(SettlementError, match=f"row 3, cash: .*{BAD_AMOUNTS[text]}"):
        read_trades(path, scales={"USD": 2})
    path.write_text(f"{DECIMAL}\n{row},1.50\n")
    assert read_trades(path, scales={"USD": 2}).cash_units.tolist() == [150]
    with pytest.raises(SettlementError, match="row 2, cash: '1\\.50': give the decimals of USD"):
        read_trades(path)


def test_every_amount_of_a_settlement_has_a_decimal_column():
    """A new column of units without its asset fails here."""
    tables_of = (
        COLUMNS, files.BALANCES, files.WAITING, files.FAILS, files.OWED, files.TRANSFERS,
        files.NETS, files.OBLIGATIONS, TRANSFERS, corporate_files.POSITIONS, Movement._fields,
    )  # fmt: skip
    for columns in tables_of:
        amounts = [name for name in columns if name.endswith("units")]
        assert amounts
        assert set(amounts) <= set(tables.AMOUNTS)
        decimal = [tables.decimal_name(name) for name in columns]
        assert len(set(decimal)) == len(decimal)
        assert not any(name.endswith("units") for name in decimal)
        named = {tables.AMOUNTS[name] for name in amounts}
        assert named <= set(columns) or columns is corporate_files.POSITIONS
