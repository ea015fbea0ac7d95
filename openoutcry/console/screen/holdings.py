"""What a participant holds, is worth, and may do: from the risk state in shared memory, and what
its session traded today."""

from typing import Any

from openoutcry.console.participants import row_of, view_of
from openoutcry.console.screen.orders import OwnOrders
from openoutcry.operations.aside import Aside
from openoutcry.pipeline.top import RunningPipeline, running
from openoutcry.risk import layout as lay
from openoutcry.risk.region import View
from openoutcry.venue.days import read_status
from openoutcry.venue.file import VenueFile
from openoutcry.venue.instruments_desk import state_of
from openoutcry.wire.rule_changes import SLOT

PRICE_DECIMALS = 4


class Holdings:
    """Holdings of every participant of a venue; call :meth:`look` once a second."""

    def __init__(self, file: VenueFile) -> None:
        self.file = file
        self.symbols = list(file.symbols)
        self.state = ""
        self.phases: dict[str, str] = {}
        self.halted: list[str] = []
        self.states: dict[str, str] = {}
        """Of the instruments that do not trade as their phase says."""
        self.pipeline: RunningPipeline | None = None
        self._aside = Aside()
        self._of = {participant.number: participant for participant in file.participants}

    def poll(self) -> None:
        """Read the venue's state again, and attach to its pipeline once it has opened."""
        journal = self.file.journal
        status = read_status(journal) if journal.is_dir() else None
        self.state = str(status["state"]) if status else "never opened"
        self.phases = (status or {}).get("phases") or {}
        risk = (status or {}).get("risk") or {}
        self.halted, self.states = risk.get("halted") or [], risk.get("states") or {}
        pid = status["pid"] if status and status["state"] == "open" else 0
        known = self.pipeline
        if known is None or known.owner.pid != pid or known.is_ending:
            pipelines = running() if pid else []
            self.pipeline = next(
                (pipeline for pipeline in pipelines if pipeline.owner.pid == pid), None
            )
            if self.pipeline is not None:
                self._aside.keep_off(self.pipeline.spun_cores)

    def instruments(self) -> list[dict[str, Any]]:
        """Each instrument with its state and phase, whether it is halted, and the decimals of its
        prices."""
        decimals = self.file.sessions.price_decimals
        return [
            {
                "symbol": symbol,
                "phase": self.phases.get(symbol, ""),
                "state": state_of(symbol, self.states),
                "halted": symbol in self.halted,
                "decimals": decimals.get(symbol, PRICE_DECIMALS),
            }
            for symbol in self.symbols
            if not symbol.startswith(SLOT)
        ]

    def of(self, participant: int, own: OwnOrders, last: dict[str, int]) -> dict[str, Any]:
        """Money and limits; a row for each instrument that is held or was traded.  ``last``: what
        each traded at last, in ten-thousandths; what is still held is taken at that."""
        view = view_of(self.pipeline.owner) if self.pipeline is not None else None
        who = self._of.get(participant)
        account = row_of(view, who, self.symbols) if view is not None and who is not None else None
        positions = account.pop("positions") if account else {}
        return {
            "account": account,
            "has_scenario_margin": self.file.risk.margin is not None,
            "rows": [
                self._row(symbol, positions.get(symbol, 0), own, last.get(symbol, 0), view)
                for symbol in self.symbols
                if symbol in positions or symbol in own.traded
            ],
        }

    def _row(
        self, symbol: str, position: int, own: OwnOrders, last: int, view: View | None
    ) -> dict[str, Any]:
        multipliers, at = self.file.risk.multipliers, self.symbols.index(symbol)
        multiplier = multipliers[at] if at < len(multipliers) else 1
        if view is not None:  # of a contract that which is in force
            multiplier = int(view.instruments[at, lay.MULTIPLIER // 8])
        today = own.traded.get(symbol)
        row: dict[str, Any] = {"symbol": symbol, "position": position, "last": last}
        if today is not None:
            row |= {
                "bought_lots": today.bought_lots,
                "sold_lots": today.sold_lots,
                "bought_at": today.bought_value // max(today.bought_lots, 1),
                "sold_at": today.sold_value // max(today.sold_lots, 1),
                "profit": today.profit(last, multiplier),
            }
        return row
