"""Partitions without namespaces: a proxy in front of each server, which holds back what others send.

    proxies = Proxies([1, 2, 3, "api"])   # what networks.Network offers, but slow_down
    Gateway("server", ..., *proxies.flags(1))
    proxies.cut(1, 2)                     # 1 is not heard by 2 any more; silently, one way
    proxies.mend()

A server's address in the list of members is its proxy's; the server itself takes connections at
another one (--listen). Who dials says so in the first frame, the hello (raft/net/frame.h). A cut
holds back bytes and ends of connections of one direction; they arrive when it is mended, as with
TCP when packets are lost for a while. A connection that was given up before anything got through
never reaches the server.
"""

import contextlib
import select
import socket
import struct
import threading

from fenlu_test import free_port

HOST = "127.0.0.1"
CHUNK = 1 << 16
HELLO_NODE = 52  # its place in the first frame: a header of 32 bytes, cluster, role
HELLO_HEAD = HELLO_NODE + 4
LOOK = 0.05


def _read_sender(connection):
    """The first bytes, and whom they are from; None: it ended before."""
    data = b""
    while len(data) < HELLO_HEAD:
        more = connection.recv(HELLO_HEAD - len(data))
        if not more:
            return None
        data += more
    node, = struct.unpack_from("<I", data, HELLO_NODE)
    return data, node or "api"


def _is_given_up(connection):
    readable = select.select([connection], [], [], 0)[0]
    return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""


class Proxies:
    def __init__(self, hosts):
        self.hosts = list(hosts)
        self.changed = threading.Condition()
        self.cuts = set()
        self.closed = False
        self.behind = {host: f"{HOST}:{free_port()}" for host in hosts}
        self.listeners = {}
        for host in hosts:
            if host != "api":
                self.listeners[host] = socket.create_server((HOST, 0), backlog=64)
                self._run(self._accept, host)

    @staticmethod
    def _run(function, *arguments):
        threading.Thread(target=function, args=arguments, daemon=True).start()

    # --- what goes through

    def _accept(self, host):
        while True:
            try:
                connection, _ = self.listeners[host].accept()
            except OSError:
                return  # closed
            self._run(self._join, host, connection)

    def _join(self, host, near):
        """Waits for the hello, and until it may pass; then there are two directions."""
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            stack.enter_context(near)
            hello = _read_sender(near)
            if hello is None:
                return
            data, sender = hello
            while not self._passes(sender, host, LOOK):
                if _is_given_up(near):
                    return
            address, port = self.behind[host].rsplit(":", 1)
            far = stack.enter_context(socket.create_connection((address, int(port))))
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            far.sendall(data)
            back = threading.Thread(target=self._pump, args=(far, near, host, sender), daemon=True)
            back.start()
            self._pump(near, far, sender, host)
            back.join()

    def _pump(self, source, sink, sender, receiver):
        data = b"?"
        while data:
            try:
                data = source.recv(CHUNK)
            except OSError:
                data = b""
            self._passes(sender, receiver, None)
            try:
                if data:
                    sink.sendall(data)
                    continue
            except OSError:
                pass
            break
        for end in (source, sink):  # the other direction ends, too
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _passes(self, sender, receiver, seconds):
        with self.changed:
            return self.changed.wait_for(
                lambda: self.closed or (sender, receiver) not in self.cuts, seconds)

    # --- as networks.Network

    def prefix(self, host):
        return []

    def address(self, host):
        """Where others find it."""
        if host == "api":
            return self.behind[host]
        return f"{HOST}:{self.listeners[host].getsockname()[1]}"

    def flags(self, host):
        return ["--listen", self.behind[host]]

    def cut(self, sender, receiver):
        with self.changed:
            self.cuts.add((sender, receiver))

    def cut_both(self, one, other):
        self.cut(one, other)
        self.cut(other, one)

    def isolate(self, host, others=None):
        for other in self.hosts if others is None else others:
            if other != host:
                self.cut_both(host, other)

    def mend(self):
        with self.changed:
            self.cuts.clear()
            self.changed.notify_all()

    def close(self):
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        for listener in self.listeners.values():
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()
