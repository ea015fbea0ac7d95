#!/bin/sh
# build.sh PYTHON [NAME ...]: OCI images localhost/openoutcry-NAME, by default all: engine, venue, portal,
# custody, tools, database.  Needs Debian's mmdebstrap and buildah, root, and a wheel in dist
# (`make wheel`).  No daemon runs, and no image of others is taken.  Each image's list of what it has
# (CycloneDX) is in build/images.
#   SUITE    Debian's release, whose Python the wheels are for: bookworm
#   BUILDAH  buildah with further options of it
set -eu
python=$1
shift
root=$(cd "$(dirname "$0")/../.." && pwd)
suite=${SUITE:-bookworm}
buildah=${BUILDAH:-buildah}
context=$root/build/images
for tool in mmdebstrap buildah; do
    command -v "$tool" >/dev/null || { echo "images: $tool is missing: apt-get install $tool" >&2; exit 1; }
done
wheel=$(ls -t "$root"/dist/openoutcry-*.whl 2>/dev/null | head -n 1)
[ -n "$wheel" ] || { echo "images: there is no wheel in dist: make wheel" >&2; exit 1; }
extras() {
    "$python" -c 'import sys
from openoutcry.operations.services import IMAGES
print(*IMAGES if len(sys.argv) == 1 else [",".join(IMAGES[sys.argv[1]])])' "$@"
}
[ $# -gt 0 ] || set -- $(extras) database
debian() {
    # Packages of Debian alone, in a file system without manuals.
    [ -s "$context/$1" ] || mmdebstrap --quiet --variant=minbase --include="$2" \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        "$suite" "$context/$1"
}
mkdir -p "$context/wheels"
cp "$root"/scripts/images/* "$context/"
rm -f "$context"/wheels/openoutcry-*.whl
for name in "$@"; do
    case $name in
    database)
        debian rootfs-database.tar patroni,python3-etcd,postgresql,etcd-server,etcd-client,tini
        $buildah bud --isolation chroot --format docker --target database \
            --tag "localhost/openoutcry-$name" "$context"
        ;;
    *)
        debian rootfs.tar python3,python3-venv,ca-certificates,tini
        "$python" -m pip wheel --quiet --disable-pip-version-check --require-hashes --no-deps \
            --wheel-dir "$context/wheels" --requirement "$root/requirements-services.lock"
        cp "$wheel" "$context/wheels/"
        $buildah bud --isolation chroot --format docker --target service \
            --build-arg "EXTRAS=$(extras "$name")" --tag "localhost/openoutcry-$name" "$context"
        ;;
    esac
    made=$($buildah from "localhost/openoutcry-$name")
    $buildah run --isolation chroot "$made" cat /usr/share/openoutcry-sbom.json >"$context/$name.sbom.json"
    $buildah rm "$made" >/dev/null
done
