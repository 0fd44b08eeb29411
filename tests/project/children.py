"""What the children do of which `test_process.py` sees that none is left behind."""

import multiprocessing
import os
import re
import signal
import sys
import time

from course.process import parent, unnoticed
from course.process.child import Child
from course.process.launcher import environment
from course.process.pool import process_pool


def echo():
    print("printed")
    for message in parent.messages():
        parent.tell(echo=message)


def prints():
    """Print more than a pipe holds."""
    for number in range(100_000):
        print("line", number)
    print("the end")


class Deadly:
    """Ends the process that unpickles it."""

    def __init__(self, ending):
        self.ending = ending

    def __reduce__(self):
        return (os._exit, (7,)) if self.ending == "exit" else (_killed, ())


def _killed():
    os.kill(os.getpid(), signal.SIGKILL)


def unread():
    """Start a process that dies before it has read its orders, longer than a pipe."""

    def tell(status):
        parent.tell(ended=status)
        os._exit(1)

    unnoticed.watch(tell)
    orders = [Deadly(sys.argv[2]), b"x" * 2**20]
    multiprocessing.get_context("spawn").Process(target=print, args=orders).start()


def look():
    files = [int(name) for name in os.listdir("/dev/fd")]
    pid = os.getpid()
    parent.tell(
        input=sys.stdin.read(),
        pid=pid,
        group=os.getpgid(pid),
        session=os.getsid(pid),
        folder=os.getcwd(),
        files=files,
    )


def idle():
    parent.tell(ready=True)
    time.sleep(60)


def busy():
    parent.tell(ready=True)
    while True:
        pass


def deaf():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    idle()


def locked():
    """Stay in a call that keeps Python's lock: no other thread runs."""
    parent.tell(ready=True)
    re.match("(a+)+b", "a" * 40)


def stopped():
    parent.tell(ready=True)
    os.kill(os.getpid(), signal.SIGSTOP)


def gone():
    """End, and leave a process behind."""
    if os.fork() == 0:
        time.sleep(60)
    parent.tell(ready=True)


def polite():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
    idle()


def leave():
    sys.exit(7)


def fail():
    sys.exit("no luck")


def pool():
    """Have a process work for a long time."""
    workers = process_pool(1)
    parent.tell(worker=workers.submit(os.getpid).result())
    workers.submit(time.sleep, 60).result()


def parents():
    """Have a child of some kind, and fail or wait for a signal."""
    kind, ending = sys.argv[2:]
    variables = environment(PYTHONPATH=os.environ["PYTHONPATH"])
    child = Child(__spec__.name, kind, variables=variables)
    next(child.messages())
    parent.tell(child=child.pid)
    if ending == "exit":
        raise RuntimeError
    time.sleep(60)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
