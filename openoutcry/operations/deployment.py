"""Files with which other people's tools run a venue's services: systemd, compose, Kubernetes.

All of them come from the table of services (``services.py``).  A service has the same account,
folders and rights everywhere.  Source of the formats: systemd.exec(5), the Compose Specification,
the Kubernetes API 1.31, Patroni's documentation of its settings.
"""

import json
import shlex
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from openoutcry.operations.alarms import rule_file
from openoutcry.operations.dashboard import dashboard
from openoutcry.operations.services import (
    CLUSTER,
    INSTANCE,
    JOURNAL,
    SERVICES,
    STATE,
    Service,
)
from openoutcry.wire.extras import require_operations

NAMED = {service.name: service for service in SERVICES}
ACCOUNT = 10_001
"""User and group of every container."""
CONFIG = "/etc/openoutcry"
TLS = f"{CONFIG}/tls"
MEMORY = "2gb"
"""Shared memory of a venue: rings, books and sessions."""
NODES = 3
DATABASES = ",".join(f"database-{k}" for k in range(NODES))
DATABASE = f"postgresql://portal@{DATABASES}/portal?target_session_attrs=read-write"
ABROAD = {
    "console": f"--listen 0.0.0.0:9470 --certificate {TLS}/console.pem --key {TLS}/console.key",
    "metrics": "--listen 0.0.0.0:9464",
    "portal": f"--listen 0.0.0.0:9480 --certificate {TLS}/portal.pem --key {TLS}/portal.key"
    f" --processes 2 --database {DATABASE}",
}
"""Further arguments where a service is asked from outside of its own host."""
CLUSTER_FILE, NAMED_FILE, ACCESS_FILE, KEEPER_FILE = (
    *("cluster.json", "named.json"),
    *("access.json", "keeper.json"),
)
"""In the cluster's folder: its nodes; its name alone; with a password; with its keeper's."""
HIDDEN = "OUTCRY_HIDDEN"
"""Set to 1: no process of the same account reaches the service's files and memory by /proc."""
COMMON = (
    f"Environment={HIDDEN}=1",
    "NoNewPrivileges=true",
    "ProtectSystem=strict",
    "ProtectHome=true",
    "UMask=0077",
    "LimitCORE=0",
    "PrivateTmp=true",
    "SystemCallErrorNumber=EPERM",
)
VENUE = (
    "# Stopped by SIGTERM it ends what is under way and closes the journal.",
    "KillSignal=SIGTERM",
    "KillMode=mixed",
    "TimeoutStopSec=60",
    "# Real-time priority for the journal's stage; memory for AF_XDP's frames; many sockets.",
    "LimitRTPRIO=99",
    "LimitMEMLOCK=infinity",
    "LimitNOFILE=65536",
    "# Isolate cores on the kernel's command line (isolcpus, nohz_full, rcu_nocbs), leave the",
    "# first for the system, and name the rest here.  `outcry doctor` says what this host lacks.",
    "#CPUAffinity=1-7",
    "# What no stage needs.  AF_XDP's and DPDK's ports need bpf and more, which stay.",
    "SystemCallFilter=~@mount @swap @reboot @raw-io @module @obsolete @cpu-emulation",
)
OTHERS = ("Nice=10", "SystemCallFilter=@system-service")
STRANGERS = (
    "# The journal is there to be read: no order and no proof of one can be changed from here.",
    f"ReadOnlyPaths={JOURNAL}",
    "# So are the commands on their way to it, in a replicated journal's cluster.",
    f"BindReadOnlyPaths=-{CLUSTER}/{NAMED_FILE}:{CLUSTER}/{ACCESS_FILE}",
    f"InaccessiblePaths=-{CLUSTER}/{KEEPER_FILE}",
    *(f"InaccessiblePaths=-{CLUSTER}/node-{k}" for k in range(1, NODES + 1)),
    "CapabilityBoundingSet=",
    "PrivateDevices=true",
    "ProtectProc=invisible",
    "ProtectKernelTunables=true",
    "ProtectKernelModules=true",
    "ProtectControlGroups=true",
    "RestrictNamespaces=true",
    "RestrictSUIDSGID=true",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "LimitNOFILE=65536",
)


