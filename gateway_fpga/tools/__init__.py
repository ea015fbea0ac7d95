# SPDX-License-Identifier: Apache-2.0
"""Measure the gateway: static report, mutation, coverage, place and route."""
