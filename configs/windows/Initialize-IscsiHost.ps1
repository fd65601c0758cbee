<#
.SYNOPSIS
Prepares a Windows Server 2016 or later for StorPool's iSCSI, as StorPool's guide has it.
.DESCRIPTION
Starts the initiator's service, sets the registry values of section 4.1 of the guide, installs and configures
MPIO, lets TCP 3260 out. What was there before is remembered, for Restore-IscsiHost.ps1. May be run again at any
time: it changes only what differs. Says at the end if a restart is due; after one that MPIO needs, run it again.
.PARAMETER FloatingIP
Floating IPs of the portal group: the network cards that reach them are looked at, and what the guide advises
against is named. Nothing is changed on a network card.
.PARAMETER NoMpio
For a host with one path: leaves MPIO alone.
.EXAMPLE
.\Initialize-IscsiHost.ps1 -FloatingIP 192.168.10.100, 192.168.20.100 -WhatIf
.EXAMPLE
.\Initialize-IscsiHost.ps1 -FloatingIP 192.168.10.100, 192.168.20.100
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding(SupportsShouldProcess)]
param([string[]]$FloatingIP = @(), [switch]$NoMpio)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'IscsiHost.Common.ps1')
. (Join-Path $PSScriptRoot 'IscsiHost.Checks.ps1')

function Enable-Initiator {
    [CmdletBinding(SupportsShouldProcess)]
    param($Kit)

    $service = Get-Service -Name $Kit.Service
    if ($service.StartType -eq 'Automatic' -and $service.Status -eq 'Running') { return }
    if ($PSCmdlet.ShouldProcess("service $($Kit.Service)", 'start now and with Windows')) {
        $former = [pscustomobject]@{ StartType = "$($service.StartType)"; Status = "$($service.Status)" }
        Add-RecordEntry $Kit 'service' $Kit.Service $former
        Set-Service -Name $Kit.Service -StartupType Automatic
        Start-Service -Name $Kit.Service
    }
}

function Set-Recommended {
    [CmdletBinding(SupportsShouldProcess)]
    param($Kit, [switch]$NoMpio)

    foreach ($setting in @(Get-Setting $Kit)) {
        if ($setting.Found -eq $setting.Number -or ($NoMpio -and $setting.Place -eq 'Mpio')) { continue }
        if ($PSCmdlet.ShouldProcess("$($setting.Path)\$($setting.Name)", "set to $($setting.Number)")) {
            Add-RecordEntry $Kit 'registry' "$($setting.Path)\$($setting.Name)" $setting.Found -NeedsRestart
            Set-RegistryNumber $setting.Path $setting.Name $setting.Number
        }
    }
}

# MPIO answers to its cmdlets only once it is installed, mostly after a restart.
function Enable-Multipath {
    [CmdletBinding(SupportsShouldProcess)]
    param($Kit)

    $name = $Kit.Mpio.Feature
    $feature = Get-WindowsOptionalFeature -Online -FeatureName $name -ErrorAction Stop
    if ($feature.State -ne 'Enabled' -and $PSCmdlet.ShouldProcess("feature $name", 'install')) {
        Add-RecordEntry $Kit 'feature' $name "$($feature.State)" -NeedsRestart
        Enable-WindowsOptionalFeature -Online -FeatureName $name -NoRestart -WarningAction SilentlyContinue -ErrorAction Stop | Out-Null
        $feature = Get-WindowsOptionalFeature -Online -FeatureName $name -ErrorAction Stop
    }
    if ($feature.State -eq 'Enabled') {
        Set-Claim $Kit
    } elseif (-not $WhatIfPreference) {
        Write-Warning 'MPIO is there after a restart only: run this script once more then.'
    }
}

function Set-Claim {
    [CmdletBinding(SupportsShouldProcess)]
    param($Kit)

    $bus = $Kit.Mpio.BusType
    $claimed = "$((Get-MSDSMAutomaticClaimSettings -ErrorAction Stop)[$bus])"
    if ($claimed -ne 'True' -and $PSCmdlet.ShouldProcess("MPIO for $bus", 'claim disks')) {
        Add-RecordEntry $Kit 'claim' $bus $false -NeedsRestart
        Enable-MSDSMAutomaticClaim -BusType $bus -Confirm:$false -ErrorAction Stop | Out-Null
    }
    $policy = "$(Get-MSDSMGlobalDefaultLoadBalancePolicy -ErrorAction Stop)"
    if ($policy -ne $Kit.Mpio.Policy -and $PSCmdlet.ShouldProcess('MPIO policy', "set to $($Kit.Mpio.Policy)")) {
        Add-RecordEntry $Kit 'policy' 'MPIO' $policy
        Set-MSDSMGlobalDefaultLoadBalancePolicy -Policy $Kit.Mpio.Policy -ErrorAction Stop
    }
}

# For hosts whose firewall keeps connections in by default; elsewhere it changes nothing.
function Enable-Outbound {
    [CmdletBinding(SupportsShouldProcess)]
    param($Kit)

    $rule = $Kit.Rule
    if (@(Get-NetFirewallRule -Name $rule.Name -ErrorAction SilentlyContinue).Count -gt 0) { return }
    if ($PSCmdlet.ShouldProcess("firewall rule $($rule.Name)", 'add')) {
        Add-RecordEntry $Kit 'rule' $rule.Name $null
        $what = @{ Direction = 'Outbound'; Protocol = 'TCP'; RemotePort = $rule.Port; Action = 'Allow' }
        New-NetFirewallRule -Name $rule.Name -DisplayName $rule.DisplayName @what -ErrorAction Stop | Out-Null
    }
}

$kit = Get-Kit
Enable-Initiator $kit
if (-not $NoMpio) { Enable-Multipath $kit }
Set-Recommended $kit -NoMpio:$NoMpio
Enable-Outbound $kit

$network = @(Get-NetworkCheck $FloatingIP)
@(Get-ServiceCheck $kit) + @(Get-SettingCheck $kit -NoMpio:$NoMpio) + $network | Format-Table -AutoSize -Wrap | Out-Host
if (@($network | Where-Object { $_.Verdict -ne $AsRecommended }).Count -gt 0) {
    Write-Warning 'A network card for iSCSI should have an address and a mask and nothing else (section 4.2 of the guide).'
}
if (Test-RestartDue $kit) {
    Write-Warning 'Restart Windows: what was changed is read when it starts.'
}
