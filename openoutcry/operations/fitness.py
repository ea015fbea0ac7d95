"""``outcry doctor --venue``: what of this venue, on this host, is not fit for production.

As the host sheet it reads and changes nothing; each finding says why it matters and what to do.
"""

import os
import re
import resource
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from openoutcry.host.findings import Finding, Host
from openoutcry.host.info import isolated_cores
from openoutcry.journal.medium import medium_of
from openoutcry.pipeline.topology import geometry
from openoutcry.ptp.status import clock_status
from openoutcry.venue.file import CHECKPOINT_EVERY, VenueFile
from openoutcry.venue.operators import ROLES, SUPERVISOR
from openoutcry.venue.risk_tables import OF_CELLS, OF_PARTICIPANTS
from openoutcry.venue.run_parts import wiring_of
from openoutcry.wire import OutcryError
from openoutcry.wire.peers import is_loopback
from openoutcry.wire.records import RECORD_BYTES

GOOD, UNFIT, NOTE, UNSEEN = "good", "unfit", "note", "unseen"
GUESSED = ("", "password", "passwort", "secret", "changeme", "admin", "test", "outcry", "bench")
"""Passwords that are tried, together with the name itself and the venue's."""
TRIED = 40
"""Hashes that are tried at most: one takes some hundredths of a second for each guess."""
DISK_SHARE, DISK_BYTES = 0.10, 20 << 30
CERTIFICATE_DAYS = 30
SPARE_DESCRIPTORS = 256
SHMEM_HUGE, HUGE_BYTES = "sys/kernel/mm/transparent_hugepage/shmem_enabled", 2 << 20
COLLAPSES, UNASKED = (6, 1), ("always", "within_size", "force")
"""Linux from this version on makes huge pages for a segment that asks (ring/segment.py); an earlier
one only with these settings."""

BOUNDS = {
    row.setting for name, row in (OF_PARTICIPANTS | OF_CELLS).items() if name != "names_self_trade"
}
"""Settings that bound what a participant may do."""

Check = Callable[[VenueFile, Host], Iterator[Finding]]


def examine_venue(venue: VenueFile, host: Host | None = None) -> list[Finding]:
    """Every finding, in the sheet's order.  A check that fails says so in its own place."""
    here, findings = host or Host(), list[Finding]()
    for check in CHECKS:
        try:
            findings += check(venue, here)
        except Exception as error:
            name = check.__name__.replace("_", " ")
            findings.append(
                Finding(
                    "sheet",
                    name,
                    UNSEEN,
                    f"cannot see: {error!r}",
                    "the sheet continues without it",
                )
            )
    return findings


def _of(
    topic: str, name: str, bad: str, good: str, why: str, change: str | None, state: str = UNFIT
) -> Finding:
    """Unfit (or ``state``) with what is bad, if anything is; else good."""
    if not bad:
        return Finding(topic, name, GOOD, good, why)
    return Finding(topic, name, state, bad, why, change=change)


# Access


def secrets(venue: VenueFile, host: Host) -> Iterator[Finding]:
    """Passwords and their hashes, and who may read the venue file."""
    hashes = {
        f"session {session.name}": session.password_hash
        for session in venue.sessions.sessions
        if session.is_there
    }
    hashes |= {f"operator {operator.name}": operator.password for operator in venue.risk.operators}
    known = [f"{who}: {word!r}" for who, word in _guessed(hashes, venue.name)]
    more = len(hashes) - TRIED
    yield _of(
        "access",
        "default passwords",
        ", ".join(known),
        f"none of {len(GUESSED) + 2} was right for {min(len(hashes), TRIED)} of them"
        + (f" ({more} were not tried)" if more > 0 else ""),
        "someone who guesses one trades, or runs the venue, under another name",
        "run outcry venue password and put the hash into the file",
    )
    twice = [text for text, times in Counter(hashes.values()).items() if times > 1]
    shared = [who for who, text in hashes.items() if text in twice]
    yield _of(
        "access",
        "distinct passwords",
        "the same for " + ", ".join(shared) if shared else "",
        "each has a different one",
        "a leaked one opens the other sessions too",
        "run outcry venue password for each",
    )
    mode = stat.S_IMODE(venue.path.stat().st_mode)
    yield _of(
        "access",
        "the venue file",
        f"other users may read it (mode {mode:o})" if mode & 0o077 else "",
        "readable by its owner only",
        "it holds hashes, keys and secrets of codes",
        f"chmod 600 {venue.path}",
    )


