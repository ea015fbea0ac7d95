"""What `outcry venue deploy files` writes, and the table of services that it is made of."""

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from openoutcry.cli.main import main as cli
from openoutcry.operations import deployment
from openoutcry.operations.deployment import FORMATS, files_of
from openoutcry.operations.services import BY_HAND, IMAGES, SERVICES
from openoutcry.replica import cluster as cluster_folder
from tests import ROOT

COMPOSE = yaml.safe_load(files_of("compose")["compose.yaml"])
MANIFESTS = list(yaml.safe_load_all(files_of("kubernetes")["openoutcry.yaml"]))
OURS = re.compile(r"/openoutcry-(\w+):")


def commands(group: click.Group, path: tuple[str, ...] = ()) -> dict[str, click.Command]:
    """Every command that does something, by the words after `outcry`."""
    found: dict[str, click.Command] = {}
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        words = (*path, name)
        if isinstance(command, click.Group):
            found |= commands(command, words)
        elif command is not None:
            found[" ".join(words)] = command
    return found


COMMANDS = commands(cli)


def words_of(service) -> tuple[str, list[str]]:
    """The command of a service, and its arguments."""
    words = shlex.split(service.command)
    for count in (3, 2, 1):
        if " ".join(words[:count]) in COMMANDS:
            return " ".join(words[:count]), words[count:]
    raise AssertionError(f"outcry has no command {service.command}")


@pytest.mark.parametrize("service", SERVICES, ids=[service.name for service in SERVICES])
def test_every_service_is_a_command_with_arguments_that_it_takes(service):
    name, arguments = words_of(service)
    command = COMMANDS[name]
    command.make_context(name, [*arguments], resilient_parsing=False)


def test_every_command_that_runs_until_it_is_stopped_is_a_service_or_says_why_not():
    lasting = re.compile(r"Control-C|SIGTERM|until interrupted")
    texts = {
        name: " ".join(
            [command.help or "", *(getattr(p, "help", "") or "" for p in command.params)]
        )
        for name, command in COMMANDS.items()
    }
    told = {name for name, text in texts.items() if lasting.search(text)}
    known = {words_of(service)[0] for service in SERVICES}
    by_hand = {name for name in COMMANDS if any(name.startswith(word) for word in BY_HAND)}
    assert told - known - by_hand == set()
    assert {word for word in BY_HAND if not any(n.startswith(word) for n in COMMANDS)} == set()


def test_what_a_service_is_started_after_is_a_service_that_comes_before_it():
    seen: set[str] = set()
    for service in SERVICES:
        assert set(service.needs) <= seen
        seen.add(service.name)


def test_images_have_the_extras_that_there_are_and_every_service_has_an_image():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = set(project["optional-dependencies"])
    locked = set(re.search(r"^SERVICES := (.*)$", (ROOT / "Makefile").read_text(), re.M)[1].split())
    for names in IMAGES.values():
        assert set(names) <= extras & locked
    assert {service.image for service in SERVICES} <= set(IMAGES)


def mounted(service: dict) -> set[str]:
    return {volume.split(":")[0] for volume in service.get("volumes", ())}


def test_compose_mounts_what_is_written_or_what_its_head_says():
    files = files_of("compose")
    head = "".join(line for line in files["compose.yaml"].splitlines(True) if line.startswith("#"))
    for service in COMPOSE["services"].values():
        for path in mounted(service):
            if path.startswith("./"):
                name = path.removeprefix("./")
                assert name in files or name.split("/")[0] in head, path
            else:
                assert path in COMPOSE["volumes"]


