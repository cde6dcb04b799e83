# SPDX-License-Identifier: Apache-2.0
"""`python -m csworkbench`."""

from csworkbench.cli import main

main()
