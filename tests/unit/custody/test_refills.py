"""Refills: two people, a lock and a limit, online and again on the offline machine."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from openoutcry.cli.custody import custody
from openoutcry.custody.breaker import Breaker
from openoutcry.custody.ceremony import hold
from openoutcry.custody.cold import Found, build, check_refill, shown, sign
from openoutcry.custody.errors import CustodyError, Refused
from openoutcry.custody.persons import Persons
from openoutcry.custody.refills import Refills, with_approval
from openoutcry.custody.settings import read_custody_file
from openoutcry.custody.store import Store
from openoutcry.custody.utxo.address import address_of
from openoutcry.custody.utxo.blocks import double_sha256
from tests.support.custody.chains import NEEDED, TEXT
from tests.support.custody.proofs import pays
from tests.support.portal.people import CHEAP

COIN, HOUR_NS = 10**8, 3_600 * 10**9
NETWORK = "ltc-regtest"
ROWS = (("anna", "supervisor"), ("bert", "operator"), ("carl", "operator"))


@pytest.fixture(scope="module")
def keys():
    for module in NEEDED:
        pytest.importorskip(module)
    from openoutcry.custody.ceremony import keys_of

    return keys_of(b"r" * 32, NETWORK)


@pytest.fixture
def file(tmp_path, keys):
    people = "".join(
        f'[[person]]\nname = "{name}"\npassword = "{CHEAP.hash(name)}"\nrole = "{role}"\n'
        for name, role in ROWS
    )
    values = {"url": "http://u:p@127.0.0.1:1", "hot": keys.hot(), "cold": keys.cold(), "wait": 0}
    text = TEXT.format(final=6, **values).replace("dust", f"refill_a_day = {10 * COIN}\ndust")
    (tmp_path / "custody.toml").write_text(text + people)
    return read_custody_file(tmp_path / "custody.toml")


@pytest.fixture
def clock():
    return [10**18]


@pytest.fixture
def refills(file, clock):
    with Store(file.folder) as store:
        yield Refills(file, store, lambda: clock[0])


def refusal(do, *terms):
    with pytest.raises(Refused) as refused:
        do(*terms)
    return refused.value.code


@pytest.mark.promise(
    "A refill of the hot wallet needs two people, a wait and room below a day's limit. The offline "
    "machine signs nothing else without another word",
    group="custody",
)
def test_a_refill_needs_two_people_and_waits(refills, clock):
    number, _ = refills.ask("LTC", 4 * COIN)
    assert refusal(refills.approved, number) == "not_approved"
    assert refusal(refills.approve, number, "anna", "bert") == "not_proven"
    for _ in range(2):
        assert refills.approve(number, "bert", "bert") == 0, "one person counts once"
    assert refusal(refills.approved, number) == "not_approved"
    usable = refills.approve(number, "anna", "anna")
    assert usable == clock[0] + HOUR_NS
    assert refusal(refills.approve, number, "carl", "carl") == "not_held"
    clock[0] = usable - 1
    assert refusal(refills.approved, number) == "refill_locked"
    clock[0] = usable
    _, approval = refills.approved(number)
    assert (approval.people, approval.amount) == (("anna", "bert"), 4 * COIN)
    Breaker(refills.store).trip("a drill")
    assert refusal(refills.approved, number) == "stopped"
    refills.store.run("update breaker set lifted_ns = 1")
    refills.close(number)
    assert refusal(refills.approved, number) == "already_built"
    assert refusal(refills.close, number) == "already_built"


def test_the_word_of_a_person_who_left_counts_no_more(refills, clock):
    number, _ = refills.ask("LTC", 4 * COIN)
    refills.approve(number, "anna", "anna")
    refills.persons = Persons(refills.file.persons[1:])
    assert refills.approve(number, "bert", "bert") == 0
    clock[0] = refills.approve(number, "carl", "carl")
    assert refills.approved(number)[1].people == ("bert", "carl")
    refills.persons = Persons(refills.file.persons[2:])
    assert refusal(refills.approved, number) == "not_approved"


def test_a_day_has_a_limit_and_without_one_nothing_is_refilled(refills, clock):
    refills.ask("LTC", 7 * COIN)
    assert refusal(refills.ask, "LTC", 3 * COIN + 1) == "refill_limit"
    refills.ask("LTC", 3 * COIN)
    assert refusal(refills.ask, "LTC", 1) == "refill_limit"
    clock[0] += 24 * HOUR_NS
    refills.ask("LTC", 10 * COIN)
    assert refusal(refills.ask, "XYZ", 1) == "unknown_asset"
    assert refusal(refills.approved, 99) == "unknown_refill"
    (asset,) = refills.file.assets
    refills.file = replace(refills.file, assets=(replace(asset, refill_a_day=0),))
    clock[0] += 48 * HOUR_NS
    assert refusal(refills.ask, "LTC", 1) == "refill_limit"


@pytest.mark.promise(
    "A refill of the hot wallet needs two people, a wait and room below a day's limit. The offline "
    "machine signs nothing else without another word",
    group="custody",
)
def test_the_offline_machine_signs_a_refill_to_the_hot_wallet_and_nothing_else(
    refills, clock, keys
):
    number, own = refills.ask("LTC", 4 * COIN)
    for name in ("anna", "bert"):
        refills.approve(number, name, name)
    clock[0] += HOUR_NS
    _, approval = refills.approved(number)
    came = [pays(9 * COIN, b"lock", salt) for salt in (b"one", b"two")]
    ids = [double_sha256(one)[::-1].hex() for one in came]
    whole = {"transactions": dict(zip(ids, (one.hex() for one in came), strict=True))}
    found = [Found(ids[0], 0, 9 * COIN, "cold", 0, 0)]
    bare = build(keys.document(), found, own, 4 * COIN, 10) | whole
    made = json.loads(json.dumps(with_approval(bare, approval)))
    assert check_refill(made, keys, clock[0]) == [f"refill {number}, approved by anna and bert"]
    thief = address_of(b"\x00\x14" + b"t" * 20, keys.network)
    elsewhere = build(keys.document(), found, thief, 1, 10) | whole
    # Two coins, of which each of two documents hides another one: both fees look small.
    two = [[txid, 0, 9 * COIN, "cold", 0, 0] for txid in ids]
    lies = [made | {"inputs": [[*one[:2], 5, *one[3:]], other]} for one, other in (two, two[::-1])]
    for wrong, code in (
        *((lie, "other_amount") for lie in lies),
        (made | {"inputs": [[ids[1], 1, *two[1][2:]]]}, "bad_request"),
        (made | {"transactions": dict(zip(ids, (came[1].hex(), ""), strict=True))}, "other_amount"),
        (made | {"transactions": {}}, "bad_request"),
        (bare, "not_approved"),
        (made | {"refill": 5}, "bad_request"),
        (made | {"refill": made["refill"] | {"people": ["anna", "anna"]}}, "not_approved"),
        (made | {"refill": made["refill"] | {"people": ["anna", "b" + " " * 99]}}, "bad_request"),
        (made | {"refill": made["refill"] | {"usable_ns": clock[0] + 1}}, "refill_locked"),
        (made | {"outputs": elsewhere["outputs"]}, "other_refill"),
        (made | {"outputs": [*made["outputs"], [thief, 1]]}, "other_refill"),
        (made | {"outputs": [[own, 5 * COIN], *made["outputs"][1:]]}, "other_refill"),
        (elsewhere | {"refill": made["refill"] | {"address": thief, "amount": 1}}, "other_refill"),
    ):
        assert refusal(check_refill, wrong, keys, clock[0]) == code


@pytest.mark.promise(
    "A refill of the hot wallet needs two people, a wait and room below a day's limit. The offline "
    "machine signs nothing else without another word",
    group="custody",
)
def test_the_offline_machine_shows_and_bounds_the_fee_that_miners_get(refills, keys):
    """Whatever the machine that built the document says: 47 LTC of the change are missing in it."""
    _, own = refills.ask("LTC", 4 * COIN)
    found = [Found("aa" * 32, 0, 1_000 * COIN, "cold", 0, 0)]
    made = build(keys.document(), found, own, 4 * COIN, 10)
    assert shown(made)[-1] == "fee 0.00001650 LTC, 1 inputs"
    assert sign(made, keys)["txid"]
    address, change = made["outputs"][1]
    dear = made | {"outputs": [made["outputs"][0], [address, change - 47 * COIN]], "fee": 1_650}
    assert shown(dear)[-1] == "fee 47.00001650 LTC, 1 inputs"
    assert refusal(sign, dear, keys) == "fee_too_high"


@pytest.mark.parametrize("wrong", [{}, {"outputs": [5]}, {"inputs": [[]]}, {"kind": "evm"}])
def test_a_document_that_is_not_whole_is_refused_by_its_name(wrong, keys, tmp_path):
    """Someone has carried another file to the offline machine."""
    shares = [tmp_path / f"share{number}.txt" for number in (1, 2)]
    made, texts = hold(NETWORK)
    for path, text in zip(shares, texts, strict=False):
        path.write_text(text)
    given = {"network": NETWORK, "fingerprint": made.fingerprint} | wrong
    (tmp_path / "unsigned.json").write_text(json.dumps(given if wrong else {}))
    words = [word for path in shares for word in ("--share", str(path))]
    terms = str(tmp_path / "unsigned.json"), *words, "--out", str(tmp_path / "signed.json")
    done = CliRunner().invoke(custody, ["cold", "sign", "--recovery", *terms])
    assert isinstance(done.exception, CustodyError)
    assert "unsigned.json: the document cannot be read: " in str(done.exception)
    assert not (tmp_path / "signed.json").exists()


def test_the_documented_commands_ask_and_approve(file, keys):
    def run(*words, word=""):
        done = CliRunner().invoke(custody, ["refill", *words], input=word)
        return done.output if done.exit_code == 0 else str(done.exception)

    at = str(file.path)
    assert "refill 1 to rltc1" in run("ask", at, "LTC", "1")
    assert "another person" in run("approve", at, "1", "--person", "anna", word="anna\n")
    assert "locked until" in run("approve", at, "1", "--person", "carl", word="carl\n")
    public = file.path.parent / "public.json"
    public.write_text(json.dumps(keys.document()))
    assert "is locked until" in run("build", at, "1", str(public), "--out", f"{public}.out")


def test_a_store_of_the_layout_before_gets_the_table(tmp_path):
    with Store(tmp_path) as store:
        store.run("drop table refills")
        store.run("alter table withdrawals drop column code")
        store.run("pragma user_version = 3")
    with Store(tmp_path) as store:
        assert store.rows("select * from refills") == []
