"""Machines with addresses of their own, for the tests: network namespaces of Linux."""

import ctypes
import os
import shutil
import socket
import subprocess
import threading

import pytest

CLONE_NEWNET = 0x40000000
CARD = "02:00:00:00:00:01"


def ip(*arguments):
    """Run `ip`, which speaks to the kernel about networks."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


class Host:
    """A machine on a wire of its own; `with` sets it up and takes it away.

    Its neighbours do not notice when the wire is cut: what they send is lost, and
    nothing comes back, as behind a router.

    Args:
        number: From 0 to 63; says which address it has.
    """

    def __init__(self, number):
        self.name = f"course{number}-{os.getpid()}"
        self._wire = f"wire{number}-{os.getpid()}"[:15]
        # A network for documentation (RFC 5737), which no machine is on.
        self.address = f"198.51.100.{4 * number + 2}"
        self._here = f"198.51.100.{4 * number + 1}"

    def __enter__(self):
        if shutil.which("ip") is None:
            pytest.skip("there is no `ip` (Debian's iproute2) to make hosts with")
        try:
            ip("netns", "add", self.name)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespace can be made: {error.stderr.strip()}")
        there = ("netns", "exec", self.name, "ip")
        pair = ("type", "veth", "peer", "eth0", "address", CARD, "netns", self.name)
        ip("link", "add", self._wire, *pair)
        ip("address", "add", f"{self._here}/30", "dev", self._wire)
        ip("link", "set", self._wire, "up")
        known = ("lladdr", CARD, "nud", "permanent")
        ip("neighbour", "add", self.address, *known, "dev", self._wire)
        ip(*there, "address", "add", f"{self.address}/30", "dev", "eth0")
        ip(*there, "link", "set", "eth0", "up")
        return self

    def __exit__(self, *_):
        ip("netns", "delete", self.name)
        subprocess.run(["ip", "link", "delete", self._wire], capture_output=True)

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
