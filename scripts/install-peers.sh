#!/bin/sh
# install-peers.sh PYTHON: the engines of others that tests talk to (the extra `peers`: quickfix).
# PyPI has quickfix as C++ only.  Optimised, it takes 8 to 10 minutes of a processor; the tests need
# its answers, not its speed, and -O0 takes 2 to 3.  The wheel is kept beside the compiled kernels.
# Never fails the tests: without it those that talk to it are skipped.
set -eu
python=$1
root=$(cd "$(dirname "$0")/.." && pwd)
pip="$python -m pip install --quiet --disable-pip-version-check"
kept=${OUTCRY_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/openoutcry}/wheels
peers=$("$python" -c 'import sys, tomllib
project = tomllib.load(open(sys.argv[1], "rb"))["project"]
print(*project["optional-dependencies"]["peers"])' "$root/pyproject.toml")

# shellcheck disable=SC2086  # both are lists of words
$pip --no-index $peers 2>/dev/null && exit 0
# shellcheck disable=SC2086
$pip --no-index --find-links "$kept" $peers 2>/dev/null && exit 0
umask 077
mkdir -p "$kept"
# --no-cache-dir: what is not optimised stays out of the wheels that pip keeps for everybody.
# shellcheck disable=SC2086
CFLAGS="-O0 -g0" CXXFLAGS="-O0 -g0" "$python" -m pip wheel --quiet --disable-pip-version-check \
    --no-cache-dir --no-deps --wheel-dir "$kept" $peers &&
    $pip --no-index --find-links "$kept" $peers ||
    echo "quickfix could not be built (above is why): tests that talk to it are skipped." >&2
