"""host/info.py: what machine it was, and None for what the machine does not tell."""

import json
import os
from pathlib import Path

from openoutcry.host.info import host_info, processor

KEYS = {
    "cpu_model",
    "cpu_family",
    "cpu_model_number",
    "cpu_stepping",
    "cpu_mhz",
    "l1d_cache_bytes",
    "l1i_cache_bytes",
    "l2_cache_bytes",
    "l3_cache_bytes",
    "architecture",
    "cores_online",
    "cores_physical",
    "cores_usable",
    "cores_isolated",
    "governor",
    "clock_source",
    "memory_bytes",
    "hypervisor",
    "virtualisation",
    "kernel",
    "os",
    "python",
    "numba",
    "root",
}

CPUINFO = """processor\t: 0
cpu family\t: 25
model\t\t: 17
model name\t: Imaginary 9000
stepping\t: 1
cpu MHz\t\t: 2445.432
flags\t\t: fpu sse2 hypervisor avx2

processor\t: 1
model name\t: Imaginary 9001
flags\t\t: fpu
"""


def test_this_host_answers_in_json():
    """Every key is there, the values are JSON, and the ones any Linux host knows are filled."""
    host = host_info()
    assert set(host) == KEYS
    assert json.loads(json.dumps(host)) == host
    assert host["kernel"] == os.uname().release
    assert host["root"] == (os.geteuid() == 0)
    assert host["memory_bytes"] > 2**20


def test_usable_cores_are_the_affinity():
    """A process kept to one core reports one, whatever the host has."""
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert host_info()["cores_usable"] == 1
    finally:
        os.sched_setaffinity(0, before)


def test_values_come_from_proc_and_sys(tmp_path):
    """A known tree gives known answers: the first core's model, governor, isolated cores."""
    files = {
        "proc/cpuinfo": CPUINFO,
        "sys/devices/system/cpu/isolated": "2-3\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
        "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
        "sys/class/dmi/id/sys_vendor": "Acme\n",
        "sys/class/dmi/id/product_name": "Cloud\n",
    }
    write_tree(tmp_path, files)
    host = host_info(tmp_path)
    assert host["cpu_model"] == "Imaginary 9000"
    assert host["cores_isolated"] == "2-3"
    assert host["governor"] == "performance"
    assert host["clock_source"] == "tsc"
    assert host["hypervisor"] is True
    assert host["virtualisation"] == "Acme Cloud"


def write_tree(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def caches(*rows: tuple[str, str, str]) -> dict[str, str]:
    """The kernel's folder of the first core's caches: level, type, size."""
    base = "sys/devices/system/cpu/cpu0/cache/index"
    names = ("level", "type", "size")
    return {
        f"{base}{number}/{name}": f"{value}\n"
        for number, row in enumerate(rows)
        for name, value in zip(names, row, strict=True)
    }


def test_a_processor_is_named_by_family_model_stepping_clock_and_caches(tmp_path):
    """Two of one name are told apart; the clock is the highest allowed where the kernel governs."""
    rows = (
        ("1", "Data", "48K"),
        ("1", "Instruction", "32K"),
        ("2", "Unified", "1024K"),
        ("3", "Unified", "32768K"),
    )
    write_tree(tmp_path, {"proc/cpuinfo": CPUINFO} | caches(*rows))
    name = "Imaginary 9000 (family 25, model 17, stepping 1)"
    sizes = "L1d 48 KiB, L1i 32 KiB, L2 1 MiB, L3 32 MiB"
    assert processor(host_info(tmp_path)) == f"{name}, 2.45 GHz, {sizes}"
    highest = "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq"
    write_tree(tmp_path, {highest: "3700000\n"})
    assert processor(host_info(tmp_path)) == f"{name}, 3.70 GHz, {sizes}"


def test_a_processor_that_was_not_recorded_is_said_to_be_so():
    """Documents from before these were recorded, and hosts that do not tell."""
    assert processor({"cpu_model": "AMD EPYC"}) == (
        "AMD EPYC (family and model, clock, caches not recorded)"
    )
    assert processor({"cpu_model": None, "cpu_mhz": 2000.0, "l2_cache_bytes": 524288}) == (
        "unknown processor, 2.00 GHz, L2 512 KiB (family and model not recorded)"
    )


def test_bare_metal_is_not_called_virtual(tmp_path):
    """Without the processor's hypervisor flag there is no virtualisation, whoever made the box."""
    path = tmp_path / "proc" / "cpuinfo"
    path.parent.mkdir()
    path.write_text(CPUINFO.replace(" hypervisor", ""))
    host = host_info(tmp_path)
    assert host["hypervisor"] is False
    assert host["virtualisation"] is None


def test_a_host_that_reports_nothing_gives_none(tmp_path):
    """Without /proc and /sys the sheet has gaps, not an exception."""
    host = host_info(tmp_path)
    assert set(host) == KEYS
    for key in ("governor", "clock_source", "hypervisor", "virtualisation", "cores_isolated"):
        assert host[key] is None


def test_asking_starts_no_process(monkeypatch):
    """The sheet is read from files, so that it costs milliseconds: fork is never called."""

    def no_fork(*arguments, **keywords):
        raise AssertionError("host_info started a process")

    monkeypatch.setattr(os, "fork", no_fork)
    monkeypatch.setattr("subprocess.Popen", no_fork)
    host = host_info()
    assert None not in (host["python"], host["architecture"], host["kernel"], host["numba"])
