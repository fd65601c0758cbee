"""Lines of JSON read in the background, and waits on them with a deadline."""

import json
import threading
import time

from wire import DEADLINE


class Not:
    """Matches every value but this one."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return other != self.value


class EventTimeout(AssertionError):
    pass


class JsonLines(threading.Thread):
    """Reads a stream of JSON lines; `on_line` sees each, `lines` keeps them."""

    def __init__(self, stream):
        super().__init__(daemon=True)
        self.stream, self.lines, self.ended = stream, [], False
        self.changed = threading.Condition()
        self.start()

    def run(self):
        try:
            for line in self.stream:
                with self.changed:
                    self.lines.append(json.loads(line))
                    self.changed.notify_all()
        except (OSError, ValueError) as error:
            with self.changed:
                self.lines.append({"event": "harness.broken_stream", "error": str(error)})
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait_for(self, match, deadline=DEADLINE, start=0, what="line"):
        """The first line from index `start` on for which match(line) holds."""
        until = time.monotonic() + deadline
        with self.changed:
            while True:
                while start < len(self.lines):
                    start += 1
                    if match(self.lines[start - 1]):
                        return self.lines[start - 1]
                left = until - time.monotonic()
                if left <= 0 or self.ended:
                    why = "stream ended" if self.ended else f"{deadline:g} s passed"
                    raise EventTimeout(f"no {what}: {why}; last: {self.lines[-5:]}")
                self.changed.wait(left)


class Events(JsonLines):
    """The event stream: wait(kind, field=value...) counts events since the start or `mark`."""

    def mark(self):
        with self.changed:
            return len(self.lines)

    def wait(self, kind, deadline=DEADLINE, since=0, **fields):
        def match(line):
            return line.get("event") == kind and all(
                value == line.get(name) for name, value in fields.items())
        return self.wait_for(match, deadline, since, f"{kind} {fields}")

    def never(self, kind, seconds, since=None, **fields):
        """Fails if the event comes within so many seconds."""
        since = self.mark() if since is None else since
        try:
            line = self.wait(kind, seconds, since, **fields)
        except EventTimeout:
            return
        raise AssertionError(f"it came after all: {line}")

    def all(self, kind, since=0, **fields):
        with self.changed:
            return [line for line in self.lines[since:] if line.get("event") == kind
                    and all(value == line.get(name) for name, value in fields.items())]
