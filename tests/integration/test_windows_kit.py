"""configs/windows as written: a parser accepts it, what it calls exists, values are one set."""

import configparser
import inspect
import re

import pytest

import powershell
from powershell import KIT, TREE
from windows_machine import WindowsMachine

SCRIPTS = ["Initialize", "Connect", "Test", "Watch", "Restore"]
COMMON_PARAMETERS = {"erroraction", "warningaction", "confirm", "whatif"}
APPROVED_VERBS = {"Add", "Compare", "Connect", "ConvertFrom", "Enable", "Find", "Get", "Join",
                  "New", "Save", "Select", "Set", "Show", "Test", "Undo", "Write"}
AUTOMATIC = {"_", "true", "false", "null", "psscriptroot", "pscmdlet", "whatifpreference",
             "lastexitcode", "erroractionpreference", "env:programdata"}

@pytest.fixture(scope="module")
def kit():
    """File name to tree."""
    return {path.name: tree for path, tree in powershell.kit().items()}


def data():
    """The .psd1 as Python: rows of its tables."""
    text = (KIT / "IscsiHost.psd1").read_text(encoding="ascii")
    entry = r"(\w+) = (?:'([^']*)'|(\d+))"
    rows = [{key: quoted or number for key, quoted, number in re.findall(entry, row)}
            for row in re.findall(r"@\{ (.*) \}", text)]
    return {"settings": {row["Name"]: row for row in rows if "Default" in row},
            "events": {(row["Source"].lower(), row["Id"]) for row in rows if "Source" in row}}


def parameters(scope):
    """Names that a script or function declares."""
    block = scope.first("function_parameter_declaration")
    if block is None:
        body = scope.first("script_block") or scope
        block = body.first("param_block")
    declared = block.all("script_parameter") if block else []
    return [node.first("variable").text[1:] for node in declared]


def functions(tree):
    return {node.first("function_name").text: node for node in tree.all("function_statement")}


def dot_sourced(kit, name):
    """The files whose functions and variables a file sees: itself, and those taken in with it."""
    seen = {name} | set(re.findall(r"\. \(Join-Path \$PSScriptRoot '([\w.]+)'\)", kit[name].source))
    return seen | ({"IscsiHost.Common.ps1"} if name == "IscsiHost.Checks.ps1" else set())


@pytest.mark.parametrize("path", sorted(KIT.iterdir()), ids=lambda path: path.name)
def test_a_file_is_plain_ascii_and_short(path):
    text = path.read_bytes().decode("ascii")
    assert "\t" not in text and len(text.splitlines()) < 400
    assert ("\r\n" in text) == (path.suffix == ".reg"), "regedit wants CR LF"


def test_a_parser_accepts_every_script(kit):
    bad = [f"{name}:{node.line}: {node.text[:80]}" for name, tree in kit.items()
           for node in tree.all("ERROR", "MISSING", "&&", "||")]
    assert not bad, "\n".join(bad)
    assert len(kit) == 8


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_strict_and_has_help(kit, script):
    source = kit[f"{script}-IscsiHost.ps1"].source
    for part in (".SYNOPSIS", ".DESCRIPTION", ".EXAMPLE", "#Requires -Version 5.1",
                 "#Requires -RunAsAdministrator", "Set-StrictMode -Version Latest",
                 "$ErrorActionPreference = 'Stop'"):
        assert part in source
    described = re.findall(r"\.PARAMETER (\w+)", source)
    assert sorted(described) == sorted(parameters(kit[f"{script}-IscsiHost.ps1"]))


def test_functions_are_short_and_named_as_powershell_wants(kit):
    for name, tree in kit.items():
        for function, node in functions(tree).items():
            assert function.split("-")[0] in APPROVED_VERBS, f"{name}: {function}"
            assert node.text.count("\n") < 40, f"{name}: {function}"


def used(command):
    """Names of the parameters of a call, those of hash tables splatted into it as well."""
    elements = command.first("command_elements")
    if elements is None:
        return set()
    names = {node.text[1:].lower() for node in elements.named("command_parameter")}
    function = command.above("function_statement", "program")
    for node in elements.named("variable"):
        if node.text.startswith("@"):
            for assignment in function.all("assignment_expression"):
                if assignment.children[0].text.lower() == f"${node.text[1:]}".lower():
                    names |= {key.text.lower() for key in assignment.all("key_expression")}
    return names - COMMON_PARAMETERS


def test_every_call_is_of_something_that_exists_with_parameters_that_it_has(kit):
    machine, bad = WindowsMachine(), []
    for name, tree in kit.items():
        known = {function: {parameter.lower() for parameter in parameters(node)}
                 for other in dot_sourced(kit, name)
                 for function, node in functions(kit[other]).items()}
        for command in tree.all("command"):
            called = command.first("command_name")
            if called is None:
                continue
            cmdlet = machine.find(called.text)
            has = known.get(called.text)
            if cmdlet:
                has = {item.lower() for item in inspect.signature(cmdlet).parameters}
            if has is None:
                bad.append(f"{name}:{command.line}: {called.text} does not exist")
            elif used(command) - has:
                bad.append(f"{name}:{command.line}: {called.text} has no {used(command) - has}")
    assert not bad, "\n".join(bad)


def test_a_call_into_a_module_says_what_an_error_does(kit):
    """$ErrorActionPreference of a script does not reach it: it would go on after an error."""
    bad = [f"{name}:{command.line}: {command.text[:60]}" for name, tree in kit.items()
           for command in tree.all("command") if command.first("command_name") is not None
           and WindowsMachine.default_action(command.first("command_name").text) != "Stop"
           and "-ErrorAction" not in command.text]
    assert not bad, "\n".join(bad)


