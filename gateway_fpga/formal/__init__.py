# SPDX-License-Identifier: Apache-2.0
"""Prove the gateway's properties, and show that each proof would notice if they were broken."""
