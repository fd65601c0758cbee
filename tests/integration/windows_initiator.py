"""The initiator of a modelled Windows machine, and its cmdlets: logins are real, over the wire,
through a floating IP to where it redirects."""

import ipaddress

import chap
import windows
from login import Refused
from powershell_values import PowerShellError, Thing
from scsi import inquiry
from session import log_in

FIRST = 0x4000013700000000


def asks(cmdlet):
    """Such a cmdlet prompts, unless it is told -Confirm:$false."""
    cmdlet.asks = True
    return cmdlet


def wmi_address(address):
    packed = ipaddress.ip_address(address).packed
    return Thing(Type=1, IpV4Address=int.from_bytes(packed, "little"), IpV6Address=None)


class Path:
    """A session: what was asked for, what came of it."""

    def __init__(self, wire, number, login):
        self.wire, self.number, self.login = wire, number, login
        self.shown = Thing(
            SessionIdentifier=f"ffffa80d00800843-{FIRST + number:016x}", NumberOfConnections=1,
            TargetNodeAddress=login.NodeAddress, IsPersistent=login.IsPersistent,
            IsMultipathEnabled=login.IsMultipathEnabled)

    @property
    def node(self):
        return self.wire.connection.peer[0]


class Initiator:
    def __init__(self, machine):
        self.machine, self.name = machine, "win2016"
        self.portals, self.sessions, self.persistent, self.disks = {}, [], [], {}
        self.tells_redirect, self.mutual_secret, self.logins, self.removed = True, None, 0, []

    def close(self):
        for session in self.sessions:
            session.wire.close()

    def need_service(self):
        if self.machine.services["msiscsi"].get("Status") != "Running":
            raise PowerShellError("the iSCSI initiator service is not running")

    # On the wire

    def log_in_once(self, address, port, target, credentials):
        """The bytes of captures; with CHAP, of which there is no capture, as the RFC has it."""
        if credentials:
            return log_in(address, port, target, name=windows.PREFIX + self.name,
                          chap=credentials, isid=windows.isid(self.logins))
        host = windows.WindowsHost(self.name, qualifier=self.logins)
        session = host.log_in_once(address, port, target)
        if target:
            session.clear_attention()
        return session

    def log_in(self, address, target, credentials=None, port=3260):
        for _ in range(2):
            try:
                return self.log_in_once(address, port, target, credentials)
            except Refused as refused:
                if refused.status != 0x0101:
                    raise PowerShellError(f"login failed: 0x{refused.status:04x}") from refused
                address, _, port = refused.pdu.key("TargetAddress").rpartition(":")
                port = int(port)
        raise PowerShellError("redirected twice")

    def credentials(self, kind, user, secret):
        if kind is None:
            return None
        assert kind in ("ONEWAYCHAP", "MUTUALCHAP"), "Windows wants it in capitals"
        if kind == "ONEWAYCHAP":
            return chap.Credentials(user, secret)
        return chap.Credentials(user, secret, target_user="array", target_secret=self.mutual_secret)

    # Portals and targets

    def Get_IscsiTargetPortal(self):
        self.need_service()
        return [Thing(TargetPortalAddress=address) for address in self.portals]

    def New_IscsiTargetPortal(self, TargetPortalAddress, AuthenticationType=None,
                              ChapUsername=None, ChapSecret=None):
        credentials = self.credentials(AuthenticationType, ChapUsername, ChapSecret)
        self.portals[TargetPortalAddress] = Thing(credentials=credentials, found=[])
        return self.Update_IscsiTargetPortal(TargetPortalAddress)

    def Update_IscsiTargetPortal(self, TargetPortalAddress):
        self.need_service()
        portal = self.portals[TargetPortalAddress]
        session = self.log_in(TargetPortalAddress, None, portal.credentials)
        portal["found"] = [value for key, value in session.send_targets() if key == "TargetName"]
        session.log_out()
        session.close()
        return []

    @asks
    def Remove_IscsiTargetPortal(self, TargetPortalAddress):
        del self.portals[TargetPortalAddress]
        return []

    def Get_IscsiTarget(self, IscsiTargetPortal):
        portal = self.portals[IscsiTargetPortal.TargetPortalAddress]
        return [Thing(NodeAddress=name) for name in portal.found]

    # Sessions

    def Set_IscsiChapSecret(self, ChapSecret):
        self.mutual_secret = ChapSecret
        return []

    def Connect_IscsiTarget(self, NodeAddress, TargetPortalAddress, InitiatorPortalAddress,
                            IsMultipathEnabled, IsPersistent, IsHeaderDigest, IsDataDigest,
                            AuthenticationType=None, ChapUsername=None, ChapSecret=None):
        credentials = self.credentials(AuthenticationType, ChapUsername, ChapSecret)
        wire = self.log_in(TargetPortalAddress, NodeAddress, credentials)
        self.sessions.append(Path(wire, self.logins, Thing(
            NodeAddress=NodeAddress, TargetPortalAddress=TargetPortalAddress,
            InitiatorPortalAddress=InitiatorPortalAddress, IsPersistent=IsPersistent,
            IsMultipathEnabled=IsMultipathEnabled, credentials=credentials)))
        self.logins += 1
        if IsPersistent:
            self.persistent.append((NodeAddress, TargetPortalAddress))
        serial = wire.command(inquiry(0x80), read=255).assert_good().data_in[4:].decode().strip()
        self.disks.setdefault(NodeAddress, Thing(
            Number=len(self.disks) + 1, SerialNumber=serial, FriendlyName="disk", Size=0,
            OperationalStatus="Online", PartitionStyle="RAW"))
        return [Thing()]

    def Get_IscsiSession(self, SessionIdentifier=None):
        self.need_service()
        return [path.shown for path in self.sessions
                if SessionIdentifier in (None, path.shown.SessionIdentifier)]

    def Get_IscsiConnection(self, IscsiSession):
        return [Thing(TargetAddress=path.node,
                      InitiatorAddress=path.login.InitiatorPortalAddress)
                for path in self.sessions if path.shown is IscsiSession]

    def Get_Disk(self, given=None):
        return [self.disks[session.TargetNodeAddress] for session in given]

    def Set_Disk(self, Number, IsOffline):
        for disk in self.disks.values():
            if disk.Number == Number:
                disk["OperationalStatus"] = "Offline" if IsOffline else "Online"
        return []

    def Unregister_IscsiSession(self, SessionIdentifier):
        for path in self.sessions:
            if path.shown.SessionIdentifier == SessionIdentifier:
                login = path.login.NodeAddress, path.login.TargetPortalAddress
                self.persistent.remove(login)
        return []

    @asks
    def Disconnect_IscsiTarget(self, NodeAddress, SessionIdentifier):
        path = next(path for path in self.sessions
                    if path.shown.SessionIdentifier == SessionIdentifier)
        others = [other for other in self.sessions
                  if other is not path and other.login.NodeAddress == NodeAddress]
        if self.disks[NodeAddress].OperationalStatus == "Online" and not others:
            raise PowerShellError("a device on that session is currently being used")
        assert path.wire.log_out().response == 0
        path.wire.close()
        self.sessions.remove(path)
        return []

    def iscsicli_exe(self, verb, instance, target, number, address, port):
        assert verb == "RemovePersistentTarget"
        self.persistent.remove((target, address))
        return []

    # Classes of root/wmi

    def wmi(self, name):
        if name == "MSiSCSI_RedirectPortalInfoClass" and self.tells_redirect:
            return [Thing(RedirectSessionList=[Thing(
                UniqueSessionId=FIRST + path.number, RedirectPortalList=[Thing(
                    OriginalIPAddr=wmi_address(path.login.TargetPortalAddress),
                    RedirectedIPAddr=wmi_address(path.node), TemporaryRedirect=1,
                    Redirected=int(path.node != path.login.TargetPortalAddress))])
                for path in self.sessions])]
        if name == "MSiSCSIInitiator_PersistentLoginClass":
            return [Thing(TargetName=target, InitiatorInstance=r"ROOT\ISCSIPRT\0000_0",
                          InitiatorPortNumber=1, TargetPortal=Thing(Address=address, Port=3260))
                    for target, address in self.persistent]
        if name == "MSiSCSI_InitiatorLoginStatistics":
            return [Thing(LoginAcceptRsps=self.logins, LoginRedirectRsps=self.logins)]
        if name == "MPIO_DISK_INFO":
            return [Thing(DriveInfo=[
                Thing(Name=f"MPIO Disk{disk.Number}", SerialNumber=disk.SerialNumber,
                      NumberPaths=len(self.sessions), DsmName="Microsoft DSM")
                for disk in self.disks.values()])]
        return []
