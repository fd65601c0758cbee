<#
.SYNOPSIS
Records what this host sees while a scenario runs on the cluster: events, counters, and how long each failover took.
.DESCRIPTION
Start it, then the scenario (sim-cluster run ...). Once a second it notes what each iSCSI disk does; at the end,
or on Ctrl-C, it collects what the System log says meanwhile of iScsiPrt, mpio, disk and MSiSCSI. In a folder:
events.csv, counters.csv, failovers.csv (from event 20, connection lost, to the event 34 that brings the last of
the lost connections back) and summary.json. Changes nothing on the host.
.PARAMETER Seconds
How long to watch.
.PARAMETER Since
Watches nothing: collects events from this time until now.
.PARAMETER Path
The folder; it is made if it is not there.
.EXAMPLE
.\Watch-IscsiHost.ps1 -Seconds 120 -Path C:\lab\node-killed
.EXAMPLE
.\Watch-IscsiHost.ps1 -Since (Get-Date).AddHours(-1)
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding(DefaultParameterSetName = 'Now')]
param(
    [Parameter(ParameterSetName = 'Now')][ValidateRange(1, 86400)][int]$Seconds = 120,
    [Parameter(ParameterSetName = 'Past', Mandatory)][datetime]$Since,
    [string]$Path = ".\iscsi-host-$(Get-Date -Format 'yyyyMMdd-HHmmss')"
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'IscsiHost.Common.ps1')

# Oldest first, with what the event means.
function Get-HostEvent($Kit, [datetime]$From) {
    $found = @(Get-WinEvent -FilterHashtable @{ LogName = 'System'; StartTime = $From } -ErrorAction SilentlyContinue)
    foreach ($record in @($found | Where-Object { $_.ProviderName -in $Kit.Sources } | Sort-Object -Property 'TimeCreated', 'RecordId')) {
        $known = @($Kit.Events | Where-Object { $_.Source -eq $record.ProviderName -and $_.Id -eq $record.Id })
        [pscustomobject]@{
            Time    = $record.TimeCreated
            Source  = $record.ProviderName
            Id      = $record.Id
            Meaning = if ($known.Count -gt 0) { $known[0].Meaning } else { '' }
            Message = "$($record.Message)".Trim() -replace '\s+', ' '
        }
    }
}

# A failover lasts from the first lost connection until as many are back as were lost. Events are oldest first.
function Get-Failover([object[]]$Events) {
    $open = $null
    foreach ($record in $Events) {
        $name = "$($record.Source) $($record.Id)"
        if ($name -eq 'iScsiPrt 20') {
            if ($null -eq $open) { $open = @{ Lost = $record.Time; Paths = 0; Back = 0; Others = @() } }
            $open.Paths++
        } elseif ($null -ne $open -and $name -eq 'iScsiPrt 34') {
            $open.Back++
            if ($open.Back -eq $open.Paths) {
                New-Failover $open $record.Time
                $open = $null
            }
        } elseif ($null -ne $open) {
            $open.Others += $name
        }
    }
    if ($null -ne $open) { New-Failover $open $null }
}

# Returned: $null, not within what was watched.
function New-Failover([hashtable]$Seen, $Returned) {
    $others = @($Seen.Others | Group-Object | ForEach-Object { "$($_.Name) x$($_.Count)" })
    [pscustomobject]@{
        Lost     = $Seen.Lost
        Returned = $Returned
        Seconds  = if ($null -ne $Returned) { [math]::Round(($Returned - $Seen.Lost).TotalSeconds, 3) }
        Paths    = $Seen.Paths
        Meanwhile = $others -join ', '
    }
}

function Get-DiskSample([object[]]$Numbers) {
    $now = Get-Date
    foreach ($disk in @(Get-CimInstance -ClassName Win32_PerfFormattedData_PerfDisk_PhysicalDisk)) {
        $number = "$($disk.Name)".Split(' ')[0]
        if ($number -notin $Numbers) { continue }
        [pscustomobject]@{
            Time = $now; Disk = $number; Reads = $disk.DiskReadsPersec; Writes = $disk.DiskWritesPersec
            Bytes = $disk.DiskBytesPersec; Queue = $disk.CurrentDiskQueueLength
            Stalled = $disk.CurrentDiskQueueLength -gt 0 -and $disk.DiskTransfersPersec -eq 0
        }
    }
}

function Get-LoginCount {
    $count = @{ Accepted = 0; Redirected = 0 }
    foreach ($adapter in @(Get-CimInstance -Namespace root/wmi -ClassName MSiSCSI_InitiatorLoginStatistics -ErrorAction SilentlyContinue)) {
        $count.Accepted += $adapter.LoginAcceptRsps
        $count.Redirected += $adapter.LoginRedirectRsps
    }
    $count
}

function Write-Result($Kit, [datetime]$From, [object[]]$Samples, [hashtable]$Before) {
    $events = @(Get-HostEvent $Kit $From)
    $failovers = @(Get-Failover $events)
    $over = @($failovers | Where-Object { $null -ne $_.Returned } | Sort-Object -Property Seconds)
    $after = Get-LoginCount
    $summary = [ordered]@{
        From = $From.ToString('o'); Until = (Get-Date).ToString('o')
        Failovers = $failovers.Count; NotOver = $failovers.Count - $over.Count
        LongestSeconds = if ($over.Count -gt 0) { $over[-1].Seconds }
        StalledSamples = @($Samples | Where-Object { $_.Stalled }).Count
        LoginsAccepted = $after.Accepted - $Before.Accepted
        LoginsRedirected = $after.Redirected - $Before.Redirected
        Events = @($events | Group-Object -Property 'Source', 'Id' | Select-Object -Property 'Name', 'Count')
    }
    $events | Export-Csv -LiteralPath (Join-Path $Path 'events.csv') -NoTypeInformation -Encoding UTF8
    $failovers | Export-Csv -LiteralPath (Join-Path $Path 'failovers.csv') -NoTypeInformation -Encoding UTF8
    $Samples | Export-Csv -LiteralPath (Join-Path $Path 'counters.csv') -NoTypeInformation -Encoding UTF8
    ConvertTo-Json -InputObject $summary -Depth 5 | Set-Content -LiteralPath (Join-Path $Path 'summary.json') -Encoding UTF8
    $failovers | Format-Table -AutoSize -Wrap | Out-Host
    Write-Host "$($events.Count) events, $($failovers.Count) failovers, $($summary.NotOver) not over; all of it in $Path."
}

$kit = Get-Kit
New-Item -ItemType Directory -Path $Path -Force | Out-Null
if ($PSCmdlet.ParameterSetName -eq 'Past') {
    Write-Result $kit $Since @() (Get-LoginCount)
    exit 0
}
$from = Get-Date
$before = Get-LoginCount
$samples = [Collections.Generic.List[object]]::new()
$numbers = @(Get-SessionDisk | ForEach-Object { "$($_.Number)" })
try {
    Write-Host "Watching disks $($numbers -join ', ') for $Seconds s; Ctrl-C ends it earlier."
    while ((Get-Date) -lt $from.AddSeconds($Seconds)) {
        foreach ($sample in @(Get-DiskSample $numbers)) { $samples.Add($sample) }
        Start-Sleep -Seconds 1
    }
} finally {
    Write-Result $kit $from ($samples.ToArray()) $before
}
