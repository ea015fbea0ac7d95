"""The one ``@kernel`` decorator: numba's policy and its cache key.

``cache=True`` alone ignores changes in other files and freezes globals, so after an edit of a
constant in a callee's module the old answer would still be returned.  The key of a module's
compiled kernels is therefore a hash.  It covers every source file that the module can reach through
its imports, this one, the versions of numba and llvmlite, VERIFY and STRIPPED.  An edited file
costs only the kernels that depend on it.  A wheel may contain compiled kernels
(``wire/shipped.py``) under the same keys.
"""

import atexit
import ctypes
import fcntl
import gc
import hashlib
import os
import pickle
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import llvmlite
import numba
from llvmlite.binding import Linkage, parse_bitcode
from numba.core import ir as numba_ir
from numba.core import serialize
from numba.core.bytecode import FunctionIdentity
from numba.core.caching import CacheImpl, FunctionCache, NullCache, UserProvidedCacheLocator
from numba.core.ccallback import CFunc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, CompileResult, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.runtime.nrt import rtsys
from numba.core.sigutils import normalize_signature
from numba.core.untyped_passes import ExtractByteCode, TranslateByteCode

from openoutcry import PACKAGE
from openoutcry.wire import shipped
from openoutcry.wire.private_folder import private_folder
from openoutcry.wire.typing_speed import type_faster

VERIFY = os.environ.get("OUTCRY_VERIFY", "0") == "1"
"""True compiles the kernels' assertions in; False leaves no trace of them in the machine code."""

STRIPPED = os.environ.get("OUTCRY_STRIPPED", "0") == "1"
"""True compiles the matcher's rarer order types out, to measure what they cost the others."""

_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+openoutcry([\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)"
    r"|import[ \t]+openoutcry([\w.]*))",
    re.MULTILINE,
)

BEGAN_S = time.time()
"""Before any kernel was imported."""

PATIENCE_S = 300
"""This long a process waits for another that compiles the same kernel, which may have been stopped;
then it compiles the kernel by itself."""

F = TypeVar("F", bound=Callable[..., Any])


@cache
def _sources() -> dict[str, str]:
    """Map every module of the rooms, by its name after ``openoutcry``, to its file."""
    rooms = [path.parent for path in PACKAGE.glob("*/__init__.py")]
    files = [
        os.path.join(folder, name)
        for room in rooms
        for folder, _, names in os.walk(room)
        for name in names
        if name.endswith(".py")
    ]
    return {os.path.relpath(path, PACKAGE)[:-3].replace(os.sep, "."): path for path in files}


class EditedSince(Exception):
    """A source file is younger than this process, which may have imported what it was before."""


@cache
def _file_hash(path: str) -> bytes:
    """Return the hash of a source file as this process imported it. Raises :class:`EditedSince` if
    it was edited since."""
    if BEGAN_S < os.stat(path).st_mtime <= time.time():
        raise EditedSince(path)
    with open(path, "rb") as file:
        return hashlib.blake2b(file.read(), digest_size=8).digest()


def _hash_of(paths: Iterable[str], digest: "hashlib.blake2b") -> str:
    for path in sorted(paths):
        digest.update(os.path.relpath(path, PACKAGE).encode())
        digest.update(_file_hash(path))
    return digest.hexdigest()


def _policy_hash() -> "hashlib.blake2b":
    """Start the hash of everything that machine code depends on other than sources."""
    versions = f"{numba.__version__} {llvmlite.__version__}"
    policy = f"{versions} {VERIFY} {STRIPPED} {Path(__file__).read_text(encoding='utf-8')}"
    return hashlib.blake2b(policy.encode(), digest_size=8)


@cache
def _source_hash() -> str:
    """Return the hash of the whole package, on which kernels outside it may depend."""
    return _hash_of(_sources().values(), _policy_hash())


@cache
def _imported_files(path: str) -> frozenset[str]:
    """The package's files that this one imports from, wherever in it the import is."""
    modules = set()
    with open(path, encoding="utf-8") as file:
        statements = _IMPORT.findall(file.read())
    for source, names, module in statements:
        base = (source or module).strip(".")
        imported = re.findall(r"\w+", re.sub(r"#.*", "", names))
        modules |= {base, *(f"{base}.{name}" if base else name for name in imported)}
    sources = _sources()
    modules |= {f"{module}.__init__" for module in modules}
    return frozenset(sources[module] for module in modules & sources.keys())


