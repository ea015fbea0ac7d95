"""Emit the matcher as a plain shared library and a header, for C without Python.

``python -m openoutcry.matcher.c_library.object_code FOLDER [--native]`` writes
``liboutcry_matcher.so``, ``outcry_matcher.h`` and the ``outcry_wire.h`` it includes, and
``outcry_matcher.o``, which the library is made of, for programs that link the matcher in.

numba compiles the kernels named in ``c_api`` to LLVM's language.  Each gets an entry under its C
name, and everything else becomes private to the library.  LLVM translates that for the processor,
and the system's C compiler links it.
"""

import argparse
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
from numba.core import types

from openoutcry import PACKAGE
from openoutcry.matcher.c_library.c_api import BATCH_ARGUMENTS, ENTRIES, Entry, header_text
from openoutcry.matcher.commands.dispatch import process_batch
from openoutcry.wire.errors import MatcherError
from openoutcry.wire.kernel import compile_kernel

LIBRARY = "liboutcry_matcher.so"
OBJECT = "outcry_matcher.o"
HEADER = "outcry_matcher.h"
WIRE_HEADER = PACKAGE / "wire" / "outcry_wire.h"


def build(folder: Path, native: bool = False, compiler: str = "cc") -> list[Path]:
    """Write the library and its headers to ``folder``; returns their paths.

    ``native`` allows every instruction of this very processor; otherwise the code runs on any of
    its architecture.  Raises :class:`MatcherError` when there is no C compiler or it fails.
    """
    if shutil.which(compiler) is None:
        raise MatcherError(f"no C compiler: {compiler!r} is not a program here")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / OBJECT).write_bytes(object_code(native))
    _link(compiler, folder / OBJECT, folder / LIBRARY)
    (folder / HEADER).write_text(header_text())
    shutil.copyfile(WIRE_HEADER, folder / WIRE_HEADER.name)
    return [folder / name for name in (LIBRARY, OBJECT, HEADER, WIRE_HEADER.name)]


@cache
def object_code(native: bool = False) -> bytes:
    """The entries as one relocatable object file (see :func:`build`)."""
    machine = _machine(native)
    module = llvm.parse_assembly("")
    module.triple = machine.triple
    batch = _compiled(process_batch, BATCH_ARGUMENTS)[0]
    # Code is kept if it is linked in after it was declared; before, it would be left out.
    for code in [*(_entry_code(entry, batch) for entry in ENTRIES), batch]:
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


def _entry_code(entry: Entry, batch: str) -> str:
    """LLVM's text of one entry's kernel, and of the function that C calls.  By numba's convention
    the kernel writes its result to an address and returns a status, always 0 here.  The batch
    kernel's is ``batch``."""
    values = [f"i64 %a{index}" for index in range(entry.argument_count)]
    lines = [f"define i64 @{entry.name}({', '.join(values)}) {{"]
    for index, (kernel, argument_count) in enumerate(entry.addresses):
        name = _symbol(kernel, batch)
        types = ", ".join(["ptr", "ptr", *["i64"] * argument_count])
        lines.insert(0, f'declare i32 @"{name}"({types})')
        values.insert(index, f'i64 ptrtoint (ptr @"{name}" to i64)')
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


def _symbol(kernel: str, code: str) -> str:
    """The name that the kernel has in LLVM's text; there it is defined once."""
    named = rf'^define [^@]*@"?(_ZN10openoutcry\w*{len(kernel)}{kernel}B\w+)"?\('
    names = re.findall(named, code, re.M)
    if len(names) != 1:
        raise MatcherError(f"{kernel}: defined {len(names)} times in the matcher's code, not once")
    return str(names[0])


def _link(compiler: str, object_file: Path, library: Path) -> None:
    command = [compiler, "-shared", "-o", str(library), str(object_file)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise MatcherError(f"{' '.join(command)} failed:\n{done.stderr}")


def main() -> None:
    """Build the library and header of C into a folder, and print their paths."""
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
