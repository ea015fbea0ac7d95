"""Statements of what the venue owes, at the portal: who gets which file, and what a browser finds
out by itself."""

import json
import shutil

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.client.portal import PortalClient, PortalError
from tests.support.console.console_browser import needs_chromium
from tests.support.portal.portal_browser import browsed
from tests.system.portal.test_portal_sub_accounts import native_of, opened

USD, BTC = 10**6, 10**8
CHECKED = """async ([statement, leaf, member]) => {
  const { verified } = await import("/page/proof.js");
  const documents = [JSON.parse(statement), JSON.parse(leaf)];
  try { return await verified(...documents, member); } catch (problem) { return problem.message; }
}"""


def told(*words):
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


@pytest.fixture(scope="module")
def people(portal_venue):
    """Two people; the first has a sub-account with money."""
    with portal_venue.tidied():
        rich, other = portal_venue.person(USD=1_000 * USD, BTC=2 * BTC), portal_venue.person(USD=7)
        with native_of(portal_venue, rich) as native:
            sub = opened(native, "grid")
            assert native.transfer(0, sub.id, "USD", "250.5", key="proofs-1").state == "done"
        return rich, other, sub


@pytest.fixture(scope="module")
def proofs(portal_venue, people, tmp_path_factory):
    """The folder of statements, with two of them: the second has reserves beside it."""
    key, folder = tmp_path_factory.mktemp("key") / "venue.key", portal_venue.folder / "proofs"
    folder.mkdir()
    public = told("proof", "key", key)
    for name in ("2026-11-26", "2026-11-27"):
        journal = portal_venue.venue.journal
        told("proof", "make", journal, "--key", key, "--out", folder / name)
    (folder / "2026-11-27" / "reserves").mkdir()
    (folder / "2026-11-27" / "reserves" / "BTC.json").write_text('{"chain": "BTC"}')
    yield folder, public
    shutil.rmtree(folder)


@pytest.mark.promise(
    "A user gets the leaf of the own accounts in each proof of liabilities, and no other",
    group="portal",
)
def test_everybody_reads_the_statement_and_the_own_leaf(portal_venue, people, proofs, tmp_path):
    (rich, other, sub), (folder, public) = people, proofs
    with PortalClient(portal_venue.url) as anybody:
        page = anybody.proofs()
        assert [one.id for one in page.items] == ["2026-11-27", "2026-11-26"]
        newest = page.items[0]
        assert (newest.public_key, newest.reserves) == (public, ["BTC"])
        assert set(newest.sums) == {"USD", "BTC", "ETH"} & set(newest.sums)
        first = anybody.proofs(limit=1)
        assert [one.id for one in anybody.proofs(cursor=first.next).items] == ["2026-11-26"]
        statement = anybody.proof_statement(newest.id)
        assert statement == (folder / newest.id / "statement.json").read_bytes()
        assert anybody.proof_of_reserves(newest.id, "BTC") == b'{"chain": "BTC"}'
        with pytest.raises(PortalError, match="not_logged_in"):
            anybody.proof_leaf(newest.id)
    with native_of(portal_venue, rich) as native:
        main_leaf, sub_leaf = (
            native.proof_leaf(newest.id),
            native.proof_leaf(newest.id, sub_account=sub.id),
        )
    (tmp_path / "statement.json").write_bytes(statement)
    for leaf, participant, owed in (
        (main_leaf, rich.participant, ["USD=749.5", "BTC=2"]),
        (sub_leaf, sub.participant, ["USD=250.5"]),
    ):
        (tmp_path / "leaf.json").write_bytes(leaf)
        balances = [word for text in owed for word in ("--balance", text)]
        files = tmp_path / "leaf.json", "--statement", tmp_path / "statement.json"
        told("proof", "verify", *files, "--public-key", public, "--member", participant, *balances)
    with PortalClient(portal_venue.url, rich.api_key, rich.secret) as program:
        assert program.proof_leaf(newest.id) == main_leaf
    with native_of(portal_venue, other) as native:
        assert json.loads(native.proof_leaf(newest.id))["member"] == str(other.participant)
        with pytest.raises(PortalError, match="not_found"):
            native.proof_leaf(newest.id, sub_account=sub.id)


