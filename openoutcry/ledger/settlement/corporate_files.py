"""The files of a corporate action: positions and open orders in, movements and commands out."""

from enum import IntEnum
from pathlib import Path

from openoutcry.ledger.settlement import tables
from openoutcry.ledger.settlement.corporate import (
    ISSUER,
    Adjustment,
    Command,
    Movement,
    OpenOrder,
    Position,
)
from openoutcry.wire.enums import OrderType, SelfTrade, Side
from openoutcry.wire.errors import SettlementError
from openoutcry.wire.symbols import check_symbol

POSITIONS: tables.Columns = {"member": tables.name, "units": tables.whole}


def _names(kind: type[IntEnum]) -> tuple[str, ...]:
    return tuple(member.name for member in kind)


ORDERS: tables.Columns = {
    "order_id": tables.whole,
    "participant": tables.positive,
    "symbol": tables.name,
    "side": tables.one_of(*_names(Side)),
    "order_type": tables.one_of(*_names(OrderType)),
    "price_ticks": tables.whole,
    "qty_lots": tables.positive,
    "self_trade": tables.one_of(*_names(SelfTrade)),
}


def read_positions(
    path: Path, asset: str = "", scales: tables.Scales | None = None
) -> list[Position]:
    """Read positions in an asset; ``scales``: decimals by asset.  Raises ``SettlementError`` naming
    row and field: also for a member that occurs twice."""
    positions: dict[str, Position] = {}
    for number, (member, units) in enumerate(tables.read(path, POSITIONS, scales, asset), 2):
        if member in positions or member == ISSUER:
            why = "occurs twice" if member in positions else "is not a member"
            raise SettlementError(f"{path}: row {number}, member: {member} {why}")
        positions[member] = Position(member, units)
    return list(positions.values())


def read_orders(path: Path) -> list[OpenOrder]:
    """Open orders in the order of their priority.  Raises ``SettlementError`` as above."""
    orders: dict[tuple[str, int], OpenOrder] = {}
    for number, row in enumerate(tables.read(path, ORDERS), 2):
        order_id, participant, symbol, side, order_type, price, qty, mode = row
        where = f"{path}: row {number}"
        if (symbol, order_id) in orders:
            raise SettlementError(f"{where}, order_id: {order_id} of {symbol} occurs twice")
        if participant >= 1 << 16:
            raise SettlementError(f"{where}, participant: {participant} is above 65535")
        try:
            check_symbol(symbol)
        except ValueError as error:
            raise SettlementError(f"{where}, symbol: {error}") from None
        orders[symbol, order_id] = OpenOrder(
            order_id,
            participant,
            symbol,
            Side[side],
            OrderType[order_type],
            price,
            qty,
            SelfTrade[mode],
        )
    return list(orders.values())


def write_adjustment(
    adjustment: Adjustment, movements: Path, commands: Path, scales: tables.Scales | None = None
) -> None:
    """Both files or none; kinds of commands by their names; ``scales``: as of ``tables.write``.
    Raises ``SettlementError`` for one name for both."""
    if movements.absolute() == commands.absolute():
        raise SettlementError(f"{movements}: movements and commands are two files")
    rows = [(command.kind.name, *command[1:]) for command in adjustment.commands]
    moved = tables.decimal_table(Movement._fields, adjustment.movements, scales)
    tables.write_all([(movements, *moved), (commands, Command._fields, rows)])
