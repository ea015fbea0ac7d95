"""host/energy.py: RAPL counters of a powercap folder as the kernel lays it out."""

import pytest

from openoutcry.host.energy import EnergyMeter, NoEnergyCounter


def zone(folder, number, name, energy_uj, range_uj=262_143_328_850):
    zone_folder = folder / f"intel-rapl:{number}"
    zone_folder.mkdir(parents=True, exist_ok=True)
    (zone_folder / "name").write_text(f"{name}\n")
    (zone_folder / "energy_uj").write_text(f"{energy_uj}\n")
    (zone_folder / "max_energy_range_uj").write_text(f"{range_uj}\n")


def test_packages_are_added_up_and_what_is_within_them_is_not(tmp_path):
    zone(tmp_path, "0", "package-0", 1_000_000)
    zone(tmp_path, "0:0", "core", 400_000)
    zone(tmp_path, "1", "package-1", 5_000_000)
    zone(tmp_path, "2", "psys", 9_000_000)
    meter = EnergyMeter(tmp_path)
    assert meter.joules() == 0
    zone(tmp_path, "0", "package-0", 3_500_000)
    zone(tmp_path, "0:0", "core", 2_000_000)
    zone(tmp_path, "1", "package-1", 5_250_000)
    zone(tmp_path, "2", "psys", 19_000_000)
    assert meter.joules() == 2.75
    assert meter.joules() == 0


def test_a_counter_that_begins_again_continues(tmp_path):
    zone(tmp_path, "0", "package-0", 9_000_000, 10_000_000)
    meter = EnergyMeter(tmp_path)
    zone(tmp_path, "0", "package-0", 500_000, 10_000_000)
    assert meter.joules() == 1.5


@pytest.mark.parametrize("there", ["nothing", "no package", "no counter", "no number"])
def test_what_is_missing_is_said(tmp_path, there):
    if there == "no package":
        zone(tmp_path, "0", "psys", 1)
    if there in {"no counter", "no number"}:
        zone(tmp_path, "0", "package-0", 1)
    if there == "no counter":
        (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    if there == "no number":
        (tmp_path / "intel-rapl:0" / "energy_uj").write_text("many")
    messages = {
        "no counter": "no access to RAPL: .*energy_uj: No such file",
        "no number": "'many' is no",
    }
    with pytest.raises(NoEnergyCounter, match=messages.get(there, "no RAPL here: .* no zone")):
        EnergyMeter(tmp_path)
