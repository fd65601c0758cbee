<#
.SYNOPSIS
Connects this host to targets through the floating IPs of a portal group: one session each.
.DESCRIPTION
Adds each floating IP as a target portal, finds the network card in its subnet, and logs in from that card
through that floating IP: with several, multipath. The sessions come back after a restart of Windows. May be run
again at any time: a path that is there is left as it is. A node's own address is never needed: the floating
IP redirects to it.
.PARAMETER FloatingIP
Floating IPs of the portal group, one for each network card.
.PARAMETER Target
IQN of the target; wildcards are allowed. May be left out when one target is offered.
.PARAMETER Credential
User name and secret of CHAP: a secret has 12 to 16 characters. Get-Credential asks for them.
.PARAMETER TargetSecret
For mutual CHAP: the secret that the target proves itself with. Windows has one for the whole host.
Read-Host -AsSecureString asks for it.
.PARAMETER DiscoveryChap
Uses the credential for discovery too (discovery_chap = required in the cluster's configuration).
.PARAMETER HeaderDigest
Checksums over headers.
.PARAMETER DataDigest
Checksums over data.
.EXAMPLE
.\Connect-IscsiHost.ps1 -FloatingIP 192.168.10.100, 192.168.20.100
.EXAMPLE
.\Connect-IscsiHost.ps1 -FloatingIP 192.168.10.100 -Target *:data1 -Credential (Get-Credential) -TargetSecret (Read-Host -AsSecureString)
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding(SupportsShouldProcess)]
param(
    [Parameter(Mandatory)][string[]]$FloatingIP,
    [string]$Target,
    [pscredential]$Credential,
    [securestring]$TargetSecret,
    [switch]$DiscoveryChap,
    [switch]$HeaderDigest,
    [switch]$DataDigest
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'IscsiHost.Common.ps1')

function Get-Secret([securestring]$Secure, [string]$Whose) {
    $plain = [Net.NetworkCredential]::new('', $Secure).Password
    if ($plain.Length -lt 12 -or $plain.Length -gt 16) {
        throw "The CHAP secret of the $Whose has $($plain.Length) characters: Windows takes 12 to 16."
    }
    $plain
}

# What Connect-IscsiTarget and New-IscsiTargetPortal take alike.
function Get-ChapOption {
    if ($null -eq $Credential) {
        if ($null -ne $TargetSecret) { throw 'Mutual CHAP needs -Credential as well: the host proves itself first.' }
        return @{}
    }
    @{
        AuthenticationType = if ($null -ne $TargetSecret) { 'MUTUALCHAP' } else { 'ONEWAYCHAP' }
        ChapUsername       = $Credential.UserName
        ChapSecret         = Get-Secret $Credential.Password 'host'
    }
}

function Add-Portal {
    [CmdletBinding(SupportsShouldProcess)]
    param($Kit, [string]$Address, [hashtable]$Chap)

    $known = @(Get-IscsiTargetPortal -ErrorAction Stop | Where-Object { $_.TargetPortalAddress -eq $Address })
    if ($known.Count -gt 0 -and $Chap.Count -eq 0) {
        if ($PSCmdlet.ShouldProcess("portal $Address", 'ask for its targets')) { Update-IscsiTargetPortal -TargetPortalAddress $Address -ErrorAction Stop }
        return
    }
    if ($PSCmdlet.ShouldProcess("portal $Address", 'add')) {
        if ($known.Count -eq 0) {
            Add-RecordEntry $Kit 'portal' $Address $null
        } else {
            # It keeps what it was added with, which may have been no secret.
            Remove-IscsiTargetPortal -TargetPortalAddress $Address -Confirm:$false -ErrorAction Stop
        }
        New-IscsiTargetPortal -TargetPortalAddress $Address @Chap -ErrorAction Stop | Out-Null
    }
}

function Select-Target {
    $portals = @(Get-IscsiTargetPortal -ErrorAction Stop | Where-Object { $_.TargetPortalAddress -in $FloatingIP })
    $offered = @($portals | ForEach-Object { Get-IscsiTarget -IscsiTargetPortal $_ -ErrorAction SilentlyContinue } |
            Select-Object -ExpandProperty NodeAddress | Sort-Object -Unique)
    if ($offered.Count -eq 0 -and $WhatIfPreference) {
        Write-Host 'What if: the targets offered there are logged in to then.'
        return
    }
    if ($offered.Count -eq 0) { throw "No target is offered to this host at $($FloatingIP -join ', '): is one exported to its name and address?" }
    $chosen = @($offered | Where-Object { -not $Target -or $_ -like $Target })
    if ($chosen.Count -eq 0) { throw "No target is offered as '$Target'; offered: $($offered -join ', ')." }
    if (-not $Target -and $chosen.Count -gt 1) { throw "Choose with -Target (wildcards are allowed): $($offered -join ', ')." }
    $chosen
}

function Connect-Path {
    [CmdletBinding(SupportsShouldProcess)]
    param($Kit, [string]$Name, $Nic, [hashtable]$Chap, [bool]$Multipath)

    if ($PSCmdlet.ShouldProcess("$Name through $($Nic.FloatingIP) from $($Nic.Address)", 'log in')) {
        Add-RecordEntry $Kit 'session' "$Name through $($Nic.FloatingIP)" $null
        $login = @{
            NodeAddress         = $Name
            TargetPortalAddress = $Nic.FloatingIP; InitiatorPortalAddress = $Nic.Address
            IsMultipathEnabled  = $Multipath; IsPersistent = $true
            IsHeaderDigest      = [bool]$HeaderDigest; IsDataDigest = [bool]$DataDigest
        }
        Connect-IscsiTarget @login @Chap -ErrorAction Stop | Out-Null
    }
}

$kit = Get-Kit
if ((Get-Service -Name $kit.Service).Status -ne 'Running') { throw "The service $($kit.Service) is not running: run Initialize-IscsiHost.ps1 first." }
$nics = @($FloatingIP | ForEach-Object { Find-LocalAddress $_ })
$chap = Get-ChapOption
$discovery = if ($DiscoveryChap) { $chap } else { @{} }

if ($null -ne $TargetSecret -and $PSCmdlet.ShouldProcess('initiator', 'set the secret of mutual CHAP')) {
    Set-IscsiChapSecret -ChapSecret (Get-Secret $TargetSecret 'target') -ErrorAction Stop
}
foreach ($nic in $nics) { Add-Portal $kit $nic.FloatingIP $discovery }
foreach ($name in @(Select-Target)) {
    foreach ($nic in $nics) {
        if (Test-SessionPath @(Get-SessionPath) $name $nic $nics) {
            Write-Host "$name is connected through $($nic.FloatingIP)."
        } else {
            Connect-Path $kit $name $nic $chap ($nics.Count -gt 1)
        }
    }
}
if (-not $WhatIfPreference) { Update-HostStorageCache -ErrorAction Stop }

Get-SessionPath | Format-Table -AutoSize -Property 'Target', 'Local', 'FloatingIP', 'Node', 'Redirect', 'Connections' | Out-Host
Get-SessionDisk | Format-Table -AutoSize -Property 'Number', 'SerialNumber', 'Size', 'OperationalStatus', 'PartitionStyle' | Out-Host
