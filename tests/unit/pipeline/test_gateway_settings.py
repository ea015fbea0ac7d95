"""The gateway's settings in the running pipeline: what they refuse, who sees the same verdicts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.gateway_fpga import Settings
from openoutcry.pipeline.resume import ResumeError
from openoutcry.pipeline.run import Options, run
from tests.support.pipeline.gateway_settings import RATE, journaled, verdicts


@pytest.mark.promise(
    "Gateway settings are checked before the run begins, and a resume with other settings"
    " is rejected",
    group="text",
)
def test_a_wrong_setting_ends_the_run_before_it_begins(outcry: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[rate]\ninterval_ns = 'soon'\n")
    done = outcry("run", "--gateway-settings", "bad.toml", "--journal", "day")
    assert done.returncode == 1
    assert done.stderr == "outcry: bad.toml: line 2: [rate] interval_ns is 'soon', not an integer\n"
    assert not (tmp_path / "day").exists()


def test_a_gateway_that_continues_has_the_buckets_of_its_predecessor(tmp_path: Path) -> None:
    """Its first order behind a resume is refused if the last ones before used the burst up: so long
    an interval has room for one order, and the resumed run begins sooner than it ends."""
    slow = Settings(rate_interval_ns=2**32 - 1, rate_burst_ns=2**32 - 1)
    options = Options(
        source=GeneratedFlow("static", 64, 5),
        orders=32,
        seed=5,
        topology="inline",
        gateway_settings=slow,
        journal=tmp_path / "j",
        durability="async",
        verify=False,
    )
    run(options)
    options.orders, options.resume = 64, True
    run(options)
    commands = journaled(tmp_path / "j")
    instruments = GeneratedFlow("normal", 1, 1).instruments
    fresh = verdicts(commands[32:], instruments, slow)
    assert np.array_equal(commands["error_code"], verdicts(commands, instruments, slow))
    assert not np.array_equal(commands["error_code"][32:], fresh)


@pytest.mark.promise(
    "Gateway settings are checked before the run begins, and a resume with other settings"
    " is rejected",
    group="text",
)
def test_a_resume_with_other_settings_is_refused(tmp_path: Path) -> None:
    """And says which setting is another."""
    source = GeneratedFlow("normal", 1_000, 5)
    options = Options(
        source=source,
        orders=500,
        seed=5,
        topology="inline",
        durability="async",
        journal=tmp_path / "j",
        gateway_settings=RATE,
    )
    run(options)
    options.orders, options.resume = 1_000, True
    options.gateway_settings = Settings(rate_interval_ns=20_000, rate_burst_ns=7)
    with pytest.raises(ResumeError, match=r"gateway_settings: \[rate\] burst_ns: 200000, not 7"):
        run(options)
    options.gateway_settings = RATE
    assert run(options)["commands"] == 1_000
