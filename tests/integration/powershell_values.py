"""What PowerShell's values are here: None, bool, int, float, str, list, datetime as in Python, and
the classes below. Comparison, truth, text and properties follow Set-StrictMode -Version Latest."""

import datetime
import fnmatch
import re


class PowerShellError(Exception):
    """An error that ends the script unless it catches it, with the outputs so far."""

    def __init__(self, message):
        super().__init__(message)
        self.outputs = []


class Table:
    """A hash table: keys without regard to case, in the order they came."""

    def __init__(self, pairs=()):
        self.entries = {}
        for name, value in pairs:
            self[name] = value

    def __setitem__(self, name, value):
        self.entries[str(name).lower()] = (name, value)

    def get(self, name, default=None):
        return self.entries.get(str(name).lower(), (None, default))[1]

    def __contains__(self, name):
        return str(name).lower() in self.entries

    def items(self):
        return list(self.entries.values())

    def plain(self):
        """As JSON has it."""
        return {name: plain(value) for name, value in self.items()}

    def __repr__(self):
        return f"{type(self).__name__}({dict(self.items())})"


class Thing(Table):
    """An object with properties."""

    def __init__(self, pairs=(), **properties):
        super().__init__([*pairs, *properties.items()])

    def __getattr__(self, name):
        if name == "entries" or name not in self:
            raise AttributeError(name)
        return self.get(name)


class Secret:
    """A SecureString."""

    def __init__(self, text):
        self.hidden = text


class Credential:
    def __init__(self, user, secret):
        self.UserName, self.Password = user, Secret(secret)


def plain(value):
    if isinstance(value, Table):
        return value.plain()
    return [plain(item) for item in value] if isinstance(value, list) else value


def from_plain(value):
    if isinstance(value, dict):
        return Thing((name, from_plain(item)) for name, item in value.items())
    return [from_plain(item) for item in value] if isinstance(value, list) else value


def truth(value):
    if isinstance(value, list):
        return truth(value[0]) if len(value) == 1 else len(value) > 0
    return value not in (None, False, 0, "")


def text(value):
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(text(item) for item in value)
    return str(value)


def collapse(outputs):
    """What an assignment sees of a stream of outputs."""
    return outputs[0] if len(outputs) == 1 else outputs or None


def stream(value):
    """What a pipeline sees of a value."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def iterate(value):
    return [] if value is None else stream(value)


def same(left, right):
    if isinstance(left, str) or isinstance(right, str) and left is not None:
        return right is not None and text(left).lower() == text(right).lower()
    if isinstance(left, bool):
        return left == truth(right)
    return left == right


COMPARISONS = {
    "-eq": same,
    "-ne": lambda left, right: not same(left, right),
    "-gt": lambda left, right: left > right,
    "-ge": lambda left, right: left >= right,
    "-lt": lambda left, right: left < right,
    "-shr": lambda left, right: left >> right,
    "-like": lambda left, right: fnmatch.fnmatchcase(text(left).lower(), text(right).lower()),
}


def compare(operator, left, right):
    if operator in COMPARISONS:
        if isinstance(left, list):
            return [item for item in left if COMPARISONS[operator](item, right)]
        if operator in ("-gt", "-ge", "-lt") and (left is None or right is None):
            raise PowerShellError(f"compared with nothing: {left!r} {operator} {right!r}")
        return COMPARISONS[operator](left, right)
    if operator in ("-in", "-notin"):
        return any(same(item, left) for item in iterate(right)) == (operator == "-in")
    if operator == "-join":
        return text(right).join(text(item) for item in iterate(left))
    if operator == "-split":
        pattern, limit = stream(right) if isinstance(right, list) else (right, 0)
        return re.split(pattern, text(left), maxsplit=max(0, limit - 1))
    if operator == "-replace":
        return re.sub(*stream(right), text(left))
    raise NotImplementedError(operator)


def add(left, right):
    if isinstance(left, list):
        return left + (right if isinstance(right, list) else [right])
    if isinstance(left, str):
        return left + text(right)
    return right if left is None else left + right


def net_format(pattern, value):
    """'{0:x16}' -f value."""
    return re.sub(r"\{0:x(\d+)\}", lambda match: f"{value:0{match[1]}x}", pattern)


def date_text(value, style="G"):
    if style == "o":
        return value.isoformat(timespec="microseconds")
    return value.strftime("%Y%m%d-%H%M%S" if style == "yyyyMMdd-HHmmss" else "%m/%d/%Y %H:%M:%S")


METHODS = {
    str: {"Split": str.split, "Trim": str.strip, "ToLowerInvariant": str.lower,
          "PadLeft": str.rjust, "ToString": str},
    datetime.datetime: {
        "ToString": date_text,
        "AddSeconds": lambda value, count: value + datetime.timedelta(seconds=count),
        "AddHours": lambda value, count: value + datetime.timedelta(hours=count)},
    list: {"Add": list.append, "ToArray": list},
}
PROPERTIES = {
    str: {"Length": len},
    list: {"Count": len, "Length": len},
    bytes: {"Length": len},
    datetime.timedelta: {"TotalSeconds": datetime.timedelta.total_seconds},
}


def method(value, name):
    for kind, methods in METHODS.items():
        if isinstance(value, kind) and name in methods:
            return lambda *arguments: methods[name](value, *arguments)
    if hasattr(value, name):
        return getattr(value, name)
    raise PowerShellError(f"{value!r} has no method {name}")


def member(value, name):
    """A property; what is not there ends a strict script."""
    if isinstance(value, Table):
        if name in value:
            return value.get(name)
        if name == "Count" and not isinstance(value, Thing):
            return len(value.entries)
    elif value is not None:
        for kind, properties in PROPERTIES.items():
            if isinstance(value, kind) and name in properties:
                return properties[name](value)
        if isinstance(value, list) and value:
            return [member(item, name) for item in value]
        if not isinstance(value, (str, int, float)) and hasattr(value, name):
            return getattr(value, name)
    raise PowerShellError(f"the property '{name}' cannot be found on {value!r}")


def set_member(value, name, new):
    if not isinstance(value, Table) or isinstance(value, Thing) and name not in value:
        raise PowerShellError(f"the property '{name}' cannot be set on {value!r}")
    value[name] = new


def element(value, index):
    if isinstance(value, Table):
        return value.get(index)
    try:
        return value[index]
    except (TypeError, IndexError) as error:
        raise PowerShellError(f"no element {index!r} in {value!r}") from error
