"""The console's view of replication over a real cluster of three nodes, with a real primary and a
hot standby, which takes over: the API, and what Chromium shows of it in both themes at 390 px and
at a desk's width.  Nodes that do not answer are stopped processes."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from openoutcry.replica.cluster import Cluster
from openoutcry.replica.cluster_status import status_document
from tests.support.console.console_browser import (
    expect,
    go,
    needs_chromium,
    opened,
    row_of,
    started,
)
from tests.support.console.console_venue import OPERATORS, OPERATORS_HASH, TOTP, ApiClient, ended
from tests.support.processes import OUTCRY, free_port
from tests.support.replica.replica_cluster import Frozen
from tests.support.replica.replica_nodes import Node
from tests.support.waiting import BOUND_S


def level(replication: dict[str, Any]) -> bool:
    """All that is sequenced is acknowledged, in the stream, and in the standby."""
    published = replication["published"]
    seqs = {
        replication["cluster"]["last_seq"],
        *(row["last_seq"] for row in replication["standbys"]),
    }
    blocks = {published["block"], replication["cluster"]["last_block"]}
    return (
        published["sequenced"] > 3
        and published["lag_commands"] == published["behind_ms"] == 0
        and seqs == {published["sequenced"]} == {published["seq"]}
        and len(blocks) == 1
        and all(row["level"] and row["prepared"] for row in replication["standbys"])
        and all(row["lag"] == 0 for row in replication["nodes"])
        and replication["cluster"]["trouble"] == ""
    )


VENUE = "VIEW"
LEASE_MS = 1_500


def node(folder: Path, cluster: Cluster) -> Node:
    venue_node = Node(folder, VENUE, cluster.folder, LEASE_MS)
    text = venue_node.file.read_text()
    operators = OPERATORS.replace("HASH", OPERATORS_HASH).replace("TOTP", TOTP)
    venue_node.file.write_text(text + operators)
    return venue_node


@contextmanager
def console(*words: object) -> Iterator[Any]:
    """`outcry venue console` with these words, and somebody who may look at its API."""
    command = [
        *OUTCRY,
        "venue",
        "console",
        *map(str, words),
        "--address",
        f"127.0.0.1:{free_port()}",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    url = process.stderr.readline().strip()
    try:
        assert url.startswith("http"), url
        with ApiClient(url) as client:
            assert client.log_in("vera").status_code == 200
            yield SimpleNamespace(url=url, client=client)
    finally:
        ended(process)


def view(shown: Any, true: Any) -> dict[str, Any]:
    return dict(shown.client.look("/api/replication", true))


@pytest.mark.long
@needs_chromium
def test_primary_dead_nodes_standby_and_takeover_are_reported(
    cluster: Cluster, tmp_path: Path
) -> None:
    first, second = node(tmp_path / "a", cluster), node(tmp_path / "b", cluster)
    first.start("serve")
    try:
        first.wait_until_open()
        with first.client("ONE") as client:
            for _ in range(5):
                client.buy("GOLD", 1, "1.00")
            client.next(BOUND_S)
        with (
            console(first.file, "--standby", second.journal) as shown,
            started() as browser,
            opened(browser, shown, "vera", 390, "light") as page,
        ):
            go(page, "replication")
            view(shown, lambda one: one["published"] and not one["cluster"]["trouble"])
            with Frozen(cluster, 3):
                nodes_that_do_not_answer(shown, page)
            view(shown, lambda one: not one["cluster"]["trouble"] and one["lease"]["left_ms"] > 0)
            second.start("standby")
            second.wait(lambda: second.standby().get("prepared"))
            the_primary(shown, cluster)
            the_page(page, tmp_path)
            first.kill()
            the_new_primary(shown, page)
    finally:
        for one in (first, second):
            if one.process is not None and one.process.returncode is None:
                one.kill()


def the_primary(shown: Any, cluster: Cluster) -> None:
    # A lease that ran out on a busy machine is taken again, under the next epoch.
    replication = view(
        shown,
        lambda one: (
            one["published"] and one["standbys"] and level(one) and one["lease"]["left_ms"] > 0
        ),
    )
    assert (replication["policy"], replication["waits_for"]) == ("replicated", ["replica"])
    lease = replication["lease"]
    assert (lease["here"], lease["given_up"]) == (True, False)
    assert lease["epoch"] >= 1
    assert lease["left_ms"] <= LEASE_MS
    assert replication["standbys"][0]["verified_seq"] > 0
    # As `outcry cluster status` tells them, which reads the disks and proves them.
    document = status_document(str(cluster.folder), cluster)
    (stream,) = [one for one in document["streams"] if one["venue"] == VENUE]
    streams_by_node = {row["node"]: row["streams"] for row in document["nodes"]}
    replication = view(
        shown,
        lambda one: (
            {row["node"]: (row["verified"] or {}).get("streams") for row in one["nodes"]}
            == streams_by_node
        ),
    )
    leaders = [row["node"] for row in replication["nodes"] if row["state"] == "leader"]
    assert leaders == [stream["leader"]]
    assert replication["cluster"]["last_block"] == stream["last_block"]


def the_page(page: Any, folder: Path) -> None:
    """At a telephone's width and a desk's, in both themes."""
    for width, theme in ((390, "light"), (1280, "light"), (1280, "dark"), (390, "dark")):
        page.set_viewport_size({"width": width, "height": 800})
        if page.evaluate("document.documentElement.dataset.theme") != theme:
            page.click("#theme")
        expect(page, "#nodes tbody tr").to_have_count(3)
        expect(page, "#replication-gate").to_contain_text("(this venue)")
        expect(page, "#replication-place").to_contain_text("0 commands, 0 B, 0 ms")
        expect(page, row_of("standbys", "level")).to_have_count(1)
        expect(page, row_of("nodes", "leader")).to_have_count(1)
        fits(page)
        page.screenshot(path=folder / f"{theme}-{width}.png", full_page=True)


def fits(page: Any) -> None:
    """Nothing is wider than the page, nor than its panel."""
    wide = page.evaluate("""() => [document.documentElement,
        ...document.querySelectorAll("#view-replication .panel")]
        .filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.innerText)""")
    assert wide == []


def nodes_that_do_not_answer(shown: Any, page: Any) -> None:
    """The page goes on, says so, and says what comes of it."""
    replication = view(shown, lambda one: one["cluster"]["trouble"] and one["alarms"])
    assert replication["lease"]["left_ms"] < 0
    assert replication["alarms"][0]["name"] == "QuorumLost"
    # Looked at further on, while whoever asks the cluster waits for it.
    before = shown.client.get("/api/overview").json()["second"]
    shown.client.look("/api/overview", lambda one: one["second"] > before + 1)
    expect(page, "#replication-trouble").to_contain_text("No answer from the cluster")
    expect(page, "#replication-gate").to_contain_text("run out")
    expect(page, row_of("replication-alarms", "QuorumLost")).to_have_count(1)
    fits(page)
    page.locator("#replication-alarms-link").click()
    expect(page, row_of("alarms", "QuorumLost")).to_have_count(1)
    go(page, "replication")


def the_new_primary(shown: Any, page: Any) -> None:
    """What was the standby leads, and says how long that took; the old venue is gone."""
    replication = view(
        shown,
        lambda one: (
            one["standbys"][0]["takeover_ms"]
            and not one["cluster"]["trouble"]
            and one["lease"]["epoch"] >= 2
        ),
    )
    assert replication["standbys"][0]["role"] == "leading"
    assert sum(replication["standbys"][0]["takeover_ms"].values()) > 0
    assert (replication["lease"]["here"], replication["lease"]["left_ms"]) == (False, None)
    assert replication["published"] is None
    expect(page, "#standbys").to_contain_text("epoch block")
    expect(page, "#replication-trouble").to_have_text("")
    fits(page)
