"""A certificate authority for one cluster alone, and a certificate for each node (X.509)."""

import datetime
import ipaddress
import os
from pathlib import Path
from typing import Any

from openoutcry.wire.errors import ReplicaError
from openoutcry.wire.extras import need

VALID_DAYS = 3650


def make_certificates(folder: Path, hosts: dict[str, str]) -> None:
    """Write ``ca.pem`` and for each node ``NAME.pem`` and ``NAME.key`` (mode 0600) to ``folder``.

    ``hosts``: each node's address, or its name in DNS, by the node's name.  The
    authority's key is not kept: no further certificate of this cluster can be made.
    """
    what = "a cluster's certificates need cryptography"
    need("cryptography", what, "replication", ReplicaError)
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)

    def builder(name: str, key: Any, issuer: Any) -> Any:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + datetime.timedelta(days=VALID_DAYS))
        )

    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = (
        builder("openoutcry cluster", authority_key, None)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    write_private(folder / "ca.pem", authority.public_bytes(pem))
    for name, host in hosts.items():
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            address: Any = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            address = x509.DNSName(host)
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            builder(name, key, authority.subject)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .add_extension(x509.ExtendedKeyUsage(both), critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        write_private(folder / f"{name}.pem", certificate.public_bytes(pem))
        plain = serialization.NoEncryption()
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
        write_private(folder / f"{name}.key", private)


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that only its owner can read."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(fd, "wb") as file:
        file.write(data)
