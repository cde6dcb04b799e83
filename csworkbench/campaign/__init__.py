# SPDX-License-Identifier: Apache-2.0
"""Conducting a campaign: runs as processes of their own, followed live; commands over a socket."""
