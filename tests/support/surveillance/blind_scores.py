"""How the detectors do in the blind markets: the acts they name, and the honest people."""

from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from openoutcry.bench.surveillance_accuracy import wilson
from openoutcry.surveillance.cases import Case, Folding
from openoutcry.surveillance.detect.settings import read_settings
from openoutcry.surveillance.detect.state import Detectors
from openoutcry.wire.enums import CommandKind
from openoutcry.wire.symbols import symbols_of
from tests.support.surveillance.blind_acts import RIGHT, acts_of_day
from tests.support.surveillance.blind_markets import (
    BONDS,
    COINS,
    FIRST_ACTOR,
    Act,
    BlindMarket,
)
from tests.support.surveillance.blind_people import played

STYLES = {"bonds": BONDS, "coins": COINS}
AT_ONCE = 2_000
"""Batches that the detectors get together."""


def settings_text(market: BlindMarket) -> str:
    """Return the settings that a venue would have: makers, related accounts, clients' orders."""
    makers = range(1, 4 if market.style is BONDS else 5)
    text = f'[[market_maker]]\nparticipants = {list(makers)}\nwhy = "a maker by contract"\n'
    for who in market.related:
        text += f'[[related]]\nparticipants = {list(who)}\nwhy = "one beneficial owner"\n'
    if market.style is COINS:
        names = [symbol.decode() for symbol in market.style.symbols]
        text += f"[[linked]]\nsymbols = {names}\n"
    for order in market.client_orders:
        text += "[[client_order]]\n"
        for name, value in order.items():
            shown = f'"{value}"' if isinstance(value, str) else value
            text += f"{name} = {value.isoformat() if name == 'known' else shown}\n"
    return text


def cases_of(market: BlindMarket) -> list[Case]:
    """Return the cases of all that happened."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "surveillance.toml"
        path.write_text(settings_text(market))
        settings = read_settings(path)
    detectors = Detectors(market.config, settings)
    folding = Folding(symbols_of(market.config), settings.maker_rows())
    for at in range(0, len(market.batches), AT_ONCE):
        orders, events = zip(*market.batches[at : at + AT_ONCE], strict=True)
        hits = detectors.watch(np.concatenate(orders), np.concatenate(events))
        folding.add(hits, [""] * len(hits))
    return folding.cases


def named(act: Act, case: Case) -> bool:
    """Return whether a case names one who is guilty of the act, and not before it."""
    guilty = act.who[:1] if act.kind == "front_running" else act.who
    return case.last_ns >= act.begin_ns and not set(guilty).isdisjoint(case.participants)


def score(name: str, seed: int, days: int) -> dict[str, Any]:
    """Play a market, and count what its cases say."""
    market = played(STYLES[name], seed, days, acts_of_day)
    cases = [case for case in cases_of(market) if not case.suppressed]
    acts, false = [], []
    for act in market.acts:
        found = {case.detector for case in cases if named(act, case)}
        acts.append(
            {
                "kind": act.kind,
                "worked": act.worked,
                "seen": bool(found & RIGHT[act.kind]),
                "as": sorted(found),
                "gain": round(act.gain),
                "bps": round(act.moved_bps, 1),
                "rounds": act.rounds,
                "seed": seed,
                "who": list(act.who),
                "begin_ns": act.begin_ns,
            }
        )
    for case in cases:
        guilty = [act for act in market.acts if named(act, case)]
        people = set(case.participants) - {who for act in guilty for who in act.who}
        if not guilty or people:
            roles = sorted({role_of(market, who) for who in people})
            false.append([case.detector, "+".join(roles), case.severity])
    orders = np.concatenate([orders for orders, _ in market.batches])
    entered = np.isin(orders["kind"], (CommandKind.NEW, CommandKind.REPLACE))
    honest = int((entered & (orders["participant"] < FIRST_ACTOR)).sum())
    return {"commands": market.seq, "honest": honest, "acts": acts, "false": false}


def role_of(market: BlindMarket, who: int) -> str:
    """Return what an account does that has done nothing wrong in a case."""
    if who < FIRST_ACTOR:
        return market.roles.get(who, "crowd")
    clients = {act.who[1] for act in market.acts if act.kind == "front_running"}
    return "client" if who in clients else "actor, before its act"


def judged(plan: dict[str, tuple[range, int]]) -> dict[str, list[dict[str, Any]]]:
    """Return the scores of each market's seeds, each played for so many days."""
    work = [(name, seed, days) for name, (seeds, days) in plan.items() for seed in seeds]
    work.sort(key=lambda one: one[0], reverse=True)  # The longest first.
    with ProcessPoolExecutor(2) as pool:
        scores = list(pool.map(score, *zip(*work, strict=True)))
    return {
        name: [one for row, one in zip(work, scores, strict=True) if row[0] == name]
        for name in plan
    }


def summed(days: int, scores: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of a market over its seeds."""
    acts = [act for one in scores for act in one["acts"]]
    false = [tuple(row) for one in scores for row in one["false"]]
    honest = sum(one["honest"] for one in scores)
    kinds = {}
    for kind in dict.fromkeys(act["kind"] for act in sorted(acts, key=lambda act: act["kind"])):
        rows = [act for act in acts if act["kind"] == kind]
        worked = [act for act in rows if act["worked"]]
        seen, all_seen = (sum(act["seen"] for act in some) for some in (worked, rows))
        kinds[kind] = {
            "acts": len(rows),
            "seen": all_seen,
            "worked": len(worked),
            "worked_seen": seen,
            "interval": list(wilson(seen, len(worked))),
            "other_names": Counter(name for act in rows if not act["seen"] for name in act["as"]),
        }
    return {
        "days": days * len(scores),
        "commands": sum(one["commands"] for one in scores),
        "honest_orders": honest,
        "kinds": kinds,
        "false": len(false),
        "false_volume": sum(row[0] == "suspicious_volume" for row in false),
        "false_per_million": len(false) / honest * 1e6,
        "interval": [1e6 * bound for bound in wilson(len(false), honest)],
        "false_cases": [[*row, count] for row, count in sorted(Counter(false).items())],
    }
