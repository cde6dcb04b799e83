# SPDX-License-Identifier: Apache-2.0
"""What an SSH packet may become when it is inflated."""

import os
import zlib

from csworkbench.probing.compression import PACKET_BYTES, BoundedInflate


def packets(*plain: bytes) -> list[bytes]:
    stream = zlib.compressobj()
    return [stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH) for data in plain]


def test_packets_come_out_as_they_went_in() -> None:
    plain = [os.urandom(33_000), bytes(PACKET_BYTES - 1), b"", b"E 1\n" * 100]
    inflate = BoundedInflate()
    assert [inflate.decompress(data) for data in packets(*plain)] == plain


def test_a_small_packet_that_becomes_a_huge_one_is_refused() -> None:
    (small,) = packets(bytes(30_000_000))
    assert len(small) < 32_768
    assert BoundedInflate().decompress(small) is None


def test_what_is_no_zlib_is_refused() -> None:
    assert BoundedInflate().decompress(b"SSH-2.0-") is None
