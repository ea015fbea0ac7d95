"""A dashboard for Grafana, made from a table of panels: ``outcry venue metrics --grafana``.

The JSON model is Grafana's, schema version 39 (https://grafana.com/docs/grafana/latest/dashboards/
build-dashboards/view-dashboard-json-model/).
"""

from typing import Any, NamedTuple

VENUE = '{venue=~"$venue"}'


class Panel(NamedTuple):
    """A panel of the dashboard."""

    title: str
    unit: str
    """As Grafana names it."""
    queries: tuple[tuple[str, str], ...]
    """PromQL, and what a line is called."""


def _quantile(q: float) -> str:
    rate = "rate(outcry_latency_seconds_bucket" + VENUE + "[1m])"
    return f"histogram_quantile({q}, sum by (le, stage) ({rate}))"


def _rate(name: str, by: str = "") -> str:
    rate = f"rate({name}{VENUE}[1m])"
    return f"sum by ({by}) ({rate})" if by else f"sum ({rate})"


PANELS = (
    Panel(
        "Commands and trades",
        "ops",
        ((_rate("outcry_commands_total"), "commands"), (_rate("outcry_trades_total"), "trades")),
    ),
    Panel("Rejects by reason", "ops", ((_rate("outcry_rejects_total", "reason"), "{{reason}}"),)),
    Panel("Latency, median", "s", ((_quantile(0.5), "{{stage}}"),)),
    Panel("Latency, p99", "s", ((_quantile(0.99), "{{stage}}"),)),
    Panel(
        "Rings, how full",
        "percentunit",
        (("max by (ring) (outcry_ring_fill_ratio" + VENUE + ")", "{{ring}}"),),
    ),
    Panel("Not yet durable", "short", (("outcry_durable_lag_commands" + VENUE, "commands"),)),
    Panel(
        "Open orders",
        "short",
        (("outcry_open_orders" + VENUE, "open"), ("outcry_order_capacity" + VENUE, "capacity")),
    ),
    Panel(
        "Restarts of stages",
        "short",
        (("sum by (stage) (outcry_stage_restarts_total" + VENUE + ")", "{{stage}}"),),
    ),
    Panel(
        "Sessions connected",
        "short",
        (
            ("sum (outcry_session_connected" + VENUE + ")", "connected"),
            ("sum (outcry_session_locked" + VENUE + ")", "locked out"),
        ),
    ),
    Panel(
        "Messages by session",
        "ops",
        ((_rate("outcry_session_messages_total", "session"), "{{session}}"),),
    ),
    Panel(
        "Processors by process",
        "percentunit",
        ((_rate("outcry_process_cpu_seconds_total", "process"), "{{process}}"),),
    ),
    Panel(
        "Journal and what is left",
        "bytes",
        (
            ("outcry_journal_bytes" + VENUE, "journal"),
            ("outcry_journal_disk_available_bytes" + VENUE, "disk left"),
        ),
    ),
    Panel(
        "Clock",
        "s",
        (("outcry_clock_offset_seconds", "offset"), ("outcry_clock_bound_seconds", "bound")),
    ),
    Panel(
        "Taken by the hypervisor",
        "percentunit",
        (
            (
                'rate(outcry_host_cpu_seconds_total{mode="steal"}[1m]) / ignoring (mode) '
                "sum without (mode) (rate(outcry_host_cpu_seconds_total[1m]))",
                "steal",
            ),
        ),
    ),
)
WIDTH, HEIGHT = 12, 8


def dashboard() -> dict[str, Any]:
    """The dashboard, two panels a row."""
    panels = []
    for number, panel in enumerate(PANELS):
        panels.append(
            {
                "id": number + 1,
                "type": "timeseries",
                "title": panel.title,
                "datasource": {"type": "prometheus", "uid": "${source}"},
                "gridPos": {
                    "x": WIDTH * (number % 2),
                    "y": HEIGHT * (number // 2),
                    "w": WIDTH,
                    "h": HEIGHT,
                },
                "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
                "targets": [
                    {"refId": chr(ord("A") + k), "expr": query, "legendFormat": name}
                    for k, (query, name) in enumerate(panel.queries)
                ],
            }
        )
    variables = [
        {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
        {
            "name": "venue",
            "type": "query",
            "label": "Venue",
            "includeAll": True,
            "multi": True,
            "datasource": {"type": "prometheus", "uid": "${source}"},
            "refresh": 1,
            "query": "label_values(outcry_commands_total, venue)",
        },
    ]
    return {
        "title": "Open Outcry",
        "uid": "openoutcry",
        "schemaVersion": 39,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "templating": {"list": variables},
        "panels": panels,
    }
