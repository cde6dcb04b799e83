# SPDX-License-Identifier: Apache-2.0
"""One run from plan to verdict, in a process of its own; viewers come and go over a Unix socket."""
