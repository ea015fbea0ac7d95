#!/bin/sh
# install-clients.sh PYTHON: the clients of others that trade through the portal in tests (the extra
# `clients`: ccxt).  ccxt names one exact version of each package that it uses, cffi among them, which
# would replace what the packet shim was built with.  It works with the versions that are here, so it is
# installed without its dependencies.  Never fails the tests: without it they are skipped.
set -eu
python=$1
root=$(cd "$(dirname "$0")/.." && pwd)
clients=$("$python" -c 'import sys, tomllib
project = tomllib.load(open(sys.argv[1], "rb"))["project"]
print(*project["optional-dependencies"]["clients"])' "$root/pyproject.toml")

# shellcheck disable=SC2086  # a list of words
"$python" -m pip install --quiet --disable-pip-version-check --no-deps $clients ||
    echo "ccxt could not be installed (above is why): tests that trade with it are skipped." >&2