def _guessed(hashes: dict[str, str], venue: str) -> Iterator[tuple[str, str]]:
    from argon2 import PasswordHasher
    from argon2.exceptions import Argon2Error, InvalidHashError

    hasher = PasswordHasher()
    for who, text in list(hashes.items())[:TRIED]:
        name = who.partition(" ")[2]
        for word in dict.fromkeys((*GUESSED, name, name.lower(), venue, venue.lower())):
            try:
                hasher.verify(text, word)
            except (Argon2Error, InvalidHashError):
                continue
            yield who, word
            break


def operators(venue: VenueFile, host: Host) -> Iterator[Finding]:
    """Return whether two operators can resume the market, and whether all use one-time codes."""
    rows = venue.risk.operators
    may = [one for one in rows if ROLES.index(one.role) >= ROLES.index(SUPERVISOR)]
    yield _of(
        "access",
        "supervisors",
        f"{len(may)}: no operator resumes the market alone" if len(may) < 2 else "",
        f"{len(may)}",
        "resuming, wider limits and deposits need two",
        "two tables [[operator]]",
    )
    without = [one.name for one in rows if not one.totp]
    yield _of(
        "access",
        "one-time codes",
        "none for " + ", ".join(without) if without else "",
        "every operator has them",
        "a password alone may have been seen",
        "run outcry venue totp and put the secret into the file",
    )


def ports(venue: VenueFile, host: Host) -> Iterator[Finding]:
    """Return whether ports are encrypted, authenticated and reachable."""
    if venue.packets is not None and not venue.packet_sessions:
        yield Finding(
            "access",
            "packets",
            UNFIT,
            f"{venue.packets.text} accepts orders from any sender",
            "any sender that reaches the port can act for any participant",
            change='protocol = "packets", with a session and a key',
        )
    shown = {
        port: f"{port.host}:{port.port} ({port.protocol.name})" for port in venue.sessions.ports
    }
    inside = [text for port, text in shown.items() if is_loopback(port.host)]
    plain = [
        text for port, text in shown.items() if not is_loopback(port.host) and not port.tls_cert
    ]
    yield _of(
        "access",
        "TLS",
        ", ".join(plain) + " without" if plain else "",
        "on every port that is reached from outside",
        "passwords and orders can be read and changed on the way",
        "certificate and key of the [[port]]",
    )
    if inside:
        yield Finding(
            "access",
            "loopback",
            UNFIT if len(inside) == len(venue.sessions.ports) else NOTE,
            f"{', '.join(inside)}: other hosts cannot reach it",
            "participants come from other hosts",
            change="address = the interface's, with TLS",
        )
    for path in {port.tls_cert for port in venue.sessions.ports if port.tls_cert}:
        yield _certificate(path)


def _certificate(path: Path) -> Finding:
    import ssl

    why = "clients cannot log in after it expires"
    decode = getattr(getattr(ssl, "_ssl", None), "_test_decode_cert", None)
    if decode is None:
        return Finding(
            "access", f"certificate {path.name}", UNSEEN, "cannot read its expiry date", why
        )
    ends_s = ssl.cert_time_to_seconds(str(decode(str(path))["notAfter"]))
    days_left = (ends_s - datetime.now(UTC).timestamp()) / 86_400
    bad = f"ends in {days_left:.0f} days" if 0 <= days_left < CERTIFICATE_DAYS else "has ended"
    return _of(
        "access",
        f"certificate {path.name}",
        bad if days_left < CERTIFICATE_DAYS else "",
        f"{days_left:.0f} days left",
        why,
        "get a new one from its issuer",
    )


# What survives


