#!/bin/sh
# setup_matchers.sh PYTHON FOLDER: what `outcry bench matcher` compares against, from PyPI, each in a
# virtual environment of its own below FOLDER.  Status 0 when every peer is there.
set -eu
python=$1
folder=$2

status=0
while read -r name package module; do
    home=$folder/$name
    if [ -x "$home/bin/python" ] && "$home/bin/python" -c "import $module" 2>/dev/null; then
        continue
    fi
    echo "Installing: $package (PyPI) into $home"
    rm -rf "$home"
    mkdir -p "$folder"
    if ! "$python" -m venv "$home" </dev/null ||
        ! "$home/bin/python" -m pip install --quiet --disable-pip-version-check "$package" </dev/null; then
        status=1
        rm -rf "$home"
        echo "Skipped: $name (pip install $package)" >&2
    fi
done <<END
lightmatchingengine lightmatchingengine lightmatchingengine
pyorderbook pyorderbook pyorderbook
nautilus_book nautilus_trader nautilus_trader
END
[ $status = 0 ] && echo "Every peer of the matcher bench is installed."
exit $status