def units() -> dict[str, str]:
    """Return a unit of systemd for each service, by its file's name."""
    return {f"{row.unit}.service": _unit(row) for row in SERVICES}


def _unit(row: Service) -> str:
    after = [f"{NAMED[name].unit}.service" for name in row.needs]
    after = after or ["network-online.target", "time-sync.target"]
    lines = [
        f"# Made by `outcry venue deploy files systemd`: {row.description}.",
        f"# {CONFIG} holds the venue's file, in which `journal` is {JOURNAL}.",
        "[Unit]",
        f"Description=Open Outcry {row.name.removesuffix('@')}",
        f"After={' '.join(after)}",
        *([] if row.needs else ["Wants=network-online.target"]),
        "",
        "[Service]",
        "Type=exec",
        "User=outcry",
        "Group=outcry",
        "StateDirectory=openoutcry",
        "StateDirectoryMode=0700",
        f"WorkingDirectory={STATE}",
        f"ExecStart=/opt/openoutcry/bin/outcry {row.command}",
        f"Restart={'on-failure' if row.is_venue else 'always'}",
        f"RestartSec={row.restart_s}",
        *COMMON,
        *(VENUE if row.is_venue else OTHERS),
        *(STRANGERS if row.serves_strangers else ()),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def compose() -> dict[str, str]:
    """Return ``compose.yaml`` and the files that it mounts, by their paths."""
    services: dict[str, Any] = {}
    for row in (row for row in SERVICES if row.default):
        services[row.name] = _container(row)
    for k in range(NODES):
        services[f"nats-{k}"] = _nats(k)
        services[f"etcd-{k}"] = _etcd(k)
        services[f"database-{k}"] = _database(k)
    services |= _watchers()
    document = {
        "name": "openoutcry",
        "services": services,
        "volumes": _volumes(services),
        "networks": {"default": {}, VOTES: {"internal": True}},
    }
    return {
        "compose.yaml": _COMPOSE_HEAD + _yaml(document),
        "patroni.yml": _yaml(_patroni()),
        "prometheus.yml": _yaml(_PROMETHEUS),
        "openoutcry.rules.yml": rule_file(),
        "alertmanager.yml": _yaml(_ALERTMANAGER),
        "grafana/datasources.yml": _yaml(_DATASOURCES),
        "grafana/dashboards.yml": _yaml(_PROVIDER),
        "grafana/openoutcry.json": json.dumps(dashboard(), indent=1) + "\n",
    }


_COMPOSE_HEAD = f"""\
# Made by `outcry venue deploy files compose`.  A venue with its services on one host.
# Before `docker compose up`:
#   make images           # localhost/openoutcry-venue, -portal, -database
#   install -d -o {ACCOUNT} -g {ACCOUNT} -m 700 state state/journal
#   outcry cluster make cluster --host nats-0 --host nats-1 --host nats-2
#   chown -R {ACCOUNT}:{ACCOUNT} cluster
#   config/venue.toml    the venue's file: journal = "{JOURNAL}"; for a replicated journal
#                        nats = "{CLUSTER}"
#   config/tls/          portal.pem, portal.key, console.pem, console.key
#   secrets/             superuser, replication, portal: a password of PostgreSQL in each;
#                        pgpass: the line *:*:*:portal:PASSWORD, readable by {ACCOUNT} alone
# Doors for sessions: add their ports to `venue`.
"""


def _image(name: str) -> str:
    return f"${{OUTCRY_REGISTRY:-localhost}}/openoutcry-{name}:${{OUTCRY_TAG:-latest}}"


def _confined(image: str) -> dict[str, Any]:
    """Settings of every container of ours: no root, no capability, no write but of state."""
    return {
        "image": _image(image),
        "user": f"{ACCOUNT}:{ACCOUNT}",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "tmpfs": ["/tmp"],
        "restart": "unless-stopped",
    }


def _arguments(row: Service) -> list[str]:
    return shlex.split(f"{row.command} {ABROAD.get(row.name, '')}")


def _of_cluster(row: Service) -> dict[str, str]:
    """Return the files of the cluster's folder that a service has, each by its name there: none has
    what the nodes and their keeper have, and what serves strangers no password."""
    given = ACCESS_FILE if not row.serves_strangers else NAMED_FILE
    return {ACCESS_FILE: given, "ca.pem": "ca.pem", CLUSTER_FILE: CLUSTER_FILE}


def _container(row: Service) -> dict[str, Any]:
    """A service in the namespaces of the venue: it finds the venue's processes and memory."""
    volumes = ["./config:/etc/openoutcry:ro", f"./state:{STATE}"]
    for name, given in _of_cluster(row).items():
        volumes.append(f"./cluster/{given}:{CLUSTER}/{name}:ro")
    made = _confined(row.image) | {"command": _arguments(row), "volumes": volumes}
    made["environment"] = {HIDDEN: "1"}
    if row.serves_strangers:
        volumes.append(f"./state/journal:{JOURNAL}:ro")
    if row.name == "portal":
        volumes.append("./secrets/pgpass:/run/secrets/pgpass:ro")
        made["environment"] |= {"PGPASSFILE": "/run/secrets/pgpass"}
    if row.is_venue:
        made |= {
            "hostname": row.name,
            "ipc": "shareable",
            "shm_size": MEMORY,
            "stop_grace_period": "60s",
            "ulimits": {"memlock": -1, "rtprio": 99, "nofile": 65_536},
            "ports": ["9480:9480", "127.0.0.1:9470:9470"],
        }
    else:
        shared = f"service:{row.needs[0]}"
        made |= {"network_mode": shared, "ipc": shared, "pid": shared}
        made["depends_on"] = {name: {"condition": "service_started"} for name in row.needs}
    if command := _health(row):
        made["healthcheck"] = {
            "test": ["CMD", *command],
            "interval": "10s",
            "timeout": "8s",
            "start_period": "120s",
        }
    return made


_ASK = (
    "import ssl, sys, urllib.request as r; c = ssl._create_unverified_context(); "
    "r.urlopen(sys.argv[1], timeout=5, context=c)"
)
"""A health check of one's own port: whose certificate it has is the client's to judge."""


def _health(row: Service) -> list[str]:
    if row.check:
        return ["outcry", *shlex.split(row.check)]
    if not row.path:
        return []
    scheme = "https" if "--certificate" in ABROAD.get(row.name, "") else "http"
    return ["python3", "-c", _ASK, f"{scheme}://127.0.0.1:{row.port}{row.path}"]


def _nats(k: int) -> dict[str, Any]:
    row = NAMED["cluster@"]
    return _confined(row.image) | {
        "hostname": f"nats-{k}",
        "command": shlex.split(row.command.replace(INSTANCE, f"nats-{k}")),
        "volumes": [f"./cluster:{CLUSTER}"],
    }


VOTES = "votes"
"""The network of etcd, which asks nobody who it is: only the databases are in it."""


def _etcd(k: int) -> dict[str, Any]:
    peers = ",".join(f"etcd-{j}=http://etcd-{j}:2380" for j in range(NODES))
    command = (
        f"etcd --name etcd-{k} --data-dir {STATE}/etcd --initial-cluster {peers}"
        f" --initial-cluster-state new --initial-cluster-token openoutcry"
        f" --listen-client-urls http://0.0.0.0:2379 --advertise-client-urls http://etcd-{k}:2379"
        f" --listen-peer-urls http://0.0.0.0:2380"
        f" --initial-advertise-peer-urls http://etcd-{k}:2380"
    )
    return _confined("database") | {
        "entrypoint": shlex.split(command),
        "hostname": f"etcd-{k}",
        "networks": [VOTES],
        "volumes": [f"etcd-{k}:{STATE}"],
    }


def _database(k: int) -> dict[str, Any]:
    return _confined("database") | {
        "entrypoint": ["/usr/local/bin/patroni-of", "/etc/patroni.yml"],
        "hostname": f"database-{k}",
        "networks": ["default", VOTES],
        "environment": {"PATRONI_NAME": f"database-{k}", "PATRONI_HOST": f"database-{k}"},
        "volumes": [
            f"database-{k}:{STATE}",
            "./patroni.yml:/etc/patroni.yml:ro",
            "./secrets:/run/secrets:ro",
        ],
        "depends_on": [f"etcd-{j}" for j in range(NODES)],
    }


def _patroni() -> dict[str, Any]:
    """Settings of each of the three nodes.  A commit waits for one standby, whichever is there:
    what people own and what they consented to survives the death of the leader's host."""
    return {
        "scope": "database",
        "etcd3": {"hosts": [f"etcd-{k}:2379" for k in range(NODES)]},
        "restapi": {"listen": "0.0.0.0:8008"},
        "bootstrap": {
            "dcs": {
                "ttl": 20,
                "loop_wait": 5,
                "retry_timeout": 5,
                "maximum_lag_on_failover": 0,
                "synchronous_mode": True,
                "postgresql": {
                    "use_pg_rewind": True,
                    "parameters": {"max_connections": 200, "wal_level": "replica"},
                },
            },
            "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums"],
            "post_bootstrap": "/usr/local/bin/make-portal-database",
        },
        "postgresql": {
            "data_dir": f"{STATE}/postgresql",
            "pgpass": f"{STATE}/pgpass",
            # Not below `bootstrap`, where Patroni 4 would leave PostgreSQL's own, which is trust.
            "pg_hba": [
                "local all all scram-sha-256",
                "host replication replication all scram-sha-256",
                "host all all all scram-sha-256",
            ],
            "create_replica_methods": ["basebackup"],
            "basebackup": [{"checkpoint": "fast"}],
            "bin_dir": "/usr/lib/postgresql/15/bin",
            "listen": "0.0.0.0:5432",
            "parameters": {
                "unix_socket_directories": STATE,
                "password_encryption": "scram-sha-256",
            },
        },
    }


