"""Machines with addresses of their own, for the tests: network namespaces of Linux."""

import ctypes
import ipaddress
import os
import shutil
import socket
import subprocess
import threading

import pytest

CLONE_NEWNET = 0x40000000
CARD = "02:00:00:00:00:01"
NETWORK = ipaddress.IPv4Address("198.18.0.0")


def ip(*arguments):
    """Run `ip`, which speaks to the kernel about networks."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


class Host:
    """A machine on a wire of its own; `with` sets it up and takes it away.

    Its neighbours do not notice when the wire is cut: what they send is lost, and
    nothing comes back, as behind a router.

    Args:
        number: 0 or 1; says which address it has.
    """

    def __init__(self, number):
        mark = f"{number}-{os.getpid()}"
        self.name, self._wire = f"course{mark}", f"wire{mark}"
        # Four addresses for each, of a network for measuring (RFC 2544).
        own = NETWORK + 4 * ((2 * os.getpid() + number) % 2**14)
        self._here, self.address = f"{own + 1}", f"{own + 2}"

    def __enter__(self):
        if shutil.which("ip") is None:
            pytest.skip("there is no `ip` (Debian's iproute2) to make hosts with")
        pair = ("type", "veth", "peer", "eth0", "address", CARD, "netns", self.name)
        try:
            ip("netns", "add", self.name)
            ip("link", "add", self._wire, *pair)
        except subprocess.CalledProcessError as error:
            self.__exit__()
            pytest.skip(f"no network namespace can be made: {error.stderr.strip()}")
        there = ("netns", "exec", self.name, "ip")
        ip("address", "add", f"{self._here}/30", "dev", self._wire)
        ip("link", "set", self._wire, "up")
        known = ("lladdr", CARD, "nud", "permanent")
        ip("neighbour", "add", self.address, *known, "dev", self._wire)
        ip(*there, "address", "add", f"{self.address}/30", "dev", "eth0")
        ip(*there, "link", "set", "eth0", "up")
        return self

    def __exit__(self, *_):
        for what in (("netns", "delete", self.name), ("link", "delete", self._wire)):
            subprocess.run(["ip", *what], capture_output=True)

    def bound(self, port):
        """A socket of this host, bound to a port; any process can have it."""
        made = []

        def make():
            with open(f"/run/netns/{self.name}") as namespace:
                libc = ctypes.CDLL(None, use_errno=True)
                assert libc.setns(namespace.fileno(), CLONE_NEWNET) == 0
            made.append(socket.socket())

        # A thread may be in another namespace than the rest of its process.
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        [one] = made
        one.bind((self.address, port))
        return one

    def unplug(self):
        """Cut the wire."""
        ip("netns", "exec", self.name, "ip", "link", "set", "eth0", "down")

    def plug_in(self):
        """Mend it."""
        ip("netns", "exec", self.name, "ip", "link", "set", "eth0", "up")
