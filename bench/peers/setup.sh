#!/bin/sh
# setup.sh PYTHON: what `outcry bench ring` compares against, from the distribution's and PyPI's
# packages.  Installs what is missing when it may (root, or sudo without a password); otherwise
# says what it skips and the command that gives it.  Status 0 when every peer is there.
set -eu
python=${1:-python3}

# A test that the part is there | Debian package | peers that need it
wanted() {
    cat <<END
command -v g++|g++|bounce, c, boost, rte_ring
command -v pkg-config|pkg-config|rte_ring
test -e /usr/include/boost/lockfree/spsc_queue.hpp|libboost-dev|boost
pkg-config --exists libdpdk|libdpdk-dev|rte_ring
command -v javac|default-jdk-headless|disruptor
test -e /usr/share/java/disruptor.jar|libdisruptor-java|disruptor
END
}

absent() {
    wanted | while IFS='|' read -r there package peers; do
        sh -c "$there" >/dev/null 2>&1 || echo "$package|$peers"
    done
}

packages=$(absent | cut -d '|' -f 1 | tr '\n' ' ')
if [ -n "$packages" ]; then
    if [ "$(id -u)" = 0 ]; then as_root=""; else as_root="sudo -n"; fi
    if ! command -v apt-get >/dev/null; then
        echo "No apt-get here: the system packages are left to you." >&2
    elif [ -n "$as_root" ] && ! $as_root true 2>/dev/null; then
        echo "Neither root nor sudo without a password: no system package is installed." >&2
    else
        echo "Installing: $packages"
        # shellcheck disable=SC2086  # both are lists of words
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
            $as_root env DEBIAN_FRONTEND=noninteractive \
                apt-get -qq install -y --no-install-recommends $packages >/dev/null ||
            echo "apt-get could not install them." >&2
    fi
fi

status=0
still=$(absent)
if [ -n "$still" ]; then
    status=1
    echo "$still" | while IFS='|' read -r package peers; do
        echo "Skipped: $peers (sudo apt-get install $package)" >&2
    done
fi
if ! "$python" -c 'import iceoryx2' 2>/dev/null; then
    echo "Installing: iceoryx2 (PyPI)"
    if ! "$python" -m pip install --quiet --disable-pip-version-check iceoryx2; then
        status=1
        echo "Skipped: iceoryx2 ($python -m pip install iceoryx2)" >&2
    fi
fi
[ $status = 0 ] && echo "Every peer of the ring bench is installed."
exit $status
