# SPDX-License-Identifier: Apache-2.0
"""Scenario files and the clouds that the user has configured. Errors name file, line and the nearest right key."""


class ConfigError(Exception):
    """What the user wrote cannot be used; one clear line. Ends with exit code 2."""
