"""Fault rules for a bare process, written as on the command line, and the board that it counts on
(target/base/fault_counts.h)."""

import fcntl
import json
import mmap
import os
import shlex
import struct

SLOT, SLOTS = 64, 1024


class Board:
    """`descriptor` is the process's; `slots`: where the rules in force are counted, by their text."""

    def __init__(self):
        self.descriptor = os.memfd_create("faults", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.descriptor, SLOT * SLOTS)
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        self.bytes, self.slots, self.last = mmap.mmap(self.descriptor, SLOT * SLOTS), {}, 0

    def replace(self, rules):
        """Gives every rule its slot; one that stays keeps it."""
        old, self.slots = self.slots, {}
        for entry in rules:
            words = json.dumps(entry)
            if words not in old:
                self.last += 1
            self.slots[words] = entry["slot"] = old.get(words, self.last)

    def hits(self):
        return {json.loads(words)["id"]: struct.unpack_from("=QQ", self.bytes, slot * SLOT)[1]
                for words, slot in self.slots.items()}

    def close(self):
        self.bytes.close()
        os.close(self.descriptor)


def rule(text, number=1):
    """`KIND key=value ...` as the request `faults` takes it; the id is the kind unless given."""
    kind, *pairs = shlex.split(text)
    return {"kind": kind, "id": f"{kind}-{number}", **dict(pair.split("=", 1) for pair in pairs)}


def set_faults(process, *texts):
    """Replaces all rules of the process."""
    rules = [rule(text, number) for number, text in enumerate(texts, 1)]
    process.board.replace(rules)
    process.control.request("faults", rules=rules)


def clear_faults(process):
    set_faults(process)


def hits(process):
    """Hits of each rule, by its id."""
    return process.board.hits()