@cache
def _reach_hash(path: str) -> str:
    """Return the hash of a module's source and of all modules that it reaches through imports."""
    reached, waiting = {path}, [path]
    while waiting:
        more = _imported_files(waiting.pop()) - reached
        reached |= more
        waiting += more
    return _hash_of(reached, hashlib.blake2b(digest_size=8))


def _cache_root() -> Path:
    """First of OUTCRY_CACHE_DIR, XDG_CACHE_HOME, ~/.cache and the temporary folder that is ours
    alone: the index of a cache is a pickle, and what it holds is run.  If none is, a new folder
    that goes when the process ends."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    chosen = os.environ.get("OUTCRY_CACHE_DIR")
    shared = os.path.join(tempfile.gettempdir(), f"openoutcry-{os.getuid()}")
    refusals = []
    for candidate in [*([chosen] if chosen else []), os.path.join(home, "openoutcry"), shared]:
        try:
            return private_folder(candidate)
        except OSError as error:
            refusals.append(f"{candidate}: {error.filename or candidate}: {error.strerror}")
            if candidate == chosen:
                print(f"outcry: OUTCRY_CACHE_DIR is not used: {refusals[0]}", file=sys.stderr)
    print(f"outcry: compiled kernels are not kept: {'; '.join(refusals)}", file=sys.stderr)
    folder = tempfile.mkdtemp(prefix="openoutcry-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


CACHE_ROOT = _cache_root()
"""This user's private folder for builds.  Other built and loaded files lie next to the kernels."""
KERNELS_NAME = f"kernels-by-module-{_policy_hash().hexdigest()}"
KERNELS_DIR = private_folder(CACHE_ROOT / KERNELS_NAME)
"""Where the package's own are kept: a folder a module, by its place and what it can reach."""


class _SourcesCacheLocator(UserProvidedCacheLocator):
    """Where the code of a kernel is cached: one of ours by its place in the package, not by where
    the package is.

    The folder's name says which sources it was made of, so that a second copy of the same tree, or
    the same wheel in another environment, need not compile again.  Kernels from elsewhere (tests,
    a user's own) stay where numba would put them, below a name that covers the whole package.
    """

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        if not os.path.exists(py_file):
            return None
        locator = cls(py_func, py_file)
        # numba's own also writes a file, to see whether it can.
        os.makedirs(locator.get_cache_path(), exist_ok=True)
        return locator

    @classmethod
    def get_suitable_cache_subpath(cls, py_file: str) -> str:
        inside = _inside(py_file)
        if inside:
            return str(KERNELS_DIR / f"{inside[:-3]}-{_reach_hash(str(PACKAGE / inside))}")
        outside = super().get_suitable_cache_subpath(py_file)
        return str(CACHE_ROOT / f"kernels-{_source_hash()}" / outside)

    def ensure_cache_path(self) -> None:
        return


@cache
def _inside(py_file: str) -> str:
    """Return where in the package a module is, "" for any other."""
    path = Path(py_file).absolute()
    return str(path.relative_to(PACKAGE)) if path.is_relative_to(PACKAGE) else ""


def _leave_as_it_is() -> None:
    """Skip the final garbage collection of numba's objects: it takes 0.2 to 0.3 s of 1.1.  DuckDB
    (2.0 and later) would then report each of its remaining objects, a line each."""
    if "_duckdb" not in sys.modules:
        gc.freeze()


atexit.register(_leave_as_it_is)
type_faster()
CacheImpl._locator_classes.insert(0, _SourcesCacheLocator)


