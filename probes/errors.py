# SPDX-License-Identifier: GPL-2.0-only
"""Why a prober does not start: one line and one of the codes of FORMAT.md."""


class StartError(Exception):
    """code: permission, plan, interface, spool or python."""

    def __init__(self, code, line):
        super().__init__(line)
        self.code = code
        self.line = line
