# SPDX-License-Identifier: Apache-2.0
"""Validate orders: say of each command, before it is sequenced, all that is wrong with it."""

from openoutcry.gateway_fpga.golden import make_rules, validate, validate_batch, validate_orders
from openoutcry.gateway_fpga.settings import Limits, Settings

__all__ = ["Limits", "Settings", "make_rules", "validate", "validate_batch", "validate_orders"]