def journal(venue: VenueFile, host: Host) -> Iterator[Finding]:
    """The journal's medium, durability, space, retention, copies and checkpoints."""
    medium = medium_of(venue.journal)
    yield _of(
        "journal",
        "medium",
        medium.lost and f"{medium.text}: {medium.lost}",
        medium.text,
        "only the journal stores acknowledged orders",
        "journal = a directory on a disk",
    )
    yield _of(
        "journal",
        "durability",
        "async" if venue.durability != "durable" else "",
        "durable: an event leaves after its command is on disk",
        "a power cut may lose acknowledged orders",
        'durability = "durable"',
    )
    folder = next(one for one in (venue.journal, *venue.journal.parents) if one.exists())
    disk = os.statvfs(folder)
    free, size = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    short = free < DISK_BYTES or free < DISK_SHARE * size
    text = f"{free / 1e9:,.1f} GB of {size / 1e9:,.0f} GB left"
    yield _of(
        "journal",
        "disk left",
        text if short else "",
        text,
        "a venue whose disk is full stops: 64 bytes a command, 6 GB for 100 million",
        "a larger disk, or retention_days",
    )
    yield _of(
        "journal",
        "retention",
        "every day is kept forever" if not venue.retention_days else "",
        f"{venue.retention_days} days",
        "the disk fills a little each day",
        "retention_days, and copies of older days elsewhere",
        NOTE,
    )
    yield from _copies(venue, folder)
    yield _of(
        "journal",
        "checkpoints",
        "none" if not venue.checkpoint_every else "",
        f"each {venue.checkpoint_every:,} commands",
        "without them a restarted stage replays everything",
        f"checkpoint_every = {CHECKPOINT_EVERY:_}",
    )


def _copies(venue: VenueFile, folder: Path) -> Iterator[Finding]:
    why = "if the disk fails, every trade is lost"
    if not venue.copies:
        yield Finding(
            "journal",
            "copies",
            UNFIT,
            "none: everything is on one disk of one host",
            why,
            change="set copies = directories on other disks, and run a standby host",
        )
        return
    device = os.stat(folder).st_dev
    homes = [next(up for up in (copy, *copy.parents) if up.exists()) for copy in venue.copies]
    same = [
        str(one)
        for one, home in zip(venue.copies, homes, strict=True)
        if os.stat(home).st_dev == device
    ]
    yield _of(
        "journal",
        "copies",
        ", ".join(same) + ": on the journal's own disk" if same else "",
        f"{len(venue.copies)}, on other disks",
        why,
        "copies on separate disks",
    )


# The host


def clock(venue: VenueFile, host: Host) -> Iterator[Finding]:
    """Return whether the clock is as near to UTC as RTS 25 asks."""
    why = "MiFID II RTS 25 requires 100 us to UTC; without it the order of events cannot be proven"
    change = "chrony, or outcry clock run with a PTP source (docs/clock.md)"
    try:
        status = clock_status()
    except OutcryError as error:
        yield Finding("host", "clock", UNSEEN, f"cannot see: {error}", why, change=change)
        return
    bound = status["bound_ns"]
    shown = f"{status['source']}, off by {'an unknown time' if bound is None else f'{bound} ns'}"
    yield _of(
        "host",
        "clock",
        "" if status["rts25"]["holds"] else f"not disciplined: {shown}",
        f"{shown} at most",
        why,
        change,
    )


def cores(venue: VenueFile, host: Host) -> Iterator[Finding]:
    """Return whether there are cores for every stage, isolated ones, and some for housekeeping."""
    allowed, isolated = os.sched_getaffinity(0), isolated_cores(host.base)
    wanted = len(wiring_of(venue).compiled) + max(1, venue.housekeeping_cores)
    yield _of(
        "host",
        "cores",
        f"{len(allowed)}: {wanted} would give each stage its own" if len(allowed) < wanted else "",
        f"{len(allowed)}",
        "stages that share a core wait for each other",
        "a host with more cores",
        NOTE,
    )
    yield _of(
        "host",
        "isolated cores",
        "" if isolated & allowed else "none",
        ",".join(map(str, sorted(isolated))),
        "any other task on a stage's core stops the stage for milliseconds",
        "isolcpus=, nohz_full= (outcry doctor has the line)",
    )
    yield _of(
        "host",
        "housekeeping cores",
        "none" if not venue.housekeeping_cores else "",
        str(venue.housekeeping_cores),
        "journal and kernel interrupt a busy-polling stage",
        "housekeeping_cores = 1",
    )


