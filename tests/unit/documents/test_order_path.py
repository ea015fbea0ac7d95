"""ARCHITECTURE.md says by which files an OUCH order goes: here its calls are followed."""

import re

from openoutcry import PACKAGE
from tests import ROOT
from tests.support.documents.call_path import by_address, called, functions_of, reached

MAX_FILES = 30
"""Outside ``wire/``: sockets, memory and layouts are used everywhere."""

ENTRIES = {
    ("runtime/loop.py", "run_stages"),
    ("order_entry/session_stage.py", "step"),
    ("order_entry/ouch42_in.py", "decode"),
    ("pipeline/stages/gateway.py", "step"),
    ("pipeline/stages/matcher.py", "step"),
    ("matcher/hooks.py", "process_hooked"),
    ("risk/before.py", "before"),
    ("matcher/commands/dispatch.py", "process_batch"),
    ("risk/after.py", "after"),
    ("pipeline/stages/gate.py", "step"),
    ("order_entry/ouch42_out.py", "encode"),
}
"""The loop, and every kernel that is called by its address on the way."""

NOT_TAKEN = {
    f"{file}:{name}" if name else file
    for file, names in {
        # Other messages than an order, FIX, logins, lost connections, timers, ends; what is counted
        # once the answer has left.
        "order_entry/session_stage.py": "timers fix_timer end close_lane take_connection lose fault"
        " close_connection send_fix unsent logged_on mark_lost send_shm take_shm_requests"
        " look_at_login_socket record_told mark_all_dirty",
        "order_entry/shm_stage.py": "",
        "order_entry/shm_layout.py": "",
        # Lists of orders, quotes.
        "order_entry/list_commands.py": "",
        "order_entry/list_events.py": "",
        "order_entry/quote_commands.py": "",
        "order_entry/quote_rows.py": "",
        "order_entry/session_commands.py": "find_named charge_session_message journal_login"
        " journal_session_event duplicate charge",
        "order_entry/ouch42_in.py": "_decode_replace _decode_cancel",
        "order_entry/ouch42_out.py": "_executed _canceled _replaced _rejected _priority _modified"
        " _reject",
        "order_entry/ouch50_in.py": "",
        # Drop copies, and orders that waited at a speed bump.
        "order_entry/copies.py": "publish_after_bump copy_event report_event row_of_sums"
        " begin_entry keep end_event",
        "order_entry/apply.py": "send_reject row_of_own send_open_orders of_connection"
        " keep_open_tokens as_ouch tell_list send_list_status",
        "order_entry/sums.py": "",
        "order_entry/off_book.py": "",
        # A gateway in hardware, risk flags, releases by time, the end of an input.
        "pipeline/stages/gateway.py": "release_due finish_if_ended somebody_waits",
        "pipeline/stages/published.py": "",
        "gateway_fpga/call.py": "",
        "runtime/words.py": "input_ended finish",
        "pipeline/stages/gate.py": "detach_slow",
        "ring/policy.py": "",
        # Holds, margin calls, market protection, shares of capacity, operators' commands,
        # liquidation, wallets, scenario margin, reduce-only orders, stops by mark, lists.
        "matcher/capacity.py": "",
        "matcher/off_book.py": "",
        "matcher/reducing.py": "",
        "matcher/marks.py": "",
        "matcher/book/depth.py": "",
        "matcher/book/terms.py": "",
        "matcher/hooks.py": "follow_holds sweep_called enter_due tell_delay refuse settle_held"
        " cancel_whole change_by_hooks note_outside ask_with_terms",
        "risk/before.py": "operator_command refuse",
        "risk/after.py": "report_refusal enter_phase ask_for_order bring_rarely",
        "risk/operator_commands.py": "",
        "risk/instrument_state.py": "",
        "risk/instrument_rules.py": "",
        "risk/protection.py": "",
        "risk/liquidation.py": "",
        "risk/money.py": "",
        "risk/spot.py": "",
        "risk/contracts.py": "",
        "risk/waterfall.py": "",
        "risk/portfolio.py": "",
        "risk/reduce_only.py": "",
        "risk/lists.py": "",
        "risk/collateral.py": "",
        # The order types and commands of the matcher's general path.
        "matcher/commands/general.py": "",
        "matcher/commands/plain_commands.py": "",
        "matcher/commands/dispatch.py": "uncommon_command general_path",
    }.items()
    for name in (names.split() or [""])
}


def path_section() -> str:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    return text.partition("## The path of an OUCH order")[2].partition("\n## ")[0]


def test_the_table_names_every_file_on_the_way_and_no_other():
    listed = set(re.findall(r"`(\w+(?:/\w+)+\.py)`", path_section().partition("| |")[2]))
    files = {file for file, _ in reached(ENTRIES, NOT_TAKEN) if not file.startswith("wire/")}
    assert files == listed, "correct the table in ARCHITECTURE.md, or NOT_TAKEN above"
    assert len(files) <= MAX_FILES
    assert f"counts {len(files)} files" in path_section()


def test_every_function_of_the_table_is_on_the_way():
    found = reached(ENTRIES, NOT_TAKEN)
    for file, names in re.findall(r"`(\w+(?:/\w+)+\.py)`((?:,? `\w+`)+)", path_section()):
        for name in re.findall(r"`(\w+)`", names):
            assert (file, name) in found, f"{file}: {name}"


def test_what_is_called_by_address_is_said():
    """Seven calls are marked in the table, and every other is of a kind that this order skips."""
    marked = {
        ("runtime/loop.py", "PlanRow(row).step"),
        ("order_entry/session_commands.py", "load_i64(codec + apply.CODEC_DECODE)"),
        ("pipeline/stages/matcher.py", "context.batch"),
        ("matcher/hooks.py", "before"),
        ("matcher/hooks.py", "batch"),
        ("matcher/hooks.py", "after"),
        ("order_entry/apply.py", "encode"),
    }
    skipped = {
        ("order_entry/session_stage.py", "load_i64(codec + apply.CODEC_FRAME)"),
        ("order_entry/session_stage.py", "load_i64(codec + apply.CODEC_QUEUED)"),
        ("order_entry/session_commands.py", "complete"),
        ("matcher/hooks.py", "ahead"),
        ("matcher/hooks.py", "block.hold"),
        ("matcher/hooks.py", "is_rebalance_point"),
        ("matcher/hooks.py", "wait_for_rebalance"),
    }
    assert {call for one in reached(ENTRIES, NOT_TAKEN) for call in by_address(one)} == (
        marked | skipped
    )
    assert path_section().count("*by address*") == len(marked)


def test_what_leaves_the_way_exists():
    """A name of NOT_TAKEN that nothing has any more would hide what takes its place."""
    for one in NOT_TAKEN:
        file, _, name = one.partition(":")
        assert (PACKAGE / file).exists(), file
        assert not name or name in functions_of(PACKAGE / file), one


def test_calls_by_name_and_by_module_are_found():
    assert ("order_entry/soupbin.py", "frame") in called(
        ("order_entry/session_stage.py", "parse_input")
    )
    assert ("risk/before.py", "check") in called(("risk/before.py", "before"))
