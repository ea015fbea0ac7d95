#!/bin/sh
# setup-system.sh [PYTHON [compilers]]: the system packages that tests use beyond PyPI, for this
# interpreter; with `compilers` only what pip needs to build a package from source (quickfix).
# Installs what is missing when it may (root, or sudo without a password); otherwise says which
# checks cannot run.  Never fails the tests.
set -eu
python=${1:-python3}
only=${2:-}

# command or library, Debian packages, what goes unchecked without it
everything() {
    cat <<END
gcc|gcc libc6-dev|the C header is not compiled
git|git|the wheel is not built from a clean copy
perf|linux-perf|the cores are not watched while a run is explained
iverilog|iverilog|no gateway bench runs on Icarus, and there is no static report
g++|g++|no gateway bench runs on Verilator
clang++|clang|only g++ compiles the Verilated gateway
make|make|no gateway bench runs on Verilator
pod2usage|perl|Verilator does not start
ccache|ccache|Verilator's models are compiled from nothing each time
libpython|libpython$version|no simulator starts Python
Python.h|python3-dev|the packet shim is not built
pkg-config|pkg-config|the packet shim is built without DPDK
libdpdk|libdpdk-dev|the packet shim is built without DPDK
ip|iproute2|no packet goes over a cable between two interfaces
ptp4l|linuxptp|no real ptp4l is followed
chronyd|chrony|no real chronyd is asked
prometheus|prometheus|no Prometheus scrapes a venue or judges its alarms
amtool|prometheus-alertmanager|the example of Alertmanager's configuration is not checked
chromium|chromium fonts-dejavu-core|the console's page is opened in no browser
tshark|tshark|nobody else dissects what sessions send
hledger|hledger|no other ledger adds up our journal
mariadbd|mariadb-server-core mariadb-client-core|MariaDB is not asked the questions that were written for it
my_print_defaults|mariadb-client-core|MariaDB's first database is not laid out
softhsm2-util|softhsm2|no key is made in an HSM
litecoind|litecoind|no chain of the Bitcoin family is scanned or paid on
END
}
wanted() {
    if [ "$only" = compilers ]; then
        everything | grep -E '^(gcc|g[+][+]|make|Python.h)[|]'
    else
        everything
    fi
}
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')

present() {
    case $1 in
    libpython)
        "$python" -c 'import sys, find_libpython as f; sys.exit(not f.find_libpython())' 2>/dev/null
        ;;
    Python.h)
        "$python" -c 'import os, sys, sysconfig as s
sys.exit(not os.path.exists(s.get_path("include") + "/Python.h"))'
        ;;
    libdpdk) pkg-config --exists libdpdk 2>/dev/null ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

# One at a time: another clone may be set up beside this one, and apt-get waits for nobody.
cache=${OUTCRY_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/openoutcry}
(umask 077 && mkdir -p "$cache")
exec 9>"$cache/system.lock"
if command -v flock >/dev/null && ! flock -n 9; then
    echo "Another set-up is at work: waiting for it."
    flock 9
fi

missing=$(wanted | while IFS='|' read -r name packages _; do
    present "$name" || printf '%s ' "$packages"
done)
[ -n "$missing" ] || exit 0

if command -v apt-get >/dev/null; then
    if [ "$(id -u)" = 0 ]; then as_root=""; else as_root="sudo -n"; fi
    if [ -z "$as_root" ] || $as_root true 2>/dev/null; then
        echo "Installing system packages for the tests: $missing"
        # 9>&-: a service that a package starts must not keep the lock.
        # shellcheck disable=SC2086  # both are lists of words
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update 9>&- &&
            $as_root env DEBIAN_FRONTEND=noninteractive \
                apt-get -qq install -y --no-install-recommends $missing >/dev/null 9>&- ||
            echo "apt-get could not install them." >&2
    fi
fi

wanted | while IFS='|' read -r name packages without; do
    present "$name" ||
        echo "Missing: $without (no '$name'; sudo apt-get install $packages)" >&2
done
