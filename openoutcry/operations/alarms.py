"""The alarms: one table, from which Prometheus's rule file and the page of red and green both come.

The page (``watch.py``) compares what one look at the metrics finds with each alarm's threshold.  An
alarm over a window of time needs Prometheus.  Thresholds are the venue's requirements;
docs/alarms.md has a runbook for each alarm:

- matching below 500 ns, the gateway below 10 us, market data within 5 us, fewer than 15 M orders a
  second

- memory 80 and 90 %, processors 70 and 85 %, datagrams lost 0.01 and 0.1 %, clock 10 and 100 us
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Labels = frozenset[tuple[str, str]]
Samples = Mapping[str, Mapping[Labels, float]]
"""The values of one look: name of a metric -> labels -> value."""
Wanted = dict[str, list[dict[str, str]]]
"""Names of metrics, and the labels of series of them; no labels are all series."""
OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}
WARNING, CRITICAL = "warning", "critical"
HOUR_S = 3_600


@dataclass(frozen=True)
class Gauge:
    """The values of a metric now, for each set of labels that holds ``labels``."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()
    whole: str = ""
    """The value is a part of this metric's with the same labels; nothing where that is 0."""
    absolute: bool = False
    """The value is without its sign."""

    def promql(self) -> str:
        """Return the expression for Prometheus."""
        chosen = ",".join(f'{key}="{value}"' for key, value in self.labels)
        text = self.name + (f"{{{chosen}}}" if chosen else "")
        text = f"{text} / ({self.whole} > 0)" if self.whole else text
        return f"abs({text})" if self.absolute else text

    def values(self, samples: Samples) -> dict[Labels, float]:
        """Return the value of each series; series without one are absent."""
        own = {
            labels: value
            for labels, value in samples.get(self.name, {}).items()
            if labels.issuperset(self.labels)
        }
        if self.whole:
            whole = samples.get(self.whole, {})
            own = {of: part / whole[of] for of, part in own.items() if whole.get(of, 0) > 0}
        return {of: abs(value) for of, value in own.items()} if self.absolute else own


@dataclass(frozen=True)
class Alarm:
    """Fires for each series for which the comparison holds for ``for_s`` seconds."""

    name: str
    severity: str
    of: Gauge | str
    """What is compared: a gauge, or what Prometheus alone computes, in PromQL."""
    sign: str
    threshold: float
    for_s: int
    summary: str

    def promql(self) -> str:
        """Return the alarm's condition as Prometheus has it."""
        of = self.of if isinstance(self.of, str) else self.of.promql()
        return f"{of} {self.sign} {self.threshold:.10g}"

    def holds(self, value: float) -> bool:
        """Return whether the condition is true for a value."""
        return OPERATORS[self.sign](value, self.threshold)


def _p99(stage: str) -> str:
    buckets = f'outcry_latency_seconds_bucket{{stage="{stage}"}}'
    return f"histogram_quantile(0.99, rate({buckets}[60s]))"


def _both(
    name: str, of: Gauge | str, sign: str, warning: float, critical: float, for_s: int, summary: str
) -> list[Alarm]:
    return [
        Alarm(f"{name}High", WARNING, of, sign, warning, for_s, summary),
        Alarm(f"{name}Critical", CRITICAL, of, sign, critical, for_s, summary),
    ]


def _cpu_share(mode: str) -> str:
    seconds = "outcry_host_cpu_seconds_total"
    return f'sum(rate({seconds}{{mode="{mode}"}}[60s])) / (sum(rate({seconds}[60s])) > 0)'


def _burn(window: str) -> str:
    """How many times faster than its objective allows a function was down over a window."""
    seconds = "outcry_probe_seconds_total"
    down = f'sum by (function) (increase({seconds}{{state="down"}}[{window}]))'
    judged = f'sum by (function) (increase({seconds}{{state=~"up|down"}}[{window}]))'
    left = "(1 - max by (function) (outcry_probe_objective))"
    return f"{down} / ({judged} > 0) / {left}"


def _burns(short: str, long: str, times: float) -> str:
    """Both windows: the short one ends it soon after the outage (SRE Workbook, chapter 5)."""
    return f"({_burn(short)} > {times}) and {_burn(long)}"


