"""Servers and an API node as separate processes, for tests that stop, start and spoil each."""

import json

import grpc

from fenlu_test import Gateway, cluster_status, free_port, run_fenlu, scratch_path, wait_until

CLUSTER = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
OTHER_CLUSTER = "11111111-2222-4333-8444-555555555555"


def member_list(ports):
    """1=127.0.0.1:PORT,2=… for --members."""
    return address_list({id: f"127.0.0.1:{port}" for id, port in enumerate(ports, 1)})


def address_list(addresses):
    return ",".join(f"{id}={address}" for id, address in addresses.items())


def format_node(data, id, members, cluster=CLUSTER, join=False):
    result = run_fenlu("format", "--data", data, "--cluster", cluster, "--id", id,
                       "--members", members, *(["--join"] if join else []))
    assert result.returncode == 0, result.stderr
    return data


class Cluster:
    """Servers 1 to `size` and an API node. servers[ID] is a Process with `data`; one that was
    killed is started again with start(wait=False). `folders` names data folders by id; the others
    are new. With a `network` (networks.py, proxies.py) each runs on the host of its id, the API node
    on "api".
    """

    def __init__(self, *flags, folders=None, size=3, network=None):
        self.flags = flags
        self.network = network
        self.addresses = {id: self._address(id) for id in range(1, size + 1)}
        self.ports = [int(address.rsplit(":", 1)[1]) for address in self.addresses.values()]
        self.members = address_list(self.addresses)
        self.servers = {}
        for id in self.addresses:
            self.servers[id] = self.make_server(id, (folders or {}).get(id))
        at = self._address("api")
        self.api = Gateway("api", "--members", self.members, "--cluster", CLUSTER, "--grpc", at,
                           prefix=self._prefix("api"))

    def _address(self, host):
        return self.network.address(host) if self.network else f"127.0.0.1:{free_port()}"

    def _prefix(self, host):
        return self.network.prefix(host) if self.network else ()

    def make_server(self, id, data=None, join=False):
        """Formatted, and not started; a new id gets an address in `addresses`."""
        data = data or scratch_path(f"node{id}")
        if id not in self.addresses:
            self.addresses[id] = self._address(id)
        format_node(data, id, address_list(self.addresses), join=join)
        flags = self.network.flags(id) if self.network else []
        server = Gateway("server", "--data", data, *self.flags, *flags, prefix=self._prefix(id))
        server.data = data
        return server

    def __enter__(self):
        for server in self.servers.values():
            server.start(wait=False)
        self.api.start()
        return self

    def __exit__(self, kind, value, trace):
        for process in [self.api, *self.servers.values()]:
            if kind is not None:
                print(f"--- stderr of fenlu {process.arguments}\n{process.log_tail()}")
            process.kill()

    def stop(self):
        for process in [self.api, *self.servers.values()]:
            assert process.stop() == 0, (process.arguments, process.log_tail())

    def leader(self, channel):
        return wait_until(lambda: cluster_status(channel).leader, "a leader")

    def digest(self, channel, timeout=60):
        """(applied index, digest), once all agree and none is missing."""
        def agreed():
            nodes = cluster_status(channel).nodes
            digests = {}
            for node in nodes:
                if node.reachable:
                    digests.setdefault(node.applied_index, set()).add(node.digest)
            assert all(len(same) == 1 for same in digests.values()), f"digests differ: {nodes}"
            states = {(node.applied_index, node.digest) for node in nodes if node.reachable}
            return states.pop() if len(states) == 1 and all(n.reachable for n in nodes) else None
        return wait_until(agreed, "one digest on all servers", timeout)

    def node(self, id):
        """What `fenlu status --json` says of a server; None when it cannot be had."""
        nodes = (self.api.status() or {"nodes": []})["nodes"]
        return next((node for node in nodes if node["id"] == id and node["reachable"]), None)

    def admin(self, *words, timeout=90, target=None):
        """`fenlu admin WORDS --json`: what it printed, parsed, after it succeeded."""
        result = self.try_admin(*words, timeout=timeout, target=target)
        assert result.returncode == 0, (words, result.stderr)
        return json.loads(result.stdout)

    def make_leader(self, id):
        """Once the leader hears it: a server that has just started is not heard at once."""
        def heard():
            view = self.try_list()
            return view and any(member["id"] == id and member["heard"]
                                for member in view["members"])
        wait_until(heard, f"node {id} is heard")
        assert self.admin("transfer-leader", "--id", id)["leader"] == id

    def try_list(self):
        """The members as the leader sees them; None while there is none."""
        result = self.try_admin("member", "list", "--patience", 1, timeout=20)
        return json.loads(result.stdout) if result.returncode == 0 else None

    def try_admin(self, *words, timeout=90, target=None):
        return run_fenlu("admin", *words, "--target", target or self.api.address, "--json",
                         timeout=timeout)


def is_back(status, id):
    """The server has applied all that the cluster had committed when this status was made."""
    node = next(node for node in status.nodes if node.id == id)
    reachable = [other for other in status.nodes if other.reachable]
    committed = max(other.commit_index for other in reachable)
    return (node.reachable and len(reachable) == len(status.nodes)
            and committed - node.applied_index < 20)


def try_status(channel):
    try:
        return cluster_status(channel, timeout=2)
    except grpc.RpcError:
        return None


def wait_back(channel, id):
    """Under load a server never has all: it has caught up when it is a moment behind at most."""
    def back():
        status = try_status(channel)
        return status is not None and is_back(status, id)
    wait_until(back, f"node {id} caught up", timeout=30, pause=0.05)


def choose_victim(dice, channel, ids):
    """The leader every other time."""
    leader = wait_until(lambda: (status := try_status(channel)) and status.leader, "a leader")
    return leader if dice.random() < 0.5 else dice.choice(sorted(ids)), leader
