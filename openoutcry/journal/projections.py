"""What a projection of a journal needs of the rooms below: the reader, settings, the core's state.

A projection knows the wire and this room; whatever else it checks it finds here.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal import JournalError as JournalError
from openoutcry.journal import JournalReader as JournalReader
from openoutcry.journal.block import Block as Block
from openoutcry.journal.block import BlockId as BlockId
from openoutcry.journal.checkpoints import Checkpoint as Checkpoint
from openoutcry.journal.checkpoints import checkpoint_path as checkpoint_path
from openoutcry.journal.checkpoints import checkpoint_seqs as checkpoint_seqs
from openoutcry.journal.checkpoints import read_checkpoint as read_checkpoint
from openoutcry.journal.checkpoints import require_own as require_own
from openoutcry.journal.checkpoints import write_checkpoint as write_checkpoint
from openoutcry.journal.desk_record import DeskRecord as DeskRecord
from openoutcry.journal.desk_record import RecordError as RecordError
from openoutcry.journal.desk_record import desk_record as desk_record
from openoutcry.journal.risk_hooks import contracts_of
from openoutcry.journal.risk_hooks import wallets_of as wallets_of
from openoutcry.matcher import Engine as Engine
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import LEDGER_SETTINGS as LEDGER_SETTINGS
from openoutcry.risk.bits import MovementStep as MovementStep
from openoutcry.risk.bits import PauseCause as PauseCause
from openoutcry.risk.bits import Setting as Setting
from openoutcry.risk.constants import PAUSE_BY_BANDS as PAUSE_BY_BANDS
from openoutcry.risk.constants import PAUSE_BY_MARKET as PAUSE_BY_MARKET
from openoutcry.risk.joined import view_of
from openoutcry.risk.layout import INSTRUMENT_BYTES
from openoutcry.risk.layout import RiskInstrument as RiskInstrument
from openoutcry.risk.layout import RiskState as RiskState
from openoutcry.risk.region import View, make_region
from openoutcry.risk.spot_layout import SpotAsset as SpotAsset
from openoutcry.risk.spot_layout import SpotRules as SpotRules
from openoutcry.risk.spot_layout import Wallet
from openoutcry.risk.words import refusal_text as refusal_text

RISK_ROW_BYTES = INSTRUMENT_BYTES
"""Of an instrument's row in the risk state."""


@dataclass(frozen=True)
class CoreMoney:
    """Money of all participants in the core's risk, int64: ``balances`` and ``reserved`` by
    participant, ``positions``, ``buy_lots`` and ``sell_lots`` by participant and instrument."""

    balances: npt.NDArray[np.int64]
    reserved: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]
    buy_lots: npt.NDArray[np.int64]
    sell_lots: npt.NDArray[np.int64]
    open_orders: int
    killed_by_arithmetic: npt.NDArray[np.bool_]
    """Whose figures the core itself has given up."""
    wallets: "CoreWallets | None"
    """None: no instrument is spot."""


@dataclass(frozen=True)
class CoreWallets:
    """Wallets in the core, int64: ``available`` and ``reserved`` by participant and asset. By
    asset, the venue's ``fees`` and ``net``: what came in from outside and did not go out."""

    available: npt.NDArray[np.int64]
    reserved: npt.NDArray[np.int64]
    fees: npt.NDArray[np.int64]
    net: npt.NDArray[np.int64]


def core_money(engine: Engine) -> CoreMoney | None:
    """Return the money of a core at this moment; None for a core without risk."""
    if not len(engine.region) or int(engine.region.view(np.int64)[0]) != lay.MAGIC:
        return None
    view = view_of([engine.region])
    cells, rows, held = view.cells, view.participants, view.wallets
    return CoreMoney(
        rows[:, lay.BALANCE // 8],
        rows[:, lay.RESERVED // 8] - view.order_losses(),
        cells[:, :, lay.POSITION // 8],
        cells[:, :, lay.BUY_LOTS // 8],
        cells[:, :, lay.SELL_LOTS // 8],
        view.word(lay.ORDERS_OPEN),
        rows[:, lay.FLAGS // 8] & lay.KILLED_BY_ARITHMETIC != 0,
        None
        if held is None
        else CoreWallets(
            held.rows[:, :, Wallet.offset("available") // 8],
            held.rows[:, :, Wallet.offset("reserved") // 8],
            held.assets[:, SpotAsset.offset("fees") // 8],
            held.assets[:, SpotAsset.offset("net") // 8],
        ),
    )


@dataclass(frozen=True)
class InstrumentMoney:
    """Cost of a lot of each instrument, as the core's risk has it at the beginning: int64."""

    worst_buy: npt.NDArray[np.int64]
    worst_sell: npt.NDArray[np.int64]
    multiplier: npt.NDArray[np.int64]
    leveraged: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]


def instrument_money(config: dict[str, Any], instruments: npt.NDArray[Any]) -> InstrumentMoney:
    """Return the instruments' columns of a journal with this configuration, with or without risk in
    its core."""
    hooks = config.get("hooks") or {}
    view = View(
        make_region(instruments, 1, 1, 1, hooks.get("multipliers"), hooks.get("leveraged", ()))
    )
    columns = (lay.WORST_BUY, lay.WORST_SELL, lay.MULTIPLIER, lay.LEVERAGED, lay.LAST)
    return InstrumentMoney(*(view.instruments[:, column // 8].copy() for column in columns))


def contract_rows(
    config: dict[str, Any], instruments: npt.NDArray[Any]
) -> dict[int, tuple[list[int], int]]:
    """Return, by instrument, what the ledger keeps of a contract at the beginning (kind, inverse,
    units, mark, strike, its units, margin_bps, carry, fund), and a lot's margin."""
    hooks = dict(config.get("hooks") or {})
    given = contracts_of(hooks)
    if not given:
        return {}
    fund, terms = int(given["fund"]), (hooks.get("multipliers"), hooks.get("leveraged", ()))
    more = wallets_of(hooks) | given | {"movements": 0}
    view = View(make_region(instruments, fund + 1, 1, 1, *terms, **more))
    assert view.contracts is not None
    names = ("kind", "inverse", "multiplier", "mark", "strike", "strike_multiplier", "margin_bps")
    rows = {}
    for index in given["contracts"]:
        words = [view.contracts.of(index, name) for name in names]
        margin = int(view.instruments[index, lay.MARGIN // 8])
        rows[index] = [*words, 0, fund], margin
    return rows


def has_risk(config: dict[str, Any]) -> bool:
    """Return whether there is risk in the core of a journal with this configuration."""
    return (config.get("hooks") or {}).get("name") == "risk"
