# SPDX-License-Identifier: GPL-2.0-only
"""A packet socket for ARP on one interface."""

from __future__ import annotations

import socket

from . import routes
from .clock import SO_TIMESTAMPNS
from .errors import StartError
from .filters import attach, receive_room
from .inbox import Inbox

ETH_P_ARP = 0x0806


class Link:
    """The one ARP packet socket of a prober on an interface; closing one costs 25 ms."""

    def __init__(self, interface, program):
        self.interface = interface
        try:
            self.mac = routes.ethernet_address(interface)
        except OSError as error:
            raise StartError("interface", "interface %s: %s" % (interface, error.strerror)) from None
        if self.mac is None:
            raise StartError("interface", "interface %s is no Ethernet: it has no ARP" % interface)
        try:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        except PermissionError:
            raise StartError("permission", "packet sockets are refused: CAP_NET_RAW (root) is needed") from None
        sock.setblocking(False)
        attach(sock, program)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        receive_room(sock)
        self.sock = sock
        self.inbox = Inbox(sock)
        self.targets = {}
        self.bind()

    def bind(self):
        try:
            self.sock.bind((self.interface, ETH_P_ARP))
        except OSError as error:
            raise StartError("interface", "interface %s: %s" % (self.interface, error.strerror)) from None
