#!/bin/sh
# setup-tests.sh PYTHON [unit]: what the tests need in addition to their environment, all in
# parallel: on a new machine the system packages alone take minutes in which a processor has little
# to do.  With `unit`, what `make test` needs: the packet shim, quickfix and
# compiled kernels.
set -eu
python=$1
tier=${2:-}
scripts=$(dirname "$0")

machine() {
    [ "$tier" = unit ] || "$scripts/setup-system.sh" "$python"
    "$python" -m openoutcry.dpdk_shim.native
    # Peers that cannot be installed skip their tests.
    [ "$tier" = unit ] || "$python" -m openoutcry bench matcher --setup || :
    [ "$tier" = unit ] || "$scripts/install-clients.sh" "$python"
}

machine &
machine=$!
"$scripts/install-peers.sh" "$python" & # quickfix, which brings the dictionaries of FIX
"$python" tests/support/compile_first.py venue &
"$python" tests/support/compile_first.py matcher &
failed=0
wait "$machine" || failed=$?
wait
exit "$failed"
