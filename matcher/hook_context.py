"""What the batch kernel is called with where there are hooks (hooks.py, capacity.py)."""

from openoutcry.wire.layout import Layout, i64

ASKS_TERMS = 7 << 8
"""Answer to a NEW: the hooks must know its terms first (``hooks.ask_with_terms``)."""
REDUCES = 5 << 8
"""Verdict on a NEW or a REPLACE that enters, after which reduce-only orders are cut
(``reducing.py``)."""


class HookContext(Layout):
    """Arguments of the batch kernel with hooks."""

    arena: int = i64("address of the matcher's arena")
    batch: int = i64("address of the batch kernel without hooks")
    region: int = i64("address of the hooks' region")
    before: int = i64("address of the kernel that is asked before each command")
    after: int = i64("address of the kernel that is called after each command")
    quotes: int = i64("address of the best prices, 0: nothing asks for them")
    ahead: int = i64("address of the kernel that asks for memory ahead, 0: none")
    hold: int = i64("address of the kernel that holds a command back, 0: none")
    due: int = i64("address of the kernel that says which held command is due")
    figures: int = i64("address of what ``hold`` and ``due`` report in addition to their result")
    is_rebalance_point: int = i64(
        "address of the kernel that says whether a command is a rebalance point, 0: none"
    )
    wait_for_rebalance: int = i64("address of the kernel that waits for the other cores there")
    rebalance_args: int = i64("the hook's argument")
    changes: int = i64("address of the counter of changes of the held instruments")
    held: int = i64("address of the first instrument's HALT word")
    held_step: int = i64("bytes to the next one's")
    held_mask: int = i64("the bits of these words with which nothing trades")
    all_held: int = i64("address of the word that halts all instruments")
    changes_seen: int = i64("value of ``changes`` when the instruments were last checked")
    leg_count: int = i64("address of how many legs of an off-book trade wait, 0: none ever does")
    legs: int = i64("address of their records")
    called: int = i64("address of the word that asks for a sweep (``hooks.Sweeps``), 0: none does")
    flags: int = i64("address of participant 0's word there")
    flags_step: int = i64("bytes to the next one's")
    flags_count: int = i64("how many there are")
    flags_mask: int = i64("the bits of those whose orders are cancelled")
    excess: int = i64("address of the kernel that says how many lots to cut, 0: it never does")
    cut: int = i64("address of the kernel that says how many of them an order has")
    terms: int = i64("address of the kernel that is given the terms of a NEW, 0: none wants them")
    quote: int = i64("address of the kernel that judges both sides of a quote, 0: none does")
    rules: int = i64("address of the block of rules that change (``rule_changes``), 0: none does")
    marks: int = i64("address of the first contract's row (``marks.Marks``), 0: no contracts")
    marks_step: int = i64("bytes to the next one's")
    marks_count: int = i64("how many there are")
    mark_instrument: int = i64("where in a row its instrument is,")
    mark_price: int = i64("its mark,")
    mark_index: int = i64("its index price,")
    mark_count: int = i64("and how often it was marked")
    shares: int = i64("shares of the capacities, 0: they are of all instruments together")
    opened: int = i64("address of how many orders are open in share 0")
    opened_step: int = i64("bytes to the next share's")
    counted: int = i64("0 until the words of ``tables`` are counted")
    orders: int = i64("orders that a share may hold")
    extra: int = i64("events beyond two an order that they may cause")
    tables: int = i64("what each share's orders could cause, then the share of each instrument")