class _KernelCache(FunctionCache):
    """numba's cache, without the modules that numba loads first to compile.  Kernels shipped with
    the package take precedence over those compiled here, so an earlier run does not change which
    are used."""

    def __init__(self, py_func: Any) -> None:
        super().__init__(py_func)
        folder = Path(self.cache_path)
        self._shipped = None
        if folder.is_relative_to(KERNELS_DIR):
            there = PACKAGE / shipped.FOLDER / KERNELS_NAME / folder.relative_to(KERNELS_DIR)
            self._shipped = shipped.index_of(there, self._cache_file)

    @property
    def is_kept(self) -> bool:
        """Something of this kernel need not be compiled."""
        return self._shipped is not None or os.path.exists(self._cache_file._index_path)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            overload = None
            if self._shipped is not None:
                key = shipped.key(self._index_key(sig, target_context.codegen()))
                data = self._shipped.load(key)
                overload = data and self._impl.rebuild(target_context, data)
            return overload or self._load_overload(sig, target_context)

    def save_overload(self, sig: Any, data: Any) -> None:
        # numba's account of the types, with the source and its path, is not needed.
        super().save_overload(sig, data._replace(type_annotation=""))


@contextmanager
def _compile_lock(index: Path) -> Iterator[None]:
    """Let one process compile a kernel of this cache index; the others wait until it is done or the
    index exists."""
    lock = index.with_suffix(".lock")
    with lock.open("w") as file:
        until_s = time.monotonic() + PATIENCE_S
        while not index.exists() and time.monotonic() < until_s:
            # A lock of fcntl's ends with its process and is not inherited by what that forks.
            with suppress(BlockingIOError):
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(0.02)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _compile_once(entry: Any) -> None:
    """Keep what is compiled, but look for it only when it is asked for: few of the kernels that a
    process imports are called from Python.  Have one process compile where several need a kernel
    at once, and the others load it."""
    compile_here = entry.compile

    def compile_or_wait(signature: Any) -> Any:
        kept = _cache_of(entry)
        if kept is None or kept.is_kept:
            return compile_here(signature)
        with _compile_lock(Path(kept._cache_file._index_path)):
            return compile_here(signature)

    entry.compile = compile_or_wait


def _cache_of(entry: Any) -> _KernelCache | None:
    """Return the cache; None where nothing may be stored: a source was edited since."""
    if not isinstance(entry._cache, _KernelCache):
        try:
            entry._cache = _KernelCache(entry.py_func)
        except EditedSince:
            return None
    return entry._cache


def is_kept(function: Callable[..., Any]) -> bool:
    """Return whether a kernel has been compiled before, here or for the package that has it with
    it."""
    kept = _cache_of(function)
    return kept is not None and kept.is_kept


class _NoEnvironment:
    """numba's code generator for code that is nowhere yet, so that no environment can be set."""

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, name: str, environment: Any) -> None:
        return


class _Library(JITCodeLibrary):
    """Code that Python or C calls, with that of all kernels that it reaches: each linked once.

    numba links what a function calls into its library, and that library into each caller's, so that
    a callee of twelve nested calls is copied twelve times.
    """

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout
        for function in ll_module.functions:
            if not function.is_declaration:
                passes, builder = self._codegen._function_pass_manager()
                passes.run(function, builder)

    def finalize(self) -> None:
        callees, self._linking_libraries = _reached(self._linking_libraries)
        _link(self._final_module, callees)
        for library in callees:
            self._reload_init.update(library._reload_init)
        super().finalize()


class _CalleeLibrary(_Library):
    """Code that only other kernels call: it is neither optimised nor made machine code by itself.

    numba optimises everything that a function calls and generates machine code, again for every
    function.  With twelve nested calls that takes minutes.  Here a function is compiled only when a
    kernel that Python calls links it in.
    """

    kept, described = "", b""
    """Name of the file that has it, and what it says of the function (:class:`_CalleeCache`)."""

    @property
    def codegen(self) -> Any:
        return _NoEnvironment(self._codegen)

    def add_llvm_module(self, ll_module: Any) -> None:
        for function in ll_module.functions:
            # Else what is called in many places would be copied to all of them.
            inlined = any(b"alwaysinline" in attribute for attribute in function.attributes)
            if not function.is_declaration and not inlined:
                function.add_function_attribute("noinline")
        super().add_llvm_module(ll_module)

    def finalize(self) -> None:
        self._raise_if_finalized()
        self._finalize_dynamic_globals()
        self._finalized = True

    def _get_module_for_linking(self) -> Any:
        """Return a module for a function that is no kernel: with all that this one calls."""
        if self._shared_module is None:
            self._ensure_finalized()
            module = self._codegen.create_library(self.name)._final_module
            callees, others = _reached([self])
            _link(module, callees)
            for library in others:
                module.link_in(library._get_module_for_linking(), preserve=True)
            self._shared_module = module
        return self._shared_module

    def get_pointer_to_function(self, name: str) -> int:
        self._ensure_finalized()
        return _REFUSAL_ADDRESS


