"""Servers and an API node as separate processes, for tests that stop, start and spoil each."""

from fenlu_test import Gateway, cluster_status, free_port, run_fenlu, scratch_path, wait_until

CLUSTER = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
OTHER_CLUSTER = "11111111-2222-4333-8444-555555555555"


def member_list(ports):
    """1=127.0.0.1:PORT,2=… for --members."""
    return ",".join(f"{id}=127.0.0.1:{port}" for id, port in enumerate(ports, 1))


def format_node(data, id, members, cluster=CLUSTER):
    result = run_fenlu("format", "--data", data, "--cluster", cluster, "--id", id,
                       "--members", members)
    assert result.returncode == 0, result.stderr
    return data


class Cluster:
    """Three servers and an API node. servers[ID] is a Process with `data`; one that was killed is
    started again with start(wait=False). `folders` names data folders by id; the others are new."""

    def __init__(self, *flags, folders=None):
        self.ports = [free_port() for _ in range(3)]
        self.members = member_list(self.ports)
        self.servers = {}
        for id in (1, 2, 3):
            data = (folders or {}).get(id) or scratch_path(f"node{id}")
            format_node(data, id, self.members)
            self.servers[id] = Gateway("server", "--data", data, *flags)
            self.servers[id].data = data
        self.api = Gateway("api", "--members", self.members, "--cluster", CLUSTER,
                           "--grpc", f"127.0.0.1:{free_port()}")

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

    def digest(self, channel):
        """(applied index, digest), once all three agree."""
        def agreed():
            nodes = cluster_status(channel).nodes
            states = {(node.applied_index, node.digest) for node in nodes if node.reachable}
            return states.pop() if len(states) == 1 and all(n.reachable for n in nodes) else None
        return wait_until(agreed, "one digest on all servers")
