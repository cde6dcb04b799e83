# SPDX-License-Identifier: GPL-2.0-only
"""Packets, built once with Scapy; what changes from sample to sample is patched into the bytes.

A Scapy call per sample would be 25 times dearer than a patch. Only layers.l2 and layers.inet are imported: scapy.all
takes 0.65 s and more.
"""

from __future__ import annotations

import socket

from .scapy_import import ARP, ICMP, IP, TCP, UDP, Ether

ECHO_BYTES = 56  # as ping sends


def echo_request(payload):
    """An ICMP echo request with id and seq 0; (bytes, sum of its words without the checksum)."""
    filler = bytes(range(ECHO_BYTES - len(payload)))
    built = bytearray(bytes(ICMP(type=8, id=0, seq=0) / (payload + filler)))
    checksum = int.from_bytes(built[2:4], "big")
    return built, 0xFFFF ^ checksum


def who_has(own_mac, own_address, target):
    return bytes(
        Ether(src=own_mac, dst="ff:ff:ff:ff:ff:ff")
        / ARP(op=1, hwsrc=own_mac, psrc=own_address, hwdst="00:00:00:00:00:00", pdst=target)
    )


def segment(own_address, target, port, flags):
    """An IP packet with a TCP header, source port and numbers 0; (bytes, sum of TCP's words with its pseudo header)."""
    options = [("MSS", 1460)] if flags == "S" else []
    tcp = TCP(sport=0, dport=port, seq=0, ack=0, flags=flags, window=64240 if flags == "S" else 0, options=options)
    built = bytearray(bytes(IP(src=own_address, dst=target, flags="DF", ttl=64) / tcp))
    checksum = int.from_bytes(built[36:38], "big")
    return built, 0xFFFF ^ checksum


def datagram(own_address, target, own_port, port, body):
    return bytes(IP(src=own_address, dst=target, ttl=64) / UDP(sport=own_port, dport=port) / body)


def echo6_request(payload):
    """An ICMPv6 echo request with id and seq 0, without a checksum: the kernel makes it."""
    return bytearray(b"\x80" + bytes(7) + payload + bytes(range(ECHO_BYTES - len(payload))))


def address_number(text):
    return int.from_bytes(socket.inet_pton(socket.AF_INET, text), "big")
