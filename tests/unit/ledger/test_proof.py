"""The Merkle sum tree: every member's proof holds, and every attack on it is refused."""

import hashlib
import json
from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.ledger import reports
from openoutcry.ledger.ledger_state import at
from openoutcry.ledger.proof import files
from openoutcry.ledger.proof.journal import balances_in
from openoutcry.ledger.proof.make import make_proofs
from openoutcry.ledger.proof.statement import (
    check,
    check_own,
    check_signature,
    public_key_of,
    signed,
    statement_of,
)
from openoutcry.ledger.proof.tree import (
    BALANCE_END,
    SUM_END,
    Inclusion,
    Node,
    SumTree,
    digest,
    leaf,
    packed,
    parent,
    root_of,
)
from openoutcry.wire.errors import ProofError

KEY, ASSETS = bytes(range(32)), ("BTC", "USD")
MEMBERS = {f"member {number}": (number, 10 * number) for number in range(11)}


@pytest.fixture(scope="module")
def tree():
    return SumTree(KEY, 7, MEMBERS)


@pytest.fixture(scope="module")
def stated(tree):
    return statement_of(tree, 7, ASSETS)


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda text: text.isprintable()),
        st.tuples(st.integers(0, BALANCE_END - 1), st.integers(0, BALANCE_END - 1)),
        min_size=1,
        max_size=20,
    )
)
def test_every_member_is_in_the_root_and_the_root_has_everybodys_sum(balances):
    tree = SumTree(KEY, 1, balances)
    stated = statement_of(tree, 1, ASSETS)
    assert stated.sums == tuple(map(sum, zip(*balances.values(), strict=True)))
    for member, own in balances.items():
        check_own(stated, tree.inclusion(member), member, dict(zip(ASSETS, own, strict=True)))
    assert SumTree(KEY, 1, dict(reversed(balances.items()))).root == tree.root


def test_a_tree_by_hand():
    """Two members, hashed here once more from the description alone."""
    tree = SumTree(KEY, 7, {"a": (1, 2), "b": (3, 4)})
    leaves = []
    for name in tree.members:
        sums = b"".join(n.to_bytes(16, "little") for n in tree.balances[name])
        content = tree.salts[name] + len(name).to_bytes(2, "little") + name.encode() + sums
        leaves.append(digest("leaf", content) + sums)
    assert tree.root == Node(digest("node", b"".join(leaves)), (4, 6))


def test_a_negative_leaf_is_refused(tree, stated):
    """By who makes the tree, and by each member whose way leads past it."""
    with pytest.raises(ProofError, match="is negative"):
        SumTree(KEY, 1, {"honest": (5,), "invented": (-5,)})
    own = tree.inclusion("member 3")
    with pytest.raises(ProofError, match="is negative"):
        check(stated, replace(own, balances=(-3, 30)))
    first, *rest = own.siblings
    hidden = replace(own, siblings=(Node(first.hash, (-1, 0)), *rest))
    with pytest.raises(ProofError, match="is not in"):
        check(stated, hidden)


def test_sums_do_not_overflow(tree, stated):
    with pytest.raises(ProofError, match="2\\^63 or more"):
        leaf("rich", bytes(32), (BALANCE_END,))
    with pytest.raises(ProofError, match="is not in"):
        parent(Node(bytes(32), (SUM_END,)), Node(bytes(32), (0,)))
    with pytest.raises(ProofError, match="2\\^127 or more"):
        parent(Node(bytes(32), (SUM_END - 1,)), Node(bytes(32), (1,)))
    # A sum of all but one unit of 2^127: with wrapping numbers it would be one unit less than 0.
    own = tree.inclusion("member 3")
    wrapped = (Node(own.siblings[0].hash, (SUM_END - 1, 0)), *own.siblings[1:])
    with pytest.raises(ProofError, match="2\\^127 or more"):
        check(stated, replace(own, siblings=wrapped))


def flawed_parent(left, right):
    """Maxwell's original: the total is committed, not what each child has of it."""
    total = tuple(one + other for one, other in zip(left.sums, right.sums, strict=True))
    return Node(hashlib.blake2b(packed(total) + left.hash + right.hash).digest(), total)


def test_telling_each_half_another_sum_works_on_maxwells_tree_and_not_on_ours():
    """50 and 50 are owed.  The venue says 50: each member is told that the other has 0."""
    one, other = leaf("one", bytes(32), (50,)), leaf("other", bytes(32), (50,))
    published = Node(
        hashlib.blake2b(packed((50,)) + one.hash + other.hash).digest(), (50,)
    )  # what a liar publishes
    assert flawed_parent(one, Node(other.hash, (0,))) == published
    assert flawed_parent(Node(one.hash, (0,)), other) == published
    ours = parent(one, Node(other.hash, (0,)))
    assert ours.sums == (50,)
    assert ours != parent(Node(one.hash, (0,)), other)


