# SPDX-License-Identifier: GPL-2.0-only
"""Source ports for half-open SYNs, held so that our own kernel stays silent.

A SYN+ACK to a port that nobody owns makes the kernel answer RST. Each port is therefore held by a listening TCP socket
whose filter drops everything: the kernel discards what comes, no firewall is touched, and nothing remains if we die.
"""

from __future__ import annotations

import errno
import heapq
import os
import resource
import socket

from .filters import DROP, attach

MAX_HELD = 8192
SPARE_FILES = 128


class Ports:
    """Goes round the ephemeral range, so that a port comes again only after all others: each SYN is a new flow."""

    def __init__(self):
        try:
            with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
                self._low, self._high = (int(word) for word in file.read().split())
        except (OSError, ValueError):
            self._low, self._high = 32768, 60999
        self._next = self._low + int.from_bytes(os.urandom(4), "big") % (self._high - self._low + 1)
        self._held = {}
        self._due = []
        self._limit = min(MAX_HELD, max(16, raise_file_limit() - SPARE_FILES))

    def take(self, release_ns):
        """A fresh port, held until release_ns. Raises OSError when there is none."""
        for _ in range(64):
            port = self._next
            self._next = port + 1 if port < self._high else self._low
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            try:
                sock.bind(("0.0.0.0", port))  # noqa: S104  its filter drops every packet
                attach(sock, [DROP])
                sock.listen(1)
            except OSError as error:
                sock.close()
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            self._held[port] = sock
            heapq.heappush(self._due, (release_ns, port, id(sock)))
            return port
        raise OSError(errno.EADDRINUSE, "no free port")

    def sooner(self, port, release_ns):
        if port in self._held:
            heapq.heappush(self._due, (release_ns, port, id(self._held[port])))

    def release(self, now_ns):
        """Give back the ports whose time is over, and the oldest when too many are held; returns them."""
        freed = []
        while self._due and (self._due[0][0] <= now_ns or len(self._held) >= self._limit):
            _release_ns, port, which = heapq.heappop(self._due)
            sock = self._held.get(port)
            if sock is not None and id(sock) == which:
                del self._held[port]
                sock.close()
                freed.append(port)
        return freed

    def close(self):
        for sock in self._held.values():
            sock.close()
        self._held.clear()


def raise_file_limit():
    """How many files this process may have open, after asking for as many as we can use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_HELD + SPARE_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    for new in ((wanted, max(wanted, hard)), (min(wanted, hard) if hard != resource.RLIM_INFINITY else wanted, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, new)
        except (ValueError, OSError):
            continue
        return new[0]
    return soft
