# SPDX-License-Identifier: Apache-2.0
"""What a run consists of: scenario, lanes, samples, events, and the one reducer that folds events into a state.

Imports nothing else of csworkbench, does no I/O and reads no clock.
"""
