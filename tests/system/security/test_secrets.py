"""Every secret that a venue knows, looked for in everything that a busy venue writes and shows.

The secrets are one list: passwords (of sessions, operators), secrets of one-time codes, keys of
packets, the speed bump's seed, the private key of TLS, cookies and tokens of pages, paths of
webhooks, and each of them typed where a name belongs.
"""

import re
import stat
from contextlib import suppress
from pathlib import Path

import argon2
import pytest

from openoutcry.console.gate import COOKIE
from openoutcry.console.screen.server import COOKIE as SCREEN_COOKIE
from openoutcry.operations.dump import SECRET, read_dump
from tests.support.certificates import self_signed
from tests.support.console.console_venue import (
    PASSWORD,
    TOTP,
    ConsoleVenue,
    ScreenClient,
    written,
)
from tests.support.order_entry.sessions_venue import HASH, Client
from tests.support.pipeline import warm_outcry
from tests.support.processes import free_port
from tests.support.user_commands import run
from tests.support.waiting import BOUND_S

SESSION_PASSWORD = "s3ss-7c1q9"
KEY, SEED = "5e" * 16 + "c7" * 16, 7_415_926_535
HOOK = "path-that-is-a-secret-8841"
OURS = ("venue.toml", "k.pem", "screen-rules.json")
"""Files that hold secrets by their purpose: of mode 0600."""
GET = (
    "overview", "topology", "latency", "sessions", "participants", "instruments", "alarms", "cases",
    "journal", "clock", "replication", "log", "market?symbol=GOLD",
)  # fmt: skip


def busy(folder):
    """A venue, its two pages, and the secrets that it knows by now; each is in use."""
    self_signed(folder / "c.pem", folder / "k.pem")
    floor = ConsoleVenue(folder)
    text = floor.file.read_text()
    text = text.replace("[venue]\n", f"[venue]\nspeed_bump_us = 100\nspeed_bump_seed = {SEED}\n", 1)
    text += f'[[session]]\nname = "RAW"\nprotocol = "packets"\nparticipant = 2\nkey = "{KEY}"\n'
    text = text.replace('"packets-unauthenticated"', '"packets"')
    text += f'[[port]]\nprotocol = "fix-4.4"\naddress = "127.0.0.1:{free_port()}"\n'
    text += 'certificate = "c.pem"\nkey = "k.pem"\n'
    cheap = argon2.PasswordHasher(time_cost=5, memory_cost=7_168, parallelism=1)
    floor.file.write_text(text.replace(HASH, cheap.hash(SESSION_PASSWORD)))
    floor.file.chmod(0o600)
    (folder / "k.pem").chmod(0o600)
    return floor


def hashes_of(text):
    return set(re.findall(r'(?:password|totp|key) = "([^"]{20,})"', text))


def look(secrets, data, where):
    found = [name for name, one in secrets.items() if one.encode() in data]
    return [(where, found)] if found else []


def processes_of(pids):
    """These and all below them."""
    found, new = [], list(pids)
    while new:
        found.append(pid := new.pop())
        with suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                new += [int(one) for one in (task / "children").read_text().split()]
    return found


