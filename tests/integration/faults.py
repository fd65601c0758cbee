"""Fault rules for a bare process, written as on the command line."""

import shlex


def rule(text, number=1):
    """`KIND key=value ...` as the request `faults` takes it; the id is the kind unless given."""
    kind, *pairs = shlex.split(text)
    return {"kind": kind, "id": f"{kind}-{number}", **dict(pair.split("=", 1) for pair in pairs)}


def set_faults(process, *texts, **fields):
    """Replaces all rules of the process."""
    rules = [rule(text, number) for number, text in enumerate(texts, 1)]
    process.control.request("faults", rules=rules, **fields)


def clear_faults(process):
    set_faults(process)


def hits(process):
    """Hits of each rule, by its id."""
    return {line["id"]: line["hits"] for line in process.control.request("fault_counts")["faults"]}