def _link(module: Any, callees: list[_CalleeLibrary]) -> None:
    """Link kernels into a module that may be linked again, and need not have those that nothing in
    it calls."""
    own = {function.name for function in module.functions if not function.is_declaration}
    for library in callees:
        module.link_in(library._final_module, preserve=True)
    for function in module.functions:
        is_shared = not function.is_declaration and function.linkage == Linkage.external
        if is_shared and function.name not in own:
            function.linkage = "linkonce_odr"


def _reached(libraries: Iterable[Any]) -> tuple[list[_CalleeLibrary], list[Any]]:
    """Return the libraries of kernels that these reach, each once, and all others."""
    callees: dict[_CalleeLibrary, None] = {}
    others: dict[Any, None] = {}
    waiting = list(libraries)[::-1]
    while waiting:
        library = waiting.pop()
        if not isinstance(library, _CalleeLibrary):
            others[library] = None
        elif library not in callees:
            callees[library] = None
            waiting += library._linking_libraries[::-1]
    return list(callees), list(others)


@register_pass(mutates_CFG=False, analysis_only=False)
class _TypedParameters(FunctionPass):  # type: ignore[misc]
    """Parameters whose annotation is a :class:`wire.layout.Layout` are that inside the kernel:
    ``row = Row(row)`` at its beginning.  Outside they are words, so that every caller calls the
    same code."""

    _name = "typed_parameters"

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        function = state.func_id.func
        blocks = state.func_ir.blocks
        first = blocks[min(blocks)]
        body = []
        for statement in first.body:
            value: Any = getattr(statement, "value", None)
            is_parameter = isinstance(value, numba_ir.Arg)
            annotation: Any = function.__annotations__.get(value.name) if is_parameter else None
            if not hasattr(annotation, "numba_type"):
                body.append(statement)
                continue
            target, loc = statement.target, statement.loc
            word = target.scope.redefine(f"{value.name}.word", loc)
            layout = target.scope.redefine(f"{value.name}.layout", loc)
            named = numba_ir.Global(annotation.__name__, annotation, loc)
            body += [
                numba_ir.Assign(value, word, loc),
                numba_ir.Assign(named, layout, loc),
                numba_ir.Assign(numba_ir.Expr.call(layout, [word], (), loc), target, loc),
            ]
            for variable, meaning in ((word, value), (layout, named), (target, body[-1].value)):
                state.func_ir._definitions[variable.name] = [meaning]
        first.body = body
        return True


class _KernelCompiler(Compiler):
    """numba's compiler with :class:`_TypedParameters`, into a :class:`_Library`."""

    library: type[JITCodeLibrary] = _Library

    def __init__(self, typingctx: Any, targetctx: Any, library: Any, *rest: Any) -> None:
        library = self.library(targetctx.codegen(), "kernel")
        library.enable_object_caching()
        super().__init__(typingctx, targetctx, library, *rest)

    def define_pipelines(self) -> Any:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(_TypedParameters, TranslateByteCode)
        passes.finalize()
        return [passes]


class _CalleeCompiler(_KernelCompiler):
    """The same, into a :class:`_CalleeLibrary`, by a name that is the same in every process."""

    library = _CalleeLibrary

    def compile_extra(self, func: Any) -> Any:
        self.state.func_id = FunctionIdentity.from_function(func)
        if _has_own_name(func):
            self.state.func_id.unique_id = 0  # numba counts from 1
        ExtractByteCode().run_pass(self.state)
        self.state.lifted = ()
        self.state.lifted_from = None
        return self._compile_bytecode()


