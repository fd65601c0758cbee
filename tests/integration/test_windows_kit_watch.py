"""Watch-IscsiHost.ps1 on a model of Windows: failovers from events, stalls from counters."""

import csv
import datetime
import io
import json

import pytest

from powershell_run import run
from powershell_values import Thing
from windows_machine import WindowsMachine


@pytest.fixture
def host():
    return WindowsMachine()


def log(host, *entries):
    """Events as Windows has them: (seconds from now, source, id)."""
    host.log = [Thing(TimeCreated=host.now + datetime.timedelta(seconds=after), RecordId=at,
                      ProviderName=source, Id=number, Message=f"  {source}\r\n says {number} ")
                for at, (after, source, number) in enumerate(entries)]


def results(host, name):
    """A file of the folder that Watch was told."""
    content = host.files[rf"c:\lab\{name}".lower()]
    if name.endswith("json"):
        return json.loads(content)
    return list(csv.DictReader(io.StringIO(content)))


def test_each_failover_is_timed_from_the_first_loss_to_the_last_return(host):
    log(host, (1, "iScsiPrt", 20), (1.5, "iScsiPrt", 20), (2, "iScsiPrt", 1),
        (2, "Kernel-General", 16), (3, "iScsiPrt", 1), (4, "iScsiPrt", 34), (4.25, "iScsiPrt", 34),
        (5, "disk", 153), (20, "iScsiPrt", 20), (21, "mpio", 17))
    run(host, "Watch", Path=r"C:\lab", Seconds=30)
    first, second = results(host, "failovers.csv")
    assert (first["Seconds"], first["Paths"], first["Meanwhile"]) == ("3.25", "2", "iScsiPrt 1 x2")
    assert (second["Returned"], second["Seconds"], second["Meanwhile"]) == ("", "", "mpio 17 x1")
    summary = results(host, "summary.json")
    assert (summary["Failovers"], summary["NotOver"], summary["LongestSeconds"]) == (2, 1, 3.25)
    events = results(host, "events.csv")
    assert len(events) == 9 and events[0]["Meaning"] == "connection lost, will retry"
    assert events[0]["Message"] == "iScsiPrt says 20"


def test_a_second_in_which_a_disk_stands_still_is_seen(host):
    host.services["msiscsi"]["Status"] = "Running"
    ticks = []

    def counters():
        stalled = 3 <= len(ticks) < 5
        rate = 0 if stalled else 50
        return [Thing(Name=name, DiskReadsPersec=0, DiskWritesPersec=rate, DiskBytesPersec=0,
                      CurrentDiskQueueLength=8, DiskTransfersPersec=rate)
                for name in ("0 C:", "1 E:", "_Total")]

    host.counters, host.on_second = counters, lambda: ticks.append(1)
    host.iscsi.Get_IscsiSession = lambda: [Thing(TargetNodeAddress="t")]
    host.iscsi.disks["t"] = Thing(Number=1)
    run(host, "Watch", Path=r"C:\lab", Seconds=10)
    samples = results(host, "counters.csv")
    assert len(samples) == 10 and {sample["Disk"] for sample in samples} == {"1"}
    assert [sample["Stalled"] for sample in samples].count("True") == 2
    assert results(host, "summary.json")["StalledSamples"] == 2


def test_the_past_can_be_collected(host):
    log(host, (-7200, "iScsiPrt", 20), (-60, "iScsiPrt", 20), (-50, "iScsiPrt", 34))
    run(host, "Watch", Path=r"C:\lab", Since=host.now - datetime.timedelta(hours=1))
    assert [row["Seconds"] for row in results(host, "failovers.csv")] == ["10.0"]


def test_nothing_happened_is_a_result_too(host):
    run(host, "Watch", Path=r"C:\lab", Seconds=2)
    assert results(host, "summary.json")["Failovers"] == 0 and "0 events" in host.shown()
