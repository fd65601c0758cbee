<#
.SYNOPSIS
Undoes what Initialize-IscsiHost.ps1 and Connect-IscsiHost.ps1 did on this host.
.DESCRIPTION
Takes disks offline that would be gone, logs out, removes the floating IPs from the initiator, then puts
back every value, service, MPIO setting and firewall rule as it was, last change first. What cannot be undone is
named and stays on record, so that the script can be run again; exit code 1 then. The secret of mutual CHAP
stays: Windows does not say what it was.
.PARAMETER KeepMpio
Leaves MPIO installed.
.EXAMPLE
.\Restore-IscsiHost.ps1 -WhatIf
.EXAMPLE
.\Restore-IscsiHost.ps1
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding(SupportsShouldProcess)]
param([switch]$KeepMpio)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'IscsiHost.Common.ps1')

# Disks that would be gone with this session: those that no other session has.
function Get-OwnDisk([string]$Identifier) {
    $sessions = @(Get-LiveSession)
    $others = @($sessions | Where-Object { $_.SessionIdentifier -ne $Identifier } |
            Get-Disk -ErrorAction SilentlyContinue | ForEach-Object { $_.Number })
    $sessions | Where-Object { $_.SessionIdentifier -eq $Identifier } |
        Get-Disk -ErrorAction SilentlyContinue | Where-Object { $_.Number -notin $others }
}

# Name: "IQN through floating IP". Windows refuses to log out while a disk is in use that would be gone.
function Undo-Session([string]$Name) {
    $target, $address = $Name -split ' through ', 2
    $paths = @(Get-SessionPath | Where-Object { $_.Target -eq $target -and ($null -eq $_.FloatingIP -or $_.FloatingIP -eq $address) })
    foreach ($path in $paths) {
        foreach ($disk in @(Get-OwnDisk $path.Identifier)) { Set-Disk -Number $disk.Number -IsOffline $true -ErrorAction Stop }
        if ($path.Persistent) { Unregister-IscsiSession -SessionIdentifier $path.Identifier -ErrorAction Stop }
        Disconnect-IscsiTarget -NodeAddress $target -SessionIdentifier $path.Identifier -Confirm:$false -ErrorAction Stop
    }
    # A login for the next start of Windows may be left when its session was gone.
    foreach ($login in @(Get-CimInstance -Namespace root/wmi -ClassName MSiSCSIInitiator_PersistentLoginClass -ErrorAction SilentlyContinue)) {
        if ($login.TargetName -eq $target -and $login.TargetPortal.Address -eq $address) {
            iscsicli.exe RemovePersistentTarget $login.InitiatorInstance $target $login.InitiatorPortNumber $address $login.TargetPortal.Port | Out-Null
            if ($LASTEXITCODE -ne 0) { throw "iscsicli could not remove the login to $address after a restart" }
        }
    }
}

function Undo-Portal([string]$Address) {
    if (@(Get-IscsiTargetPortal -ErrorAction Stop | Where-Object { $_.TargetPortalAddress -eq $Address }).Count -gt 0) {
        Remove-IscsiTargetPortal -TargetPortalAddress $Address -Confirm:$false -ErrorAction Stop
    }
}

# Only values of the kit: the record is a file, and this script may write anywhere.
function Undo-Registry($Kit, [string]$Name, $Former) {
    foreach ($setting in @(Get-Setting $Kit | Where-Object { "$($_.Path)\$($_.Name)" -eq $Name })) {
        if ($null -ne $Former) {
            Set-RegistryNumber $setting.Path $setting.Name $Former
        } elseif ($null -ne $setting.Found) {
            Remove-ItemProperty -LiteralPath $setting.Path -Name $setting.Name
        }
        return
    }
    throw 'this is no value of the kit on this host'
}

function Undo-Service($Kit, $Former) {
    Set-Service -Name $Kit.Service -StartupType $Former.StartType
    if ($Former.Status -eq 'Stopped' -and @(Get-LiveSession).Count -eq 0) { Stop-Service -Name $Kit.Service }
}

function Undo-Entry($Kit, $Entry) {
    $mpio = $Kit.Mpio
    switch ($Entry.Kind) {
        'session' { Undo-Session $Entry.Name }
        'portal' { Undo-Portal $Entry.Name }
        'rule' { Remove-NetFirewallRule -Name $Kit.Rule.Name -ErrorAction SilentlyContinue }
        'policy' { Set-MSDSMGlobalDefaultLoadBalancePolicy -Policy $Entry.Former -ErrorAction Stop }
        'claim' { Disable-MSDSMAutomaticClaim -BusType $mpio.BusType -Confirm:$false -ErrorAction Stop | Out-Null }
        'feature' { Disable-WindowsOptionalFeature -Online -FeatureName $mpio.Feature -NoRestart -WarningAction SilentlyContinue -ErrorAction Stop | Out-Null }
        'registry' { Undo-Registry $Kit $Entry.Name $Entry.Former }
        'service' { Undo-Service $Kit $Entry.Former }
        default { throw "this version of the script does not know '$($Entry.Kind)'" }
    }
}

$kit = Get-Kit
$entries = @(Get-RecordEntry $kit)
if ($entries.Count -eq 0) {
    Write-Host "Nothing to undo: $(Get-RecordPath $kit) has no entries."
    exit 0
}
if (@($entries | Where-Object { $_.Kind -in 'session', 'portal' }).Count -gt 0 -and -not $WhatIfPreference) {
    Start-Service -Name $kit.Service
}
[array]::Reverse($entries)
$left = @()
$failed = 0
$restart = $false
foreach ($entry in $entries) {
    if ($KeepMpio -and $entry.Kind -in 'feature', 'claim', 'policy') { continue }
    if (-not $PSCmdlet.ShouldProcess("$($entry.Kind) $($entry.Name)", 'undo')) {
        $left = @($entry) + $left
        continue
    }
    try {
        Undo-Entry $kit $entry
        Write-Host "undone: $($entry.Kind) $($entry.Name)"
        $restart = $restart -or $entry.NeedsRestart
    } catch {
        Write-Warning "$($entry.Kind) $($entry.Name) could not be undone: $($_.Exception.Message)"
        $left = @($entry) + $left
        $failed++
    }
}
if (-not $WhatIfPreference) {
    if ($left.Count -gt 0) { Save-Record $kit $left } else { Remove-Item -LiteralPath (Get-RecordPath $kit) }
}
if ($restart) { Write-Warning 'Restart Windows: what was changed is read when it starts.' }
exit [int]($failed -gt 0)
