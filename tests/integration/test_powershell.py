"""The PowerShell that runs configs/windows in tests answers as Windows PowerShell 5.1 does."""

import pytest

import powershell
from powershell_run import Run
from powershell_values import PowerShellError
from windows_machine import WindowsMachine

ERROR = object()
SNIPPETS = [
    ("$a = @(); $a += 1; $a += 2, 3; $a.Count", [3]),
    ("$a, $b = 'x through y' -split ' through ', 2; $b; $a", ["y", "x"]),
    ("$n = if ($false) { 1 }; $null -eq $n", [True]),
    ("@($null).Count; @().Count", [1, 0]),
    ("foreach ($x in $null) { 'never' }", []),
    ("@(@{ A = 1 }, @{ A = 2 } | Where-Object { $_.A -gt 1 } | ForEach-Object { $_.A })", [2]),
    ("[int64]-1 -band 4294967295", [4294967295]),
    ("[BitConverter]::ToInt32([BitConverter]::GetBytes([int64]4294967295), 0)", [-1]),
    ("'{0:x16}' -f 255", ["00000000000000ff"]),
    ("\"a $(1 + 1) ${null}b $(@(1, 2))\"", ["a 2 b 1 2"]),
    ("'ABC' -eq 'abc'; 'x:y' -like '*:Y'; 3 -in 1, 2; 'a' -notin 'b', 'A'", [True, True, False, False]),
    ("-not @(); -not @(0); -not @(0, 0)", [True, True, False]),
    ("function f($a, [switch]$b) { $a; [bool]$b }\nf 1 -b; f -a 2", [1, True, 2, False]),
    ("function f { foreach ($i in 1, 2, 3) { $i; if ($i -eq 2) { return 'out' } } }\nf", [1, 2, "out"]),
    ("$h = @{ Count2 = 1; b = 2 }; $h.Count; $h['none'] -eq $null; $h.B", [2, True, 2]),
    ("$o = [pscustomobject]@{ A = 1 }; $o.A = 5; $o.a", [5]),
    ("try { 'before'; throw 'it' } catch { $_.Exception.Message }", ["before", "it"]),
    ("try { 1 } finally { 2 }", [1, 2]),
    ("switch ('b') {\n'a' { 1 }\n'B' { 2 }\ndefault { 3 }\n}", [2]),
    ("$x = 0; while ($x -lt 3) { $x++; if ($x -eq 2) { continue }; $x }", [1, 3]),
    ("('10.0.0.1' -as [ipaddress]) -ne $null; $null -eq ('10.0.0.1:3260' -as [ipaddress])", [True, True]),
    ("[Net.IPAddress]::new([int64]16777343).ToString()", ["127.0.0.1"]),
    ("$unset", ERROR),
    ("$null.Property", ERROR),
    ("@().Property", ERROR),
    ("(1).Count", ERROR),
    ("@{ A = 1 }.B", ERROR),
    ("([pscustomobject]@{ A = 1 }).B", ERROR),
    ("Get-Nothing", ERROR),
    ("Get-Service -Nome MSiSCSI", ERROR),
]


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    folder = tmp_path_factory.mktemp("snippets")
    paths = [folder / f"{number:02}.ps1" for number in range(len(SNIPPETS))]
    for path, (source, _) in zip(paths, SNIPPETS):
        path.write_text(source + "\n", encoding="ascii")
    return list(powershell.parse(*paths).values())


@pytest.mark.parametrize("number", range(len(SNIPPETS)), ids=[source for source, _ in SNIPPETS])
def test_a_snippet_gives_what_windows_gives(trees, number):
    tree, expected = trees[number], SNIPPETS[number][1]
    assert not tree.all("ERROR", "MISSING")
    if expected is ERROR:
        with pytest.raises(PowerShellError):
            Run(WindowsMachine()).block(tree.first("statement_list"))
    else:
        assert Run(WindowsMachine()).block(tree.first("statement_list")) == expected
