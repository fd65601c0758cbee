# What the scripts here share: the recommended values, the record of former ones, the registry, and what the
# host knows about its sessions. Dot-sourced, so that -WhatIf reaches every function; it changes nothing by itself.
# Cmdlets of Windows' own modules do not see a script's $ErrorActionPreference: each call says what it wants.

function Get-Kit {
    Import-PowerShellDataFile -LiteralPath (Join-Path $PSScriptRoot 'IscsiHost.psd1')
}

# The record: an entry for each thing that was changed, with its value before the first change, oldest first.

function Get-RecordPath($Kit) {
    Join-Path $env:ProgramData $Kit.Record
}

function Get-RecordEntry($Kit) {
    $path = Get-RecordPath $Kit
    if (Test-Path -LiteralPath $path) {
        (Get-Content -LiteralPath $path -Raw | ConvertFrom-Json).Entries
    }
}

function Save-Record($Kit, [object[]]$Entries) {
    $path = Get-RecordPath $Kit
    New-Item -ItemType Directory -Path (Split-Path -Path $path -Parent) -Force | Out-Null
    ConvertTo-Json -InputObject @{ Entries = $Entries } -Depth 5 | Set-Content -LiteralPath $path -Encoding UTF8
}

# Called before the change. A second change keeps the first former value. NeedsRestart: in force after a restart.
function Add-RecordEntry($Kit, [string]$Kind, [string]$Name, $Former, [switch]$NeedsRestart) {
    $entries = @(Get-RecordEntry $Kit)
    $known = @($entries | Where-Object { $_.Kind -eq $Kind -and $_.Name -eq $Name })
    $now = (Get-Date).ToString('o')
    if ($known.Count -gt 0) {
        $known[0].Changed = $now
    } else {
        $entries += [pscustomobject]@{
            Kind = $Kind; Name = $Name; Former = $Former; Changed = $now; NeedsRestart = [bool]$NeedsRestart
        }
    }
    Save-Record $Kit $entries
}

function Test-RestartDue($Kit) {
    $started = (Get-CimInstance -ClassName Win32_OperatingSystem).LastBootUpTime
    $waiting = @(Get-RecordEntry $Kit | Where-Object { $_.NeedsRestart -and [datetime]$_.Changed -gt $started })
    $waiting.Count -gt 0
}

# Registry numbers are unsigned 32 bits here; the registry itself may give them signed.

function Get-RegistryNumber([string]$Path, [string]$Name) {
    $key = Get-Item -LiteralPath $Path -ErrorAction SilentlyContinue
    $raw = if ($null -ne $key) { $key.GetValue($Name, $null) }
    if ($null -ne $raw) { [int64]$raw -band 4294967295 }
}

function Set-RegistryNumber {
    [CmdletBinding(SupportsShouldProcess)]
    param([string]$Path, [string]$Name, [int64]$Number)

    if ($PSCmdlet.ShouldProcess("$Path\$Name", "set to $Number")) {
        if (-not (Test-Path -LiteralPath $Path)) { New-Item -Path $Path -Force | Out-Null }
        $bits = [BitConverter]::ToInt32([BitConverter]::GetBytes($Number), 0)
        Set-ItemProperty -LiteralPath $Path -Name $Name -Value $bits -Type DWord
    }
}

function Find-InitiatorKey($Kit) {
    foreach ($key in @(Get-ChildItem -LiteralPath $Kit.Places.Initiator -ErrorAction SilentlyContinue)) {
        if ($key.GetValue('DriverDesc', $null) -eq $Kit.DriverDesc) {
            return Join-Path $Kit.Places.Initiator "$($key.PSChildName)\Parameters"
        }
    }
    throw "There is no '$($Kit.DriverDesc)' below $($Kit.Places.Initiator): is this Windows Server 2016 or later?"
}

# The recommended settings with the path they have on this host and the number found there ($null: none).
function Get-Setting($Kit) {
    $instance = Find-InitiatorKey $Kit
    foreach ($setting in $Kit.Settings) {
        $path = if ($setting.Place -eq 'Initiator') { $instance } else { $Kit.Places[$setting.Place] }
        [pscustomobject]@{
            Name = $setting.Name; Path = $path; Place = $setting.Place; Number = [int64]$setting.Number
            Default = $setting.Default; Unit = $setting.Unit; Found = Get-RegistryNumber $path $setting.Name
        }
    }
}

# Addresses

function Test-SameSubnet([string]$One, [string]$Other, [int]$Prefix) {
    $left = [Net.IPAddress]::Parse($One).GetAddressBytes()
    $right = [Net.IPAddress]::Parse($Other).GetAddressBytes()
    if ($left.Length -ne $right.Length) { return $false }
    for ($bit = 0; $bit -lt $Prefix; $bit++) {
        $mask = 128 -shr ($bit % 8)
        if (($left[$bit -shr 3] -band $mask) -ne ($right[$bit -shr 3] -band $mask)) { return $false }
    }
    $true
}

# The network card whose subnet the floating IP is in: the path that StorPool's guide gives it.
function Find-LocalAddress([string]$FloatingIP) {
    if ($null -eq ($FloatingIP -as [ipaddress])) { throw "'$FloatingIP' is not an IP address." }
    foreach ($local in @(Get-NetIPAddress -ErrorAction Stop)) {
        $address = "$($local.IPAddress)" -replace '%.*$', ''
        if (Test-SameSubnet $address $FloatingIP $local.PrefixLength) {
            return [pscustomobject]@{
                FloatingIP = $FloatingIP; Address = $address; Interface = $local.InterfaceAlias
                InterfaceIndex = $local.InterfaceIndex
            }
        }
    }
    throw "No network card has an address in the subnet of ${FloatingIP}: give one an address there, and nothing else."
}

# Sessions

function ConvertFrom-WmiAddress($Address) {
    switch ($Address.Type) {
        1 { [Net.IPAddress]::new([int64]$Address.IpV4Address).ToString() }
        2 { [Net.IPAddress]::new([byte[]]$Address.IpV6Address).ToString() }
    }
}

# None while the initiator's service is stopped: its cmdlets would fail.
function Get-LiveSession {
    if ((Get-Service -Name (Get-Kit).Service).Status -eq 'Running') { Get-IscsiSession -ErrorAction Stop }
}

# By the second half of the session identifier: where the login went, and where it was sent on to.
function Get-Redirect {
    $found = @{}
    foreach ($adapter in @(Get-CimInstance -Namespace root/wmi -ClassName MSiSCSI_RedirectPortalInfoClass -ErrorAction SilentlyContinue)) {
        foreach ($session in $adapter.RedirectSessionList) {
            foreach ($portal in $session.RedirectPortalList) {
                $found['{0:x16}' -f $session.UniqueSessionId] = $portal
            }
        }
    }
    $found
}

# One for each session. FloatingIP: the address it was asked to log in at, $null if the host does not tell.
function Get-SessionPath {
    $redirects = Get-Redirect
    foreach ($session in @(Get-LiveSession)) {
        $half = "$($session.SessionIdentifier)".Split('-')[-1].ToLowerInvariant().PadLeft(16, '0')
        $connections = @(Get-IscsiConnection -IscsiSession $session -ErrorAction SilentlyContinue)
        $current = if ($connections.Count -gt 0) { $connections[0].TargetAddress }
        $redirect = $redirects[$half]
        $moved = $null -ne $redirect -and $redirect.Redirected -ne 0
        [pscustomobject]@{
            Target     = $session.TargetNodeAddress
            FloatingIP = if ($null -ne $redirect) { ConvertFrom-WmiAddress $redirect.OriginalIPAddr }
            Node       = if ($moved) { ConvertFrom-WmiAddress $redirect.RedirectedIPAddr } else { $current }
            Redirect   = if (-not $moved) { 'none seen' } elseif ($redirect.TemporaryRedirect -ne 0) { 'temporary' } else { 'permanent' }
            Local      = if ($connections.Count -gt 0) { $connections[0].InitiatorAddress }
            Connections = $session.NumberOfConnections; Persistent = $session.IsPersistent
            Multipath = $session.IsMultipathEnabled; Identifier = $session.SessionIdentifier
        }
    }
}

# Whether a session goes through this floating IP already. A host that does not tell where it logged in tells
# at least from which network card: then as many sessions are wanted from there as floating IPs ($Nics) use it.
function Test-SessionPath([object[]]$Paths, [string]$Target, $Nic, [object[]]$Nics) {
    $mine = @($Paths | Where-Object { $_.Target -eq $Target })
    $known = @($mine | Where-Object { $_.FloatingIP -eq $Nic.FloatingIP -or $_.Node -eq $Nic.FloatingIP })
    $unknown = @($mine | Where-Object { $null -eq $_.FloatingIP -and $_.Local -eq $Nic.Address })
    $wanted = @($Nics | Where-Object { $_.Address -eq $Nic.Address })
    $known.Count -gt 0 -or ($unknown.Count -gt 0 -and $unknown.Count -ge $wanted.Count)
}

# Disks of iSCSI sessions: a disk with several paths appears once.
function Get-SessionDisk {
    Get-LiveSession | Get-Disk -ErrorAction SilentlyContinue | Sort-Object -Property Number -Unique
}
