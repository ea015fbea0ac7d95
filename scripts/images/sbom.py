"""Print what an image has, as CycloneDX 1.6: Debian's packages, and Python packages.

    python3 sbom.py [SITE-PACKAGES]

It runs inside the image, where nothing but Python is.
"""

import json
import subprocess
import sys
from importlib.metadata import distributions


def debian() -> list[dict[str, str]]:
    """Return a component for each installed package of Debian."""
    shown = "${db:Status-Abbrev}\t${Package}\t${Version}\t${Architecture}\n"
    lines = subprocess.run(
        ["dpkg-query", "-W", "-f", shown], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    rows = (line.split("\t") for line in lines)
    return [
        component(name, version, f"pkg:deb/debian/{name}@{version}?arch={architecture}")
        for status, name, version, architecture in rows
        if status.startswith("ii")
    ]


def python(folder: str) -> list[dict[str, str]]:
    """Return a component for each distribution in a folder of packages."""
    found = sorted((package.name, package.version) for package in distributions(path=[folder]))
    return [
        component(name, version, f"pkg:pypi/{name.lower().replace('_', '-')}@{version}")
        for name, version in found
    ]


def component(name: str, version: str, purl: str) -> dict[str, str]:
    """Return one component; ``purl`` also names it within the document."""
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


if __name__ == "__main__":
    rows = debian() + [row for path in sys.argv[1:] for row in python(path)]
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": rows}
    print(json.dumps(document, indent=1))
