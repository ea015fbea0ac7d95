#!/bin/sh
# install-peers.sh PYTHON: the engines of others that tests talk to (the extra `peers`: quickfix).
# PyPI has quickfix as C++ only.  As its setup.py would compile it, it takes 8 to 10 minutes of a
# processor; the tests need its answers, not its speed, and at -O0, the headers that its files
# share read once, it takes one.  The wheel is kept beside the compiled kernels.
# Never fails the tests: without it those that talk to it are skipped.
set -eu
python=$1
root=$(cd "$(dirname "$0")/.." && pwd)
pip="$python -m pip"
quiet="--quiet --disable-pip-version-check"
kept=${OUTCRY_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/openoutcry}/wheels
peers=$("$python" -c 'import sys, tomllib
project = tomllib.load(open(sys.argv[1], "rb"))["project"]
print(*project["optional-dependencies"]["peers"])' "$root/pyproject.toml")

# shellcheck disable=SC2086  # both are lists of words
$pip install $quiet --no-index $peers 2>/dev/null && exit 0
umask 077
mkdir -p "$kept"
exec 9>"$kept/.lock" # one at a time: another clone may be set up beside this one
if command -v flock >/dev/null && ! flock -n 9; then
    echo "Another set-up is at work: waiting for it."
    flock 9
fi
# shellcheck disable=SC2086
$pip install $quiet --no-index --find-links "$kept" $peers 2>/dev/null && exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# All of its files but SWIG's, the largest, as one.
gather() {
    cd "$1" && mkdir parts && mv ./*.cpp parts/ && mv parts/QuickfixPython.cpp . &&
        printf '#include "%s"\n' parts/*.cpp >all.cpp
}
build() {
    # --no-cache-dir: what is not optimised stays out of the wheels that pip keeps for everybody.
    # shellcheck disable=SC2086  # both are lists of words
    $pip download $quiet --no-deps --no-binary :all: --dest "$work" $peers &&
        tar -xzf "$work"/quickfix-*.tar.gz -C "$work" && rm "$work"/quickfix-*.tar.gz &&
        (gather "$work"/quickfix-*/C++) &&
        CFLAGS="-O0 -g0" CXXFLAGS="-O0 -g0" $pip wheel $quiet --no-cache-dir --no-deps \
            --wheel-dir "$kept" "$work"/quickfix-* &&
        $pip install $quiet --no-index --find-links "$kept" $peers
}
build || echo "quickfix could not be built (above is why): tests that talk to it are skipped." >&2
