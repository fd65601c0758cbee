"""A Windows Server that scripts of configs/windows run on: registry, services, MPIO, firewall,
network cards, files, event log, and the cmdlets that reach them, with the parameters that Windows
gives them (those the kit may use). Its initiator logs in to a cluster under test."""

import csv
import datetime
import inspect
import io
import json
import re

import powershell
from powershell_values import (PowerShellError, Table, Thing, collapse, date_text, from_plain,
                               plain, same, text, truth)
from windows_initiator import Initiator

CLASS = r"HKLM:\SYSTEM\CurrentControlSet\Control\Class\{4D36E97B-E325-11CE-BFC1-08002BE10318}"
SWITCHES = {"force", "raw", "notypeinformation", "autosize", "wrap", "unique", "online",
            "norestart", "leaf", "parent"}
MODULES = r"-(Iscsi|MSDSM|Net(IP|Route|Fire)|Dns|Disk$|HostStorage|WindowsOptionalFeature)"


class Key:
    """A registry key; DWORDs come out signed, as .NET gives them."""

    def __init__(self, path, values):
        self.PSChildName, self.values = path.rsplit("\\", 1)[1], values

    def GetValue(self, name, default):
        return self.values.get(name, default)


class Language:
    """Cmdlets that come with PowerShell itself."""

    def ForEach_Object(self, block, given=None):
        return [output for item in given for output in self.run.in_block(block, item)]

    def Where_Object(self, block, given=None):
        return [item for item in given if truth(collapse(self.run.in_block(block, item)))]

    def Select_Object(self, Property=None, ExpandProperty=None, Unique=False, given=None):
        if ExpandProperty:
            given = [item.get(ExpandProperty) for item in given]
        elif Property:
            given = [Thing((name, item.get(name)) for name in Property) for item in given]
        return [item for at, item in enumerate(given) if not Unique or item not in given[:at]]

    def Sort_Object(self, Property=None, Unique=False, given=None):
        names = [Property] if isinstance(Property, str) else Property or []
        ordered = sorted(given, key=lambda item: [item.get(name) for name in names] or item)
        return [item for at, item in enumerate(ordered) if not Unique or at == 0
                or (names and item.get(names[0]) != ordered[at - 1].get(names[0]))
                or (not names and item != ordered[at - 1])]

    def Group_Object(self, Property=None, given=None):
        names = [Property] if isinstance(Property, str) else Property
        groups = {}
        for item in given:
            name = ", ".join(text(item.get(part)) for part in names) if names else text(item)
            groups.setdefault(name, []).append(item)
        return [Thing(Name=name, Count=len(group)) for name, group in groups.items()]

    def Out_Null(self, given=None):
        return []

    def Format_Table(self, Property=None, AutoSize=False, Wrap=False, given=None):
        shown = [item for item in given if item is not None]
        return [{name: item.get(name) for name in Property} if Property else item.plain()
                for item in shown]

    def Out_Host(self, given=None):
        self.output += given
        return []

    def Write_Host(self, line):
        self.output.append(text(line))
        return []

    def Write_Warning(self, line):
        self.warnings.append(text(line))
        return []

    def Set_StrictMode(self, Version):
        assert Version == "Latest"
        return []

    def Get_Date(self, Format=None):
        return [date_text(self.now, Format) if Format else self.now]

    def Start_Sleep(self, Seconds):
        self.now += datetime.timedelta(seconds=Seconds)
        self.on_second()
        return []

    def Join_Path(self, parent, child):
        return [parent.rstrip("\\") + "\\" + child]

    def Split_Path(self, Path, Parent=False, Leaf=False):
        return [Path.rsplit("\\", 1)[1 if Leaf else 0]]

    def Import_PowerShellDataFile(self, LiteralPath):
        return self.run.block(self.script(LiteralPath).first("statement_list"))

    def ConvertTo_Json(self, InputObject, Depth=2):
        return [json.dumps(plain(InputObject), default=date_text)]

    def ConvertFrom_Json(self, given=None):
        return [from_plain(json.loads(given[0]))]

    def Set_Content(self, LiteralPath, Encoding, given=None):
        self.files[LiteralPath.lower()] = text(collapse(given))
        return []

    def Get_Content(self, LiteralPath, Raw=False):
        return [self.files[LiteralPath.lower()]]

    def Export_Csv(self, LiteralPath, NoTypeInformation, Encoding, given=None):
        rows, out = [item.plain() for item in given], io.StringIO()
        writer = csv.DictWriter(out, rows[0] if rows else [])
        writer.writeheader()
        writer.writerows(rows)
        self.files[LiteralPath.lower()] = out.getvalue()
        return []