def test_one_unit_moved_between_siblings_changes_the_root(tree, stated):
    """The total of both is the same: only a commitment to each finds it."""
    own = tree.inclusion("member 3")
    near, up, *rest = own.siblings
    moved = (
        Node(near.hash, (near.sums[0] + 1, near.sums[1])),
        Node(up.hash, (up.sums[0] - 1, up.sums[1])),
        *rest,
    )
    if moved[1].sums[0] < 0:
        moved = (
            Node(near.hash, (near.sums[0] - 1, near.sums[1])),
            Node(up.hash, (up.sums[0] + 1, up.sums[1])),
            *rest,
        )
    forged = replace(own, siblings=moved)
    assert root_of(forged, stated.member_count).sums == stated.sums
    with pytest.raises(ProofError, match="does not lead to the published root"):
        check(stated, forged)


def test_swapped_siblings_are_refused(tree, stated):
    """Level by level the other way round, and two levels exchanged."""
    own = tree.inclusion("member 3")
    for height in range(len(own.siblings)):
        turned = replace(own, leaf_index=own.leaf_index ^ 1 << height)
        with pytest.raises(ProofError):
            check(stated, turned)
    first, second, *rest = own.siblings
    with pytest.raises(ProofError):
        check(stated, replace(own, siblings=(second, first, *rest)))


def test_another_members_proof_is_refused(tree, stated):
    other = tree.inclusion("member 4")
    with pytest.raises(ProofError, match="is for member 'member 4'"):
        check_own(stated, other, "member 3", {})
    with pytest.raises(ProofError):
        check_own(stated, replace(other, member="member 3"), "member 3", {})
    with pytest.raises(ProofError, match="BTC: 4 are proven, 5 expected"):
        check_own(stated, other, "member 4", {"BTC": 5})
    with pytest.raises(ProofError, match="the statement does not list XYZ"):
        check_own(stated, other, "member 4", {"XYZ": 5})


def test_another_root_or_another_time_is_refused(tree, stated):
    own = tree.inclusion("member 3")
    later = statement_of(SumTree(KEY, 8, MEMBERS), 8, ASSETS)
    for wrong in (
        later,
        replace(stated, root_hash=bytes(32)),
        replace(stated, sums=(stated.sums[0] - 1, stated.sums[1])),
        replace(stated, member_count=4),
    ):
        with pytest.raises(ProofError):
            check(wrong, own)


def test_a_node_is_no_leaf(tree, stated):
    """Whoever takes an inner node for a leaf has a way that is too short."""
    own = tree.inclusion("member 3")
    with pytest.raises(ProofError, match="siblings where the tree has"):
        check(stated, replace(own, siblings=own.siblings[1:], leaf_index=own.leaf_index >> 1))


@pytest.mark.parametrize("field", ["salt", "hash"])
def test_every_bit_of_salt_and_siblings_counts(field, tree, stated):
    own = tree.inclusion("member 9")
    for bit in range(0, 256, 5):
        mask = (1 << bit).to_bytes(32, "little")
        turned = bytes(
            a ^ b
            for a, b in zip(
                own.salt if field == "salt" else own.siblings[-1].hash, mask, strict=True
            )
        )
        forged = (
            replace(own, salt=turned)
            if field == "salt"
            else replace(own, siblings=(*own.siblings[:-1], Node(turned, own.siblings[-1].sums)))
        )
        with pytest.raises(ProofError, match="does not lead to the published root"):
            check(stated, forged)


