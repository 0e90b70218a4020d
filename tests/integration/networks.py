"""Networks that a test makes, cuts and mends: a namespace for each server, all below one of the
test process itself, so nothing outside sees them and they go away with the processes.

    network = Network([1, 2, 3, "api"])   # Skip where namespaces are not allowed
    Gateway(..., prefix=network.prefix(1))
    network.cut(1, 2)                     # 1 is not heard by 2 any more; silently, one way
    network.isolate(1)                    # both ways, from everybody
    network.slow_down(1, "20mbit")        # what is sent to it
    network.mend()

Where namespaces are not allowed, proxies.py does for partitions.

Every host N has a pair of virtual interfaces to the test's namespace, which routes between them:
10.77.N.2 is the host, 10.77.N.1 the test's side. A cut is a routing rule that drops what one host
sends to another, so neither end is told. Without root, a user namespace gives the rights.
"""

import ctypes
import os
import pathlib
import subprocess

from fenlu_test import Skip, wait_until

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PORT = 7400
API_PORT = 7410
RULE_PRIORITY = 100

_entered = False


def _run(*words):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")


def _enter():
    """Moves this thread, and all that it starts from now on, into a namespace of its own."""
    global _entered
    if _entered:
        return
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET | (CLONE_NEWUSER if user != 0 else 0)) != 0:
        raise Skip(f"no network namespaces: {os.strerror(ctypes.get_errno())}")
    if user != 0:
        pathlib.Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        pathlib.Path("/proc/self/uid_map").write_text(f"0 {user} 1", encoding="ascii")
        pathlib.Path("/proc/self/gid_map").write_text(f"0 {group} 1", encoding="ascii")
    _entered = True
    try:
        _run("ip", "link", "set", "lo", "up")
        # Of the namespace of this thread; /proc/sys/net is that of the one who looks.
        pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")
        _run("ip", "rule", "add", "from", "10.77.255.1", "to", "10.77.255.2", "priority",
             RULE_PRIORITY, "blackhole")
        _run("ip", "rule", "del", "priority", RULE_PRIORITY)
    except OSError as error:
        raise Skip(f"network namespaces lack something: {error}") from error


class Network:
    def __init__(self, hosts):
        _enter()
        self.numbers = {host: number for number, host in enumerate(hosts, 1)}
        self.holders = {}
        self.cuts = []
        try:
            for host in hosts:
                self._add(host)
        except OSError as error:
            self.close()
            raise Skip(f"network namespaces lack something: {error}") from error

    def _add(self, host):
        number = self.numbers[host]
        here = os.readlink("/proc/thread-self/ns/net")
        holder = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sleep",
                                   "infinity"])
        self.holders[host] = holder
        wait_until(lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != here, "a namespace")
        _run("ip", "link", "add", f"host{number}", "type", "veth", "peer", "name", "eth0",
             "netns", holder.pid)
        _run("ip", "address", "add", f"10.77.{number}.1/24", "dev", f"host{number}")
        _run("ip", "link", "set", f"host{number}", "up")
        for words in (("ip", "address", "add", f"10.77.{number}.2/24", "dev", "eth0"),
                      ("ip", "link", "set", "eth0", "up"), ("ip", "link", "set", "lo", "up"),
                      ("ip", "route", "add", "default", "via", f"10.77.{number}.1")):
            _run(*self.prefix(host), *words)

    def prefix(self, host):
        """Words before a command that runs it on the host."""
        return ["nsenter", f"--net=/proc/{self.holders[host].pid}/ns/net"]

    def address(self, host):
        """HOST:PORT: the cluster address of a server, or where an API node answers."""
        return f"{self._host_address(host)}:{API_PORT if host == 'api' else PORT}"

    def _host_address(self, host):
        return f"10.77.{self.numbers[host]}.2"

    def flags(self, host):
        """What a server has to be told."""
        return []

    def cut(self, sender, receiver):
        """What `sender` sends to `receiver` is lost; the other way it goes on."""
        rule = ("from", self._host_address(sender), "to", self._host_address(receiver), "priority",
                RULE_PRIORITY, "blackhole")
        _run("ip", "rule", "add", *rule)
        self.cuts.append(rule)

    def cut_both(self, one, other):
        self.cut(one, other)
        self.cut(other, one)

    def isolate(self, host, others=None):
        for other in self.numbers if others is None else others:
            if other != host:
                self.cut_both(host, other)

    def slow_down(self, host, rate):
        """What is sent to the host comes at `rate` at most (as tc says it); None: at any."""
        device = ("dev", f"host{self.numbers[host]}")
        if rate is None:
            _run("tc", "qdisc", "del", *device, "root")
        else:
            _run("tc", "qdisc", "replace", *device, "root", "tbf", "rate", rate, "burst", "64kb",
                 "latency", "100ms")

    def mend(self):
        for rule in self.cuts:
            _run("ip", "rule", "del", *rule)
        self.cuts = []

    def close(self):
        for holder in self.holders.values():
            holder.kill()
            holder.wait()
        for number in self.numbers.values():
            # The kernel removes the pair by itself, some time after its namespace.
            subprocess.run(["ip", "link", "del", f"host{number}"], capture_output=True, check=False)
        self.holders = {}

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()

