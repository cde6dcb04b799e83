# SPDX-License-Identifier: Apache-2.0
"""The timeline: window, rows and their painting are pure; `widget` draws them."""
