"""A case as one HTML page that needs nothing else: words, tables and a picture in SVG."""

import time
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from openoutcry.surveillance.definitions import DEFINITIONS
from openoutcry.surveillance.dossier import Dossier

WIDTH, HEIGHT = 960, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 16, 16, 36


def case_page(made: Dossier, status: str, life: list[dict[str, Any]]) -> str:
    """The page of a dossier; ``status`` and ``life`` are what people made of the case."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True,
        trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters |= {"time": moment, "day": day, "number": lambda value: f"{value:,}"}
    return environment.get_template("case.html").render(
        made=made, case=made.case, status=status, life=life, picture=picture(made),
        definition=DEFINITIONS[made.case.detector], evidence=set(made.case.evidence),
    )  # fmt: skip


def moment(ts_ns: int) -> str:
    """Time of day, UTC, to the microsecond."""
    seconds, rest = divmod(ts_ns, 10**9)
    return f"{time.strftime('%H:%M:%S', time.gmtime(seconds))}.{rest // 1000:06d}"


def day(ts_ns: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(ts_ns // 10**9))


class _Axes:
    def __init__(self, made: Dossier) -> None:
        prices = [p for _, bid, ask in made.quotes for p in (bid, ask) if p is not None]
        prices += [price for _, price, _, _ in made.trades]
        near = sorted(prices) or [0]
        low, high = near[len(near) // 100], near[-1 - len(near) // 100]
        # Own orders far from everything else must not squeeze the market flat.
        reach = max(high - low, 4)
        own = [bar.price_ticks for bar in made.orders
               if low - 2 * reach <= bar.price_ticks <= high + 2 * reach]  # fmt: skip
        self.low, self.high = min([low, *own]) - 1, max([high, *own]) + 1
        stamps = [ts for ts, _, _ in made.quotes]
        self.begin = min([made.begin_ns, *stamps[:1]]) if not stamps else stamps[0]
        self.end = max(made.case.last_ns, stamps[-1] if stamps else 0, self.begin + 1)

    def x(self, ts_ns: int) -> float:
        share = (ts_ns - self.begin) / (self.end - self.begin)
        return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)

    def y(self, price: int) -> float:
        share = (price - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def shows(self, price: int) -> bool:
        return self.low <= price <= self.high


def picture(made: Dossier) -> Markup:
    """Price over time: best bid and ask, everybody's trades, the participants' own orders."""
    axes, parts = _Axes(made), []
    for k in range(6):
        price = axes.low + (axes.high - axes.low) * k // 5
        at = axes.y(price)
        parts.append(
            f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>'
            f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{price:,}</text>'
        )
        ts_ns = axes.begin + (axes.end - axes.begin) * k // 5
        anchor = "start" if k == 0 else "end" if k == 5 else "middle"
        parts.append(f'<text x="{axes.x(ts_ns):.1f}" y="{HEIGHT - 10}" text-anchor="{anchor}">'
                     f"{moment(ts_ns)[:12]}</text>")  # fmt: skip
    for css, place in (("bid", 1), ("ask", 2)):
        parts.append(f'<path class="quote {css}" d="{_steps(made, axes, place)}"/>')
    for bar in made.orders:
        if axes.shows(bar.price_ticks):
            x, end = axes.x(bar.begin_ns), axes.x(bar.end_ns)
            thick = 2 + min(6.0, bar.qty_lots / max(_middle_lots(made), 1))
            parts.append(
                f'<path class="order {bar.side}" stroke-width="{thick:.1f}" '
                f'd="M{x:.1f} {axes.y(bar.price_ticks):.1f}H{max(end, x + 2):.1f}">'
                f"<title>{escape(bar.side)} {bar.qty_lots:,} at {bar.price_ticks:,}, "
                f"order {bar.order_id}</title></path>"
            )
    for ts_ns, price, lots, side in made.trades:
        if not axes.shows(price):
            continue
        x, y = axes.x(ts_ns), axes.y(price)
        if side:
            tip = -7 if side == "buy" else 7
            triangle = f"M{x:.1f} {y + tip:.1f}l5 {-1.5 * tip:.1f}h-10z"
            parts.append(
                f'<path class="own {side}" d="{triangle}">'
                f"<title>{side} {lots:,} at {price:,}</title></path>"
            )
        else:
            parts.append(f'<circle class="trade" cx="{x:.1f}" cy="{y:.1f}" r="1.6"/>')
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Price, orders and trades">'
        f"{''.join(parts)}</svg>"
    )


def _middle_lots(made: Dossier) -> int:
    lots = sorted(bar.qty_lots for bar in made.orders)
    return lots[len(lots) // 2] if lots else 1


def _steps(made: Dossier, axes: _Axes, place: int) -> str:
    """A quote as steps; a gap where there is none."""
    pieces: list[str] = []
    up = False
    for row in made.quotes:
        price = row[place]
        if price is None or not axes.shows(price):
            up = False
            continue
        x, y = axes.x(row[0]), axes.y(price)
        pieces.append(f"H{x:.1f}V{y:.1f}" if up else f"M{x:.1f} {y:.1f}")
        up = True
    return "".join(pieces)
