# SPDX-License-Identifier: Apache-2.0
echo "outcry: say which target: --target sim, lint, formal, ecp5, vivado or ulx3s (docs/fpga.md)" >&2
exit 1
