"""The long one: a host with two paths writes through twenty random failures of nodes, and each stall is explained."""

import os
import random
from datetime import datetime, timezone

from conftest import INITIATOR
from lab import NODES
from writer import TARGET, check, file_system, finish, two_paths, wait_for_paths, wait_for_writes, write

FAILURES, MEGABYTES = 20, 16
VERBS = ("kill", "freeze", "power-off", "isolate")
# What the cluster and the host do one after the other: heading, event, its fields.
STAGES = (
    ("detected", "node.failed", {}),
    ("fenced", "node.fenced", {}),
    ("moved", "target.moved", {"target": TARGET}),
    ("address", "floating_ip.up", {}),
    ("redirected", "login.redirected", {"target": TARGET}),
    ("logged in", "session.opened", {"target": TARGET, "initiator": INITIATOR.format(1)}),
)


def seconds_after(start, event):
    return (datetime.fromisoformat(event["time"].replace("Z", "+00:00")) - start).total_seconds()


class Failure:
    """A node and what happens to it, in the middle of a run of the writer."""

    def __init__(self, cluster, chance):
        self.cluster, self.verb = cluster, chance.choice(VERBS)
        serving = cluster.controller()
        self.node = chance.choice([serving, *range(1, NODES + 1)])
        self.served, self.stages = self.node == serving, {}

    def strike(self):
        self.start = datetime.now(timezone.utc)
        self.mark = self.cluster.node(self.node, self.verb)
        self.cluster.events.wait("node.fenced", 30, self.mark, node=self.node)
        if self.served:
            self.wait_for_answer()

    def wait_for_answer(self):
        """Until a session on another node has moved data."""
        opened = self.cluster.events.wait("session.opened", 90, self.mark, target=TARGET)
        self.cluster.wait_until(lambda: any(
            session["node"] == opened["node"] and session["bytes_in"] + session["bytes_out"] >= 4096
            for session in self.cluster.status()["sessions"]), "an answer from another node", 90)
        self.stages["answered"] = (datetime.now(timezone.utc) - self.start).total_seconds()

    def explain(self, stall_ms):
        """When the first event of each stage came."""
        self.stall = stall_ms / 1000
        for heading, kind, fields in STAGES:
            for event in self.cluster.events.all(kind, self.mark, **fields)[:1]:
                self.stages[heading] = seconds_after(self.start, event)

    def mend(self):
        mark = self.cluster.node(self.node, "start")
        self.cluster.events.wait("node.state", 30, mark, node=self.node, state="up")

    def row(self):
        words = [f"{self.node} {self.verb}", "target" if self.served else "-", f"{self.stall:.1f}"]
        headings = [heading for heading, _, _ in STAGES] + ["answered"]
        return words + [f"{self.stages[heading]:.2f}" if heading in self.stages else "-" for heading in headings]


def table(failures, seed):
    rows = [["NODE", "SERVED", "STALL, s", *(heading.upper() for heading, _, _ in STAGES), "ANSWERED"]]
    rows += [failure.row() for failure in failures]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([f"seed {seed}", *lines])


def test_writer_survives_twenty_random_failures(make_cluster, guest, record_property):
    cluster = make_cluster(size="320M").up()
    device = two_paths(cluster, guest)
    file_system(guest, device)
    seed = int(os.environ.get("VM_SEED", random.SystemRandom().randrange(10000)))
    chance, failures = random.Random(seed), []
    for number in range(FAILURES):
        job, failure = write(guest, MEGABYTES, number + 1), Failure(cluster, chance)
        failures.append(failure)
        wait_for_writes(cluster, chance.randrange(1, MEGABYTES // 2))
        failure.strike()
        failure.explain(finish(guest, job))
        failure.mend()
        wait_for_paths(guest, 2)
    check(guest, device)
    record_property("stalls", table(failures, seed))
