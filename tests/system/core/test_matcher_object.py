"""The C library: no Python in it, and the same answers as the engine's."""

import ctypes
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.matcher import Engine, MatcherError
from openoutcry.matcher.book.empty_arena import arena_bytes, zeroed
from openoutcry.matcher.c_library.c_api import (
    BAD_CAPACITY,
    BAD_MEMORY,
    ENTRIES,
    FIELDS,
    header_text,
)
from openoutcry.matcher.c_library.object_code import HEADER, LIBRARY, build
from openoutcry.matcher.commands.dispatch import scratch_records
from openoutcry.matcher.state.digest import fold
from openoutcry.wire import EVENT_DTYPE, INSTRUMENT_DTYPE, ORDER_DTYPE, make_instruments
from tests import ROOT
from tests.support.matcher.matcher_mixed import mixed

MATCHER = ROOT / "matcher"


pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (gcc) here")

DRIVER = """
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "outcry_matcher.h"

/* driver INSTRUMENTS ORDERS EVENTS order_capacity [shard_of_instrument ... own_shard] */
static void *read_all(const char *name, long *size)
{
    FILE *file = fopen(name, "rb");
    fseek(file, 0, SEEK_END);
    *size = ftell(file);
    rewind(file);
    void *data = malloc(*size);
    if (fread(data, 1, *size, file) != (size_t)*size) exit(2);
    fclose(file);
    return data;
}

int main(int argc, char **argv)
{
    long table_size, orders_size;
    struct outcry_instrument *table = read_all(argv[1], &table_size);
    struct outcry_order *orders = read_all(argv[2], &orders_size);
    int64_t instruments = table_size / sizeof *table, count = orders_size / sizeof *orders;
    int64_t room = atoll(argv[4]), size = outcry_matcher_size(instruments, room, room);
    int64_t capacity = outcry_matcher_event_capacity(room) + room, done, out[6];
    uint64_t digest[2];
    void *arena = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct outcry_event *events = malloc(capacity * sizeof *events);
    if (outcry_matcher_init(arena, size, table, instruments, room, room)) return 3;
    if (argc > 5) {
        int64_t shards[4096];
        for (int i = 0; i < instruments; i++) shards[i] = atoll(argv[5 + i]);
        outcry_matcher_shard(arena, shards, atoll(argv[5 + instruments]));
    }
    FILE *file = fopen(argv[3], "wb");
    int one_by_one = getenv("ONE_BY_ONE") != NULL;
    for (int64_t at = 0; at < count; at += done) {
        int64_t n = one_by_one
            ? outcry_matcher_process_one(arena, orders + at, events)
            : outcry_matcher_process(arena, orders + at, count - at, events, capacity, &done);
        if (one_by_one) done = 1;
        fwrite(events, sizeof *events, n, file);
        if (done == 0) return 4;
    }
    fclose(file);
    outcry_matcher_digest(arena, digest);
    printf("{\\"digest\\": [%lu, %lu], \\"open\\": %ld, \\"events\\": %ld, \\"last\\": %ld",
           digest[0], digest[1], outcry_matcher_open_orders(arena),
           outcry_matcher_event_count(arena), outcry_matcher_last_seq(arena));
    printf(", \\"books\\": [");
    for (int i = 0; i < instruments; i++) {
        int64_t levels[5][3];
        outcry_matcher_best(arena, i, out);
        printf("%s[[%ld, %ld, %ld, %ld, %ld, %ld]", i ? ", " : "", out[0], out[1], out[2], out[3],
               out[4], out[5]);
        for (int side = OUTCRY_SIDE_BUY; side <= OUTCRY_SIDE_SELL; side++) {
            int64_t n = outcry_matcher_depth(arena, i, side, 5, levels);
            printf(", [");
            for (int64_t k = 0; k < n; k++)
                if (outcry_matcher_quantity_at(arena, i, side, levels[k][0]) != levels[k][1])
                    return 5;
            for (int64_t k = 0; k < n; k++)
                printf("%s[%ld, %ld, %ld]", k ? ", " : "", levels[k][0], levels[k][1],
                       levels[k][2]);
            printf("]");
        }
        printf("]");
    }
    printf("]}\\n");
    return 0;
}
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with the library, its headers and the driver above."""
    folder = tmp_path_factory.mktemp("object")
    build(folder)
    (folder / "driver.c").write_text(DRIVER)
    compile_c(folder, folder / "driver.c")
    return folder