def _watchers() -> dict[str, Any]:
    """Prometheus and its friends, as their makers' images: they are not built here."""
    common = {"restart": "unless-stopped", "cap_drop": ["ALL"]}
    return {
        "prometheus": common
        | {
            "image": "docker.io/prom/prometheus:v3.5.0",
            "volumes": [
                "./prometheus.yml:/etc/prometheus/prometheus.yml:ro",
                "./openoutcry.rules.yml:/etc/prometheus/openoutcry.rules.yml:ro",
                "prometheus:/prometheus",
            ],
            "ports": ["127.0.0.1:9090:9090"],
        },
        "alertmanager": common
        | {
            "image": "docker.io/prom/alertmanager:v0.28.1",
            "volumes": ["./alertmanager.yml:/etc/alertmanager/alertmanager.yml:ro"],
            "ports": ["127.0.0.1:9093:9093"],
        },
        "grafana": common
        | {
            "image": "docker.io/grafana/grafana:12.1.0",
            "volumes": [
                "./grafana/datasources.yml:/etc/grafana/provisioning/datasources/a.yml:ro",
                "./grafana/dashboards.yml:/etc/grafana/provisioning/dashboards/a.yml:ro",
                "./grafana/openoutcry.json:/var/lib/grafana/dashboards/openoutcry.json:ro",
            ],
            "ports": ["127.0.0.1:3000:3000"],
        },
    }


