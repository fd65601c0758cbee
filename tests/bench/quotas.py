"""Processor time by measure: a thread in a cgroup of its own gets so much of a processor and no
more. For root; the cpu controller may be in a hierarchy of its own (version 1) or in the unified
one (version 2)."""

import os
import pathlib

PERIOD_US = 10000
QUOTA_MIN_US = 1000  # the kernel's


class Quotas:
    """A context: this process and all it starts are in a cgroup that goes before others, and out
    of it at the end. Threads that have a quota must have ended by then."""

    root, threads, weight = None, None, None

    def __init__(self):
        self.home = self.root / f"sim-cluster-bench-{os.getpid()}"
        self.groups = []

    def limit(self, thread, processors):
        """Of a processor so much, as 0.3."""
        quota = int(processors * PERIOD_US)
        if quota < QUOTA_MIN_US:
            raise ValueError(f"less than {QUOTA_MIN_US / PERIOD_US:g} of a processor")
        group = self.home / str(thread)
        group.mkdir()
        self.groups.append(group)
        self.set_quota(group, quota)
        (group / self.threads).write_text(str(thread))

    def set_quota(self, group, quota_us):
        raise NotImplementedError

    def __enter__(self):
        self.home.mkdir()
        name, value = self.weight
        (self.home / name).write_text(value)
        (self.home / "cgroup.procs").write_text(str(os.getpid()))
        return self

    def __exit__(self, *_):
        (self.root / "cgroup.procs").write_text(str(os.getpid()))
        for group in [*self.groups, self.home]:
            group.rmdir()


class Version1(Quotas):
    root = pathlib.Path("/sys/fs/cgroup/cpu")
    threads, weight = "tasks", ("cpu.shares", "65536")

    @classmethod
    def is_there(cls):
        return (cls.root / "cpu.shares").exists()

    def set_quota(self, group, quota_us):
        (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(quota_us))


class Version2(Quotas):
    """Threads of a process are apart in a threaded subtree only (cgroups(7), thread mode)."""

    root = pathlib.Path("/sys/fs/cgroup")
    threads, weight = "cgroup.threads", ("cpu.weight", "10000")

    @classmethod
    def is_there(cls):
        controllers = cls.root / "cgroup.controllers"
        return controllers.exists() and "cpu" in controllers.read_text().split()

    def __enter__(self):
        (self.root / "cgroup.subtree_control").write_text("+cpu")
        return super().__enter__()

    def set_quota(self, group, quota_us):
        (group / "cgroup.type").write_text("threaded")
        (self.home / "cgroup.subtree_control").write_text("+cpu")
        (group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")


def find():
    """What this machine has; None: nothing that this process may use."""
    version = next((version for version in (Version1, Version2) if version.is_there()), None)
    return version() if version and os.access(version.root, os.W_OK) else None