@pytest.mark.promise(
    "No secret of the portal or a venue is in a database, a dump, a log, a page, an answer, "
    "an error or a process's arguments. This holds also where a user typed it as a name. Only"
    " three files of a venue have its secrets",
    group="secrets",
)
def test_no_secret_is_in_anything_that_a_busy_venue_writes_or_shows(tmp_path):
    floor = busy(tmp_path)
    secrets = {
        "operators' password": PASSWORD,
        "secret of codes": TOTP,
        "sessions' password": SESSION_PASSWORD,
        "key of packets": KEY,
        "seed of the speed bump": str(SEED),
        "path of a webhook": HOOK,
        "private key": (tmp_path / "k.pem").read_text().splitlines()[1],
    }
    secrets |= {f"hash {n}": one for n, one in enumerate(hashes_of(floor.file.read_text()))}
    faults, shown = [], []
    try:
        floor.venue.start()
        floor.venue.wait_for_phase("CONTINUOUS")
        floor.serve()
        host = f"127.0.0.1:{free_port()}"
        floor.serve_screen("--webhook-host", host)
        with (
            floor.client("anna", verify=False) as anna,
            ScreenClient(floor.screen_url, verify=False) as one,
        ):
            assert one.log_in("PAGE1", SESSION_PASSWORD).status_code == 200
            one.ready()
            secrets |= {
                "token of a page": anna.csrf,
                "cookie of a page": anna.cookies[COOKIE],
                "token of a screen": one.csrf,
                "cookie of a screen": one.cookies[SCREEN_COOKIE],
            }
            one.do("/api/rules", kind="fill", webhook=f"http://{host}/{HOOK}")
            one.enter("A1", "buy", 1, "1.00")
            one.enter("A2", "sell", 1, "1.00")
            # Each secret where a name belongs, and wrong passwords that are another's right one.
            for secret in (PASSWORD, TOTP, SESSION_PASSWORD, KEY, HOOK):
                with (
                    floor.client(verify=False) as other,
                    ScreenClient(floor.screen_url, verify=False) as page,
                ):
                    shown += [other.log_in(secret, "x").text, other.log_in("vera", secret).text]
                    shown += [page.log_in(secret[:6], "x").text, page.log_in(secret, secret).text]
                with suppress(ConnectionError, AssertionError):
                    Client(floor.ouch, secret[:6], secret[:10]).close()
            anna.act("/api/halt", instrument="TIN")
            anna.act("/api/resume", instrument="TIN")
            # A token of its own session is in its answer alone.
            for path in [*(f"/api/{name}" for name in GET), "/"]:
                faults += look(secrets, anna.get(path).content, path)
            for path in ("/api/own", "/api/instruments", "/api/notices", "/"):
                faults += look(secrets, one.get(path).content, f"screen {path}")
            one.notice("not delivered by webhook")
            for words in (
                "venue logs venue.toml",
                "venue status venue.toml",
                "venue sessions venue.toml",
                "venue actions venue.toml",
                "venue limits show",
                "venue deploy check venue.toml",
                "venue dump take venue.toml --out taken.gz",
                "journal sql journal 'select * from audit'",
            ):
                shown.append(run(f"outcry {words}", tmp_path))
            for pid in processes_of([floor.venue.process.pid, floor.console.pid, floor.screen.pid]):
                with suppress(OSError):
                    for name in ("cmdline", "environ"):
                        data = Path(f"/proc/{pid}/{name}").read_bytes()
                        faults += look(secrets, data, f"{name} of {pid}")
        shown += [floor.leave(), floor.leave_screen()]
    finally:
        floor.stop()
    faults += look(secrets, repr(read_dump(tmp_path / "taken.gz")).encode(), "dump")
    for number, text in enumerate(shown):
        faults += look(secrets, text.encode(), f"output {number}: {text[:80]}")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 15
    for path in files:
        if path.name in OURS:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        else:
            faults += look(secrets, written(path), path.name)
    assert faults == []


@pytest.mark.promise(
    "No secret of the portal or a venue is in a database, a dump, a log, a page, an answer, "
    "an error or a process's arguments. This holds also where a user typed it as a name. Only"
    " three files of a venue have its secrets",
    group="secrets",
)
def test_no_mistake_in_a_secret_is_reported_with_the_secret(tmp_path):
    """Each secret of the file spoiled in each way that an editor can, and all of it typed as a
    number, a list, another key's value, or without its quotes."""
    text = busy(tmp_path).file.read_text()
    values = re.findall(rf'^({"|".join(SECRET)}) = "?([^"\n]{{8,}})"?$', text, re.M)
    assert {name for name, _ in values} == {"password", "totp", "key", "speed_bump_seed"}
    told = []
    for name, value in dict.fromkeys(values):
        line = next(one for one in text.splitlines() if one.startswith(name) and value in one)
        for spoiled in (
            f'{name} = "{value}x"',
            f'{name} = "{value[:-1]}"',
            f'{name} = "{value.swapcase()}!"',
            f"{name} = {value}",
            f'{name} = ["{value}"]',
            f'{name} = "{value}',
            f'{name}s = "{value}"',
            f'{name} = "{value}"\n{name} = "{value}"',
        ):
            (tmp_path / "venue.toml").write_text(text.replace(line, spoiled, 1))
            done = warm_outcry.run(["venue", "check", "venue.toml"], tmp_path, BOUND_S)
            assert "Traceback" not in done.stderr
            if value[:16] in done.stdout + done.stderr:
                told.append((spoiled, done.stdout, done.stderr))
    assert told == []
