"""Random commands from two initiators against a model of the disk, while its nodes die.

One command at a time, with two exceptions. Two writes at once: each block is as after the one or
the other order, and what is answered fits one of them. The last command before a node dies: nobody
knows how far it came, so each of its blocks may be old or new, and the reservations as before or
after it. Unit attentions are told at least once: one that was told shortly before a node died may
be told again.
"""

import contextlib
import os
import random
import signal

import model
from reservations import POWER_ON, attentions, read_keys, read_reservation
from scsi import GOOD
from session import LUN_RESET
from windows import PREFIX, isid
from wire import Closed, Silence

BLOCKS, LONGEST, NEXUSES = 512, 24, 2
KEYS = (0x11, 0x22, 0x33)
VOLUME = "data1"
LOST = (Closed, Silence, OSError)


class Disagreement(AssertionError):
    pass


class Run:
    def __init__(self, cluster, seed, between_failures):
        self.cluster, self.random = cluster, random.Random(seed)
        self.between_failures = between_failures
        self.disk = model.Disk(BLOCKS, NEXUSES)
        self.told = {nexus: set() for nexus in range(NEXUSES)}
        self.sessions = {nexus: self.connect(nexus) for nexus in range(NEXUSES)}
        self.history, self.counts, self.place = [], {}, None

    def connect(self, nexus):
        return self.cluster.reconnect(VOLUME, name=f"{PREFIX}host{nexus}", isid=isid(nexus),
                                      ready=False)

    def note(self, *words):
        self.history = self.history[-60:] + [" ".join(map(str, words))]
        self.counts[words[0]] = self.counts.get(words[0], 0) + 1

    def expect(self, happened, expected, what):
        if happened != expected:
            raise Disagreement(f"{what}: the disk says {happened!r}, the model {expected!r}\n"
                               + "\n".join(self.history))

    # Commands

    def data(self, blocks):
        return self.random.randbytes(blocks * model.BLOCK)

    def extent(self):
        blocks = self.random.randint(1, LONGEST)
        first, last = self.place or (0, BLOCKS)
        return min(self.random.randint(first, last), BLOCKS - blocks), blocks

    def choose_compare(self):
        """Of one block, as the disk takes no more."""
        lba, _ = self.extent()
        expected = bytes(self.disk.data[lba * model.BLOCK:(lba + 1) * model.BLOCK])
        if self.random.random() < 0.3:
            expected = self.data(1)
        return model.compare_and_write(lba, expected, self.data(1))

    def choose_same(self):
        zeros = self.random.random() < 0.5
        block = bytes(model.BLOCK) if zeros else self.data(1)
        return model.write_same(*self.extent(), block, unmap=zeros)

    def choose_write(self):
        lba, blocks = self.extent()
        return model.write(lba, self.data(blocks), fua=self.random.random() < 0.05)

    def choose_or(self):
        lba, blocks = self.extent()
        return model.or_write(lba, self.data(blocks))

    def choose_reserve(self):
        """Mostly with the right keys, or nothing would ever be reserved."""
        key = self.disk.reservations.keys.get(self.nexus, 0)
        if self.random.random() < 0.1:
            key = self.random.choice((0,) + KEYS)
        return model.ReserveOut(self.random.choice((0, 0, 1, 1, 2, 3, 4, 4, 5, 6)),
                                self.random.choice(model.TYPES), key,
                                self.random.choice((0,) + KEYS + KEYS))

    def choose(self):
        name, weights = zip(*{"read": 30, "write": 22, "same": 6, "unmap": 6, "compare": 8, "or": 5,
                              "ready": 6, "reserve": 12}.items())
        name = self.random.choices(name, weights)[0]
        chosen = {"read": lambda: model.Read(*self.extent()), "write": self.choose_write,
                  "same": self.choose_same, "unmap": lambda: model.unmap(*self.extent()),
                  "compare": self.choose_compare, "or": self.choose_or, "ready": model.Ready,
                  "reserve": self.choose_reserve}[name]()
        self.note(name, f"nexus {self.nexus}", chosen.cdb.hex())
        return chosen

    def start(self, command):
        return self.sessions[self.nexus].start(command.cdb, read=command.read,
                                               write=command.write)

    def compare(self, task, answer):
        status, code, data = answer
        self.expect(task.status, status, "status")
        self.expect(task.code if task.sense else None, code, "sense")
        if data is not None:
            self.expect(task.data_in, data, "data")
        if code and code >> 16 == 6:
            self.told[self.nexus].add(code)

    def command(self):
        command = self.choose()
        answer = self.disk.judge(self.nexus, command)
        self.compare(self.sessions[self.nexus].wait(self.start(command)), answer)

    def writes_at_once(self):
        """Not while unit attentions are pending: they would keep the writes away."""
        if any(self.disk.attentions.values()):
            self.command()
            return
        commands, tasks = {}, {}
        first = self.random.randrange(BLOCKS)
        self.place = first, first + LONGEST // 4  # so that they mostly overlap
        for self.nexus in self.sessions:
            commands[self.nexus] = self.random.choice((
                self.choose_write, self.choose_same, self.choose_or, self.choose_compare,
                lambda: model.unmap(*self.extent())))()
            self.note("at-once", f"nexus {self.nexus}", commands[self.nexus].cdb.hex())
        self.place, candidates = None, []
        for order in (list(commands), list(commands)[::-1]):
            disk = self.disk.copy()
            candidates.append((disk, {nexus: disk.judge(nexus, commands[nexus])[:2]
                                      for nexus in order}))
        for self.nexus, command in commands.items():
            tasks[self.nexus] = self.start(command)
        seen = {}
        for nexus, task in tasks.items():
            self.sessions[nexus].wait(task)
            seen[nexus] = task.status, task.code if task.sense else None
        fitting = [disk for disk, answers in candidates if answers == seen]
        if not fitting:
            self.expect(seen, [answers for _, answers in candidates], "two writes at once")
        for command in commands.values():
            self.settle(fitting[0], fitting[-1], self.disk, command.extent)

    def look(self):
        """What PERSISTENT RESERVE IN tells, once nothing is pending."""
        session = self.sessions[self.nexus]
        self.note("look", f"nexus {self.nexus}")
        self.expect(attentions(session), self.disk.attentions[self.nexus], "unit attentions")
        self.told[self.nexus].update(self.disk.attentions[self.nexus])
        self.disk.attentions[self.nexus] = []
        self.expect(self.reservations(session), self.disk.reservations.state(), "reservations")

    def reservations(self, session):
        return sorted(read_keys(session)[1]), read_reservation(session)

    def reset(self):
        self.note("reset", f"nexus {self.nexus}")
        self.expect(self.sessions[self.nexus].manage(LUN_RESET), 0, "LUN RESET")
        self.disk.reset()

    def relog(self):
        self.note("relog", f"nexus {self.nexus}")
        session = self.sessions[self.nexus]
        session.log_out()
        session.connection.expect_close()
        self.disk.relog(self.nexus)
        self.sessions[self.nexus] = self.connect(self.nexus)

    # Failures

    def fail(self):
        self.random.choice((self.kill, self.kill, self.kill_at_work, self.kill_at_work,
                            self.move))()

    def kill(self):
        before = self.disk.copy()
        self.break_node(signal_it=True)
        self.recover(before, self.disk, None)

    def kill_at_work(self):
        """The last command may be done, half done, or not be done."""
        command = self.choose()
        before, after = self.disk, self.disk.copy()
        answer = after.judge(self.nexus, command)
        session = self.sessions[self.nexus]
        try:
            task = self.start(command)
            if self.random.random() < 0.5:
                with contextlib.suppress(Silence):
                    session.pump(self.random.random() / 500)
        except LOST:
            task = None
        self.break_node(signal_it=True)
        with contextlib.suppress(*LOST):
            session.wait(task)
        if task and task.done:
            self.compare(task, answer)
            self.recover(after, after, None)
        else:
            self.recover(before, after, command)

    def move(self):
        before = self.disk.copy()
        self.break_node(signal_it=False)
        self.recover(before, self.disk, None)

    def break_node(self, signal_it):
        old = self.cluster.controller(VOLUME)
        self.note("kill" if signal_it else "move", f"node {old}")
        if signal_it:
            for pid in self.cluster.pids("target", old):
                os.kill(pid, signal.SIGKILL)
            self.cluster.new_controller(old, VOLUME)
            self.cluster.wait_until(lambda: self.cluster.node_states()[old] == "down", "fenced")
            self.cluster.run("node", old, "start")
        else:
            others = [node for node in self.cluster.node_states() if node != old]
            self.cluster.run("target", VOLUME, "move", self.random.choice(others))

    def recover(self, before, after, command):
        """Two models, of which either may be true; the disk tells which."""
        for nexus in self.sessions:
            self.sessions[nexus].close()
            self.sessions[nexus] = self.connect(nexus)
        found = {nexus: attentions(session) for nexus, session in self.sessions.items()}
        for candidate in {id(each): each for each in (before, after)}.values():
            candidate.move()
        state = self.reservations(self.sessions[0])
        for candidate in (after, before):
            if candidate.reservations.state() == state and self.is_told(found, candidate):
                break
        else:
            raise Disagreement(f"after a failure: the disk says {state!r}, {found!r}, the model "
                               f"{before.reservations.state()!r}, {before.attentions!r} or "
                               f"{after.reservations.state()!r}, {after.attentions!r}\n"
                               + "\n".join(self.history))
        candidate.attentions = {nexus: [] for nexus in self.sessions}
        self.told = {nexus: set(codes) for nexus, codes in found.items()}
        if command and command.extent:
            self.settle(before, after, candidate, command.extent)
        self.disk = candidate

    def is_told(self, found, candidate):
        """Power on, then all that is pending in its order, and nothing but what was told before."""
        for nexus, codes in found.items():
            pending, rest = candidate.attentions[nexus], iter(codes)
            if codes[:1] != [POWER_ON] or not all(code in rest for code in pending):
                return False
            if set(codes) - set(pending) - self.told[nexus]:
                return False
        return True

    def settle(self, before, after, candidate, extent):
        """Each block of the interrupted command is an old or a new one."""
        session = next(self.sessions[nexus] for nexus in self.sessions
                       if self.may_read(candidate, nexus))
        read = model.Read(*extent)
        data = session.command(read.cdb, read=read.read).assert_good().data_in
        for block in range(extent[1]):
            place = slice(block * model.BLOCK, (block + 1) * model.BLOCK)
            old, new = (bytes(disk.data[read.span][place]) for disk in (before, after))
            if data[place] not in (old, new):
                raise Disagreement(f"block {extent[0] + block} is neither old nor new\n"
                                   + "\n".join(self.history))
        candidate.data[read.span] = data

    @staticmethod
    def may_read(disk, nexus):
        try:
            disk.reservations.check(nexus, model.READS_CONFLICT)
        except model.Conflict:
            return False
        return True

    # The whole

    def run(self, commands):
        actions = [self.command, self.writes_at_once, self.look, self.reset, self.relog]
        weights = [870, 100, 20, 6, 4]
        for _ in range(commands):
            self.nexus = self.random.randrange(NEXUSES)
            if self.random.random() * self.between_failures < 1:
                self.fail()
            else:
                self.random.choices(actions, weights)[0]()
        self.finish()
        return self.counts

    def finish(self):
        """Everything is read back."""
        for self.nexus in self.sessions:
            self.look()
        self.nexus = next(nexus for nexus in self.sessions if self.may_read(self.disk, nexus))
        command = model.Read(0, BLOCKS)
        task = self.sessions[self.nexus].wait(self.start(command))
        self.expect(task.status, GOOD, "status of the last read")
        self.expect(task.data_in, bytes(self.disk.data), "all data")
