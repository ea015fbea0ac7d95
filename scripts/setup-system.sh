#!/bin/sh
# The system packages that tests use beyond PyPI.  Installs what is missing when it may (root, or
# sudo without a password); otherwise says which checks will be skipped.  Never fails the tests.
set -eu

# command, Debian packages, what goes unchecked without it
wanted() {
    cat <<END
gcc|gcc libc6-dev|the C header is not compiled
git|git|the wheel is not built from a clean copy
END
}

missing=$(wanted | while IFS='|' read -r name packages _; do
    command -v "$name" >/dev/null || printf '%s ' "$packages"
done)
[ -n "$missing" ] || exit 0

if command -v apt-get >/dev/null; then
    if [ "$(id -u)" = 0 ]; then as_root=""; else as_root="sudo -n"; fi
    if [ -z "$as_root" ] || $as_root true 2>/dev/null; then
        echo "Installing system packages for the tests: $missing"
        # shellcheck disable=SC2086  # both are lists of words
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
            $as_root env DEBIAN_FRONTEND=noninteractive \
                apt-get -qq install -y --no-install-recommends $missing >/dev/null ||
            echo "apt-get could not install them." >&2
    fi
fi

wanted | while IFS='|' read -r name packages without; do
    command -v "$name" >/dev/null ||
        echo "Skipped: $without (no '$name'; sudo apt-get install $packages)" >&2
done
