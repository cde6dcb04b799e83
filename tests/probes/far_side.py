# SPDX-License-Identifier: Apache-2.0
"""What stands at the other end in the tests, as programs of their own: `far_side.py NAME`. Prints `ready`."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import sys
import time
from collections.abc import Callable

BANNER = b"SSH-2.0-OpenSSH_9.6\r\n"


def ready() -> None:
    print("ready", flush=True)


def servers() -> None:
    """22 speaks SSH, 23 something else, 24 closes, 25 resets, 26 is silent, 27 says its line in two parts."""
    listeners = {socket.create_server(("0.0.0.0", port), backlog=128): port for port in range(22, 28)}
    kept: list[socket.socket] = []
    ready()
    while True:
        for listener in select.select(list(listeners), [], [])[0]:
            connection, _ = listener.accept()
            port = listeners[listener]
            if port == 22:
                with contextlib.suppress(ConnectionError):  # it may have been reset by now
                    connection.sendall(BANNER)
            elif port == 23:
                connection.sendall(b"Exceeded MaxStartups\r\n")
            elif port == 25:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif port == 27:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.sendall(b"SSH-2.0")
                connection.sendall(b"-split\r\n")
            if port in {23, 24, 25}:
                connection.close()
            else:
                kept.append(connection)
                kept[:-64] = []


PAGES = {
    80: b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello and more",
    81: b"HTTP/1.0 404 Not Found\r\n\r\nno",
    82: b"",
    83: b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhel",
    84: b"SSH-2.0-OpenSSH_9.6\r\n",
    85: b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 200_000,
    87: b"HTTP/1.1 200 OK\r\ncontent-length:  0\r\n\r\n",
}


def web() -> None:
    """A page of PAGES per port, then the end, except on 80, which stays open; 86 is silent."""
    listeners = {socket.create_server(("0.0.0.0", port), backlog=128): port for port in range(80, 88)}
    kept: list[socket.socket] = []
    ready()
    while True:
        for listener in select.select(list(listeners), [], [])[0]:
            connection, _ = listener.accept()
            port = listeners[listener]
            kept.append(connection)
            if port == 86:
                continue
            request = connection.recv(4096)
            assert request.startswith(b"GET /x HTTP/1.0\r\nHost: 10.9.0.2\r\nX-One: 1\r\n\r\n"), request
            connection.sendall(PAGES[port])
            if port != 80:
                kept.pop().close()
            kept[:-64] = []


def names() -> None:
    """Answers questions on 5301: 10.9.0.7 and 10.9.0.5; 5302: NXDOMAIN; 5303: another id; 5304: no address."""
    sockets = {}
    for port in range(5301, 5305):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("0.0.0.0", port))
        sockets[sock] = port
    ready()
    while True:
        for sock in select.select(list(sockets), [], [])[0]:
            question, sender = sock.recvfrom(512)
            port = sockets[sock]
            ident = int.from_bytes(question[:2], "big") ^ (port == 5303)
            code, count = {5302: (0x8183, 0), 5304: (0x8180, 0)}.get(port, (0x8180, 2))
            records = [b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 9, 4) + bytes([10, 9, 0, last]) for last in (7, 5)]
            head = struct.pack("!6H", ident, code, 1, count, 0, 0)
            sock.sendto(head + question[12:] + b"".join(records[:count]), sender)


def announce(mac: str, address: str) -> None:
    """For each line on standard input one gratuitous ARP (`1`: request, `2`: reply), `3`: one that is not."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    sock.bind(("v1", 0x0806))
    own, packed = bytes.fromhex(mac), socket.inet_aton(address)
    ready()
    for line in sys.stdin:
        other = socket.inet_aton("10.9.0.1") if line.strip() == "3" else packed
        operation = min(int(line), 2)
        body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + own + packed + bytes(6) + other
        sock.send(b"\xff" * 6 + own + b"\x08\x06" + body)


