# SPDX-License-Identifier: Apache-2.0
"""What a run comes to: summary, CSV, and the lines that people read. Every number is a function of the run file."""
