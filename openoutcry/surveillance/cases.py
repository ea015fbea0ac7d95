"""Cases, not storms: the hits of one pattern, participants, symbol and stretch of time as one."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from openoutcry.journal.events import Records
from openoutcry.surveillance.detect.layout import Detector
from openoutcry.wire.records import NO_INSTRUMENT

GAP_NS = 30 * 60 * 10**9
"""A hit later than this after a case's last one begins another case."""
DAY_NS = 86_400 * 10**9
MAX_EVIDENCE = 64
LOW, MEDIUM, HIGH = "low", "medium", "high"
COUNTS = (Detector.EXCESSIVE_CANCELS, Detector.ORDER_TO_TRADE)
"""Detectors that count messages: a number beyond a limit is not a pattern of abuse by itself.  What
they say of participants in a day, in whatever symbols, is one case, of medium severity at most."""
COUNTED = tuple(detector.name.lower() for detector in COUNTS)


@dataclass
class Case:
    """One pattern, its participants, a symbol and a window."""

    number: int
    detector: str
    participants: tuple[int, ...]
    symbol: str
    first_ns: int
    """When the conduct began, as far as the hits say."""
    opened_ns: int
    """When the first hit was seen."""
    last_ns: int
    first_seq: int
    last_seq: int
    score: int
    hits: int
    lots: int
    """The largest of its hits'."""
    gain_half_ticks: int
    move_half_ticks: int
    repeats: int
    evidence: list[int] = field(default_factory=list)
    """Commands that show it, the first ones where there are many."""
    head: str = ""
    """Hash after its last hit."""
    also: list[str] = field(default_factory=list)
    """Further detectors and symbols of the same case, as "order_to_trade OUTCRY"."""
    suppressed: str = ""
    """Why the case needs no review: its participants are registered market makers."""

    @property
    def severity(self) -> str:
        """Severity of the case: low if it is suppressed, at most medium if it only counts
        orders."""
        severity = LOW if self.suppressed else severity_of(self.score)
        return MEDIUM if severity == HIGH and self.detector in COUNTED else severity

    def as_json(self) -> dict[str, Any]:
        """All of it, and its severity."""
        return {**asdict(self), "participants": list(self.participants), "severity": self.severity}


def severity_of(score: int) -> str:
    """Return the severity of a score of 0 to 100."""
    return HIGH if score >= 70 else MEDIUM if score >= 40 else LOW


Makers = Sequence[Sequence[Any]]
"""Rows of participants, symbols (none: all) and the reason."""


def fold(
    hits: Records, symbols: Sequence[str], heads: Iterable[str], makers: Makers = ()
) -> list[Case]:
    """The cases of all hits (HIT_DTYPE) so far, in the order in which they were opened."""
    folding = Folding(symbols, makers)
    folding.add(hits, heads)
    return folding.cases


class Folding:
    """The cases of the hits that were added so far, in the order in which they were opened."""

    def __init__(self, symbols: Sequence[str], makers: Makers = ()) -> None:
        """``makers``: the registered market makers (``Settings.maker_rows``)."""
        self.symbols, self.makers = symbols, makers
        self.cases: list[Case] = []
        self._latest: dict[tuple[int, tuple[int, ...], int], Case] = {}

    def add(self, hits: Records, heads: Iterable[str]) -> None:
        """The next hits (HIT_DTYPE), and the hash after each."""
        for hit, head in zip(hits, heads, strict=True):
            who = tuple(sorted(hit["participants"][: hit["members"]].tolist()))
            detector, instrument = int(hit["detector"]), int(hit["instrument"])
            counts = detector in COUNTS
            key = (int(COUNTS[0]), who, NO_INSTRUMENT) if counts else (detector, who, instrument)
            case, ts_ns = self._latest.get(key), int(hit["ts_ns"])
            same = case is not None and (counts or ts_ns - case.last_ns <= GAP_NS)
            if case is None or not same or ts_ns // DAY_NS != case.opened_ns // DAY_NS:
                case = _opened(len(self.cases) + 1, hit, who, self.symbols)
                if counts:
                    case.suppressed = self._registered(who, case.symbol)
                self._latest[key] = case
                self.cases.append(case)
            elif counts:
                self._join(case, hit)
            _add(case, hit, head)

    def _join(self, case: Case, hit: Any) -> None:
        """Join another symbol or detector of a day's counts."""
        symbol = self.symbols[int(hit["instrument"])]
        name = Detector(int(hit["detector"])).name.lower()
        if (name, symbol) != (case.detector, case.symbol) and f"{name} {symbol}" not in case.also:
            case.also.append(f"{name} {symbol}")
        if not self._registered(case.participants, symbol):
            case.suppressed = ""

    def _registered(self, who: tuple[int, ...], symbol: str) -> str:
        """Return why these may quote so much in a symbol; empty: one of them may not."""
        reasons: dict[int, str] = {}
        for participants, symbols, why in self.makers:
            if not symbols or symbol in symbols:
                reasons |= dict.fromkeys(participants, f"registered market maker: {why}")
        if not all(one in reasons for one in who):
            return ""
        return "; ".join(dict.fromkeys(reasons[one] for one in who))


def _opened(number: int, hit: Any, who: tuple[int, ...], symbols: Sequence[str]) -> Case:
    index = int(hit["instrument"])
    first_seq = int(hit["first_seq"]) or int(hit["seq"])
    return Case(
        number,
        Detector(int(hit["detector"])).name.lower(),
        who,
        "" if index == NO_INSTRUMENT else symbols[index],
        int(hit["first_ns"]),
        int(hit["ts_ns"]),
        int(hit["ts_ns"]),
        first_seq,
        int(hit["seq"]),
        0,
        0,
        0,
        0,
        0,
        0,
    )


def _add(case: Case, hit: Any, head: str) -> None:
    case.hits += 1
    case.last_ns, case.last_seq, case.head = int(hit["ts_ns"]), int(hit["seq"]), head
    case.score = min(100, max(case.score, int(hit["score"])) + (case.hits > 1))
    case.lots = max(case.lots, int(hit["lots"]))
    case.repeats = max(case.repeats, int(hit["repeats"]))
    if abs(int(hit["move_half_ticks"])) > abs(case.move_half_ticks):
        case.move_half_ticks = int(hit["move_half_ticks"])
    case.gain_half_ticks = max(case.gain_half_ticks, int(hit["gain_half_ticks"]))
    known = set(case.evidence)
    for seq in [*hit["evidence"].tolist(), int(hit["seq"])]:
        if seq and seq not in known and len(case.evidence) < MAX_EVIDENCE:
            case.evidence.append(seq)
            known.add(seq)