_PROMETHEUS = {
    "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
    "rule_files": ["openoutcry.rules.yml"],
    "scrape_configs": [{"job_name": "outcry", "static_configs": [{"targets": ["venue:9464"]}]}],
    "alerting": {
        "alertmanagers": [{"static_configs": [{"targets": ["alertmanager:9093"]}]}],
    },
}
_ALERTMANAGER = {"route": {"receiver": "operators"}, "receivers": [{"name": "operators"}]}
_DATASOURCES = {
    "apiVersion": 1,
    "datasources": [
        {"name": "Prometheus", "type": "prometheus", "url": "http://prometheus:9090"},
    ],
}
_PROVIDER = {
    "apiVersion": 1,
    "providers": [{"name": "openoutcry", "options": {"path": "/var/lib/grafana/dashboards"}}],
}


def _volumes(services: dict[str, Any]) -> dict[str, None]:
    """The named volumes that some service mounts."""
    mounted = (path.split(":")[0] for row in services.values() for path in row.get("volumes", ()))
    return {name: None for name in mounted if not name.startswith(".")}


def manifests() -> dict[str, str]:
    """Return ``openoutcry.yaml``, the manifests of Kubernetes."""
    documents = [
        *_venue_set(),
        *_nats_set(),
        *_database_set(),
        *(_budget(name) for name in ("venue", "nats", "database")),
    ]
    return {"openoutcry.yaml": _KUBERNETES_HEAD + "---\n".join(map(_yaml, documents))}