def test_no_container_of_ours_is_root_writes_its_image_or_has_a_capability():
    for name, service in COMPOSE["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        if OURS.search(service["image"]):
            assert service["user"] == "10001:10001"
            assert service["read_only"] is True
            assert service["security_opt"] == ["no-new-privileges:true"]
    sets = [one["spec"]["template"]["spec"] for one in MANIFESTS if one["kind"] == "StatefulSet"]
    assert len(sets) == 3
    for pod in sets:
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in (*pod["containers"], *pod.get("initContainers", ())):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_services_that_read_the_venues_memory_share_its_namespaces():
    for service in (service for service in SERVICES if service.default and service.name != "venue"):
        made = COMPOSE["services"][service.name]
        assert made["ipc"] == made["pid"] == made["network_mode"]
        # Through the one it needs to the venue itself.
        at = made["ipc"].removeprefix("service:")
        while at != "venue":
            at = COMPOSE["services"][at]["ipc"].removeprefix("service:")


def strangers():
    return [service for service in SERVICES if service.default and service.serves_strangers]


VENUE_POD = next(
    one["spec"]["template"]["spec"]
    for one in MANIFESTS
    if one["kind"] == "StatefulSet" and one["metadata"]["name"] == "venue"
)


@pytest.mark.promise(
    "What serves people outside has no password of the journal's cluster, of its nodes or of the "
    "database's superuser, and no way to the journal by another service's /proc",
    group="portal",
)
def test_what_serves_strangers_has_no_secret_of_others_in_any_format():
    for name in ("CLUSTER_FILE", "NAMED_FILE", "ACCESS_FILE", "KEEPER_FILE"):
        assert getattr(deployment, name) == getattr(cluster_folder, name)
    assert [service.name for service in strangers()] == ["portal"]
    given = {"./cluster/named.json", "./cluster/ca.pem", "./cluster/cluster.json"}
    mine = {path for path in mounted(COMPOSE["services"]["portal"]) if "cluster" in path}
    assert mine == given
    (container,) = (one for one in VENUE_POD["containers"] if one["name"] == "portal")
    parts = {m.get("subPath") for m in container["volumeMounts"] if m["name"] == "cluster"}
    assert parts == {"named.json", "ca.pem", "cluster.json"}
    secrets = {one["name"]: one["secret"] for one in VENUE_POD["volumes"] if "secret" in one}
    assert [item["key"] for item in secrets["given-database"]["items"]] == ["pgpass"]
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert not mounts & {"seed", "given-database", "given-config"}
    unit = files_of("systemd")["openoutcry-portal.service"]
    cluster = "/var/lib/openoutcry/cluster"
    assert f"BindReadOnlyPaths=-{cluster}/named.json:{cluster}/access.json\n" in unit
    hidden = {f"InaccessiblePaths=-{cluster}/{name}" for name in ("keeper.json", "node-1")}
    assert hidden <= set(unit.splitlines())


def test_every_service_is_hidden_from_others_of_its_account():
    for text in files_of("systemd").values():
        assert "Environment=OUTCRY_HIDDEN=1\n" in text
    for service in (service for service in SERVICES if service.default):
        assert COMPOSE["services"][service.name]["environment"]["OUTCRY_HIDDEN"] == "1"
    for container in VENUE_POD["containers"]:
        assert {"name": "OUTCRY_HIDDEN", "value": "1"} in container["env"]


def test_only_the_databases_reach_what_asks_nobody_who_it_is():
    for name, service in COMPOSE["services"].items():
        is_of_database = name.startswith(("etcd", "database"))
        assert ("votes" in service.get("networks", ())) is is_of_database, name
        assert (service.get("networks") == ["votes"]) is name.startswith("etcd")
    assert COMPOSE["networks"]["votes"] == {"internal": True}


def test_files_that_their_owner_alone_may_read_are_copied_for_it():
    """The venue refuses its file, and a client of PostgreSQL its passwords, if a group may read
    them; a secret of Kubernetes is a group's."""
    (unpack,) = VENUE_POD["initContainers"]
    script = unpack["command"][-1]
    assert script.startswith("umask 077; ")
    for name, path in (("config", "/etc/openoutcry"), ("database", "/run/secrets")):
        assert f"cp -fL /given/{name}/* {path}/" in script
        (volume,) = (one for one in VENUE_POD["volumes"] if one["name"] == name)
        assert volume == {"name": name, "emptyDir": {}}


def test_every_volume_of_a_pod_is_mounted_and_every_mount_has_a_volume():
    for one in (one for one in MANIFESTS if one["kind"] == "StatefulSet"):
        pod = one["spec"]["template"]["spec"]
        named = {volume["name"] for volume in pod["volumes"]}
        named |= {claim["metadata"]["name"] for claim in one["spec"]["volumeClaimTemplates"]}
        containers = (*pod["containers"], *pod.get("initContainers", ()))
        used = {mount["name"] for container in containers for mount in container["volumeMounts"]}
        assert used == named


def test_every_set_of_pods_has_a_service_and_a_disruption_budget():
    of_kind = {
        kind: {one["metadata"]["name"] for one in MANIFESTS if one["kind"] == kind}
        for kind in ("StatefulSet", "Service", "PodDisruptionBudget")
    }
    assert of_kind["StatefulSet"] == of_kind["PodDisruptionBudget"]
    assert of_kind["StatefulSet"] <= of_kind["Service"]


@pytest.mark.parametrize("kind", FORMATS)
def test_files_are_written_once_and_never_over_others(kind, tmp_path: Path):
    arguments = ["venue", "deploy", "files", kind, "--out", str(tmp_path / "out")]
    for _ in range(2):
        done = CliRunner().invoke(cli, arguments)
        assert done.exit_code == 0, done.output
    for name, text in files_of(kind).items():
        assert (tmp_path / "out" / name).read_text() == text
    first = sorted(files_of(kind))[0]
    (tmp_path / "out" / first).write_text("mine")
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 1
    assert f"{first}: is there already" in done.output
    assert (tmp_path / "out" / first).read_text() == "mine"
