# SPDX-License-Identifier: Apache-2.0
"""Getting probe programs to vantages, tailing their spools, and collecting to the last record."""