def advertise() -> None:
    """For each line on standard input (a lifetime) a router advertisement with MAC 02:56:00:00:00:0f."""
    sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    index = socket.if_nametoindex("v1")
    ready()
    for line in sys.stdin:
        head = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, int(line), 0, 0)
        sock.sendto(head + b"\1\1" + bytes.fromhex("02560000000f"), ("ff02::1", 0, 0, index))


def second_owner(mac: str) -> None:
    """Answers each who-has also from another MAC, 2 ms after the kernel did."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    sock.bind(("v1", 0x0806))
    other = bytes.fromhex(mac)
    ready()
    while True:
        frame = sock.recv(2048)
        if frame[20:22] != b"\0\x01":
            continue
        select.select([], [], [], 0.002)
        asker_mac, asker, asked = frame[22:28], frame[28:32], frame[38:42]
        body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + other + asked + asker_mac + asker
        sock.send(asker_mac + other + b"\x08\x06" + body)


def ones_sum(data: bytes) -> int:
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def slow_answers(seconds: str) -> None:
    """Answers echoes and SYNs in place of a kernel that sees nothing (taps come before the ingress hook)."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.bind(("v1", 3))
    waiting: list[tuple[float, bytes]] = []
    ready()
    while True:
        wait = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        if not select.select([sock], [], [], wait)[0]:
            sock.send(waiting.pop(0)[1])
            continue
        frame, address = sock.recvfrom(2048)
        if address[2] == 4 or frame[12:14] != b"\x08\x00" or frame[14] != 0x45:
            continue
        head = frame[6:12] + frame[:6] + frame[12:26] + frame[30:34] + frame[26:30]
        body = bytearray(frame[34:])
        if frame[23] == 1 and body[0] == 8:
            body[0] = 0
            body[2:4] = bytes(2)
            body[2:4] = (0xFFFF ^ ones_sum(bytes(body))).to_bytes(2, "big")
        elif frame[23] == 6 and body[13] == 2:
            number = int.from_bytes(body[4:8], "big")
            body[:4] = body[2:4] + body[:2]
            body[4:14] = struct.pack("!IIBB", 1, number + 1 & 0xFFFFFFFF, body[12], 0x12)
            body[16:18] = bytes(2)
            pseudo = head[26:34] + struct.pack("!HH", 6, len(body))
            body[16:18] = (0xFFFF ^ ones_sum(pseudo + bytes(body))).to_bytes(2, "big")
        else:
            continue
        waiting.append((time.monotonic() + float(seconds), head + bytes(body)))


def sniff() -> None:
    """Every TCP segment on v1, both ways, as [outgoing, source port, port, flags, number, ack]; ends with stdin."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    sock.bind(("v1", 3))
    seen = []
    ready()
    while True:
        heard = select.select([sock, sys.stdin], [], [])[0]
        if sock in heard:
            data, address = sock.recvfrom(2048)
            if address[1] == 0x0800 and data[9] == 6:
                at = (data[0] & 15) * 4
                from_port, to_port, number, acknowledged, _, flags = struct.unpack_from("!HHIIBB", data, at)
                seen.append([address[2] == 4, from_port, to_port, flags & 0x17, number, acknowledged])
        elif sys.stdin in heard:
            print(json.dumps(seen), flush=True)
            return


def sniff_echo() -> None:
    """Every echo request that comes in on v1 as [id, seq]; ends with stdin."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    sock.bind(("v1", 3))
    seen = []
    ready()
    while True:
        heard = select.select([sock, sys.stdin], [], [])[0]
        if sock in heard:
            data, address = sock.recvfrom(2048)
            if address[1] == 0x0800 and address[2] != 4 and data[9] == 1 and data[20] == 8:
                seen.append(struct.unpack_from("!HH", data, 24))
        elif sys.stdin in heard:
            print(json.dumps(seen), flush=True)
            return


if __name__ == "__main__":
    programs: dict[str, Callable[..., None]] = {
        "servers": servers,
        "second_owner": second_owner,
        "slow_answers": slow_answers,
        "sniff": sniff,
        "web": web,
        "names": names,
        "announce": announce,
        "advertise": advertise,
        "sniff_echo": sniff_echo,
    }
    programs[sys.argv[1]](*sys.argv[2:])
