"""Turn commands into events: a deterministic price-time matcher.

An order's way through the kernels: each step takes what it knows to be its own and hands on the
rest before it has changed anything::

    order (64 bytes)                                             commands/dispatch.py
      │ process_batch, process_one: symbol -> instrument, id -> its entry in the id table
      ▼
    plain ─────── a plain order that rests, or its CANCEL, on a quiet instrument ──────────► events
      │                                                          matching/plain_orders.py
      ▼
    plain_command ── every other command about plain orders,      ─┬─► match ───────► events
      │              compiled twice: for instruments with nothing  │
      │              else, and for those with special orders,      └─► trade ───────► events
      │              rules, or in a call                         commands/plain_commands.py
      ▼
    process_general ── checks the record, asks one of commands/          │
      │                new     amend     mass     phases               │
      │                 │        │         │        │                  ▼
      │                 └──┬─────┘         │        └─► matching/uncross.py: one price for all
      │                    ▼               ▼
      │              matching/take.py   sweeps a book
      │              a taker against the displayed, hidden and all-or-none orders;
      │              matching/budget.py: no further than its money pays;
      │              matching/waiting.py: first against market orders that wait
      ▼
    matching/cascade.py: stops elected, all-or-none orders filled, pegs priced again,
                         until nothing more happens ───────────────────────────────────────► events

``hooks.py`` puts kernels before and after all of this.

All of these work on one block of memory, the arena (``book/``).  The folder ``state/`` turns it
into bytes and back, and ``c_library/`` is the same machine code for C.  The same commands are
answered in plain Python by ``tests/oracles/matcher/``.
"""

from openoutcry.matcher.book.position import Position
from openoutcry.matcher.commands.dispatch import process_batch, process_one, scratch_records
from openoutcry.matcher.engine import Engine
from openoutcry.wire.errors import MatcherError

__all__ = [
    "Engine",
    "MatcherError",
    "Position",
    "process_batch",
    "process_one",
    "scratch_records",
]
