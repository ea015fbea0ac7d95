"""How far the history is behind a journal that grows by so many trades a second.

    python -m tests.long.portal.history_lag --folder FOLDER [--rates 1000,2000,5000,10000]

A process writes a generated journal, a block each 5 ms; a real projector follows it.  The lag of a
block is the time from its append to its position in the database, which is asked for each 2 ms.
With ``--evidence`` the figures go to docs/evidence/history_lag.json.
"""

import argparse
import json
import multiprocessing
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from openoutcry.journal import Journal
from openoutcry.portal.database import migrate, start_embedded
from openoutcry.portal.folder import folder_of, make_folder
from openoutcry.report.evidence import write_evidence
from openoutcry.venue.file import read_venue
from tests.support.pipeline import warm_outcry
from tests.support.portal.generated import FIRST, configuration, drawn
from tests.support.portal.portal_venue import venue_text
from tests.support.processes import OUTCRY
from tests.support.waiting import wait_until

PEOPLE, SEED = 200, 53
BLOCK_S, LOOK_S = 0.005, 0.002
COMMANDS_A_TRADE = 1.61
"""Commands a trade of the generated market."""
WITHIN_S = 60
"""For what is left after the last block."""


def write(folder: Path, rate: int, seconds: float, begins: Any, times: Any) -> None:
    """Append blocks in time, once ``begins`` says so; their last commands and times go to
    ``times``."""
    file = read_venue(folder / "venue.toml")
    a_block = max(1, round(rate * COMMANDS_A_TRADE * BLOCK_S))
    count = round(seconds / BLOCK_S) * a_block
    commands = drawn(file, range(FIRST, FIRST + PEOPLE), count, SEED, 1, 0.001)
    found = []
    with Journal.create(
        file.journal, configuration(file), segment_bytes=1 << 26, direct=False
    ) as writer:
        opening = len(commands) - count
        at, part = opening, commands[:opening]
        writer.append(1, [part], len(part), int(part["rx_ts_ns"][0]))
        begins.wait()
        begun = time.monotonic()
        for number in range(count // a_block):
            time.sleep(max(0.0, begun + number * BLOCK_S - time.monotonic()))
            part = commands[at : at + a_block]
            writer.append(at + 1, [part], len(part), int(part["rx_ts_ns"][0]))
            at += len(part)
            found.append((at, time.monotonic()))
    times.put(found)


def measured(url: str, folder: Path, rate: int, seconds: float) -> dict[str, Any]:
    """Lags at a rate, in milliseconds."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    text = venue_text().replace("participant_capacity = 1200", "participant_capacity = 1300")
    path = folder / "venue.toml"
    path.write_text(text.replace("order_capacity = 4096", "order_capacity = 65536"))
    make_folder(folder_of(read_venue(path)))
    new = url.replace("/postgres?", "/lag?")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop database if exists lag with (force)")
        connection.execute("create database lag")
    migrate(new)
    spawn = multiprocessing.get_context("spawn")
    begins, times = spawn.Event(), spawn.Queue()
    arguments = folder, rate, seconds, begins, times
    writer = spawn.Process(target=write, args=arguments)
    writer.start()
    command = [*OUTCRY, "portal", "history", str(path), "--database=-"]
    projector = warm_outcry.Process(command, stdin=subprocess.PIPE, text=True)
    try:
        assert projector.stdin is not None
        projector.stdin.write(f"{new}\n")
        projector.stdin.close()
        looks = looked_at(new, begins, times)
    finally:
        projector.kill()
        projector.wait()
        writer.kill()
        writer.join()
    return looks | {"trades_a_second_asked": rate}


def looked_at(url: str, begins: Any, times: Any) -> dict[str, Any]:
    """What the position says until the last command is in the history."""
    blocks: list[tuple[int, float]] = []
    seen, until_s = [], float("inf")
    with psycopg.connect(url, autocommit=True) as connection:
        wait_until(lambda: position(connection) > 0, "the first commands")
        begins.set()
        while time.monotonic() < until_s:
            seen.append((position(connection), time.monotonic()))
            if not blocks and not times.empty():
                blocks, until_s = times.get(), time.monotonic() + WITHIN_S
            if blocks and seen[-1][0] >= blocks[-1][0]:
                break
            time.sleep(LOOK_S)
        row = connection.execute("select count(*) from history.trades").fetchone()
    assert row is not None
    seqs, moments = (np.array(column) for column in zip(*seen, strict=True))
    last, appended = (np.array(column) for column in zip(*blocks, strict=True))
    places = np.searchsorted(seqs, last)
    held = places < len(moments)
    lags = 1_000 * (moments[places[held]] - appended[held])
    return {
        "trades": row[0],
        "trades_a_second": round(row[0] / (appended[-1] - appended[0])),
        "lag_ms_p50": round(float(np.percentile(lags, 50)), 1),
        "lag_ms_p99": round(float(np.percentile(lags, 99)), 1),
        "lag_ms_worst": round(float(lags.max()), 1),
        "blocks_not_there_within_60_s": int((~held).sum()),
    }


def position(connection: Any) -> int:
    try:
        row = connection.execute("select seq from history.position").fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return 0
    return int(row[0]) if row else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", default="1000,2000,5000,10000")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--evidence", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    url, server = start_embedded(options.folder / "postgresql")
    found = []
    try:
        for rate in map(int, options.rates.split(",")):
            found.append(measured(url, options.folder / "market", rate, options.seconds))
            print(json.dumps(found[-1]), flush=True)
    finally:
        server.cleanup()
    if options.evidence:
        command = f"python -m tests.long.portal.history_lag --rates {options.rates} --folder FOLDER"
        write_evidence("history_lag", {"rates": found}, command)


if __name__ == "__main__":
    main()
