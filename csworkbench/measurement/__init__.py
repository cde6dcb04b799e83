# SPDX-License-Identifier: Apache-2.0
"""Samples to outages with bounds to totals. Pure: no I/O, no clock; the same run gives the same bytes.

The rules S1-S17 that the docstrings name are those of docs/measurement.md.
"""
