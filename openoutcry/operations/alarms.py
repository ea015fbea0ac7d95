"""The alarms: one table, from which Prometheus's rule file and the embedded evaluator both come.

Thresholds are the venue's requirements; docs/alarms.md has a runbook for each alarm:

- matching below 500 ns, the gateway below 10 us, market data within 5 us, fewer than 15 M orders a
  second

- memory 80 and 90 %, processors 70 and 85 %, datagrams lost 0.01 and 0.1 %, clock 10 and 100 us
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from openoutcry.operations.expressions import (
    Absolute,
    Expression,
    History,
    Increase,
    Labels,
    Now,
    Predicted,
    Quantile,
    Rate,
    Share,
    Total,
    Used,
    Wanted,
    series_of,
)

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "==": operator.eq,
}
WARNING, CRITICAL = "warning", "critical"
HOUR_S = 3_600


@dataclass(frozen=True)
class Alarm:
    """Fires for each series for which the comparison holds for ``for_s`` seconds."""

    name: str
    severity: str
    of: Expression
    sign: str
    threshold: float
    for_s: int
    summary: str

    def promql(self) -> str:
        """Return the alarm's condition as Prometheus has it."""
        return f"{self.of.promql()} {self.sign} {self.threshold:.10g}"

    def holds(self, history: History) -> dict[Labels, float]:
        """Return the labels for which the condition is true now, with their values."""
        compare = OPERATORS[self.sign]
        values = self.of.values(history)
        return {of: value for of, value in values.items() if compare(value, self.threshold)}


def _p99(stage: str) -> Expression:
    return Quantile(0.99, "outcry_latency_seconds", 60, (("stage", stage),))


def _both(
    name: str, of: Expression, warning: float, critical: float, for_s: int, summary: str
) -> list[Alarm]:
    return [
        Alarm(f"{name}High", WARNING, of, ">", warning, for_s, summary),
        Alarm(f"{name}Critical", CRITICAL, of, ">", critical, for_s, summary),
    ]


