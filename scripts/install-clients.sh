#!/bin/sh
# install-clients.sh PYTHON: the clients of others that trade through the portal in tests (the extra
# `clients`: ccxt and Binance's SDK), the schemas of Kubernetes, and Patroni with etcd.  ccxt names one exact version of each package that it uses, cffi among
# them, which would replace what the packet shim was built with.  It works with the versions that are here,
# so both are installed without their dependencies.  Never fails the tests: without them they are skipped.
set -eu
python=$1
root=$(cd "$(dirname "$0")/.." && pwd)
clients=$("$python" -c 'import sys, tomllib
project = tomllib.load(open(sys.argv[1], "rb"))["project"]
print(*project["optional-dependencies"]["clients"])' "$root/pyproject.toml")

# shellcheck disable=SC2086  # a list of words
"$python" -m pip install --quiet --disable-pip-version-check --no-deps $clients ||
    echo "Clients could not be installed (above is why): tests with them are skipped." >&2

# anvil, an EVM node for development, comes from npm: the binary is in a package for this processor, and
# the package that names it needs no script of its own.
anvil="@foundry-rs/anvil@1.7.1"
if command -v anvil >/dev/null || ls "$root"/build/clients/node_modules/@foundry-rs/anvil-*/bin/anvil >/dev/null 2>&1; then
    :
elif command -v npm >/dev/null; then
    mkdir -p "$root/build/clients"
    (cd "$root/build/clients" &&
        npm install --silent --no-audit --no-fund --no-save --ignore-scripts "$anvil" >/dev/null) ||
        echo "anvil could not be installed: tests of EVM custody are skipped." >&2
else
    echo "There is no npm, so no anvil: tests of EVM custody are skipped." >&2
fi