def _has_own_name(function: Any) -> bool:
    """Return whether it is what its module has under its name."""
    found = getattr(sys.modules.get(function.__module__), function.__qualname__, None)
    return getattr(found, "py_func", found) is function


class _CalleeCache(NullCache):
    """Where code that only other kernels call is kept: typed and lowered, a file for each
    signature.  What calls it in another process links it, so that a function is compiled once and
    not once for each kernel that reaches it."""

    libraries: ClassVar[dict[str, _CalleeLibrary]] = {}
    """Those of this process, by their files."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def _name(self, signature: Any, codegen: Any) -> str:
        """Return the file's name below the folder of kernels; "": it is not kept."""
        inside = _inside(self._function.__code__.co_filename)
        if not inside or not _has_own_name(self._function):
            return ""
        try:
            reach = _reach_hash(str(PACKAGE / inside))
        except EditedSince:
            return ""
        key = repr((signature, codegen.magic_tuple(), sys.implementation.cache_tag))
        digest = hashlib.blake2b(key.encode(), digest_size=8).hexdigest()
        return f"{inside[:-3]}-{reach}/{self._function.__qualname__}-{digest}.callee"

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        codegen = target_context.codegen()
        name = self._name(sig, codegen)
        if not name or not (name in self.libraries or os.path.exists(KERNELS_DIR / name)):
            return None
        rtsys.initialize(target_context)
        try:
            library = _kept_library(name, codegen)
        except (OSError, EOFError):
            return None  # it, or what it calls, is not whole
        fndesc, environment, signature = pickle.loads(library.described)
        result: Any = CompileResult  # a namedtuple, whose fields numba's stubs do not know
        return result(
            typing_context=target_context.typing_context,
            target_context=target_context,
            entry_point=target_context.get_executable(library, fndesc, environment),
            typing_error=None,
            type_annotation="",
            signature=signature,
            objectmode=False,
            lifted=(),
            fndesc=fndesc,
            library=library,
            call_helper=None,
            environment=environment,
            metadata=None,
            reload_init=[],
            referenced_envs=(),
        )

    def save_overload(self, sig: Any, data: Any) -> None:
        library, codegen = data.library, data.target_context.codegen()
        name = self._name(sig, codegen)
        linked = dict.fromkeys(library._linking_libraries)
        callees = [one for one in linked if isinstance(one, _CalleeLibrary)]
        is_complete = not library.has_dynamic_globals and all(one.kept for one in callees)
        if not name or not is_complete or data.reload_init:
            return
        others = [
            (one.name, one._get_module_for_linking().as_bitcode())
            for one in linked
            if not isinstance(one, _CalleeLibrary)
        ]
        code = library.name, library._final_module.as_bitcode(), [one.kept for one in callees]
        data.fndesc.typemap = data.fndesc.calltypes = None
        library.described = serialize.dumps((data.fndesc, data.environment, data.signature))
        path = KERNELS_DIR / name
        try:
            os.makedirs(path.parent, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                written = pickle.dumps((*code, others, library.described))
                file.write(hashlib.blake2b(written).digest() + written)
            os.replace(file.name, path)
        except OSError:
            return  # it is compiled again where it is needed
        library.kept, self.libraries[name] = name, library


class _Linked:
    """Code of a function that is no kernel, as another process has linked it."""

    def __init__(self, name: str, bitcode: bytes) -> None:
        self.name, self._bitcode = name, bitcode
        self._reload_init: set[Any] = set()

    def _get_module_for_linking(self) -> Any:
        return parse_bitcode(self._bitcode)


def _kept_library(name: str, codegen: Any) -> _CalleeLibrary:
    """Return the code that a file of the cache has, with what it calls.  Raises ``OSError``, and
    ``EOFError`` for a file that is not whole."""
    known = _CalleeCache.libraries.get(name)
    if known is not None:
        return known
    with open(KERNELS_DIR / name, "rb") as file:
        digest, written = file.read(hashlib.blake2b().digest_size), file.read()
    if hashlib.blake2b(written).digest() != digest:
        raise EOFError(f"{name} is damaged")
    own_name, bitcode, callees, others, described = pickle.loads(written)
    library = _CalleeLibrary(codegen, own_name)
    library._final_module = parse_bitcode(bitcode)
    library._final_module.name = own_name
    library._linking_libraries = [
        *(_kept_library(one, codegen) for one in callees),
        *(_Linked(*one) for one in others),
    ]
    library.finalize()
    library.kept, library.described = name, described
    _CalleeCache.libraries[name] = library
    return library


def _refuse(closure: Any, args: Any, keywords: Any) -> Any:
    raise TypeError("an outlined kernel can be called only from kernels")


_REFUSAL = ctypes.PYFUNCTYPE(ctypes.py_object, *[ctypes.c_void_p] * 3)(_refuse)
_REFUSAL_ADDRESS = ctypes.cast(_REFUSAL, ctypes.c_void_p).value or 0


def kernel(function: F) -> F:
    """Compile ``function``: no GIL, cached on disk, numpy's error model, no fast-math, inlined into
    the kernels that call it.

    Kernels are pure: no I/O, no allocation, no exceptions, and no clock unless the caller passes
    one.  They take integers, addresses among them.  Measured: LLVM left 18 of the matcher's helpers
    out of line when it decided, at 28.2-29.3 ns a command; forced inline, 23.6-24.2.
    """
    # Two lazy compilations: one that Python calls and the disk cache keeps, and one for callers,
    # which becomes machine code only as a part of them.
    njit: Any = numba.njit
    entry = njit(nogil=True, error_model="numpy", pipeline_class=_KernelCompiler)(function)
    _compile_once(entry)
    callee = cache(lambda: _callee(function, forceinline=True))
    entry.get_call_template = lambda *types: callee().get_call_template(*types)
    entry.get_overload = lambda signature: callee().get_overload(signature)
    return entry  # type: ignore[no-any-return]


def _callee(function: Callable[..., Any], forceinline: bool) -> Any:
    """``function`` for other kernels only, cached nowhere but in them.  (``forceinline`` left
    unsaid would be the caller's.)"""
    # numba's stubs do not know of the wrappers that Python and C would call.
    njit: Any = numba.njit
    callee = njit(
        nogil=True,
        error_model="numpy",
        forceinline=forceinline,
        no_cpython_wrapper=True,
        no_cfunc_wrapper=True,
        pipeline_class=_CalleeCompiler,
    )(function)
    callee._cache = _CalleeCache(function)
    of_words = callee.get_call_template

    def get_call_template(arguments: Any, named: Any) -> Any:
        return of_words(
            tuple(map(_word, arguments)), {name: _word(one) for name, one in named.items()}
        )

    callee.get_call_template = get_call_template
    return callee


def _word(argument: Any) -> Any:
    """The address of a layout is given as a word, and a literal as its type: else numba compiles
    a function again for each constant that it is called with."""
    if hasattr(argument, "address_of"):
        return numba.types.int64
    return numba.types.unliteral(argument)


def kernel_outlined(function: F) -> F:
    """Compile as :func:`kernel`, but never inlined and for other kernels only: for what is rare.

    A path that few messages take costs the others code size and registers when it is inlined, and
    compile time by the number of its callers.
    """
    return _callee(function, forceinline=False)  # type: ignore[no-any-return]


def c_callback(signature: Any) -> Callable[[F], Any]:
    """Compile a function for C to call, by the kernels' policy: it takes no GIL and raises nothing.

    Compiled (or read from the cache) when decorated.  The result's ``address`` is what C is given;
    the caller keeps the result alive as long as C may call it.
    """

    def compile_or_load(function: Any) -> Any:
        # Not numba.cfunc, whose cache loads numba's compiler first.
        callback: Any = CFunc(
            function,
            normalize_signature(signature),
            {},
            {"error_model": "numpy"},
            pipeline_class=_KernelCompiler,
        )
        with suppress(EditedSince):
            callback._cache = _KernelCache(function)
        callback.compile()
        return callback

    return compile_or_load


def compile_kernel(function: Callable[..., Any], argument_count: int) -> None:
    """Compile a kernel of ``argument_count`` int64 arguments now rather than at its first call."""
    function.compile((numba.types.int64,) * argument_count)  # type: ignore[attr-defined]
