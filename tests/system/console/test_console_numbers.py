"""The pages show numbers of 64 bits with every digit: the helpers of ``kit.js``, run by Node."""

import json
import shutil
import subprocess

import pytest

from openoutcry import PACKAGE
from tests.support.waiting import BOUND_S

CASES = [
    ("whole", ["9223372036854775807"], "9,223,372,036,854,775,807"),
    ("whole", ["-9007199254740993"], "-9,007,199,254,740,993"),
    ("whole", [1234.6], "1,235"),
    ("whole", [None], ""),
    ("decimal", ["9223372036854775807", 2, 2], "92,233,720,368,547,758.07"),
    ("decimal", ["-5", 2, 2], "-0.05"),
    ("decimal", ["0", 2, 2], "0.00"),
    ("decimal", ["12345", 4, 2], "1.23"),
    ("decimal", ["12350", 4, 2], "1.24"),
    ("decimal", ["-12350", 4, 2], "-1.24"),
    ("decimal", ["7", 0, 0], "7"),
    ("decimal", ["7", 2, 4], "0.0700"),
    ("price", ["9007199254740993", 4], "900719925474.0993"),
    ("price", [123400, 2], "12.34"),
    ("short", ["9223372036854775807"], "9223372036.9 G"),
]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_no_digit_is_lost_on_a_page(tmp_path):
    kit = tmp_path / "kit.mjs"
    kit.write_text((PACKAGE / "console" / "static" / "kit.js").read_text())
    script = (
        f"import * as kit from {json.dumps(str(kit))};"
        f"const cases = {json.dumps([case[:2] for case in CASES])};"
        "console.log(JSON.stringify(cases.map(([name, terms]) => kit[name](...terms))));"
    )
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [case[2] for case in CASES]