def compile_c(folder: Path, source: Path) -> Path:
    program = folder / source.stem
    flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{folder}"]
    link = [f"-L{folder}", "-loutcry_matcher", f"-Wl,-rpath,{folder}"]
    command = ["cc", *flags, str(source), *link, "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program


def drive(folder, tmp_path, run, *shard):
    """Run the driver over a run's commands; returns its events and what it says of the book."""
    (tmp_path / "instruments").write_bytes(run.instruments.tobytes())
    (tmp_path / "orders").write_bytes(run.orders.tobytes())
    names = [str(tmp_path / name) for name in ("instruments", "orders", "events")]
    command = [str(folder / "driver"), *names, str(run.order_capacity), *map(str, shard)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done
    events = np.frombuffer((tmp_path / "events").read_bytes(), dtype=EVENT_DTYPE)
    return events, json.loads(done.stdout)


def test_the_library_needs_no_python(built):
    """It exports the header's functions and nothing else, and asks for nothing that is not in every
    C program."""
    listing = subprocess.run(
        ["nm", "-D", str(built / LIBRARY)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    exported = {line.split()[-1] for line in listing if " T " in line}
    assert exported == {entry.name for entry in ENTRIES}
    assert exported == set(re.findall(r"^int64_t (\w+)\(", (built / HEADER).read_text(), re.M))
    needed = {line.split()[-1].split("@")[0] for line in listing if " U " in line or " w " in line}
    known = {"__cxa_finalize", "__gmon_start__", "memset", "memcpy", "memmove"}
    assert not {name for name in needed if not name.startswith("_ITM_")} - known
    assert not [name for name in needed if "Py" in name or "NRT" in name or "numba" in name]


def test_the_header_compiles_by_itself(built, tmp_path):
    """It compiles as it is, twice, without a warning, and knows an instrument's defaults."""
    source = tmp_path / "header.c"
    source.write_text(
        '#include "outcry_matcher.h"\n#include "outcry_matcher.h"\n#include <stdio.h>\n'
        "int main(void) {\n"
        '    struct outcry_instrument x = {.symbol = "X", OUTCRY_INSTRUMENT_DEFAULTS};\n'
        "    return fwrite(&x, sizeof x, 1, stdout) != 1;\n}\n"
    )
    program = compile_c(built, source)
    written = subprocess.run([str(program)], capture_output=True, check=True).stdout
    assert written == make_instruments(["X"]).tobytes()
    assert (built / HEADER).read_text() == header_text()


def test_the_example_prints_the_engines_events(built, tmp_path):
    """The example of twenty lines compiles, runs, and prints what the engine answers."""
    shutil.copy(MATCHER / "c_library" / "example.c", tmp_path)
    program = compile_c(built, tmp_path / "example.c")
    printed = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    orders = np.zeros(4, dtype=ORDER_DTYPE)
    orders["symbol"], orders["kind"], orders["time_in_force"] = b"GOLD", 1, 1
    orders["seq"] = orders["order_id"] = np.arange(1, 5)
    orders["side"], orders["order_type"] = [2, 2, 1, 1], [10, 1, 6, 1]
    orders["qty_lots"], orders["price_ticks"] = [30, 5, 4, 12], [101, 101, 0, 101]
    orders["aux"] = [10, 0, 101, 0]
    events = Engine(make_instruments(["GOLD"]), 1000).process(orders)
    assert len(printed.splitlines()) == len(events)
    for line, e in zip(printed.splitlines(), events, strict=True):
        assert line == (
            f"{e['seq']}: command {e['cause_seq']} kind {e['kind']} reason {e['reason']} "
            f"order {e['order_id']} qty {e['qty_lots']} price {e['price_ticks']} "
            f"leaves {e['leaves_lots']} contra {e['contra_id']} flags {e['flags']}"
        )


@pytest.fixture(params=["in batches", "one by one"])
def calls(request, monkeypatch):
    """Which entry the driver calls."""
    if request.param == "one by one":
        monkeypatch.setenv("ONE_BY_ONE", "1")


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 8))]
)
def test_c_and_the_engine_agree(built, tmp_path, calls, seed):
    """Commands of every kind give byte for byte the same events, the same book and the same digest,
    numbered alike, however often the caller's buffer is full; so does each command in a call for
    itself."""
    run = mixed(seed, 5000)
    engine = Engine(run.instruments, run.order_capacity)
    expected = engine.process(run.orders)
    events, report = drive(built, tmp_path, run)
    assert np.array_equal(events, expected)
    assert report["digest"] == list(fold(engine.state()))
    assert report["open"] == engine.open_orders
    assert (report["events"], report["last"]) == (engine.event_count, engine.last_seq)
    for symbol, (best, bids, asks) in zip(run.instruments["symbol"], report["books"], strict=True):
        bid, bid_qty, ask, ask_qty = engine.best(symbol)
        assert best == [bid is not None, bid or 0, bid_qty, ask is not None, ask or 0, ask_qty]
        depth = engine.depth(symbol, 5)
        assert [[list(level) for level in depth[side]] for side in ("bids", "asks")] == [bids, asks]


def test_c_can_keep_to_a_shard(built, tmp_path, calls):
    """A shard in C skips what a shard in Python skips."""
    run = mixed(5, 3000)
    shards = [index % 2 for index in range(len(run.instruments))]
    for own in range(2):
        engine = Engine(run.instruments, run.order_capacity, shard=(shards, own))
        expected = engine.process(run.orders)
        events, report = drive(built, tmp_path, run, *shards, own)
        assert np.array_equal(events, expected)
        assert report["digest"] == list(fold(engine.state()))


# What init() refuses


