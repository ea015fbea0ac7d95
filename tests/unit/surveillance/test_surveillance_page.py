"""Every command of docs/surveillance.md is run here, in its order."""

import shlex

from tests.support.pipeline import warm_outcry
from tests.support.user_commands import commands
from tests.support.waiting import BOUND_S


def test_commands_of_the_page(tmp_path) -> None:
    for line in commands("surveillance.md"):
        outcry, *words = shlex.split(line)
        assert outcry == "outcry"
        if words[:2] == ["surveillance", "sample"]:
            words += ["--minutes", "10", "--manipulators", "wash_related"]
        done = warm_outcry.run(words, tmp_path, BOUND_S)
        assert done.returncode == 0, (line, done.stderr)
        assert done.stdout.strip(), line
