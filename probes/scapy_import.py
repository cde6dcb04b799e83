# SPDX-License-Identifier: GPL-2.0-only
"""The few names of Scapy that build our packets, imported without what only costs start-up.

Ten tenants start at once: the list of Ethernet vendors (0.9 MB) and the cryptography package, which layers not used
here would load, are half of Scapy's start-up. Scapy must leave nothing in the user's folders: no empty configuration
folder, and above all no cache of the shortened list.
"""

from __future__ import annotations

import logging
import os
import sys
import types

from .errors import StartError

NOWHERE = "/dev/null/none"  # a folder that cannot be made, not even by root
FOLDERS = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME")


def _stand_ins():
    vendors = types.ModuleType("scapy.libs.manuf")
    vendors.DATA = ""
    return {"cryptography": None, "scapy.libs.manuf": vendors}


_before = {name: os.environ.get(name) for name in FOLDERS}
_put = {name: module for name, module in _stand_ins().items() if name not in sys.modules}
sys.modules.update(_put)
os.environ.update(dict.fromkeys(FOLDERS, NOWHERE))
logging.getLogger("scapy").setLevel(logging.CRITICAL)
try:
    from scapy.config import conf

    # Nothing here needs IPv6 or Scapy's own copy of the route tables: another third of its start-up.
    conf.ipv6_enabled = conf.route_autoload = conf.route6_autoload = False
    from scapy.layers.inet import ICMP, IP, TCP, UDP
    from scapy.layers.l2 import ARP, Ether
except ImportError as error:
    raise StartError("python", "cannot import scapy: %s" % error) from None
finally:
    for _name in _put:
        del sys.modules[_name]
    for _name, _value in _before.items():
        if _value is None:
            del os.environ[_name]
        else:
            os.environ[_name] = _value

__all__ = ["ARP", "ICMP", "IP", "TCP", "UDP", "Ether"]
