"""``outcry doctor --fix``: what it would write, what it writes when asked, and what it leaves."""

import json

import pytest
from click.testing import CliRunner

from openoutcry.cli import doctor as command_line
from openoutcry.cli.main import main
from openoutcry.host.doctor import examine
from openoutcry.host.findings import Host
from openoutcry.host.settings import Setting, command, settings_of, write

CPU = "sys/devices/system/cpu"
HUGE = "sys/kernel/mm/transparent_hugepage/enabled"
CLOCK = "sys/devices/system/clocksource/clocksource0"
SLOW = {
    f"{CPU}/online": "0-1",
    f"{CPU}/cpu0/cpufreq/scaling_governor": "powersave",
    f"{CPU}/cpu1/cpufreq/scaling_governor": "performance",
    f"{CPU}/cpu0/cpuidle/state0/latency": "0",
    f"{CPU}/cpu0/cpuidle/state1/latency": "133",
    f"{CPU}/cpu0/cpuidle/state1/disable": "0",
    f"{CPU}/cpu1/cpuidle/state1/disable": "0",
    f"{CLOCK}/current_clocksource": "hpet",
    f"{CLOCK}/available_clocksource": "tsc hpet",
    "proc/irq/20/effective_affinity_list": "0",
    "proc/irq/20/smp_affinity_list": "0",
    "proc/irq/21/effective_affinity_list": "1",
    "proc/irq/21/smp_affinity_list": "0-1",
    "proc/sys/vm/nr_hugepages": "0",
    "proc/cmdline": "quiet",
}
WANTED = {
    f"{CPU}/cpu0/cpufreq/scaling_governor": "performance",
    f"{CPU}/cpu0/cpuidle/state1/disable": "1",
    f"{CPU}/cpu1/cpuidle/state1/disable": "1",
    f"{CLOCK}/current_clocksource": "tsc",
    "proc/irq/21/smp_affinity_list": "0",
    "proc/sys/vm/nr_hugepages": "256",
}


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A slow host in a folder, which the command takes for its own."""
    for name, text in SLOW.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    made = Host(tmp_path)
    monkeypatch.setattr(command_line, "Host", lambda: made)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return made


def now(host):
    return {name: host.text(name) for name in SLOW}


def run(*words):
    return CliRunner().invoke(main, ["doctor", *words])


def test_only_what_costs_and_differs_is_a_setting(host):
    found = settings_of(host, examine(host))
    assert {one.path: one.value for one in found} == WANTED
    assert all(one.was == SLOW[one.path] for one in found)


def test_it_prints_the_commands_and_changes_nothing(host):
    done = run("--fix")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    printed = [line.split("  # ")[0] for line in lines if line.startswith("echo")]
    assert sorted(printed) == sorted(command(*one) for one in WANTED.items())
    assert "add isolcpus=1 to GRUB_CMDLINE_LINUX" in done.output
    assert lines[-1].startswith(f"{len(WANTED)} settings would change. Nothing was changed.")
    assert now(host) == SLOW


def test_it_changes_them_when_asked_and_says_how_to_take_them_back(host):
    done = run("--fix", "--apply")
    assert done.exit_code == 0, done.output
    assert now(host) == SLOW | WANTED
    _, _, back = done.output.partition("To take it back:\n")
    lines = [line for line in back.splitlines() if line.startswith("echo")]
    assert sorted(lines) == sorted(command(name, SLOW[name]) for name in WANTED)
    again = run("--fix", "--apply", "--json")
    assert json.loads(again.output) == {"settings": [], "applied": True}


def test_what_the_kernel_refuses_or_keeps_is_named(host):
    """The kernel's own read-only file stands for an interrupt that cannot be moved."""
    refusing = host.base / "proc/irq/21/smp_affinity_list"
    refusing.unlink()
    refusing.symlink_to("/proc/sys/kernel/ostype")
    done = run("--fix", "--apply")
    assert done.exit_code == 1
    assert "interrupts: Linux, refused: Permission denied" in done.output
    assert "1 of 6 settings were refused" in done.output
    assert "smp_affinity_list" not in done.output.partition("To take it back:")[2]
    assert host.text(f"{CLOCK}/current_clocksource") == "tsc"

    class Stubborn(Host):
        """It takes a value and keeps another."""

        def text(self, path):
            return "128" if path == "proc/sys/vm/nr_hugepages" else super().text(path)

    stubborn = Stubborn(host.base)
    setting = Setting("reserved huge pages", "proc/sys/vm/nr_hugepages", "256", "128")
    assert write(stubborn, setting) == "the kernel keeps 128"


def test_it_needs_root_before_it_writes_anything(host, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    done = run("--fix", "--apply")
    assert done.exit_code == 1
    assert "needs root: sudo outcry doctor --fix --apply" in done.output
    assert now(host) == SLOW
    assert run("--fix").exit_code == 0


@pytest.mark.parametrize("words", [["--apply"], ["--fix", "--venue", "venue.toml"]])
def test_words_that_do_not_fit_are_refused(words):
    assert run(*words).exit_code == 2


def test_irqbalance_moves_interrupts_so_they_are_advice(host):
    comm = host.base / "proc/77/comm"
    comm.parent.mkdir()
    comm.write_text("irqbalance\n")
    names = {one.name for one in settings_of(host, examine(host))}
    assert "interrupts" not in names
    assert "systemctl stop irqbalance" in run("--fix").output


def test_a_choice_of_the_kernel_is_read_in_its_brackets(host):
    path = host.base / HUGE
    path.parent.mkdir(parents=True)
    path.write_text("[always] madvise never\n")
    (one,) = [row for row in settings_of(host, examine(host)) if row.path == HUGE]
    assert (one.was, one.value) == ("always", "madvise")
