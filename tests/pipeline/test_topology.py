"""The table of stages: every machine runs all of it, whatever its cores."""

import pytest

from openoutcry.pipeline.topology import STAGE_NAMES, STAGES, geometry, plan_groups


@pytest.mark.parametrize("cores", [[0], [0, 1], [2, 5], list(range(4)), list(range(16))])
@pytest.mark.parametrize("journaled", [True, False])
@pytest.mark.parametrize("spare_cores", [0, 1, 3])
def test_every_stage_runs_exactly_once_in_the_datas_order(
    cores: list[int], journaled: bool, spare_cores: int
) -> None:
    """Each stage stands in one group; within a group the data's order holds."""
    groups = plan_groups(cores, journaled, spare_cores=spare_cores)
    placed = [name for group in groups for name in group.stages]
    expected = [name for name in STAGE_NAMES if journaled or name != "journal"]
    assert sorted(placed) == sorted(expected)
    for group in groups:
        positions = [STAGE_NAMES.index(name) for name in group.stages]
        assert positions == sorted(positions)


def test_groups_are_pinned_to_different_usable_cores_and_the_journal_to_none() -> None:
    """Only cores this process may use are taken, each once."""
    groups = plan_groups([3, 7], True, spare_cores=0)
    assert [group.core for group in groups] == [3, 7, None]
    assert [group.core for group in plan_groups([4], True)] == [None, None]


@pytest.mark.parametrize("count", range(2, 9))
@pytest.mark.parametrize("spare_cores", [0, 1, 2, 9])
def test_nobody_spins_on_a_spare_core(count: int, spare_cores: int) -> None:
    """The first cores are left free as long as one stays to spin on; the journal keeps to them."""
    cores = list(range(10, 10 + count))
    *spinning, journal = plan_groups(cores, True, spare_cores=spare_cores)
    spare = cores[: min(spare_cores, count - 1)]
    assert spinning
    assert not {group.core for group in spinning} & set(spare)
    assert all(group.allowed == (group.core,) for group in spinning)
    assert journal.allowed == tuple(spare)


def test_one_core_puts_all_compiled_stages_into_one_process() -> None:
    """Spinning neighbours on one core would only wait for each other."""
    assert [group.name for group in plan_groups([0], False)] == ["all"]


def test_six_cores_give_every_stage_its_own_process() -> None:
    """No two stages share a process where there is room, and a core stays free."""
    groups = plan_groups(list(range(6)), True)
    assert all(len(group.stages) == 1 for group in groups)
    assert 0 not in {group.core for group in groups}


@pytest.mark.parametrize("topology", ["inline", "processes"])
@pytest.mark.parametrize("durability", ["none", "async", "durable"])
def test_stamps_hold_every_command_that_can_be_under_way(topology: str, durability: str) -> None:
    """A stamp is not overwritten before its command's last event is counted."""
    sizes = geometry(topology, durability)
    for capacity in (sizes.lane, sizes.sequenced, sizes.events, sizes.stamps):
        assert capacity & (capacity - 1) == 0
    assert sizes.stamps >= sizes.lane + sizes.sequenced + sizes.events


def test_what_a_stage_reads_another_writes() -> None:
    """The table is closed: source -> ... -> participants, with no ring that nobody fills."""
    written = {stage.writes for stage in STAGES} | {"source"}
    assert all(stage.reads in written for stage in STAGES)
    assert all(" -> " in stage.span for stage in STAGES)
