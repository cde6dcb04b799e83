# SPDX-License-Identifier: Apache-2.0
"""A runbook: the steps of an upgrade, what has become of each, and the evidence. Pure but for `record` and `walk`."""
