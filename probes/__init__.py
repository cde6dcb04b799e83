# SPDX-License-Identifier: GPL-2.0-only
"""Probe program of csworkbench: pushed to a tenant as package csw_probe. See FORMAT.md."""
