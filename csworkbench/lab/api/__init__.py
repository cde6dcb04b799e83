# SPDX-License-Identifier: Apache-2.0
"""The API of the test cloud: CloudStack's wire behaviour, written from its documentation, not from our client."""