ALARMS: tuple[Alarm, ...] = (
    Alarm(
        "MatchingSlow",
        WARNING,
        _p99("matcher"),
        ">",
        500e-9,
        30,
        "the matcher's p99 is above 500 ns",
    ),
    Alarm(
        "GatewaySlow", WARNING, _p99("gateway"), ">", 10e-6, 30, "the gateway's p99 is above 10 us"
    ),
    Alarm(
        "MarketDataSlow",
        WARNING,
        _p99("feed"),
        ">",
        5e-6,
        30,
        "market data leaves later than 5 us after its event's release (p99)",
    ),
    Alarm(
        "OrderRateHigh",
        WARNING,
        "rate(outcry_commands_total[60s])",
        ">",
        15e6,
        30,
        "more than 15 million commands per second",
    ),
    *_both(
        "Memory",
        Gauge("outcry_host_memory_available_bytes", whole="outcry_host_memory_total_bytes"),
        "<",
        0.20,
        0.10,
        30,
        "the host runs out of memory",
    ),
    *_both("Cpu", _cpu_share("busy"), ">", 0.70, 0.85, 60, "the processors are busy"),
    Alarm(
        "CpuStolen",
        WARNING,
        _cpu_share("steal"),
        ">",
        0.01,
        60,
        "the hypervisor takes processor time",
    ),
    *_both(
        "PacketLoss",
        "rate(outcry_host_udp_lost_total[60s]) / (rate(outcry_host_udp_received_total[60s]) > 0)",
        ">",
        0.0001,
        0.001,
        30,
        "datagrams are lost: a socket's queue is full",
    ),
    *_both(
        "ClockOffset",
        Gauge("outcry_clock_offset_seconds", absolute=True),
        ">",
        10e-6,
        100e-6,
        30,
        "the clock differs from its source",
    ),
    Alarm(
        "ClockSetBack",
        WARNING,
        Gauge("outcry_clock_set_back_seconds"),
        ">",
        0,
        0,
        "the clock was set back",
    ),
    Alarm(
        "DiskFullInAnHour",
        CRITICAL,
        f"predict_linear(outcry_journal_disk_available_bytes[600s], {HOUR_S})",
        "<",
        0,
        60,
        "at this rate the journal's disk will be full within an hour",
    ),
    Alarm(
        "BookNearlyFull",
        WARNING,
        Gauge("outcry_open_orders", whole="outcry_order_capacity"),
        ">",
        0.9,
        30,
        "nine tenths of the possible open orders are open",
    ),
    Alarm(
        "VenueDead",
        CRITICAL,
        Gauge("outcry_venue_state", (("state", "dead"),)),
        "==",
        1,
        0,
        "the venue's process died without a clean stop",
    ),
    Alarm("StageDown", CRITICAL, Gauge("outcry_stage_up"), "==", 0, 5, "a stage's process died"),
    Alarm(
        "PortDown",
        CRITICAL,
        Gauge("outcry_port_up"),
        "==",
        0,
        5,
        "a port of packets waits for its link or its device",
    ),
    Alarm(
        "StageStalled",
        CRITICAL,
        Gauge("outcry_stage_stalled"),
        "==",
        1,
        5,
        "a stage is alive but makes no progress while input waits",
    ),
    Alarm(
        "StageRestarted",
        WARNING,
        "increase(outcry_stage_restarts_total[600s])",
        ">",
        0,
        0,
        "a stage was started again",
    ),
    Alarm(
        "FeedDown",
        CRITICAL,
        Gauge("outcry_feed_up"),
        "==",
        0,
        5,
        "no market data is sent, not even heartbeats",
    ),
    Alarm(
        "FeedRestarted",
        WARNING,
        "increase(outcry_feed_restarts_total[600s])",
        ">",
        0,
        0,
        "the feed's process was started again",
    ),
    Alarm(
        "ProcessDown",
        CRITICAL,
        Gauge("outcry_process_up"),
        "==",
        0,
        5,
        "a process other than the stages dies again and again",
    ),
    Alarm(
        "ProcessRestarted",
        WARNING,
        "increase(outcry_process_restarts_total[600s])",
        ">",
        0,
        0,
        "a process other than the stages was started again",
    ),
    Alarm(
        "SessionLockedOut",
        WARNING,
        Gauge("outcry_session_locked"),
        "==",
        1,
        0,
        "a session is locked out after refused logins",
    ),
    Alarm(
        "SlowReaders",
        WARNING,
        "increase(outcry_session_slow_reader_cuts_total[600s])",
        ">",
        0,
        0,
        "a session was disconnected because it does not read",
    ),
    Alarm(
        "BreakerFired",
        CRITICAL,
        Gauge("outcry_breaker_level"),
        ">",
        0,
        0,
        "the market-wide breaker has fired",
    ),
    Alarm(
        "MarketKilled",
        CRITICAL,
        Gauge("outcry_market_killed"),
        "==",
        1,
        0,
        "the whole market is killed",
    ),
    Alarm(
        "EmergencyClose",
        CRITICAL,
        Gauge("outcry_emergency_step"),
        ">",
        0,
        0,
        "an emergency close was started",
    ),
    Alarm(
        "ParticipantKilled",
        WARNING,
        Gauge("outcry_participants_killed"),
        ">",
        0,
        0,
        "a participant is killed",
    ),
    Alarm(
        "WalletShort",
        WARNING,
        Gauge("outcry_wallets_short"),
        ">",
        0,
        0,
        "a participant owes an asset since a deposit was reversed",
    ),
    Alarm(
        "InstrumentHalted",
        WARNING,
        Gauge("outcry_instruments_halted"),
        ">",
        0,
        0,
        "an instrument is halted",
    ),
    Alarm(
        "LedgerDiscrepancy",
        CRITICAL,
        Gauge("outcry_ledger_discrepancy"),
        "==",
        1,
        0,
        "journal, ledger, the core's risk and the store differ",
    ),
    Alarm(
        "ReconciliationLate",
        WARNING,
        Gauge("outcry_ledger_reconciled_age_seconds"),
        ">",
        HOUR_S,
        0,
        "the ledger has not been compared with the journal for an hour",
    ),
    Alarm(
        "ReplicaBehind",
        WARNING,
        Gauge("outcry_replica_lag_commands"),
        ">",
        100_000,
        30,
        "the replicas are more than a hundred thousand commands behind",
    ),
    Alarm(
        "QuorumLost",
        CRITICAL,
        Gauge("outcry_replica_lease_seconds"),
        "<",
        0,
        0,
        "the primary is cut off from the quorum of its replicas: no event leaves",
    ),
    Alarm(
        "SurveillanceCase",
        WARNING,
        Gauge("outcry_surveillance_cases", (("severity", "high"), ("status", "open"))),
        ">",
        0,
        0,
        "surveillance has an open, unreviewed case of high severity",
    ),
    Alarm(
        "BudgetBurnsFast",
        CRITICAL,
        _burns("5m", "1h", 14.4),
        ">",
        14.4,
        0,
        "a function's budget for 30 days would be spent within two days",
    ),
    Alarm(
        "BudgetBurnsSlowly",
        WARNING,
        _burns("30m", "6h", 6),
        ">",
        6,
        0,
        "a function's budget for 30 days would be spent within five days",
    ),
)


def wanted() -> Wanted:
    """Return the metrics that the page looks at, each with the labels that it selects by."""
    found: Wanted = {}
    for alarm in ALARMS:
        if isinstance(alarm.of, Gauge):
            found.setdefault(alarm.of.name, []).append(dict(alarm.of.labels))
            if alarm.of.whole:
                found.setdefault(alarm.of.whole, []).append({})
    return found


def rule_file(runbooks: str = "docs/alarms.md") -> str:
    """The table as a rule file of Prometheus (YAML, docs/prometheus/latest/configuration/
    alerting_rules); ``runbooks`` is where docs/alarms.md is served."""
    import yaml

    rules = [
        {
            "alert": alarm.name,
            "expr": alarm.promql(),
            **({"for": f"{alarm.for_s}s"} if alarm.for_s else {}),
            "labels": {"severity": alarm.severity},
            "annotations": {
                "summary": alarm.summary,
                "runbook_url": f"{runbooks}#{alarm.name.lower()}",
            },
        }
        for alarm in ALARMS
    ]
    groups = {"groups": [{"name": "openoutcry", "rules": rules}]}
    text: str = yaml.safe_dump(groups, sort_keys=False, width=100)
    return text
