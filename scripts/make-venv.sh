#!/bin/sh
# make-venv.sh PYTHON FOLDER: a virtual environment, or a sentence that says what is missing.
set -eu
python=$1
folder=$2

if ! command -v "$python" >/dev/null; then
    echo "Open Outcry needs Python 3.11 or newer, and there is no '$python' here." >&2
    echo "On Debian and Ubuntu: sudo apt-get install python3 python3-venv" >&2
    exit 1
fi
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Open Outcry needs Python 3.11 or newer, and '$python' is $version." >&2
    echo "If a newer one is installed, name it: make PYTHON=python3.12 ..." >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "Python $version is here, but not its module for virtual environments." >&2
    echo "On Debian and Ubuntu: sudo apt-get install python3-venv" >&2
    echo "(or python$version-venv, when '$python' is not the system's own)" >&2
    exit 1
fi
echo "Making a virtual environment in $folder with Python $version."
"$python" -m venv "$folder"