def account(venue: VenueFile, host: Host) -> Iterator[Finding]:
    """The user that runs it, its open files, and swap."""
    yield _of(
        "host",
        "account",
        "root" if os.geteuid() == 0 else "",
        f"user {os.geteuid()}",
        "a flaw in anything that listens gives an attacker the host",
        "run it as a separate user: `outcry venue deploy files systemd`",
    )
    descriptors = len(venue.sessions.sessions) + SPARE_DESCRIPTORS
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = most == resource.RLIM_INFINITY or most >= descriptors
    yield _of(
        "host",
        "open files",
        "" if enough else f"{most}: {descriptors} may be needed",
        f"{most}",
        "connections beyond that are refused",
        f"LimitNOFILE={descriptors}",
    )
    swaps = (host.text("proc/swaps") or "").splitlines()[1:]
    yield _of(
        "host",
        "swap",
        ", ".join(line.split()[0] for line in swaps),
        "none",
        "a page that was swapped out delays an order by milliseconds",
        "swapoff -a",
    )


def memory(venue: VenueFile, host: Host) -> Iterator[Finding]:
    """Check whether the host grants the memory that rings and stamps request at the start."""
    wanted = shared_bytes(venue)
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    enough = soft == resource.RLIM_INFINITY or soft >= wanted
    limit = "without limit" if soft == resource.RLIM_INFINITY else f"{soft / 1e6:,.1f} MB"
    yield _of(
        "host",
        "locked memory",
        "" if enough else f"{limit} may be locked: rings and stamps have {wanted / 1e6:,.0f} MB",
        f"{limit}; rings and stamps have {wanted / 1e6:,.0f} MB",
        "a page that was swapped out or moved delays an order",
        f"LimitMEMLOCK={wanted} (ulimit -l {wanted // 1024 + 1})",
        NOTE,
    )
    release = host.text("proc/sys/kernel/osrelease") or ""
    version = tuple(map(int, re.findall(r"\d+", release)[:2]))
    mode = re.search(r"\[(\w+)\]", host.text(SHMEM_HUGE) or "")
    missing = "" if mode else "the kernel has no transparent ones"
    if mode and mode[1] == "deny":
        missing = "shmem_enabled is deny"
    elif mode and version < COLLAPSES and mode[1] not in UNASKED:
        missing = f"Linux {release} makes none where shmem_enabled is {mode[1]}"
    pages = -(-wanted // HUGE_BYTES)
    yield _of(
        "host",
        "huge pages",
        f"none for shared memory: {missing}" if missing else "",
        f"Linux {release} makes them for shared memory",
        f"rings and stamps are {wanted / 1e6:,.0f} MB: {pages} huge pages in place of "
        f"{wanted // 4096:,} small ones",
        f"echo within_size | sudo tee /{SHMEM_HUGE}",
        NOTE,
    )


def shared_bytes(venue: VenueFile) -> int:
    """Return the size of the venue's rings and stamps, in bytes."""
    table = wiring_of(venue).for_durability(venue.durability)
    sizes = geometry("processes", venue.durability, table)
    rings = sum(sizes.capacities.values()) * RECORD_BYTES
    return rings + 8 * sizes.stamps * (len(table.stamp_kinds) + 1)


# What is traded


def limits(venue: VenueFile, host: Host) -> Iterator[Finding]:
    """Return whether every participant has limits; the canary and the feed's second line."""
    bare = [
        str(participant.number)
        for participant in venue.participants
        if not _has_limits(venue, participant.number)
    ]
    yield _of(
        "market",
        "limits",
        "participants " + ", ".join(bare) + " have none" if bare else "",
        "every participant has limits",
        "SEC 15c3-5 and RTS 6 require a check of size and credit before an order enters",
        "[[limits]] in the venue file",
    )
    yield _of(
        "market",
        "canary",
        "" if venue.canary else "not required",
        "asked for",
        "a new build opens the venue without replaying yesterday first",
        "canary = true",
        NOTE,
    )
    if venue.feed is not None:
        yield _of(
            "market",
            "market data",
            "" if venue.feed.b else "line A alone",
            "lines A and B",
            "the other line has what one line loses",
            "b = of [market_data]",
            NOTE,
        )


def _has_limits(venue: VenueFile, number: int) -> bool:
    return any(who == number and what in BOUNDS for what, who, _ in venue.risk.wanted)


CHECKS: tuple[Check, ...] = (
    secrets,
    operators,
    ports,
    journal,
    clock,
    cores,
    account,
    memory,
    limits,
)