class Registry:
    """Cmdlets of paths: HKLM:\\ or files."""

    def Test_Path(self, LiteralPath):
        return [LiteralPath.lower() in self.registry or LiteralPath.lower() in self.files]

    def Get_Item(self, LiteralPath):
        if LiteralPath.lower() not in self.registry:
            raise PowerShellError(f"no {LiteralPath}")
        return [Key(LiteralPath, self.registry[LiteralPath.lower()])]

    def Get_ChildItem(self, LiteralPath):
        start = LiteralPath.lower() + "\\"
        return [Key(path, values) for path, values in self.registry.items()
                if path.startswith(start) and "\\" not in path[len(start):]]

    def New_Item(self, Path, ItemType=None, Force=False):
        if ItemType is None:
            self.registry.setdefault(Path.lower(), Table())
        return [Path]

    def Set_ItemProperty(self, LiteralPath, Name, Value, Type):
        assert Type == "DWord" and -2**31 <= Value < 2**31, "a DWORD as .NET takes it"
        self.registry[LiteralPath.lower()][Name] = Value
        return []

    def Remove_ItemProperty(self, LiteralPath, Name):
        del self.registry[LiteralPath.lower()].entries[Name.lower()]
        return []

    def Remove_Item(self, LiteralPath):
        del self.files[LiteralPath.lower()]
        return []


class System:
    """Services, features, MPIO, firewall, network, event log."""

    def Get_Service(self, Name):
        return [self.services[Name.lower()]]

    def Set_Service(self, Name, StartupType):
        self.services[Name.lower()]["StartType"] = StartupType
        return []

    def Start_Service(self, Name):
        self.services[Name.lower()]["Status"] = "Running"
        return []

    def Stop_Service(self, Name):
        self.services[Name.lower()]["Status"] = "Stopped"
        return []

    def Get_WindowsOptionalFeature(self, Online, FeatureName):
        return [Thing(FeatureName=FeatureName, State=self.mpio["state"])]

    def Enable_WindowsOptionalFeature(self, Online, FeatureName, NoRestart):
        self.mpio["state"] = "EnablePending"
        return [Thing(RestartNeeded=True)]

    def Disable_WindowsOptionalFeature(self, Online, FeatureName, NoRestart):
        self.mpio["state"] = "DisablePending"
        return [Thing(RestartNeeded=True)]

    def need_mpio(self):
        if self.mpio["state"] == "Disabled" or self.mpio["state"] == "EnablePending":
            raise PowerShellError("the MPIO provider does not answer")

    def Get_MSDSMAutomaticClaimSettings(self):
        self.need_mpio()
        return [Table(self.mpio["claims"].items())]

    def Enable_MSDSMAutomaticClaim(self, BusType):
        self.need_mpio()
        self.mpio["claims"][BusType] = True
        return [Thing()]

    def Disable_MSDSMAutomaticClaim(self, BusType):
        self.mpio["claims"][BusType] = False
        return [Thing()]

    def Get_MSDSMGlobalDefaultLoadBalancePolicy(self):
        self.need_mpio()
        return [self.mpio["policy"]]

    def Set_MSDSMGlobalDefaultLoadBalancePolicy(self, Policy):
        assert Policy in ("None", "FOO", "RR", "LQD", "LB")
        self.mpio["policy"] = Policy
        return []

    def Get_NetFirewallRule(self, Name):
        if Name not in self.rules:
            raise PowerShellError(f"no rule {Name}")
        return [Thing(Name=Name)]

    def New_NetFirewallRule(self, Name, DisplayName, Direction, Protocol, RemotePort, Action):
        assert (Direction, Protocol, RemotePort, Action) == ("Outbound", "TCP", 3260, "Allow")
        self.rules[Name] = DisplayName
        return [Thing(Name=Name)]

    def Remove_NetFirewallRule(self, Name):
        if not self.rules.pop(Name, None):
            raise PowerShellError(f"no rule {Name}")
        return []

    def Get_NetIPAddress(self):
        loopback = Thing(IPAddress="::1", PrefixLength=128, InterfaceAlias="lo", InterfaceIndex=1)
        return [loopback, *self.cards]

    def Get_NetRoute(self, InterfaceIndex):
        return [Thing(DestinationPrefix=prefix, NextHop=hop) for index, prefix, hop in self.routes
                if index == InterfaceIndex]

    def Get_DnsClientServerAddress(self, InterfaceIndex, AddressFamily):
        return [Thing(ServerAddresses=list(self.dns.get(InterfaceIndex, [])))]

    def Get_DnsClient(self, InterfaceIndex):
        return [Thing(RegisterThisConnectionsAddress=InterfaceIndex in self.dns)]

    def Get_WinEvent(self, FilterHashtable):
        assert FilterHashtable.get("LogName") == "System"
        start = FilterHashtable.get("StartTime")
        return [event for event in self.log if event.TimeCreated >= start][::-1]

    def Get_CimInstance(self, ClassName, Namespace=None):
        if ClassName == "Win32_OperatingSystem":
            return [Thing(LastBootUpTime=self.booted)]
        if ClassName == "Win32_PerfFormattedData_PerfDisk_PhysicalDisk":
            return self.counters()
        assert Namespace == "root/wmi"
        return self.iscsi.wmi(ClassName)

    def Update_HostStorageCache(self):
        return []