@pytest.fixture(scope="module")
def library(built):
    library = ctypes.CDLL(str(built / LIBRARY))
    for entry in ENTRIES:
        function = getattr(library, entry.name)
        function.restype = ctypes.c_int64
        function.argtypes = [ctypes.c_int64] * entry.argument_count
    return library


def start(library, table, size=None, shift=0):
    """What init() says of a table."""
    needed = library.outcry_matcher_size(len(table), 4, 4)
    arena = zeroed(needed + 64)
    size = needed if size is None else size
    address = arena.ctypes.data + shift
    return library.outcry_matcher_init(address, size, table.ctypes.data, len(table), 4, 4)


def test_capacities_and_memory_are_checked(library):
    """Out of range, too small or not aligned: each is told apart."""
    table = make_instruments(["A", "B"])
    needed = library.outcry_matcher_size(2, 4, 4)
    assert needed == arena_bytes(2, 4, 4)
    assert library.outcry_matcher_size(0, 4, 4) == 0
    assert library.outcry_matcher_event_capacity(77) == scratch_records(77)
    assert start(library, table) == 0
    assert start(library, table, needed - 1) == BAD_MEMORY
    assert start(library, table, shift=8) == BAD_MEMORY
    for capacities in ((2, 0, 4), (2, 4, 0), (0, 4, 4), (70_000, 4, 4)):
        code = library.outcry_matcher_init(0, needed, table.ctypes.data, *capacities)
        assert code == BAD_CAPACITY


def test_a_symbol_that_is_there_twice_is_reported_at_the_second(library):
    """Row and field of the second."""
    table = make_instruments(["A", "B", "C"])
    table["symbol"][2] = b"A"
    assert start(library, table) == 2 * FIELDS + 1


FIELD_NAMES = list(INSTRUMENT_DTYPE.names)
ODD = [-(2**63), -(2**62) - 1, -1, 0, 1, 2, 3, 9, 10_001, 2**62, 2**62 + 1, 2**63 - 1]


@given(
    st.lists(
        st.tuples(st.sampled_from(FIELD_NAMES[1:]), st.sampled_from(ODD)), min_size=1, max_size=4
    ),
    st.sampled_from([b"A", b"", b"A B", b"\xffA", b"ABCDEFGH", b"A\0B"]),
)
def test_c_refuses_the_tables_that_python_refuses(library, changes, symbol):
    """A row with odd values is refused by both or by neither, and C names a field that is odd."""
    table = make_instruments(["OK", "X"])
    table["symbol"][1] = symbol
    for name, value in changes:
        bits = 8 * table.dtype[name].itemsize
        table[name][1] = value if bits == 64 else value % 2**bits
    names = table.dtype.names
    try:
        make_instruments([dict(zip(names, table[1].tolist(), strict=True))])
        refused = False
    except ValueError:
        refused = True
    code = start(library, table)
    assert (code != 0) == refused
    if refused:
        assert (code - 1) // FIELDS == 1
        assert (code - 1) % FIELDS < FIELDS


def test_what_cannot_be_built_says_why(tmp_path):
    """No compiler, or one that fails."""
    with pytest.raises(MatcherError, match="no C compiler: '/no/such/cc' is not a program here"):
        build(tmp_path, compiler="/no/such/cc")
    with pytest.raises(MatcherError, match="failed"):
        build(tmp_path, compiler="false")


def test_the_headers_compile_as_cpp(built, tmp_path):
    """A C++ program includes them and links with the library's C names."""
    if shutil.which("g++") is None:
        pytest.skip("no g++ here")
    source, program = tmp_path / "sizes.cpp", tmp_path / "sizes"
    source.write_text(
        '#include "outcry_matcher.h"\n#include <cstdio>\n'
        'int main() { std::printf("%ld", (long)outcry_matcher_size(1, 10, 10)); }\n'
    )
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{built}"]
    link = [f"-L{built}", "-loutcry_matcher", f"-Wl,-rpath,{built}"]
    command = ["g++", *flags, str(source), *link, "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    output = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    assert int(output) == arena_bytes(1, 10, 10)


def test_the_documented_size_is_the_librarys(built):
    """docs/matcher-state.md says how large the library is, to a tenth."""
    page = (MATCHER.parent / "docs" / "matcher-state.md").read_text()
    documented_kib = int(re.search(r"(\d+) KiB, no Python in the process", page)[1])
    assert documented_kib == pytest.approx((built / LIBRARY).stat().st_size / 1024, rel=0.1)


@pytest.mark.long
def test_make_builds_it_and_runs_the_example(tmp_path):
    """`make -C matcher example` makes `object` first, which leaves library and headers where it is
    told, compiles the example as C11 with nothing defined, and runs it."""
    if shutil.which("make") is None:
        pytest.skip("no make here")
    command = ["make", "-s", "-C", str(MATCHER), "example"]
    done = subprocess.run(
        [*command, f"PYTHON={sys.executable}", f"OUT={tmp_path}"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {
        LIBRARY,
        HEADER,
        "outcry_wire.h",
        "example",
    }
    assert "warning" not in done.stderr
    assert len(done.stdout.splitlines()) > 4