_KUBERNETES_HEAD = f"""\
# Made by `outcry venue deploy files kubernetes`.  Before `kubectl apply -f openoutcry.yaml`:
#   outcry cluster make cluster --host nats-0.nats --host nats-1.nats --host nats-2.nats
#   tar -C cluster -czf cluster.tgz .
#   kubectl create secret generic openoutcry-cluster --from-file=cluster.tgz
#   kubectl create secret generic openoutcry-config --from-file=venue.toml
#   kubectl create secret generic openoutcry-tls --from-file=tls  # portal.pem, console.pem, keys
#   kubectl create secret generic openoutcry-database --from-file=secrets
# secrets has superuser, replication, portal and pgpass, as for the compose file.
# In venue.toml journal is "{JOURNAL}" and nats is "{CLUSTER}".
# Replace localhost/ by the registry that holds the images.
"""
CONFINED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
POD = {
    "runAsNonRoot": True,
    "runAsUser": ACCOUNT,
    "runAsGroup": ACCOUNT,
    "fsGroup": ACCOUNT,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def _object(kind: str, api: str, name: str, **rest: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": "openoutcry", "app.kubernetes.io/component": name}
    metadata: dict[str, Any] = {"name": name, "labels": labels}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def _chosen(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": "openoutcry", "app.kubernetes.io/component": name}


def _budget(name: str) -> dict[str, Any]:
    """How many pods a drained node may take away: none of the venue, which is handed over to a
    standby first; one of three elsewhere."""
    allowed = 0 if name == "venue" else 1
    return _object(
        "PodDisruptionBudget",
        "policy/v1",
        name,
        spec={"maxUnavailable": allowed, "selector": {"matchLabels": _chosen(name)}},
    )


def _service(name: str, ports: dict[str, int], chosen: str = "", **spec: Any) -> dict[str, Any]:
    rows = [{"name": key, "port": port, "targetPort": port} for key, port in ports.items()]
    selector = _chosen(chosen or name)
    return _object("Service", "v1", name, spec={"selector": selector, "ports": rows, **spec})


def _stateful(
    name: str, count: int, containers: list[dict[str, Any]], size: str, **pod: Any
) -> dict[str, Any]:
    """A StatefulSet whose pods each have a volume ``state`` and lie on different hosts."""
    apart = {
        "labelSelector": {"matchLabels": _chosen(name)},
        "topologyKey": "kubernetes.io/hostname",
    }
    pod_spec = {
        "automountServiceAccountToken": False,
        "securityContext": POD,
        "affinity": {
            "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}
        },
        "containers": containers,
        **pod,
    }
    claim = {
        "metadata": {"name": "state"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
        },
    }
    spec = {
        "serviceName": name,
        "replicas": count,
        "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": _chosen(name)},
        "template": {"metadata": {"labels": _chosen(name)}, "spec": pod_spec},
        "volumeClaimTemplates": [claim],
    }
    return _object("StatefulSet", "apps/v1", name, spec=spec)


def _mount(name: str, path: str, **rest: Any) -> dict[str, Any]:
    return {"name": name, "mountPath": path, **rest}


def _pod_container(row: Service) -> dict[str, Any]:
    mounts = [
        _mount("state", STATE),
        _mount("shm", "/dev/shm"),
        _mount("tmp", "/tmp"),
        _mount("config", CONFIG, readOnly=True),
        _mount("tls", TLS, readOnly=True),
    ]
    for name, given in _of_cluster(row).items():
        mounts.append(_mount("cluster", f"{CLUSTER}/{name}", subPath=given, readOnly=True))
    if row.serves_strangers:
        mounts.append(_mount("state", JOURNAL, subPath="journal", readOnly=True))
    made: dict[str, Any] = {
        "name": row.name,
        "image": f"localhost/openoutcry-{row.image}:latest",
        "args": _arguments(row),
        "securityContext": CONFINED,
        "volumeMounts": mounts,
    }
    made["env"] = [{"name": HIDDEN, "value": "1"}]
    if row.name == "portal":
        mounts.append(_mount("database", "/run/secrets", readOnly=True))
        made["env"].append({"name": "PGPASSFILE", "value": "/run/secrets/pgpass"})
    if command := _health(row):
        probe = {"exec": {"command": command}, "periodSeconds": 10, "timeoutSeconds": 8}
        made["startupProbe"] = probe | {"failureThreshold": 30}
        made["readinessProbe"] = probe
    return made


def _venue_set() -> list[dict[str, Any]]:
    """The venue and what reads its memory and its journal: one pod, on one host."""
    rows = [_pod_container(row) for row in SERVICES if row.default]
    volumes = [
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}},
        {"name": "tmp", "emptyDir": {}},
        _secret("tls"),
        *({"name": name, "emptyDir": {}} for name in ("config", "database", "cluster")),
        _secret("given-config", "config"),
        _secret("given-database", "database", "pgpass"),
    ]
    pod = {
        "shareProcessNamespace": True,
        "terminationGracePeriodSeconds": 60,
        "initContainers": [_unpack("cluster", {"config": CONFIG, "database": "/run/secrets"})],
        "volumes": [*volumes, _secret("seed", "cluster")],
    }
    return [
        _service("venue", {"metrics": 9464, "console": 9470}, clusterIP="None"),
        _service("portal", {"https": 9480}, chosen="venue"),
        _stateful("venue", 1, rows, "100Gi", **pod),
    ]


