# SPDX-License-Identifier: Apache-2.0
"""Reports that leave the terminal: one self-contained HTML file, and JUnit XML for pipelines."""
