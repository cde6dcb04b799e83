# SPDX-License-Identifier: GPL-2.0-only
"""Classic BPF filters, so that foreign packets are dropped in the kernel and cost the prober nothing."""

from __future__ import annotations

import array
import socket
import struct

SO_ATTACH_FILTER = 26
SO_RCVBUFFORCE = 33
RECEIVE_BYTES = 4 * 1024 * 1024
ACCEPT = (0x06, 0, 0, 0xFFFFFFFF)
DROP = (0x06, 0, 0, 0)


def load_byte(at):
    return (0x50, 0, 0, at)  # A = byte[X + at]


def load_half(at):
    return (0x48, 0, 0, at)


def load_word(at):
    return (0x40, 0, 0, at)


HEADER_LENGTH_TO_X = (0xB1, 0, 0, 0)  # X = 4 * (byte[0] & 15): past the IP header
JUMP_EQUAL = 0x15
JUMP_BITS = 0x45
AND = 0x54


def attach(sock, program):
    words = array.array("Q")
    assert words.itemsize == 8
    for code, if_true, if_false, constant in program:
        words.frombytes(struct.pack("@HBBI", code, if_true, if_false, constant))
    address, length = words.buffer_info()
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", length, address))


def echo_filter(token_word):
    """On a raw ICMP socket: echo replies with our token, and errors that quote an echo request (IP header of 20)."""
    return [
        HEADER_LENGTH_TO_X,
        load_byte(0),
        (JUMP_EQUAL, 0, 2, 0),
        load_word(8),
        (JUMP_EQUAL, 6, 7, token_word),
        (JUMP_EQUAL, 1, 0, 3),
        (JUMP_EQUAL, 0, 5, 11),
        load_byte(8 + 9),
        (JUMP_EQUAL, 0, 3, socket.IPPROTO_ICMP),
        load_byte(8 + 20),
        (JUMP_EQUAL, 0, 1, 8),
        ACCEPT,
        DROP,
    ]


def error_filter(protocol, port):
    """On a raw ICMP socket: errors that quote a packet of this protocol to this port, or to any when port is 0."""
    return [
        HEADER_LENGTH_TO_X,
        load_byte(0),
        (JUMP_EQUAL, 1, 0, 3),
        (JUMP_EQUAL, 0, 5, 11),
        load_byte(8 + 9),
        (JUMP_EQUAL, 0, 3, protocol),
        load_half(8 + 22),
        (JUMP_EQUAL, 0, 1 if port else 0, port),
        ACCEPT,
        DROP,
    ]


def handshake_filter(ports):
    """On a raw TCP socket: SYN+ACK or RST from one of these ports (all ports when there are many)."""
    ports = sorted(ports) if len(ports) <= 100 else []
    program = [HEADER_LENGTH_TO_X, load_byte(13), (JUMP_BITS, 2, 0, 0x04), (AND, 0, 0, 0x12)]
    program.append((JUMP_EQUAL, 0, len(ports) + 1, 0x12))  # to DROP
    program.append(load_half(0))
    for place, port in enumerate(ports):
        program.append((JUMP_EQUAL, len(ports) - place, 0, port))  # to ACCEPT
    if ports:
        program.append(DROP)
    else:
        program[4] = (JUMP_EQUAL, 0, 2, 0x12)
        return [*program, ACCEPT, DROP]
    return [*program, ACCEPT]


ARP_REPLY = [(0x28, 0, 0, 20), (JUMP_EQUAL, 0, 1, 2), ACCEPT, DROP]  # on a packet socket: operation at 20
A_TO_X = (0x07, 0, 0, 0)
JUMP_EQUAL_X = 0x1D
# On a packet socket: ARP whose sender (at 28) asks for or tells of its own address (at 38).
GRATUITOUS_ARP = [(0x20, 0, 0, 28), A_TO_X, (0x20, 0, 0, 38), (JUMP_EQUAL_X, 0, 1, 0), ACCEPT, DROP]
# On a raw UDP socket: what a DHCP server says to a client, by its ports.
RENEWAL_ANSWER = [HEADER_LENGTH_TO_X, load_word(0), (JUMP_EQUAL, 0, 1, 67 << 16 | 68), ACCEPT, DROP]


def echo6_filter(token_word):
    """On a raw ICMPv6 socket, which is given no IP header: echo replies with our token, and errors."""
    return [
        (0x30, 0, 0, 0),
        (JUMP_EQUAL, 0, 2, 129),
        (0x20, 0, 0, 8),
        (JUMP_EQUAL, 0, 1, token_word),
        ACCEPT,  # errors too: the socket's own ICMPv6 filter lets no other type through
        DROP,
    ]


def receive_room(sock):
    """A receive buffer that outlasts a pause of the prober; as much as this process may have."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