def _secret(name: str, of: str = "", *keys: str) -> dict[str, Any]:
    """A volume of a secret; ``keys``: of these alone."""
    secret: dict[str, Any] = {"secretName": f"openoutcry-{of or name}", "defaultMode": 0o440}
    if keys:
        secret["items"] = [{"key": key, "path": key} for key in keys]
    return {"name": name, "secret": secret}


def _unpack(volume: str, copies: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """Puts the cluster's folder into a volume, where it can be written, once; and secrets whose
    file its owner alone may read, which Kubernetes gives to a group: ``copies`` has where each
    volume is mounted."""
    script = (
        f"umask 077; test -e {CLUSTER}/{CLUSTER_FILE} || tar -xzf /seed/cluster.tgz -C {CLUSTER}"
    )
    for name, path in copies.items():
        script += f" && cp -fL /given/{name}/* {path}/"
    return {
        "name": "unpack",
        "image": "localhost/openoutcry-venue:latest",
        "command": ["sh", "-c", script],
        "securityContext": CONFINED,
        "volumeMounts": [
            _mount("seed", "/seed", readOnly=True),
            _mount(volume, CLUSTER),
            *(_mount(f"given-{name}", f"/given/{name}", readOnly=True) for name in copies),
            *(_mount(name, path) for name, path in copies.items()),
        ],
    }


def _nats_set() -> list[dict[str, Any]]:
    row = NAMED["cluster@"]
    container = {
        "name": "nats",
        "image": f"localhost/openoutcry-{row.image}:latest",
        "args": shlex.split(row.command.replace(INSTANCE, "$(NAME).nats")),
        "env": [{"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "ports": [{"containerPort": 4222}, {"containerPort": 6222}],
        "readinessProbe": {"tcpSocket": {"port": 4222}},
        "securityContext": CONFINED,
        "volumeMounts": [_mount("state", CLUSTER), _mount("tmp", "/tmp")],
    }
    volumes = [{"name": "tmp", "emptyDir": {}}, _secret("seed", "cluster")]
    pod = {"initContainers": [_unpack("state")], "volumes": volumes}
    found: dict[str, Any] = {"clusterIP": "None", "publishNotReadyAddresses": True}
    return [
        _service("nats", {"client": 4222, "route": 6222}, **found),
        _stateful("nats", NODES, [container], "100Gi", **pod),
    ]


def _database_set() -> list[dict[str, Any]]:
    """PostgreSQL under Patroni, whose votes are objects of Kubernetes."""
    settings = _patroni()
    del settings["etcd3"]
    settings["kubernetes"] = {
        "labels": {"app.kubernetes.io/name": "openoutcry"},
        "scope_label": "app.kubernetes.io/component",
        "use_endpoints": False,
    }
    volumes = [
        {"name": "tmp", "emptyDir": {}},
        {"name": "settings", "configMap": {"name": "database"}},
        _secret("passwords", "database"),
    ]
    pod = {
        "serviceAccountName": "database",
        "automountServiceAccountToken": True,
        "volumes": volumes,
    }
    found: dict[str, Any] = {"clusterIP": "None", "publishNotReadyAddresses": True}
    return [
        _object("ConfigMap", "v1", "database", data={"patroni.yml": _yaml(settings)}),
        *_patronis_rights(),
        _service("database", {"postgresql": 5432}, **found),
        _stateful("database", NODES, [_database_container()], "50Gi", **pod),
    ]


def _database_container() -> dict[str, Any]:
    fields = {"PATRONI_NAME": "metadata.name", "PATRONI_HOST": "status.podIP"}
    fields |= {"PATRONI_KUBERNETES_NAMESPACE": "metadata.namespace"}
    return {
        "name": "database",
        "image": "localhost/openoutcry-database:latest",
        "command": ["/usr/local/bin/patroni-of", "/etc/patroni/patroni.yml"],
        "env": [
            {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
            for name, path in fields.items()
        ],
        "ports": [{"containerPort": 5432}, {"containerPort": 8008}],
        "readinessProbe": {"httpGet": {"path": "/readiness", "port": 8008}},
        "livenessProbe": {"httpGet": {"path": "/liveness", "port": 8008}},
        "securityContext": CONFINED,
        "volumeMounts": [
            _mount("state", STATE),
            _mount("tmp", "/tmp"),
            _mount("settings", "/etc/patroni", readOnly=True),
            _mount("passwords", "/run/secrets", readOnly=True),
        ],
    }


def _patronis_rights() -> list[dict[str, Any]]:
    """Return what Patroni may do: its votes, and labels of its pods."""
    group = "rbac.authorization.k8s.io"
    verbs = ["create", "get", "list", "patch", "update", "watch", "delete", "deletecollection"]
    rules = [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "patch", "watch"]},
    ]
    role = {"kind": "Role", "name": "database", "apiGroup": group}
    account = [{"kind": "ServiceAccount", "name": "database"}]
    return [
        _object("ServiceAccount", "v1", "database"),
        _object("Role", f"{group}/v1", "database", rules=rules),
        _object("RoleBinding", f"{group}/v1", "database", roleRef=role, subjects=account),
    ]


def _yaml(document: Any) -> str:
    import yaml

    text: str = yaml.safe_dump(document, sort_keys=False, width=100)
    return text


FORMATS: dict[str, Callable[[], dict[str, str]]] = {
    "systemd": units,
    "compose": compose,
    "kubernetes": manifests,
}


def files_of(name: str) -> dict[str, str]:
    """Return the files of a format of :data:`FORMATS`, each text by its path.

    Raises :class:`OutcryError` if the extra `operations` is not installed."""
    require_operations()
    return FORMATS[name]()
