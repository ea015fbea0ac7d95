"""Certificates that a test makes for itself."""

import subprocess
from pathlib import Path


def self_signed(certificate: Path, key: Path, subject: str = "venue") -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1, valid for two days, and its key.  Returns both paths."""
    about = ["-subj", f"/CN={subject}", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *about]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key
