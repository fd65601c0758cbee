"""Loopback addresses that belong to one test alone, whoever else runs at the same time.

A test owns 127.a.b.0/24 and 127.a.(b+1).0/24 while it holds a listening socket on
127.a.b.254:3259: the kernel is the judge, so it works across xdist workers and whole runs.
"""

import os
import random
import socket

RESERVATION_PORT = 3259


class Net:
    def __init__(self):
        chance = random.Random(os.urandom(8))
        while True:
            self.high, self.low = chance.randrange(64, 250), chance.randrange(0, 250, 2)
            self.holder = socket.socket()
            try:
                self.holder.bind((self.address(254), RESERVATION_PORT))
                self.holder.listen(1)
                return
            except OSError:
                self.holder.close()

    def address(self, host, second=False):
        return f"127.{self.high}.{self.low + (1 if second else 0)}.{host}"

    def release(self):
        self.holder.close()


def free_port(address):
    """A port nobody listens on now; for addresses that cannot be had alone, as ::1."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]
