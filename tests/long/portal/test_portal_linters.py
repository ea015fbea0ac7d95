"""The published API documents in the eyes of Spectral, which knows OpenAPI and AsyncAPI.

It takes 60 MB of npm, so it runs only where a folder for it is named:
``OUTCRY_SPECTRAL=/var/tmp/spectral``.  The first run installs it there.
"""

import os
import subprocess
from pathlib import Path

import pytest

from openoutcry.portal.native.documents import DOCS, FILES

RULES = 'extends: ["spectral:oas", "spectral:asyncapi"]\n'


@pytest.mark.long
@pytest.mark.promise(
    "V5.1, V7.4, V13.1.3, V13.2.2 (input, errors): requests are of a schema, with no other "
    "field. Answers are those that the documents describe, with stable codes, below 500 "
    "whatever is sent, and nothing of the inside",
    group="portal",
)
def test_spectral_finds_no_error(tmp_path):
    folder = os.environ.get("OUTCRY_SPECTRAL")
    if not folder:
        pytest.skip("name a folder for Spectral in OUTCRY_SPECTRAL")
    program = Path(folder) / "node_modules" / ".bin" / "spectral"
    if not program.exists():
        install = ["npm", "install", "--no-audit", "--no-fund", "@stoplight/spectral-cli"]
        Path(folder).mkdir(parents=True, exist_ok=True)
        subprocess.run(install, cwd=folder, check=True)
    (tmp_path / "rules.yaml").write_text(RULES)
    command = [program, "lint", "--ruleset", tmp_path / "rules.yaml"]
    command += [DOCS / name for name in FILES.values()]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout
