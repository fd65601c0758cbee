# What a Windows host of StorPool's iSCSI is set to. Every script here, the .reg file, the README and the
# scenarios in ../scenarios/windows follow this file.
@{
    # Registry places. Initiator is the class of storage adapters: the instance below it differs from host to
    # host and is found by DriverDesc.
    Places = @{
        Initiator = 'HKLM:\SYSTEM\CurrentControlSet\Control\Class\{4D36E97B-E325-11CE-BFC1-08002BE10318}'
        Disk      = 'HKLM:\SYSTEM\CurrentControlSet\Services\Disk'
        Mpio      = 'HKLM:\SYSTEM\CurrentControlSet\Services\mpio\Parameters'
    }
    DriverDesc = 'Microsoft iSCSI Initiator'

    # Section 4.1 of StorPool's guide for Windows Server 2016. DWORDs; Default is what Windows does without it.
    Settings = @(
        @{ Name = 'MaxRequestHoldTime'; Place = 'Initiator'; Number = 4294967295; Default = 60; Unit = 's'; Meaning = 'without MPIO: how long requests wait for a lost connection; this is for ever' },
        @{ Name = 'LinkDownTime'; Place = 'Initiator'; Number = 5; Default = 15; Unit = 's'; Meaning = 'with MPIO: how long requests wait before the other path takes them' },
        @{ Name = 'SrbTimeoutDelta'; Place = 'Initiator'; Number = 5; Default = 15; Unit = 's'; Meaning = 'added to TimeOutValue; less than 5 counts as 15' },
        @{ Name = 'PortalRetryCount'; Place = 'Initiator'; Number = 300; Default = 5; Unit = 'attempts'; Meaning = 'how often a portal that is down is tried' },
        @{ Name = 'EnableNOPOut'; Place = 'Initiator'; Number = 1; Default = 0; Unit = 'switch'; Meaning = 'pings, so that a silent connection is noticed' },
        @{ Name = 'TimeOutValue'; Place = 'Disk'; Number = 86400; Default = 60; Unit = 's'; Meaning = 'how long a disk may take to answer' },
        @{ Name = 'PDORemovePeriod'; Place = 'Mpio'; Number = 86400; Default = 20; Unit = 's'; Meaning = 'how long MPIO keeps a disk that has lost every path' }
    )

    Service = 'MSiSCSI'
    # Microsoft's DSM claims everything that comes by iSCSI. All paths to a target end on the same node: they
    # are equal, and taken in turn.
    Mpio = @{ Feature = 'MultiPathIO'; BusType = 'iSCSI'; Policy = 'RR' }
    Rule = @{ Name = 'SimCluster-iSCSI-Out'; DisplayName = 'iSCSI to sim-cluster (TCP 3260 out)'; Port = 3260 }

    # What the host was before: below ProgramData, read by Restore-IscsiHost.ps1.
    Record = 'sim-cluster\iscsi-host.json'

    # What the System log says in a failover. Everything of these sources is collected, these ids are explained.
    Sources = @('iScsiPrt', 'mpio', 'disk', 'MSiSCSI')
    Events = @(
        @{ Source = 'iScsiPrt'; Id = 1; Meaning = 'no connection to the portal' },
        @{ Source = 'iScsiPrt'; Id = 7; Meaning = 'a PDU could not be sent' },
        @{ Source = 'iScsiPrt'; Id = 9; Meaning = 'no answer to a SCSI request' },
        @{ Source = 'iScsiPrt'; Id = 10; Meaning = 'login failed' },
        @{ Source = 'iScsiPrt'; Id = 12; Meaning = 'login redirect with invalid data' },
        @{ Source = 'iScsiPrt'; Id = 20; Meaning = 'connection lost, will retry' },
        @{ Source = 'iScsiPrt'; Id = 27; Meaning = 'an answer to no request' },
        @{ Source = 'iScsiPrt'; Id = 32; Meaning = 'target asks for a logout' },
        @{ Source = 'iScsiPrt'; Id = 34; Meaning = 'connected again' },
        @{ Source = 'iScsiPrt'; Id = 39; Meaning = 'target or LUN reset sent' },
        @{ Source = 'iScsiPrt'; Id = 43; Meaning = 'login not answered' },
        @{ Source = 'iScsiPrt'; Id = 48; Meaning = 'ping not answered' },
        @{ Source = 'iScsiPrt'; Id = 49; Meaning = 'reset not answered' },
        @{ Source = 'iScsiPrt'; Id = 51; Meaning = 'logout on request took too long' },
        @{ Source = 'iScsiPrt'; Id = 59; Meaning = 'target closed during login' },
        @{ Source = 'iScsiPrt'; Id = 63; Meaning = 'reset failed, session starts again' },
        @{ Source = 'iScsiPrt'; Id = 129; Meaning = 'reset after a request took too long' },
        @{ Source = 'mpio'; Id = 16; Meaning = 'failover to another path' },
        @{ Source = 'mpio'; Id = 17; Meaning = 'fewer paths than before' },
        @{ Source = 'mpio'; Id = 20; Meaning = 'path verification failed' },
        @{ Source = 'mpio'; Id = 22; Meaning = 'failover failed' },
        @{ Source = 'mpio'; Id = 23; Meaning = 'all paths lost, the disk will be removed' },
        @{ Source = 'disk'; Id = 153; Meaning = 'a request was sent again' },
        @{ Source = 'disk'; Id = 157; Meaning = 'the disk was removed' }
    )
}
