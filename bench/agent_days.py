"""Days of the agent market as journals, with their labels: what surveillance is measured on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openoutcry.flow.agent_market import AgentMarket
from openoutcry.flow.lookalikes import honest, pegged
from openoutcry.flow.manipulators import (
    ACTS,
    LIQUID,
    THIN,
    THIN_SPREAD,
    as_rows,
    manipulators,
    settings_text,
)
from openoutcry.journal import Journal
from openoutcry.journal.replay import instruments_to_json
from openoutcry.matcher import Engine
from openoutcry.wire import OutcryError

ORDER_CAPACITY = 1 << 16
BLOCK_STEPS = 400
"""Steps of the market in a block of the journal."""


def chosen_manipulators(text: str) -> tuple[str, ...]:
    """Return the manipulators that a comma-separated list names; ``all`` for LIQUID, or nothing for
    none.

    Raises :class:`OutcryError` naming one that there is not."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if names == ("all",):
        return LIQUID
    for name in names:
        if name not in ACTS:
            raise OutcryError(f"no manipulator {name!r}: there are {', '.join(ACTS)}")
    return names


def agent_market(
    seed: int,
    minutes: int,
    names: tuple[str, ...],
    sessions: int = 1,
    acts: int = 1,
    styles: Mapping[str, Mapping[str, float]] | None = None,
    crowd: int = 60,
) -> AgentMarket:
    """A market of the honest and these manipulators; for one of THIN with pegged orders and wide
    spreads."""
    thin = any(name in THIN for name in names)
    crowded = [honest, pegged] if thin else [honest]
    scripts = [*crowded, manipulators(names, acts, styles)]
    return AgentMarket(seed, minutes, scripts, sessions, crowd, THIN_SPREAD if thin else 1)


def configuration(market: AgentMarket) -> dict[str, Any]:
    """Return the configuration of a journal of the market."""
    return {
        "instruments": instruments_to_json(market.instruments),
        "order_capacity": ORDER_CAPACITY,
        "seed": market.seed,
    }


def write_agent_day(
    home: Path, seed: int, minutes: int, names: tuple[str, ...], sessions: int = 1
) -> AgentMarket:
    """Write a journal, and ``labels.json`` and ``surveillance.toml`` in the same folder."""
    market = agent_market(seed, minutes, names, sessions)
    engine = Engine(market.instruments, ORDER_CAPACITY)
    with Journal.create(home, configuration(market), direct=False) as writer:
        parts: list[Any] = []
        for commands, _ in market.run(engine):
            parts += [commands] if len(commands) else []
            if len(parts) >= BLOCK_STEPS:
                _append(writer, parts)
        _append(writer, parts)
    (home / "labels.json").write_text(json.dumps(as_rows(market.labels), indent=1) + "\n")
    (home / "surveillance.toml").write_text(settings_text(market))
    return market


def _append(writer: Any, parts: list[Any]) -> None:
    if parts:
        writer.append(int(parts[0]["seq"][0]), parts, sum(map(len, parts)), 1)
        parts.clear()
