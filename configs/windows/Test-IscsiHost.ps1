<#
.SYNOPSIS
Says what is in force on this host, beside what StorPool's guide recommends.
.DESCRIPTION
Registry values, service, MPIO, network cards; then sessions with the address they log in at and the node they
were redirected to, disks with their serial numbers, and how many paths MPIO has to each. Changes nothing.
Exit code 0: nothing is unlike recommended (what Windows does not tell is unknown, and named); 1: something is.
.PARAMETER FloatingIP
The floating IPs that this host should have sessions through. Without them only what is there is looked at.
.PARAMETER NoMpio
For a host with one path: nothing of MPIO is looked at.
.PARAMETER AsObject
Gives the checks as objects instead of tables, for a script that goes on with them.
.EXAMPLE
.\Test-IscsiHost.ps1 -FloatingIP 192.168.10.100, 192.168.20.100
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding()]
param([string[]]$FloatingIP = @(), [switch]$NoMpio, [switch]$AsObject)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'IscsiHost.Common.ps1')
. (Join-Path $PSScriptRoot 'IscsiHost.Checks.ps1')

# Disks as MPIO has them: name, serial number, how many paths, which DSM.
function Get-MpioDisk {
    foreach ($all in @(Get-CimInstance -Namespace root/wmi -ClassName MPIO_DISK_INFO -ErrorAction SilentlyContinue)) {
        $all.DriveInfo | Select-Object -Property 'Name', 'SerialNumber', 'NumberPaths', 'DsmName'
    }
}

function Show-Host {
    Write-Host 'Sessions'
    Get-SessionPath | Format-Table -AutoSize -Property 'Target', 'Local', 'FloatingIP', 'Node', 'Redirect', 'Connections', 'Persistent', 'Multipath' | Out-Host
    Write-Host 'Disks'
    Get-SessionDisk | Format-Table -AutoSize -Property 'Number', 'SerialNumber', 'FriendlyName', 'Size', 'OperationalStatus', 'PartitionStyle' | Out-Host
    Write-Host 'MPIO'
    Get-MpioDisk | Format-Table -AutoSize | Out-Host
}

$kit = Get-Kit
$checks = @(Get-ServiceCheck $kit) + @(Get-SettingCheck $kit -NoMpio:$NoMpio)
if (-not $NoMpio) { $checks += @(Get-MpioCheck $kit) }
$checks += @(Get-NetworkCheck $FloatingIP) + @(Get-SessionCheck $FloatingIP)

if ($AsObject) {
    $checks
} else {
    $checks | Format-Table -AutoSize -Wrap | Out-Host
    Show-Host
}
$bad = @($checks | Where-Object { $_.Verdict -in $NotAsRecommended, $AfterRestart })
$open = @($checks | Where-Object { $_.Verdict -eq $Unknown })
Write-Host "$($checks.Count) checks: $($bad.Count) not as recommended, $($open.Count) unknown."
exit [int]($bad.Count -gt 0)