def assigned(nodes):
    """Lower-case names that these pieces of syntax give a value to."""
    names = set()
    for node in nodes:
        if node.type == "foreach_statement":
            names.add(node.first("variable").text)
        elif node.type == "assignment_expression" and node.children[0].type in (
                "variable", "array_literal_expression", "cast_expression"):
            names |= {variable.text for variable in node.children[0].all("variable")}
    return {name[1:].lower() for name in names}


def outside_functions(tree):
    return [node for node in tree.walk() if not node.above("function_statement")]


def test_every_variable_has_a_value_before_it_is_read(kit):
    """Set-StrictMode would stop the script there, on somebody's host."""
    bad = []
    for name, tree in kit.items():
        outer = set(AUTOMATIC)
        for other in dot_sourced(kit, name):
            outer |= assigned(outside_functions(kit[other]))
            outer |= {parameter.lower() for parameter in parameters(kit[other])}
        scopes = [(outer, outside_functions(tree))]
        for node in functions(tree).values():
            declared = {parameter.lower() for parameter in parameters(node)}
            scopes.append((outer | declared | assigned(node.walk()), list(node.walk())))
        bad += [f"{name}:{node.line}: {node.text}" for names, nodes in scopes for node in nodes
                if node.type == "variable" and node.text.strip("$@{}").lower() not in names]
    assert not bad, "\n".join(bad)


def test_no_secret_is_taken_or_shown_as_plain_text(kit):
    for name, tree in kit.items():
        for node in tree.all("script_parameter"):
            variable = node.first("variable").text
            if re.search("secret|password|credential", variable, re.I):
                assert re.search(r"\[(securestring|pscredential)\]", node.text), variable
        for command in tree.all("command"):
            called = command.first("command_name")
            tells = "Write-|Set-Content|Export-|Add-RecordEntry|iscsicli"
            if called is not None and re.match(tells, called.text):
                assert not re.search("secret|password|plain|chap", command.text, re.I) or \
                    "secret of mutual" in command.text, f"{name}: {command.text}"


# One fact, one place

def test_the_reg_file_sets_the_same_values():
    text = (KIT / "IscsiHost.reg").read_bytes().decode("ascii")
    assert text.startswith("Windows Registry Editor Version 5.00\r\n")
    found = {name: int(number, 16)
             for name, number in re.findall(r'^"(\w+)"=dword:(\w{8})\r$', text, re.M)}
    assert found == {name: int(row["Number"]) for name, row in data()["settings"].items()}
    for place in re.findall(r"'HKLM:\\(.*)'", (KIT / "IscsiHost.psd1").read_text(encoding="ascii")):
        assert f"[HKEY_LOCAL_MACHINE\\{place}" in text


def test_the_readme_has_the_same_values():
    text = (TREE / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \|", text, re.M)
    settings = data()["settings"].items()
    assert rows == [(name, row["Number"], row["Default"]) for name, row in settings]


def test_a_scenario_for_each_value_names_the_same():
    comments = [path.read_text(encoding="utf-8").partition("[scenario]")[0].replace("\n; ", " ")
                for path in (TREE / "configs" / "scenarios" / "windows").glob("*.ini")]
    for name, row in data()["settings"].items():
        number = row["Number"].replace("4294967295", "infinite")
        said = rf"{name} \({number}\b[^)]*\b{row['Default']}\b"
        assert any(re.search(said, comment) for comment in comments), said


def test_the_host_report_judges_by_the_same_values():
    text = (TREE / "sim-cluster" / "host_judge.c").read_text(encoding="utf-8")
    rows = dict(re.findall(r'\{ "(?:Disk |mpio )?(\w+)", +"(\d+)", ', text))
    assert rows == {name: row["Number"] for name, row in data()["settings"].items()}


def test_every_event_that_the_readme_expects_is_explained_by_the_kit():
    text = (TREE / "README.md").read_text(encoding="utf-8")
    table = re.search(r"\| on the cluster \| iScsiPrt.*?\n\n", text, re.S)[0]
    for row in table.strip().splitlines()[2:]:
        _, _, initiator, others, _ = row.split("|")
        for number in re.findall(r"\b\d+\b", re.sub(r"\d+ s\b", "", initiator)):
            assert ("iscsiprt", number) in data()["events"], f"{number} in {row}"
        for source, number in re.findall(r"(mpio|disk) (\d+)", others):
            assert (source, number) in data()["events"], f"{source} {number} in {row}"


def test_the_readme_calls_scripts_with_parameters_that_they_have(kit):
    text = (TREE / "README.md").read_text(encoding="utf-8")
    calls = re.findall(r"^\.\\(\w+-IscsiHost\.ps1)(.*)$", text, re.M)
    assert {name for name, _ in calls} == {f"{script}-IscsiHost.ps1" for script in SCRIPTS}
    for name, rest in calls:
        assert set(re.findall(r" -(\w+)", rest)) <= set(parameters(kit[name])), name


def test_the_lan_of_the_configuration_can_be_connected_to_as_the_readme_says():
    """The same floating IPs in lan.ini and in the calls; a secret that Windows takes."""
    text = (TREE / "README.md").read_text(encoding="utf-8")
    lan = (TREE / "configs" / "lan.ini").read_text(encoding="utf-8")
    floating = re.findall(r"floating_ip = ([\d.]+)/", lan)
    assert set(re.findall(r"-FloatingIP ([\d., ]+\d)", text)) == {", ".join(floating)}
    config = configparser.ConfigParser(strict=False, inline_comment_prefixes=";")
    config.read_string(lan)
    _, secret = config["initiator iqn.1991-05.com.microsoft:win2016"]["chap"].split()
    assert 12 <= len(secret) <= 16
