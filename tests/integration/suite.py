"""libiscsi's conformance suite (iscsi-test-cu), each test in a process of its own, over as many
kinds of volumes as it takes: a test that finds nothing to try on one is skipped there, and what
counts is that it passes on one and fails on none."""

import concurrent.futures
import dataclasses
import fnmatch
import re
import subprocess

GIB = 1 << 30

# What fails in libiscsi 1.19 against a target that does the right thing, and why.
KNOWN = {
    "WriteSame10.UnmapUntilEnd": "sends a block of FFh with UNMAP=1 and wants zeros back; SBC-3 "
                                 "5.43: such blocks are written, as unmapped ones read as zeros",
    "iSCSITMF.LUNResetSimpleAsync": "looks at a flag before the answer that sets it, so that it "
                                    "passes only after AbortTaskSimpleAsync in the same process",
}
OUTCOMES = ["pass", "fail", "known", "skip", "timeout"]
BAD = {"fail", "timeout"}


@dataclasses.dataclass(frozen=True)
class Volume:
    """A kind of volume: its keys in a configuration file, and the tests that are tried on it."""
    name: str
    keys: dict
    tests: tuple = ("*",)
    not_tests: tuple = ()
    may_write: bool = True

    def takes(self, test):
        def is_in(patterns):
            return any(fnmatch.fnmatch(test, f"ALL.{pattern}") for pattern in patterns)
        return is_in(self.tests) and not is_in(self.not_tests)


# GetLBAStatus.UnmapSingle asks for LBA i + 1 and wants the answer to begin at the next physical
# block, which is the same only where that is one logical block; SBC-3 5.4.2 wants it to begin where
# it was asked for. Sanitize.Reset sleeps for a minute, so it has a volume of its own.
ELSEWHERE = ("GetLBAStatus.UnmapSingle", "Sanitize.Reset")

VOLUMES = (
    Volume("plain", {}, not_tests=ELSEWHERE),
    Volume("blocks-4096", {"block_size": 4096}, not_tests=("Sanitize.Reset",)),
    Volume("thick", {"thin": "no"}, not_tests=ELSEWHERE),
    Volume("removable", {"removable": "yes"}, not_tests=ELSEWHERE),
    Volume("sanitized", {}, ("Sanitize.Reset",)),
    # More than MAXIMUM WRITE SAME LENGTH.
    Volume("large", {"size": 2 * GIB}, ("WriteSame*",)),
    # Only the test for read-only disks knows that they are; the others write if they may, register
    # keys if they may, and write with DPO even when they may not.
    Volume("read-only", {"read_only": "yes"}, ("ReadOnly.*",)),
    Volume("read-only-kept", {"read_only": "yes"}, may_write=False,
           not_tests=("ReadOnly.*", "Sanitize.*", "PrinReadKeys.Truncate", "Prout*", "WriteVerify*.Dpo")),
)


def list_tests(families=("*",)):
    """Names as iscsi-test-cu takes them: ALL.Read6.Simple."""
    listed = subprocess.run(["iscsi-test-cu", "--list"], capture_output=True, text=True).stdout
    names = [line for line in listed.splitlines() if re.fullmatch(r"ALL\.[^.]+\.[^.]+", line)]
    return [name for name in names
            if any(fnmatch.fnmatch(name.split(".")[1], family) for family in families)]


def outcome_of(output):
    """The suite's words for one test: "[SKIPPED]" comes before "passed" when it was skipped;
    "[FAILED]" is one command's answer, which may be what the test wants: CUnit's is bare."""
    found = re.search(r"^  Test: \S+ \.\.\.(.*?)^Run Summary", output, re.M | re.S)
    if not found or re.search(r"(?<!\[)FAILED(?!\])", found.group(1)):
        return "fail"
    before, passed, _ = found.group(1).partition("passed")
    return "fail" if not passed else "skip" if "[SKIPPED]" in before else "pass"


def complaints(output):
    """The lines that say what was wrong, or why there was nothing to try."""
    return [line.strip() for line in output.partition("  Test: ")[2].splitlines()
            if re.search(r"\[(FAILED|SKIPPED)\]", line) or re.match(r"\s+\d+\. .*CU_", line)]


def run_test(name, urls, limit, may_write=True):
    """`urls`: one, or two paths to the same volume. Gives what came out of it."""
    command = ["iscsi-test-cu", "--Verbose-scsi", "--test", name]
    if may_write:
        command += ["--dataloss", "--allow-sanitize"]
    try:
        done = subprocess.run(command + list(urls), timeout=limit, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = done.stdout.decode(errors="replace")
        outcome = outcome_of(output)
    except subprocess.TimeoutExpired as late:
        outcome, output = "timeout", (late.stdout or b"").decode(errors="replace")
    result = {"test": name.removeprefix("ALL."), "outcome": outcome}
    if outcome == "fail" and result["test"] in KNOWN:
        return result | {"outcome": "known", "why": KNOWN[result["test"]]}
    return result if outcome == "pass" else result | {"complaints": complaints(output)[-8:]}


def run_volumes(volumes, urls_of, names, limit, on_result=lambda volume, result: None):
    """Runs the tests on the volumes, these beside each other; gives the results by volume."""
    def run(volume):
        results = []
        for name in filter(volume.takes, names):
            results.append(run_test(name, urls_of(volume.name), limit, volume.may_write))
            on_result(volume, results[-1])
        return results

    with concurrent.futures.ThreadPoolExecutor(len(volumes)) as threads:
        return dict(zip((volume.name for volume in volumes), threads.map(run, volumes)))


def combine(by_volume):
    """Test to (outcome over all volumes, what was said): the worst of what was tried, and skipped
    only where nothing could be."""
    order, combined = ["skip", "pass", "known", "timeout", "fail"], {}
    for volume, results in by_volume.items():
        for result in results:
            outcome, said = combined.get(result["test"], ("skip", []))
            said += [f"{volume}: {line}" for line in result.get("complaints", ["nothing"])
                     if result["outcome"] in BAD]
            worst = max(outcome, result["outcome"], key=order.index)
            combined[result["test"]] = (worst, said)
    return combined


def totals(outcomes):
    outcomes = list(outcomes)
    return {outcome: outcomes.count(outcome) for outcome in OUTCOMES}
