# What is in force on this host beside what is recommended, one check an item. Dot-sourced after
# IscsiHost.Common.ps1; it changes nothing.

# Verdicts
$AsRecommended = 'as recommended'
$NotAsRecommended = 'not as recommended'
$AfterRestart = 'after a restart'
$Unknown = 'unknown'

function New-Check([string]$Item, $Found, $Recommended, [string]$Verdict) {
    [pscustomobject]@{ Item = $Item; Found = $Found; Recommended = $Recommended; Verdict = $Verdict }
}

function Compare-Value([string]$Item, $Found, $Recommended) {
    $verdict = if ($Found -eq $Recommended) { $AsRecommended } else { $NotAsRecommended }
    New-Check $Item $Found $Recommended $verdict
}

function Join-Value([object[]]$Values) {
    if ($Values.Count -gt 0) { $Values -join ', ' } else { 'none' }
}

# Values of the registry are read when Windows starts, so one that was changed since is not in force yet.
function Get-SettingCheck($Kit, [switch]$NoMpio) {
    $late = Test-RestartDue $Kit
    foreach ($setting in @(Get-Setting $Kit)) {
        if ($NoMpio -and $setting.Place -eq 'Mpio') { continue }
        $shown = if ($null -ne $setting.Found) { $setting.Found } else { "none (Windows: $($setting.Default))" }
        $verdict = if ($setting.Found -ne $setting.Number) { $NotAsRecommended } elseif ($late) { $AfterRestart } else { $AsRecommended }
        New-Check $setting.Name $shown $setting.Number $verdict
    }
}

function Get-ServiceCheck($Kit) {
    $service = Get-Service -Name $Kit.Service
    Compare-Value "service $($Kit.Service)" "$($service.StartType), $($service.Status)" 'Automatic, Running'
}

function Get-MpioCheck($Kit) {
    $feature = Get-WindowsOptionalFeature -Online -FeatureName $Kit.Mpio.Feature -ErrorAction Stop
    Compare-Value 'MPIO' "$($feature.State)" 'Enabled'
    try {
        $claims = Get-MSDSMAutomaticClaimSettings -ErrorAction Stop
        Compare-Value "MPIO claims $($Kit.Mpio.BusType)" "$($claims[$Kit.Mpio.BusType])" 'True'
        Compare-Value 'MPIO policy' "$(Get-MSDSMGlobalDefaultLoadBalancePolicy -ErrorAction Stop)" $Kit.Mpio.Policy
    } catch {
        New-Check 'MPIO claims and policy' 'MPIO does not answer yet' "$($Kit.Mpio.BusType), $($Kit.Mpio.Policy)" $Unknown
    }
}

# Section 4.2 of the guide: an address and a mask, and nothing else.
function Get-NetworkCheck([string[]]$FloatingIP) {
    foreach ($ip in $FloatingIP) {
        $nic = Find-LocalAddress $ip
        $index = $nic.InterfaceIndex
        $gateways = @(Get-NetRoute -InterfaceIndex $index -ErrorAction SilentlyContinue |
                Where-Object { $_.DestinationPrefix -in '0.0.0.0/0', '::/0' } | ForEach-Object { $_.NextHop })
        $servers = @(Get-DnsClientServerAddress -InterfaceIndex $index -AddressFamily IPv4 -ErrorAction Stop | ForEach-Object { $_.ServerAddresses })
        $client = Get-DnsClient -InterfaceIndex $index -ErrorAction Stop
        Compare-Value "$($nic.Interface): gateways" (Join-Value $gateways) 'none'
        Compare-Value "$($nic.Interface): DNS servers" (Join-Value $servers) 'none'
        Compare-Value "$($nic.Interface): registers in DNS" $client.RegisterThisConnectionsAddress $false
    }
}

# Every target through every floating IP, connected, by a redirect that is good for one login only.
function Get-SessionCheck([string[]]$FloatingIP) {
    $paths = @(Get-SessionPath)
    if ($paths.Count -eq 0) { return New-Check 'sessions' 'none' 'one for each floating IP' $NotAsRecommended }
    $nics = @($FloatingIP | ForEach-Object { Find-LocalAddress $_ })
    foreach ($target in @($paths | Select-Object -ExpandProperty Target -Unique)) {
        foreach ($nic in $nics) {
            $there = Test-SessionPath $paths $target $nic $nics
            Compare-Value "$target through $($nic.FloatingIP)" $(if ($there) { 'a session' } else { 'none' }) 'a session'
        }
    }
    foreach ($path in $paths) {
        $name = "$($path.Target) from $($path.Local)"
        Compare-Value "${name}: connections" $path.Connections 1
        Compare-Value "${name}: comes back after a restart" $path.Persistent $true
        if ($null -eq $path.FloatingIP) {
            New-Check "${name}: redirect" 'Windows does not tell' 'temporary' $Unknown
        } else {
            Compare-Value "${name}: redirect" $path.Redirect 'temporary'
        }
    }
}
