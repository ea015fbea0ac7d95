"""The portal's database on three nodes: what was acknowledged survives the leader's host."""

import asyncio
from collections.abc import Iterator

import pytest

from openoutcry.portal.database import Database, DatabaseError, migrate
from tests.support.portal import patroni as support
from tests.support.portal.patroni import HOSTS, PASSWORDS, Patroni
from tests.support.waiting import BOUND_S, wait_until

pytestmark = pytest.mark.skipif(support.missing() != "", reason=f"needs {support.missing()}")
AFTER = 50


@pytest.fixture(scope="module")
def cluster() -> Iterator[Patroni]:
    with support.patroni() as made:
        made.leader()
        migrate(made.url)
        yield made


async def write_over_death(cluster: Patroni) -> tuple[set[int], set[int]]:
    """Write rows one by one, kill the leader's host after some; return the rows that were
    acknowledged and all that were tried."""
    database = Database(cluster.url)
    await database.rows("create table if not exists written (number bigint primary key)")
    await database.rows("truncate written")
    acknowledged: set[int] = set()
    tried: set[int] = set()
    after = 0
    leader = cluster.leader()
    async with asyncio.timeout(BOUND_S):
        number = 0
        while after < AFTER:
            number += 1
            tried.add(number)
            try:
                await database.rows("insert into written values (%(number)s)", number=number)
            except DatabaseError:
                await asyncio.sleep(0.05)
                continue
            acknowledged.add(number)
            if len(acknowledged) == AFTER:
                leader.kill()
            after += len(acknowledged) > AFTER
    await database.close()
    return acknowledged, tried


def test_what_was_acknowledged_is_there_after_the_death_of_the_leaders_host(
    cluster: Patroni,
) -> None:
    dead = cluster.leader()
    acknowledged, tried = asyncio.run(write_over_death(cluster))
    assert len(acknowledged) == 2 * AFTER

    async def kept() -> set[int]:
        database = Database(cluster.url)
        rows = await database.rows("select number from written")
        await database.close()
        return {row["number"] for row in rows}

    there = asyncio.run(kept())
    assert acknowledged <= there <= tried
    # The host comes back as a standby of the one that leads now.
    dead.start_etcd()
    dead.start_patroni()
    wait_until(lambda: dead.asked("/replica")[0] == 200, "the node follows the new leader")
    assert not dead.leads


async def test_a_connection_to_a_node_that_no_longer_leads_is_given_up(cluster: Patroni) -> None:
    """As after a change of the leader that its connections survived."""
    leader = cluster.leader()
    standby = next(host for host in HOSTS if host != leader.host)

    database = Database(f"postgresql://portal:{PASSWORDS['portal']}@{standby}/portal")
    assert await database.rows("select 1 as one") == [{"one": 1}]
    told = 0
    async with asyncio.timeout(BOUND_S):
        while told < 8:
            with pytest.raises(DatabaseError, match=r"no longer leads|cannot be") as refused:
                await database.rows("create table nobodys (number bigint)")
            # A node that became a standby may begin again.
            told += "no longer leads" in str(refused.value)
    await database.close()


def test_the_schema_is_brought_to_the_node_that_leads(cluster: Patroni) -> None:
    """It is there; and a URL of several hosts with a port each is one that libpq reads."""
    hosts = ",".join(f"{host}:5432" for host in HOSTS)
    url = f"postgresql://portal@{hosts}/portal?target_session_attrs=read-write"
    migrate(url.replace("portal@", f"portal:{PASSWORDS['portal']}@"))
    with pytest.raises(DatabaseError, match="password"):
        migrate(url.replace("portal@", "portal:wrong@"))
