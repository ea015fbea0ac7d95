#!/bin/sh
# setup-tests.sh PYTHON: what the whole suite needs beside its environment, all at once: on a new
# machine the system packages alone take minutes in which a processor has little to do.
set -eu
python=$1
scripts=$(dirname "$0")

machine() {
    "$scripts/setup-system.sh" "$python"
    "$python" -m openoutcry.dpdk_shim.native
    # Peers that cannot be installed skip their tests.
    "$python" -m openoutcry bench matcher --setup || :
}

machine &
machine=$!
"$scripts/install-peers.sh" "$python" &
OUTCRY_VERIFY=1 "$python" tests/compile_first.py verified &
"$python" tests/compile_first.py venue &
"$python" tests/compile_first.py matcher &
"$python" -m pytest --collect-only >/dev/null & # what it imports is then byte code
failed=0
wait "$machine" || failed=$?
wait
exit "$failed"
