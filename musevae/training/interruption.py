"""Ctrl-C and SIGTERM as a request to stop, not a crash."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_requested(*, second_kills: bool = True) -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, so that a checkpoint can be written first; the second one kills.

    Not where a launcher passes on what the terminal has sent already, and kills by itself who is slow.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def request(number: int, _: FrameType | None) -> None:
        if stop.is_set() and second_kills:
            raise KeyboardInterrupt
        stop.set()

    previous = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
