"""Emit the matcher as a plain shared library and a header, for C without Python.

``python -m openoutcry.matcher.c_library.object_code FOLDER [--native]`` writes
``liboutcry_matcher.so``, ``outcry_matcher.h`` and the ``outcry_wire.h`` it includes.  The kernels
named in ``c_api`` are compiled by numba to LLVM's language; each gets an entry under its C name,
everything else becomes private to the library, LLVM translates that for the processor, and the
system's C compiler links it.
"""

import argparse
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
from numba.core import types

from openoutcry.matcher.c_library.c_api import ENTRIES, Entry, header_text
from openoutcry.wire.errors import MatcherError
from openoutcry.wire.kernel import compile_kernel

BATCH_ARGUMENTS = 5
BATCH_TYPES = ["i64"] * BATCH_ARGUMENTS
LIBRARY = "liboutcry_matcher.so"
HEADER = "outcry_matcher.h"
WIRE_HEADER = Path(__file__).resolve().parents[2] / "wire" / "outcry_wire.h"


def build(folder: Path, native: bool = False, compiler: str = "cc") -> list[Path]:
    """Write the library and its headers to ``folder``; returns their paths.

    ``native`` allows every instruction of this very processor; otherwise the code runs on any of
    its architecture.  Raises :class:`MatcherError` when there is no C compiler or it fails.
    """
    if shutil.which(compiler) is None:
        raise MatcherError(f"no C compiler: {compiler!r} is no program here")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(suffix=".o") as object_file:
        object_file.write(object_code(native))
        object_file.flush()
        _link(compiler, Path(object_file.name), folder / LIBRARY)
    (folder / HEADER).write_text(header_text())
    shutil.copyfile(WIRE_HEADER, folder / WIRE_HEADER.name)
    return [folder / LIBRARY, folder / HEADER, folder / WIRE_HEADER.name]


@cache
def object_code(native: bool = False) -> bytes:
    """The entries as one relocatable object file (see :func:`build`)."""
    machine = _machine(native)
    module = llvm.parse_assembly("")
    module.triple = machine.triple
    # What is linked in after somebody declared it is kept; before, it would be left out.
    batches = {entry.batch for entry in ENTRIES if entry.batch is not None}
    codes = [_compiled(batch, BATCH_ARGUMENTS)[0] for batch in batches]
    for code in [*(_entry_code(entry) for entry in ENTRIES), *codes]:
        module.link_in(llvm.parse_assembly(code))
    public = {entry.name for entry in ENTRIES}
    for symbol in (*module.functions, *module.global_variables):
        if symbol.name not in public and not symbol.is_declaration:
            symbol.linkage = "internal"
    module.verify()
    # Inlines what has one caller left, and drops what has none.
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return machine.emit_object(module)


def _machine(native: bool) -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name() if native else "",
        features=llvm.get_host_cpu_features().flatten() if native else "",
        opt=3,
        reloc="pic",
        codemodel="default",
    )


def _compiled(function: Any, argument_count: int) -> tuple[str, str]:
    """LLVM's text of a kernel and everything it calls, and the name that it has there."""
    compile_kernel(function, argument_count)
    compiled = function.overloads[(types.int64,) * argument_count]
    return str(compiled.library._get_module_for_linking()), compiled.fndesc.llvm_func_name


def _entry_code(entry: Entry) -> str:
    """LLVM's text of one entry's kernel, and of what C calls: numba's own convention hands the
    result out by address and returns a status, always 0 here."""
    values = [f"i64 %a{index}" for index in range(entry.argument_count)]
    lines = [f"define i64 @{entry.name}({', '.join(values)}) {{"]
    if entry.batch is not None:
        _, batch = _compiled(entry.batch, BATCH_ARGUMENTS)
        lines.insert(0, f'declare i32 @"{batch}"({", ".join(["ptr", "ptr", *BATCH_TYPES])})')
        values.insert(0, f'i64 ptrtoint (ptr @"{batch}" to i64)')
    code, name = _compiled(entry.kernel, len(values))
    lines += [
        "  %result = alloca i64",
        "  %exception = alloca ptr",
        f'  call i32 @"{name}"({", ".join(["ptr %result", "ptr %exception", *values])})',
        "  %value = load i64, ptr %result",
        "  ret i64 %value",
        "}",
        "",
    ]
    return "\n".join([code, *lines])


def _link(compiler: str, object_file: Path, library: Path) -> None:
    command = [compiler, "-shared", "-o", str(library), str(object_file)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise MatcherError(f"{' '.join(command)} failed:\n{done.stderr}")


def main() -> None:
    parser = argparse.ArgumentParser(description="the matcher as a shared library for C")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--native", action="store_true", help="for this very processor only")
    parser.add_argument("--cc", default="cc", help="C compiler to link with")
    arguments = parser.parse_args()
    try:
        for path in build(arguments.folder, arguments.native, arguments.cc):
            print(path)
    except MatcherError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
