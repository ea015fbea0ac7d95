"""A case as one HTML page that needs nothing else: words, tables and a picture in SVG; the picture
also as a separate file."""

import time
from pathlib import Path
from typing import Any

from markupsafe import Markup

from openoutcry.report.charts import Frame, nice_ticks
from openoutcry.report.page import escaped, render_page
from openoutcry.surveillance.definitions import DEFINITIONS
from openoutcry.surveillance.dossier import Dossier

SIZE = 960, 420
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #5b6472; }
.grid { stroke: #8884; fill: none; } .axis { stroke: #888; fill: none; }
.line { fill: none; stroke-width: 1.2; } .bid { stroke: #0b8f6a; } .ask { stroke: #c8472f; }
.order { fill: none; opacity: 0.55; }
.order.buy { stroke: #0b8f6a; } .order.sell { stroke: #c8472f; }
.own { stroke: #8888; stroke-width: 0.8; } .own.buy { fill: #0b8f6a; } .own.sell { fill: #c8472f; }
.trade { fill: #9aa4b2; }
"""
"""Style of a picture that is a separate file; a page has its own colours."""


def case_page(dossier: Dossier, status: str, life: list[dict[str, Any]]) -> str:
    """The page of a dossier; ``status`` and ``life`` are what people made of the case."""
    filters = {"time": moment, "day": day, "number": lambda value: f"{value:,}"}
    return render_page(
        "case.html",
        filters,
        folder=Path(__file__).parent,
        dossier=dossier,
        case=dossier.case,
        status=status,
        life=life,
        picture=picture(dossier),
        definition=DEFINITIONS[dossier.case.detector],
        evidence=set(dossier.case.evidence),
    )


def moment(ts_ns: int) -> str:
    """Time of day, UTC, to the microsecond."""
    seconds, rest = divmod(ts_ns, 10**9)
    return f"{time.strftime('%H:%M:%S', time.gmtime(seconds))}.{rest // 1000:06d}"


def day(ts_ns: int) -> str:
    """The date (UTC) of a time in ns since the epoch."""
    return time.strftime("%Y-%m-%d", time.gmtime(ts_ns // 10**9))


def picture_file(dossier: Dossier) -> str:
    """The picture as an SVG file; its colours can be read on light and dark pages."""
    title = DEFINITIONS[dossier.case.detector].title
    frame = _picture(dossier, f"{title}: price, the participants' orders and trades")
    frame.parts.insert(0, f"<style>{STYLE}</style>")
    return frame.svg().replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"


def picture(dossier: Dossier) -> Markup:
    """Price over time: best bid and ask, all trades, the participants' own orders."""
    return Markup(_picture(dossier, "Price, orders and trades").svg())


def _picture(dossier: Dossier, label: str) -> Frame:
    prices, times = _price_range(dossier), _time_range(dossier)
    frame = Frame(SIZE, times, prices, label, "picture")
    stamps = [times[0] + (times[1] - times[0]) * k / 5 for k in range(5)]
    x_ticks = [(at, moment(int(at))[:10]) for at in stamps]
    y_ticks = [
        (at, f"{at:,.0f}")
        for at in nice_ticks(*prices, 6, whole=True)
        if prices[0] <= at <= prices[1]
    ]
    frame.axes(x_ticks, y_ticks, "time of day, UTC", "price in ticks")
    for css, place in (("bid", 1), ("ask", 2)):
        for stretch in _steps(dossier, prices, place):
            frame.line(stretch, css, f"best {css}")
    _orders(dossier, frame)
    _trades(dossier, frame)
    return frame


def _price_range(dossier: Dossier) -> tuple[float, float]:
    prices = [p for _, bid, ask in dossier.quotes for p in (bid, ask) if p is not None]
    prices += [price for _, price, _, _ in dossier.trades]
    near = sorted(prices) or [0]
    low, high = near[len(near) // 100], near[-1 - len(near) // 100]
    # Own orders far from everything else must not squeeze the market flat.
    reach = max(high - low, 4)
    own = [
        bar.price_ticks
        for bar in dossier.orders
        if low - 2 * reach <= bar.price_ticks <= high + 2 * reach
    ]
    return min([low, *own]) - 1, max([high, *own]) + 1


def _time_range(dossier: Dossier) -> tuple[float, float]:
    stamps = [ts for ts, _, _ in dossier.quotes]
    begin = stamps[0] if stamps else dossier.begin_ns
    return begin, max(dossier.case.last_ns, stamps[-1] if stamps else 0, begin + 1)


def _orders(dossier: Dossier, frame: Frame) -> None:
    """The participants' orders, each as long as it was open, thicker the larger it was."""
    lots = sorted(bar.qty_lots for bar in dossier.orders) or [1]
    usual = max(lots[len(lots) // 2], 1)
    for bar in dossier.orders:
        if not frame.y_range[0] <= bar.price_ticks <= frame.y_range[1]:
            continue
        x, end = _x(frame, bar.begin_ns), _x(frame, bar.end_ns)
        thick = 2 + min(6.0, bar.qty_lots / usual)
        frame.parts.append(
            f'<path class="order {bar.side}" stroke-width="{thick:.1f}" '
            f'd="M{x:.1f} {frame.y(bar.price_ticks):.1f}H{max(end, x + 2):.1f}">'
            f"<title>{escaped(bar.side)} {bar.qty_lots:,} at {bar.price_ticks:,}, "
            f"order {bar.order_id}</title></path>"
        )


def _trades(dossier: Dossier, frame: Frame) -> None:
    """All trades as dots, the participants' own as triangles, up where they bought."""
    for ts_ns, price, lots, side in dossier.trades:
        if not frame.y_range[0] <= price <= frame.y_range[1]:
            continue
        x, y = _x(frame, ts_ns), frame.y(price)
        if side:
            tip = -7 if side == "buy" else 7
            frame.parts.append(
                f'<path class="own {side}" d="M{x:.1f} {y + tip:.1f}l5 {-1.5 * tip:.1f}h-10z">'
                f"<title>{side} {lots:,} at {price:,}</title></path>"
            )
        else:
            frame.parts.append(f'<circle class="trade" cx="{x:.1f}" cy="{y:.1f}" r="1.6"/>')


def _x(frame: Frame, ts_ns: int) -> float:
    return frame.x(min(max(ts_ns, frame.x_range[0]), frame.x_range[1]))


def _steps(
    dossier: Dossier, prices: tuple[float, float], place: int
) -> list[list[tuple[float, float]]]:
    """A quote as steps; a new stretch after each gap without a quote."""
    stretches: list[list[tuple[float, float]]] = [[]]
    for row in dossier.quotes:
        price = row[place]
        if price is None or not prices[0] <= price <= prices[1]:
            stretches.append([])
            continue
        if stretches[-1]:
            stretches[-1].append((row[0], stretches[-1][-1][1]))
        stretches[-1].append((row[0], price))
    return [stretch for stretch in stretches if stretch]