def test_what_is_damaged_or_outside_is_not_shown(portal_venue, people, proofs):
    """No name leads out of the folder, and no leaf is another account's."""
    (rich, other, _), (folder, _) = people, proofs
    shown = folder / "2026-11-26"
    lie = folder / "lie"
    shutil.copytree(shown, lie)
    document = json.loads((lie / "statement.json").read_text())
    document["sums"]["USD"] = str(int(document["sums"]["USD"]) - 1)
    (lie / "statement.json").write_text(json.dumps(document))
    (folder / ".begun").mkdir()
    (folder / "empty").mkdir()
    own = shown / "members" / f"{other.participant}.json"
    kept = own.read_bytes()
    shutil.copy(shown / "members" / f"{rich.participant}.json", own)
    try:
        with native_of(portal_venue, other) as native:
            assert [one.id for one in native.proofs().items] == ["2026-11-27", "2026-11-26"]
            with pytest.raises(PortalError, match="damaged"):
                native.proof_leaf("2026-11-26")
            for name in (
                "lie",
                "empty",
                ".begun",
                "..",
                "%2e%2e",
                "2026-11-26%2fmembers",
                "nothing",
            ):
                for ask in (native.proof_statement, native.proof_leaf):
                    with pytest.raises(PortalError, match="not_found"):
                        ask(name)
                with pytest.raises(PortalError, match="not_found"):
                    native.proof_of_reserves("2026-11-27", name)
    finally:
        own.write_bytes(kept)
        for made in (lie, folder / ".begun", folder / "empty"):
            shutil.rmtree(made)


def lies(document, at=()):
    """The document with each of its values changed, removed or doubled, one at a time."""
    part = document
    for step in at:
        part = part[step]
    for name in list(part) if isinstance(part, dict) else range(len(part)):
        value, others = part[name], []
        if isinstance(value, str):
            if value.isdigit():
                others = [str(int(value) + 1), f"-{value}", f"0{value}", int(value), ""]
            elif value:
                others = [value[:-2] + ("00" if value[-2:] != "00" else "01"), value[:-1], None]
        elif isinstance(value, (dict, list)):
            yield from lies(document, (*at, name))
            others = [type(value)()]
            if isinstance(value, list) and value:
                others += [value[:-1], [*value, value[-1]], value[::-1] if len(value) > 1 else None]
        for other in others:
            yield changed(document, at, name, other)
        if isinstance(part, dict):
            yield changed(document, at, name, ...)


def changed(document, at, name, other):
    copy = json.loads(json.dumps(document))
    part = copy
    for step in at:
        part = part[step]
    if other is ...:
        del part[name]
    else:
        part[name] = other
    return copy


@needs_chromium
def test_a_browser_believes_no_lie(browser, portal_venue, people, proofs):
    """Each field of both files is changed; the browser finds out by itself."""
    (rich, _, _), (folder, _) = people, proofs
    shown = folder / "2026-11-26"
    member = str(rich.participant)
    documents = [
        json.loads((shown / name).read_text())
        for name in ("statement.json", f"members/{member}.json")
    ]
    with browsed(browser, portal_venue) as page:

        def checked(statement, leaf):
            return page.page.evaluate(CHECKED, [json.dumps(statement), json.dumps(leaf), member])

        true = checked(*documents)
        assert (true["units"]["USD"], true["isSigned"]) == (str(749_500_000), True)
        statement, leaf = documents
        tried = [(one, leaf) for one in lies(statement) if one != statement]
        tried += [(statement, one) for one in lies(leaf) if one != leaf]
        assert len(tried) > 100
        believed = [pair for pair in tried if isinstance(checked(*pair), dict)]
    assert believed == []


@needs_chromium
@pytest.mark.parametrize(("width", "language"), [(1280, "en"), (768, "en"), (390, "de")])
def test_the_page_checks_the_own_balances(
    browser, portal_venue, people, proofs, width, language, tmp_path
):
    rich, _, sub = people
    with browsed(browser, portal_venue, width, language=language) as page:
        page.log_in(rich.mail)
        page.go("portfolio/proofs")
        for account, amount in (("0", "749.5"), (str(sub.id), "250.5")):
            page.page.select_option("#proof-account", account)
            page.page.click('[data-proof="2026-11-27"]')
            page.expect("#proof-result td.n", has_text=amount).to_have_count(1)
        page.expect("#proof-result", has_text=page.word("proofs.signed")).to_be_visible()
        assert page.width() <= 0
        assert page.defects() == []
        with page.page.expect_download() as saved:
            page.press(page.word("proofs.leaf"))
        saved.value.save_as(tmp_path / "leaf.json")
        assert json.loads((tmp_path / "leaf.json").read_text())["member"] == str(sub.participant)
