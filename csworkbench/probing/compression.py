# SPDX-License-Identifier: Apache-2.0
"""SSH compression of the channel, with a bound on what a packet may become."""

import zlib

from asyncssh.compression import Decompressor, get_compressor, register_compression_alg

ALGORITHMS = ("zlib@openssh.com", "none")  # the first one that the server has
PACKET_BYTES = 256 * 1024  # OpenSSH's own limit
_ZLIB = ALGORITHMS[0].encode()


class BoundedInflate(Decompressor):
    """A packet of 35 KB can hold 34 MB of zeros, and asyncssh takes them all: a tenant could keep us busy with that."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj()

    def decompress(self, data: bytes) -> bytes | None:
        """The packet; None, which ends the connection, when it is broken or too long."""
        try:
            packet = self._inflate.decompress(data, PACKET_BYTES)
        except zlib.error:
            return None
        return None if self._inflate.unconsumed_tail else packet


def bound_packets() -> None:
    """From now on asyncssh inflates within the bound, whether we asked for compression or the server insists on it."""
    register_compression_alg(_ZLIB, type(get_compressor(_ZLIB)), BoundedInflate, True, True)