def test_a_signature_is_of_this_statement_and_this_challenge(stated):
    public, fresh = public_key_of(KEY), bytes(range(32, 64))
    check_signature(stated, public, signed(stated, KEY))
    check_signature(stated, public, signed(stated, KEY, fresh), fresh)
    for signature, challenge, key in (
        (signed(stated, KEY), fresh, public),
        (signed(stated, KEY, fresh), b"", public),
        (signed(stated, KEY, fresh), bytes(32), public),
        (signed(replace(stated, as_of_seq=8), KEY), b"", public),
        (signed(stated, KEY), b"", public_key_of(fresh)),
        (bytes(64), b"", public),
    ):
        with pytest.raises(ProofError, match="did not sign"):
            check_signature(stated, key, signature, challenge)
    with pytest.raises(ProofError, match="a challenge has 32 bytes"):
        signed(stated, KEY, b"short")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("member,asset\n", "first row must be member,asset,balance_units"),
        ("member,asset,balance_units\na,USD\n", "row 2: not 3 fields"),
        ("member,asset,balance_units\na,USD,1\nb,USD,1.5\n", "row 3, balance_units: '1.5'"),
        ("member,asset,balance_units\na,USD,-1\n", "row 2, balance_units: -1 is negative"),
        ("member,asset,balance_units\na,USD,9223372036854775808\n", "2\\^63 or more"),
        ("member,asset,balance_units\na,USD,1\na,USD,2\n", "row 3: a has USD twice"),
        ("member,asset,balance_units\n,USD,1\n", "row 2, member: is empty"),
        ("member,asset,balance_units\n" + "a" * 65 + ",USD,1\n", "1 to 64 bytes"),
        ("member,asset,balance_units\n", "no member"),
    ],
)
def test_balances_that_are_not_right_are_named_and_nothing_is_left(text, word, tmp_path):
    (tmp_path / "balances.csv").write_text(text)
    files.write_key(tmp_path / "key")

    def make():
        assets, balances = files.read_balances(tmp_path / "balances.csv")
        make_proofs(tmp_path / "key", 1, assets, balances, tmp_path / "out")

    with pytest.raises(ProofError, match=word):
        make()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["balances.csv", "key"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("member,asset,balance_units\nM\xfcller,USD,5\n".encode("latin-1"), "row 2: .*decode"),
        (b"member,asset,balance_units\n" + b"x" * 140_000 + b",USD,5\n", "row 2: field larger"),
        (b'member,asset,balance_units\n"ann,USD,5\n', "row 2: unexpected end"),
    ],
)
def test_a_file_of_balances_that_is_no_csv_in_utf_8_is_refused(data, words, tmp_path):
    (tmp_path / "balances.csv").write_bytes(data)
    with pytest.raises(ProofError, match=words):
        files.read_balances(tmp_path / "balances.csv")


def test_a_byte_order_mark_before_balances_is_passed_over(tmp_path):
    (tmp_path / "b.csv").write_bytes(b"\xef\xbb\xbfmember,asset,balance_units\nann,USD,5\n")
    assert files.read_balances(tmp_path / "b.csv") == (("USD",), {"ann": (5,)})


def test_files_hold_all_of_it_and_anything_else_in_them_is_refused(tmp_path, tree, stated):
    path = tmp_path / "proof.json"
    document = files.inclusion_document(tree.inclusion("member 3"))
    path.write_text(json.dumps(document))
    assert files.read_inclusion(path) == tree.inclusion("member 3")
    for change in (
        {"format": "other"},
        {"member": None},
        {"salt": "00"},
        {"balances": [3, 30]},
        {"leaf_index": "x"},
        {"siblings": [{"hash": "00"}]},
        {"siblings": [3]},
        {"siblings": [{"hash": "00", "sums": ["1"]}]},
    ):
        path.write_text(json.dumps(document | change))
        with pytest.raises(ProofError, match=r"proof\.json"):
            files.read_inclusion(path)
    path.write_text(json.dumps(document | {"member": "\ud800"}))
    with pytest.raises(ProofError, match="a name has"):
        check(stated, files.read_inclusion(path))
    path.write_bytes(b"\xff")
    with pytest.raises(ProofError, match="not JSON"):
        files.read_inclusion(path)


def test_a_proof_is_an_inclusion_of_immutable_parts(tree):
    assert isinstance(tree.inclusion("member 1"), Inclusion)
    with pytest.raises(ProofError, match="no member 'nobody'"):
        tree.inclusion("nobody")


def test_of_a_journal_the_proof_has_what_the_ledger_says(day, tmp_path):
    """Every participant's accounts summed; debts count as 0 and are told."""
    seq, assets, balances, debts = balances_in(at(day, 8_000), day)
    assert seq == 8_000
    sums = defaultdict(int)
    for owner, asset, _, value in reports.balances(at(day, 8_000).books).rows:
        if owner != "venue":
            sums[owner.removeprefix("participant "), asset] += value
    proven = {
        (member, asset): units
        for member, own in balances.items()
        for asset, units in zip(assets, own, strict=True)
        if units
    }
    assert proven == {key: units for key, units in sums.items() if units > 0}
    assert debts == sum(units < 0 for units in sums.values())
    files.write_key(tmp_path / "key")
    stated = make_proofs(tmp_path / "key", seq, assets, balances, tmp_path / "out")
    assert stated.member_count == len({member for member, _ in sums})
    for path in (tmp_path / "out" / "members").iterdir():
        check(stated, files.read_inclusion(path))
