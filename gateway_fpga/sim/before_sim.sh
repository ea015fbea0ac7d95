# SPDX-License-Identifier: Apache-2.0
# A result of an earlier run must not pass for this one's; without GPI_USERS cocotb never starts, and
# the simulator ends at once with status 0.
rm -f results.xml
if [ -z "$GPI_USERS" ]; then
    echo "outcry: GPI_USERS is not set, and cocotb would not start: run" \
        "python -m openoutcry.gateway_fpga.tools.fusesoc sim, or see docs/fpga.md" >&2
    exit 1
fi
