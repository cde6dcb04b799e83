# SPDX-License-Identifier: Apache-2.0
"""csworkbench: drives CloudStack virtual-router restarts and measures what tenants feel."""

__version__ = "0.1.0"
