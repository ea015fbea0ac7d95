"""The table of stages: every machine runs all of it, whatever its cores, and all else follows."""

from dataclasses import replace

import pytest

from openoutcry.pipeline.topology import STAGES, TOPOLOGY, geometry, plan_groups
from openoutcry.ring import ProcessIdentity
from openoutcry.ring.segment import segment_name
from openoutcry.runtime import control as control_words
from openoutcry.runtime.table import Ring, Stage, Topology, TopologyError

WITHOUT_JOURNAL = TOPOLOGY.without("journal")


@pytest.mark.parametrize("cores", [[0], [0, 1], [2, 5], list(range(4)), list(range(16))])
@pytest.mark.parametrize("table", [TOPOLOGY, WITHOUT_JOURNAL], ids=["journaled", "bare"])
@pytest.mark.parametrize("housekeeping_cores", [0, 1, 3])
def test_every_stage_runs_exactly_once_in_the_datas_order(
    cores: list[int], table: Topology, housekeeping_cores: int
) -> None:
    """Each stage stands in one group; within a group the data's order holds."""
    groups = plan_groups(cores, housekeeping_cores=housekeeping_cores, table=table)
    placed = [name for group in groups for name in group.stages]
    assert sorted(placed) == sorted(table.names)
    for group in groups:
        positions = [table.index[name] for name in group.stages]
        assert positions == sorted(positions)


def test_groups_are_pinned_to_different_usable_cores_and_the_journal_to_none() -> None:
    """Only cores this process may use are taken, each once."""
    groups = plan_groups([3, 7], housekeeping_cores=0)
    assert [group.core for group in groups] == [3, 7, None]
    assert [group.core for group in plan_groups([4])] == [None, None]


@pytest.mark.parametrize("count", range(2, 9))
@pytest.mark.parametrize("housekeeping_cores", [0, 1, 2, 9])
def test_no_stage_spins_on_a_housekeeping_core(count: int, housekeeping_cores: int) -> None:
    """The first cores are left free as long as one stays to spin on; the journal keeps to them."""
    cores = list(range(10, 10 + count))
    *spinning, journal = plan_groups(cores, housekeeping_cores=housekeeping_cores)
    housekeeping = cores[: min(housekeeping_cores, count - 1)]
    assert spinning
    assert not {group.core for group in spinning} & set(housekeeping)
    assert all(group.allowed == (group.core,) for group in spinning)
    assert journal.allowed == tuple(housekeeping)


def test_one_core_puts_all_compiled_stages_into_one_process() -> None:
    """Spinning neighbours on one core would only wait for each other."""
    assert [group.name for group in plan_groups([0], table=WITHOUT_JOURNAL)] == ["all"]


def test_six_cores_give_every_stage_its_own_process() -> None:
    """No two stages share a process where there is room, and a core stays free."""
    groups = plan_groups(list(range(6)))
    assert all(len(group.stages) == 1 for group in groups)
    assert 0 not in {group.core for group in groups}


@pytest.mark.parametrize("topology", ["inline", "processes"])
@pytest.mark.parametrize("durability", ["none", "async", "durable"])
def test_stamps_hold_every_command_that_can_be_under_way(topology: str, durability: str) -> None:
    """A stamp is not overwritten before its command's last event is counted."""
    sizes = geometry(topology, durability)
    for capacity in (*sizes.capacities.values(), sizes.stamps):
        assert capacity & (capacity - 1) == 0
    assert sizes.stamps >= sum(sizes.capacities.values())


def test_what_a_stage_reads_another_writes() -> None:
    """The table is closed: source -> ... -> participants, with no ring that nobody fills."""
    written = {stage.writes for stage in STAGES} | {"source"}
    assert all(set(stage.reads) <= written for stage in STAGES)
    assert all(" -> " in stage.span for stage in STAGES)


def test_readers_barriers_and_confirmers_follow_from_the_rows() -> None:
    """Who reads a ring has a cursor on it; a gate on the same ring is a barrier, one elsewhere
    confirms."""
    assert TOPOLOGY.readers("sequenced") == ["journal", "matcher"]
    assert TOPOLOGY.readers("events") == ["gate", "replies"]
    assert (TOPOLOGY.barrier("replies"), TOPOLOGY.confirmers("replies")) == ("gate", ())
    assert (TOPOLOGY.barrier("gate"), TOPOLOGY.confirmers("gate")) == (None, ("journal",))
    assert TOPOLOGY.for_durability("async").confirmers("gate") == ()
    assert "journal" not in TOPOLOGY.for_durability("none").index


def test_the_stages_of_the_path_share_their_stamps() -> None:
    """Each begins where the one before ends, so that their intervals add up to the whole."""
    path = TOPOLOGY.path
    assert [stage.since for stage in path[1:]] == [stage.until for stage in path[:-1]]
    whole = TOPOLOGY.spans[-1]
    assert (path[0].since, path[-1].until) == (whole.since, whole.until)


def test_a_new_lane_is_a_row_and_its_source_another() -> None:
    """The sequencer merges it; nothing else of the table changes."""
    lane = Ring("lane2", "order", 64, 64, 64, lane=2)
    source = Stage("receive2", ("source",), "lane2", None, "intended", "received")
    table = TOPOLOGY.extended(rings=[lane], stages=[source])
    assert [ring.name for ring in table.lanes] == ["lane", "lane2"]
    assert table.sources == ("receive", "receive2")
    assert table.path == (*TOPOLOGY.path[:1], table["gateway"], *TOPOLOGY.path[2:])
    assert Topology.from_json(table.to_json()) == table


@pytest.mark.parametrize(
    ("rings", "stages", "message"),
    [
        ([], [Stage("gate", ("events",), "", None)], "'gate' occurs twice"),
        ([], [Stage("x", ("events",), "sequenced", None)], "two stages write one ring"),
        ([], [Stage("x", ("events",), "", None, gated_by=("y",))], "gated by 'y'"),
        ([Ring("lane2", "order", 64, 64, 64, lane=1)], [], "two lanes have one number"),
    ],
)
def test_a_table_whose_rows_do_not_fit_is_refused(
    rings: list[Ring], stages: list[Stage], message: str
) -> None:
    """The error names the row."""
    with pytest.raises(TopologyError, match=message):
        TOPOLOGY.extended(rings=rings, stages=stages)
    numberless = tuple(replace(r, lane=None) for r in TOPOLOGY.rings)
    with pytest.raises(TopologyError, match="lane has no number"):
        replace(TOPOLOGY, rings=numberless)


def test_who_can_attach_to_a_control_segment_finds_its_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The magic number, without which nobody attaches, is written behind the table."""
    written: list[int] = []
    set_table = control_words.Control._set_table

    def watched(control: control_words.Control, text: str) -> None:
        set_table(control, text)
        written.append(control.block.magic)

    monkeypatch.setattr(control_words.Control, "_set_table", watched)
    name = segment_name(ProcessIdentity.mine(), "control")
    control = control_words.Control.create(name, TOPOLOGY.to_json())
    try:
        assert written == [0]
        assert Topology.from_json(control_words.Control.attach(name).table_text) == TOPOLOGY
    finally:
        control.segment.unlink()
