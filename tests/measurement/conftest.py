# SPDX-License-Identifier: Apache-2.0
"""Properties are not races: on a busy machine a single example may take long."""

from hypothesis import settings

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
