"""What a drop copy over FIX says of an event, the slow and obvious way."""

from openoutcry.wire.enums import EventKind, Reason


def plain_report(event, known):
    """ExecType, OrderID (of an order that is no session's), OrderQty, CumQty and LeavesQty of its
    report; None: it has none.  ``known``: OrderQty and CumQty by order, empty before the first."""
    kind, order_id = EventKind(int(event["kind"])), int(event["order_id"])
    qty, leaves = int(event["qty_lots"]), int(event["leaves_lots"])
    letters = {
        EventKind.ACCEPTED: "0",
        EventKind.FILLED: "F",
        EventKind.CANCELLED: "4",
        EventKind.EXPIRED: "C",
        EventKind.REPLACED: "5",
        EventKind.ELECTED: "L",
        EventKind.REDUCED: "D",
        EventKind.CONVERTED: "D",
    }
    if kind is EventKind.REJECTED:
        return "8", "NONE", "", "0", "0"
    if kind not in letters:
        return None
    if kind is EventKind.ACCEPTED:
        known[order_id] = [qty, 0]
    sums_ = known[order_id]
    if kind is EventKind.FILLED:
        sums_[1] += qty
    if kind is EventKind.REPLACED:
        sums_[0] = sums_[1] + leaves
    letter, over = letters[kind], kind in (EventKind.CANCELLED, EventKind.EXPIRED)
    if event["reason"] in (Reason.DAY_END, Reason.EXPIRED, Reason.AUCTION_REST) and over:
        letter = "C"
    whole = sums_[0] if over or kind is EventKind.ACCEPTED else leaves + sums_[1]
    return letter, f"P{order_id}", str(whole), str(sums_[1]), str(0 if over else leaves)
