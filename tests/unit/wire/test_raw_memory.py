"""wire/layout.py is how memory is read and written; what is left is counted here."""

import re

from tests import folder_of, inside
from tests.support.documents.rooms import rooms

RAW = re.compile(
    r"(?<!def )\b(?:load|store)_(?:i64|u32|u16|u8|acquire|release|fixed|word|any\d+|be\d+)\("
)
ALLOWED = {
    # Bytes of protocol messages, by the offsets of wire/message.py, in network order or as text:
    # eight characters are read, compared and copied as one word.
    "dpdk_shim/packets.py": 5,
    "market_data/book_apply.py": 58,
    "market_data/encode.py": 2,
    "market_data/itch_messages.py": 30,
    "market_data/lines.py": 1,
    "market_data/mold.py": 1,
    "order_entry/copies.py": 1,
    "order_entry/drop_copy.py": 5,
    "order_entry/fix/decode.py": 7,
    "order_entry/fix/drop_copy.py": 4,
    "order_entry/fix/encode.py": 1,
    "order_entry/fix/groups.py": 1,
    "order_entry/fix/live42.py": 1,
    "order_entry/fix/numbers.py": 2,
    "order_entry/fix/scan.py": 14,
    "order_entry/fix/send.py": 5,
    "order_entry/fix/text.py": 29,
    "order_entry/ouch.py": 8,
    "order_entry/ouch42_in.py": 23,
    "order_entry/ouch42_out.py": 29,
    "order_entry/ouch50_in.py": 28,
    "order_entry/ouch50_out.py": 37,
    "order_entry/soupbin.py": 4,
    # Links: whose field a word is, the head of a list or the next of the row before, is known only
    # while the list is walked; and entries of hash tables, which are one number.
    "market_data/book_levels.py": 17,
    "market_data/book_state.py": 12,
    "market_data/operator_events.py": 4,
    "market_data/pump.py": 11,
    "market_data/state.py": 1,
    "matcher/book/any_order.py": 9,
    "matcher/book/expiry.py": 6,
    "matcher/book/ids.py": 11,
    "matcher/book/levels.py": 11,
    "matcher/book/orders.py": 3,
    "matcher/book/owners.py": 16,
    "matcher/matching/allocation.py": 13,
    "matcher/matching/take.py": 1,
    "matcher/matching/uncross.py": 2,
    "matcher/matching/waiting.py": 2,
    "matcher/state/load.py": 5,
    "order_entry/apply.py": 6,
    "order_entry/rows.py": 7,
    "order_entry/tokens.py": 15,
    # An asset's decimals and name, at an address of either of a row.
    "order_entry/session.py": 3,
    "risk/movements.py": 4,
    "risk/own_limits.py": 4,
    "risk/requests.py": 2,
    "risk/row_index.py": 11,
    "risk/totals.py": 2,
    "surveillance/detect/corporate.py": 1,
    "surveillance/detect/messages.py": 2,
    "surveillance/detect/moves.py": 1,
    "surveillance/detect/tables.py": 21,
    "surveillance/detect/wash.py": 2,
    # A packed row: a number has as many bytes as it needs, and is written as a whole word.
    "portal/history/packed.py": 1,
    # The word is chosen at run time: by side, by the limit or total that a command names, or by the
    # caller, who gives its address.
    "gateway_fpga/golden.py": 7,
    "ledger/commit.py": 1,
    "ledger/fees.py": 3,
    "ledger/post.py": 5,
    "ledger/spot.py": 3,
    "matcher/book/depth.py": 3,
    "matcher/off_book.py": 1,
    "matcher/book/empty_arena.py": 4,
    "matcher/book/instrument_rules.py": 3,
    "matcher/book/position.py": 4,
    "matcher/book/shards.py": 2,
    "matcher/c_library/c_api.py": 6,
    "matcher/c_library/table_check.py": 5,
    "matcher/capacity.py": 8,
    "matcher/commands/amend.py": 2,
    "matcher/commands/dispatch.py": 5,
    "matcher/commands/mass.py": 1,
    "matcher/events.py": 2,
    "matcher/hooks.py": 21,
    "matcher/state/running_digest.py": 4,
    "matcher/state/save.py": 2,
    "runtime/words.py": 1,
    "pipeline/stages/gateway.py": 1,
    "pipeline/stages/matcher.py": 2,
    "pipeline/stages/published.py": 4,
    "ptp/ticks.py": 1,
    "ring/tail.py": 1,
    "risk/after.py": 8,
    "risk/before.py": 11,
    "risk/money.py": 5,
    "risk/open_orders.py": 11,
    "risk/operator_commands.py": 8,
    "risk/partitions.py": 14,
    "risk/protection.py": 5,
    "risk/protection_rules.py": 2,
    "risk/rebalance.py": 4,
    "risk/speed_bump.py": 6,
    "risk/spot.py": 1,
    # Blocks that are cleared, copied or swapped as a whole, word by word.
    "backtest/drive.py": 2,
    "flow/kernels.py": 3,
    "order_entry/command_metadata.py": 4,
    "order_entry/fix/session.py": 6,
    "order_entry/session_commands.py": 13,
    "order_entry/stream.py": 4,
    "order_entry/sums.py": 3,
    # Structures of the operating system, and words handed to its calls.
    "dpdk_shim/udp.py": 6,
    "host/jitter_loops.py": 2,
    "host/tsc.py": 1,
    "order_entry/session_login.py": 3,
    "order_entry/session_stage.py": 15,
    "ring/sigbus.py": 8,
    # Hash functions, which mix words wherever they are.
    "journal/event_hash.py": 1,
    "replica/highway.py": 21,
    # Benches: what they measure is written and read as they have always done.
    "bench/clock.py": 3,
    "bench/market_data_live.py": 1,
    "bench/ring_loops.py": 2,
    "bench/risk.py": 2,
    "bench/sessions.py": 2,
    "bench/sessions_fix.py": 2,
    "bench/sessions_live.py": 8,
    "bench/strategy.py": 5,
    "bench/tick_to_trade.py": 1,
}
"""Raw loads and stores outside wire/: in which files, how many at most, and why."""
MAX_RAW = 800
ENUM_NUMBER = re.compile(r"\bint\((?:\w+\.)*[A-Z]\w*[a-z]\w*\.[A-Z][A-Z0-9_]*\)")


def sources():
    for room in rooms():
        if room not in ("tests", "wire"):
            for path in sorted(folder_of(room).rglob("*.py")):
                yield str(inside(path)), path.read_text()


def test_no_file_has_more_raw_loads_and_stores_than_it_is_allowed():
    """A field that is missing is declared (docs/decisions/024-layouts.md); numbers only fall."""
    found = {name: len(RAW.findall(text)) for name, text in sources()}
    assert {name: count for name, count in found.items() if count} == ALLOWED, (
        "declare the fields in a Layout, or change ALLOWED above and say why"
    )
    assert sum(ALLOWED.values()) <= MAX_RAW


def test_numbers_of_enumerations_are_generated():
    """wire/generate.py writes them as plain ints: those of wire/enums.py, and of each room that has
    enumerations of its own (ROOM_ENUMS)."""
    wrong = [
        f"{name}:{number}: {line.strip()}"
        for name, text in sources()
        for number, line in enumerate(text.splitlines(), 1)
        if ENUM_NUMBER.search(line)
    ]
    assert wrong == [], "use the numbers that python -m openoutcry.wire.generate writes"
