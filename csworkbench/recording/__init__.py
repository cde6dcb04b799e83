# SPDX-License-Identifier: Apache-2.0
"""The run file: one SQLite file per run, written before any viewer hears of it."""
