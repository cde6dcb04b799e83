# SPDX-License-Identifier: GPL-2.0-only
"""The one signature that all probers have; each is the module of its name (keys.py lists them).

A prober module has `open_prober(lanes, env) -> Prober`; lanes are plan.Lane, env is Env. A Prober has
  send(lane, seq, sent_ns)  fire sample seq of that lane now; returns None, or the errno of a send that failed
  fileno()                  a descriptor to be woken by, or -1: kernel stamps make it enough to read at the next tick
  read(limit)               a list of Answer, at most about limit packets' worth; `drained` says nothing is left
  expired(lane, seq)        the sample's verdict fell without an answer
  close()
and where it can
  bursts(lane numbers)      [(lane numbers, send(seq, sent_ns))] of lanes due together: what sends all of those with one
                            call, and gives [(place, errno)] of the failed ones; [] when each is to be sent alone
  plain                     what the last read() found beside its answers: (lane, seq, received_ns) of those that are
                            ok, from the lane's target itself, with the kernel's stamp
"""

from __future__ import annotations

import importlib
from collections import namedtuple

#: One answer to one sample. kind is KIND_SAMPLE, KIND_SECOND_OWNER or KIND_ANNOUNCEMENT (of no sample: seq is then that
#: of the newest); flags are the record's (kernel stamp, value).
Answer = namedtuple("Answer", "kind lane seq received_ns outcome reason detail value flags")

#: token: 8 random bytes of this process, in what we send where there is room for them; late_ns: how long answers to
#: samples that timed out are still of interest.
Env = namedtuple("Env", "token late_ns")


def open_prober(name, lanes, env):
    module = importlib.import_module("." + name, __package__)
    return module.open_prober(lanes, env)