def _cpu_share(mode: str) -> Expression:
    part = Total(Rate("outcry_host_cpu_seconds_total", 60, (("mode", mode),)))
    return Share(part, Total(Rate("outcry_host_cpu_seconds_total", 60)))


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
        Rate("outcry_commands_total", 60),
        ">",
        15e6,
        30,
        "more than 15 million commands per second",
    ),
    *_both(
        "Memory",
        Used(
            Share(Now("outcry_host_memory_available_bytes"), Now("outcry_host_memory_total_bytes"))
        ),
        0.80,
        0.90,
        30,
        "the host runs out of memory",
    ),
    *_both("Cpu", _cpu_share("busy"), 0.70, 0.85, 60, "the processors are busy"),
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
        Share(Rate("outcry_host_udp_lost_total", 60), Rate("outcry_host_udp_received_total", 60)),
        0.0001,
        0.001,
        30,
        "datagrams are lost: a socket's queue is full",
    ),
    *_both(
        "ClockOffset",
        Absolute(Now("outcry_clock_offset_seconds")),
        10e-6,
        100e-6,
        30,
        "the clock differs from its source",
    ),
    Alarm(
        "DiskFullInAnHour",
        CRITICAL,
        Predicted("outcry_journal_disk_available_bytes", 600, HOUR_S),
        "<",
        0,
        60,
        "at this rate the journal's disk will be full within an hour",
    ),
    Alarm(
        "BookNearlyFull",
        WARNING,
        Share(Now("outcry_open_orders"), Now("outcry_order_capacity")),
        ">",
        0.9,
        30,
        "nine tenths of the possible open orders are open",
    ),
    Alarm(
        "VenueDead",
        CRITICAL,
        Now("outcry_venue_state", (("state", "dead"),)),
        "==",
        1,
        0,
        "the venue's process died without a clean stop",
    ),
    Alarm("StageDown", CRITICAL, Now("outcry_stage_up"), "==", 0, 5, "a stage's process died"),
    Alarm(
        "PortDown",
        CRITICAL,
        Now("outcry_port_up"),
        "==",
        0,
        5,
        "a port of packets waits for its link or its device",
    ),
    Alarm(
        "StageStalled",
        CRITICAL,
        Now("outcry_stage_stalled"),
        "==",
        1,
        5,
        "a stage is alive but makes no progress while input waits",
    ),
    Alarm(
        "StageRestarted",
        WARNING,
        Increase("outcry_stage_restarts_total", 600),
        ">",
        0,
        0,
        "a stage was started again",
    ),
    Alarm(
        "FeedDown",
        CRITICAL,
        Now("outcry_feed_up"),
        "==",
        0,
        5,
        "no market data is sent, not even heartbeats",
    ),
    Alarm(
        "FeedRestarted",
        WARNING,
        Increase("outcry_feed_restarts_total", 600),
        ">",
        0,
        0,
        "the feed's process was started again",
    ),
    Alarm(
        "SessionLockedOut",
        WARNING,
        Now("outcry_session_locked"),
        "==",
        1,
        0,
        "a session is locked out after refused logins",
    ),
    Alarm(
        "SlowReaders",
        WARNING,
        Increase("outcry_session_slow_reader_cuts_total", 600),
        ">",
        0,
        0,
        "a session was disconnected because it does not read",
    ),
    Alarm(
        "BreakerFired",
        CRITICAL,
        Now("outcry_breaker_level"),
        ">",
        0,
        0,
        "the market-wide breaker has fired",
    ),
    Alarm(
        "MarketKilled",
        CRITICAL,
        Now("outcry_market_killed"),
        "==",
        1,
        0,
        "the whole market is killed",
    ),
    Alarm(
        "EmergencyClose",
        CRITICAL,
        Now("outcry_emergency_step"),
        ">",
        0,
        0,
        "an emergency close was started",
    ),
    Alarm(
        "ParticipantKilled",
        WARNING,
        Now("outcry_participants_killed"),
        ">",
        0,
        0,
        "a participant is killed",
    ),
    Alarm(
        "WalletShort",
        WARNING,
        Now("outcry_wallets_short"),
        ">",
        0,
        0,
        "a participant owes an asset since a deposit was reversed",
    ),
    Alarm(
        "InstrumentHalted",
        WARNING,
        Now("outcry_instruments_halted"),
        ">",
        0,
        0,
        "an instrument is halted",
    ),
    Alarm(
        "LedgerDiscrepancy",
        CRITICAL,
        Now("outcry_ledger_discrepancy"),
        "==",
        1,
        0,
        "journal, ledger, the core's risk and the store differ",
    ),
    Alarm(
        "ReconciliationLate",
        WARNING,
        Now("outcry_ledger_reconciled_age_seconds"),
        ">",
        HOUR_S,
        0,
        "the ledger has not been compared with the journal for an hour",
    ),
    Alarm(
        "ReplicaBehind",
        WARNING,
        Now("outcry_replica_lag_commands"),
        ">",
        100_000,
        30,
        "the replicas are more than a hundred thousand commands behind",
    ),
    Alarm(
        "QuorumLost",
        CRITICAL,
        Now("outcry_replica_lease_seconds"),
        "<",
        0,
        0,
        "the primary is cut off from the quorum of its replicas: no event leaves",
    ),
    Alarm(
        "SurveillanceCase",
        WARNING,
        Now("outcry_surveillance_cases", (("severity", "high"), ("status", "open"))),
        ">",
        0,
        0,
        "surveillance has an open, unreviewed case of high severity",
    ),
)


def names_of(alarms: tuple[Alarm, ...]) -> frozenset[str]:
    """Names of the samples that these alarms look at."""
    return frozenset(name for one in alarms for name in re.findall("[a-zA-Z_]+", one.promql()))


def wanted_by(alarms: tuple[Alarm, ...]) -> Wanted:
    """The metrics that these alarms look at, each with the labels that they select by."""
    wanted: Wanted = {}
    for alarm in alarms:
        for name, labels in series_of(alarm.of):
            wanted.setdefault(name.removesuffix("_total"), []).append(labels)
    return wanted


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
