"""Tells when the machine itself stood still: a virtual machine that gets no processor for seconds
makes nobody's outage, and a measure of an outage leaves that time out."""

import threading
import time

PULSE = 0.05  # seconds
LATE = 0.5  # seconds after its time, from which on a pulse says that nobody ran


class Standstill(threading.Thread):
    """A thread that does nothing but wake up; what it slept too long, everybody did."""

    def __init__(self, clock=time.monotonic, sleep=time.sleep):
        super().__init__(daemon=True)
        self.clock = clock
        self.sleep = sleep
        self.pauses = []  # (from, to)
        self.over = threading.Event()

    def run(self):
        while not self.over.is_set():
            self.pulse()

    def pulse(self):
        begin = self.clock()
        self.sleep(PULSE)
        end = self.clock()
        if end - begin > PULSE + LATE:
            self.pauses.append((begin + PULSE, end))

    def running(self, begin, end):
        """Seconds from begin to end in which the machine ran. Ask a pulse after `end`, or later."""
        still = sum(max(0, min(end, to) - max(begin, since)) for since, to in list(self.pauses))
        return end - begin - still