class WindowsMachine(Language, Registry, System):
    KIT = r"C:\kit"
    RECORD = r"c:\programdata\sim-cluster\iscsi-host.json"

    def __init__(self, cards=()):
        self.registry = {path.lower(): Table(values.items()) for path, values in {
            CLASS + r"\0000": {"DriverDesc": "Some RAID controller"},
            CLASS + r"\0003": {"DriverDesc": "Microsoft iSCSI Initiator"},
            CLASS + r"\0003\Parameters": {"LinkDownTime": 15, "MaxRequestHoldTime": 60,
                                          "SrbTimeoutDelta": 15},
            CLASS + r"\Properties": {},
            r"HKLM:\SYSTEM\CurrentControlSet\Services\Disk": {"TimeOutValue": 60},
        }.items()}
        self.services = {"msiscsi": Thing(Name="MSiSCSI", StartType="Manual", Status="Stopped")}
        self.mpio = {"state": "Disabled", "policy": "None",
                     "claims": {"SAS": False, "iSCSI": False}}
        self.cards = [Thing(IPAddress=address, PrefixLength=24, InterfaceAlias=f"iSCSI {index}",
                            InterfaceIndex=index) for index, address in enumerate(cards, 5)]
        self.rules, self.routes, self.dns, self.log, self.files = {}, [], {}, [], {}
        self.now = datetime.datetime(2026, 3, 1, 12, 0)
        self.booted = self.now - datetime.timedelta(hours=3)
        self.on_second, self.counters = lambda: None, lambda: []
        self.iscsi = Initiator(self)
        self.output, self.warnings, self.errors, self.run = [], [], [], None

    def restart(self):
        self.now += datetime.timedelta(minutes=5)
        self.booted = self.now
        pending = {"EnablePending": "Enabled", "DisablePending": "Disabled"}
        self.mpio["state"] = pending.get(self.mpio["state"], self.mpio["state"])

    def state(self):
        """All that a script could have changed, the kit's own record apart."""
        values = {path: table.plain() for path, table in self.registry.items() if table.items()}
        initiator = sorted(self.iscsi.portals), len(self.iscsi.sessions), self.iscsi.persistent
        return repr([values, self.mpio, self.services, sorted(self.rules), initiator])

    def shown(self):
        return "\n".join(str(line) for line in self.output + self.warnings)

    def record(self):
        return json.loads(self.files[self.RECORD])["Entries"] if self.RECORD in self.files else []

    def script(self, path):
        assert path.startswith(self.KIT + "\\"), path
        return powershell.kit()[powershell.KIT / path[len(self.KIT) + 1:]]

    @staticmethod
    def is_switch(name):
        return name.lower() in SWITCHES

    @staticmethod
    def default_action(name):
        """Cmdlets of a module written in CDXML see the session's preference, not the script's."""
        return "Continue" if re.search(MODULES, name) else "Stop"

    def find(self, name):
        name = re.sub(r"\W", "_", name)
        return getattr(self, name, None) or getattr(self.iscsi, name, None)

    def invoke(self, run, name, given, positional, named, common):
        """Calls a cmdlet as PowerShell does: parameters by name, without regard to case."""
        self.run, cmdlet = run, self.find(name)
        if cmdlet is None:
            raise PowerShellError(f"the term '{name}' is not recognized")
        known = {parameter.lower(): parameter for parameter in inspect.signature(cmdlet).parameters}
        if not {item.lower() for item in named} <= set(known):
            raise PowerShellError(f"{name} has not all of these parameters: {', '.join(named)}")
        if getattr(cmdlet, "asks", False) and not same(common.get("Confirm", True), False):
            raise PowerShellError(f"{name} asks for a confirmation that nobody gives")
        given = {"given": given} if given is not None and "given" in known else {}
        named = {known[item.lower()]: value for item, value in named.items()}
        return cmdlet(*positional, **named, **given)
