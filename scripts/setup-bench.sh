#!/bin/sh
# setup-bench.sh [PYTHON]: install the peers that `outcry bench ring` compares against; the same
# as `outcry bench ring --setup`, for a Makefile.
exec sh "$(dirname "$0")/../bench/peers/setup.sh" "$@"
