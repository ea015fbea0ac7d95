"""Random histories over a real node; ``python -m tests.support.custody.histories`` runs more."""

import pytest

from tests.support.custody.chains import need_node
from tests.support.custody.histories import run_many


@pytest.mark.promise(
    "Through reorganisations to depth 10, replacements, double spends and kills at any statement, "
    "chain and core agree to the unit, and each withdrawal is paid once",
    group="custody",
)
def test_twenty_random_histories(tmp_path):
    need_node()
    rows = list(run_many(tmp_path, range(20)))
    assert [row for row in rows if row["failure"]] == []
