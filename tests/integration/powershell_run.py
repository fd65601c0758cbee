"""Runs the PowerShell of configs/windows on a host that is a model: as much of the language as the
kit uses, strict as Set-StrictMode -Version Latest is. What it does not know, it refuses."""

import re

import powershell
from powershell_expressions import NOTHING, Expressions, cast
from powershell_values import (PowerShellError, Table, Thing, add, collapse, iterate, same,
                               set_member, stream, text, truth)

COMMON = {"erroraction", "warningaction", "confirm", "verbose"}


class Flow(Exception):
    """A statement that leaves: return, continue, exit; with the outputs so far."""

    def __init__(self, kind, outputs=(), code=0):
        super().__init__(kind)
        self.kind, self.outputs, self.code = kind, list(outputs), code


class Function:
    """A function or script: its parameters, what it says of itself, its body."""

    def __init__(self, node, name):
        self.name, block = name, node.first("script_block") or node
        declared = node.first("function_parameter_declaration") or block.first("param_block")
        self.parameters = [Parameter(item) for item in (declared.all("script_parameter")
                                                        if declared else [])]
        attributes = declared.first("attribute_list") if declared else None
        self.attributes = attributes.text if attributes else ""
        self.body = (block.first("script_block_body") or block).first("statement_list")

    def find(self, name):
        for parameter in self.parameters:
            if parameter.name.lower() == name.lower():
                return parameter
        raise PowerShellError(f"{self.name} has no parameter {name}")


class Parameter:
    def __init__(self, node):
        self.name = node.first("variable").text[1:]
        attributes = node.first("attribute_list")
        attributes = attributes.text if attributes else ""
        types = re.findall(r"\[([\w.]+(?:\[\])?)\]", attributes)
        self.type = types[-1].lower() if types else "object"
        self.mandatory = "Mandatory" in attributes
        self.set = (re.search(r"ParameterSetName = '(\w+)'", attributes) or [None, None])[1]
        self.default = node.first("script_parameter_default")

    @property
    def is_switch(self):
        return self.type == "switch"


class Run(Expressions):
    """One PowerShell: scopes, functions, and the host whose cmdlets it calls."""

    def __init__(self, host):
        self.host = host
        self.scopes = [{"true": True, "false": False, "null": None, "whatifpreference": False,
                        "lastexitcode": 0, "psscriptroot": host.KIT,
                        "env:programdata": r"C:\ProgramData"}]
        self.functions = {}

    def script(self, name, *positional, **named):
        """Runs a script of the kit; gives its outputs and its exit code."""
        function = Function(powershell.kit()[powershell.KIT / name], name)
        preset = {"whatifpreference": named.pop("WhatIf", False)}
        try:
            outputs = self.call(function, list(positional), Table(named.items()), preset)
        except Flow as flow:
            return flow.outputs, flow.code
        return outputs, 0

    # Scopes

    def read(self, name):
        for scope in reversed(self.scopes):
            if name.lower() in scope:
                return scope[name.lower()]
        raise PowerShellError(f"the variable ${name} has not been set")

    def write(self, name, value):
        self.scopes[-1][name.lower()] = value

    # Calls

    def call(self, function, positional, named, preset=None):
        scope = dict(preset or {})
        bound = {function.find(name).name: value for name, value in named.items()}
        free = [item for item in function.parameters
                if item.name not in bound and not item.is_switch]
        if len(positional) > len(free):
            raise PowerShellError(f"{function.name}: too many arguments")
        bound |= {item.name: value for item, value in zip(free, positional)}
        sets = [item.set for item in function.parameters if item.name in bound and item.set]
        if "SupportsShouldProcess" in function.attributes or "Default" in function.attributes:
            scope["pscmdlet"] = ShouldProcess(self, sets[0] if sets else "Now")
        self.scopes.append(scope)
        try:
            for item in function.parameters:
                if item.name in bound:
                    scope[item.name.lower()] = cast(item.type, bound[item.name])
                elif item.mandatory and (item.set is None or item.set in sets):
                    raise PowerShellError(f"{function.name} needs {item.name}")
                else:
                    default = self.value(item.default.children[1]) if item.default else None
                    scope[item.name.lower()] = cast(item.type, default)
            return self.block(function.body)
        except Flow as flow:
            if flow.kind != "return":
                raise
            return flow.outputs
        finally:
            self.scopes.pop()

    def in_block(self, block, item):
        """A script block over one item of a pipeline: in the caller's scope."""
        before = self.scopes[-1].get("_")
        self.write("_", item)
        try:
            body = block.first("script_block").first("script_block_body")
            return self.block(body.first("statement_list"))
        finally:
            self.write("_", before)

    def arguments(self, node, is_switch):
        """Positional and named arguments of a command."""
        positional, named, pending = [], Table(), None
        elements = node.first("command_elements")
        for item in elements.children if elements else []:
            if item.type == "command_argument_sep":
                continue
            if item.type == "command_parameter":
                if pending:
                    named[pending] = True
                pending = item.text[1:]
                is_glued = item.source[item.end:item.end + 1] == ":"
                if is_switch(pending) and not is_glued:
                    named[pending], pending = True, None
            elif item.type == "variable" and item.text.startswith("@"):
                for name, value in self.read(item.text[1:]).items():
                    named[name] = value
            elif pending:
                named[pending], pending = self.value(item), None
            else:
                positional.append(self.value(item))
        if pending:
            named[pending] = True
        return positional, named

    def command(self, node, given=None):
        called = node.first("command_name")
        if called is None:
            path = self.value(node.first("command_name_expr"))
            return self.block(self.host.script(path).first("statement_list"))
        function = self.functions.get(called.text.lower())
        if function:
            positional, named = self.arguments(node, lambda name: function.find(name).is_switch)
            return self.call(function, positional, named)
        positional, named = self.arguments(node, self.host.is_switch)
        common = Table((name, value) for name, value in named.items() if name.lower() in COMMON)
        own = {name: value for name, value in named.items() if name.lower() not in COMMON}
        try:
            return self.host.invoke(self, called.text, given, positional, own, common)
        except PowerShellError as error:
            action = common.get("ErrorAction") or self.host.default_action(called.text)
            if action.lower() == "stop":
                raise
            if action.lower() != "silentlycontinue":
                self.host.errors.append(str(error))
            return []

    # Statements: a list of outputs

    def block(self, node):
        outputs = []
        try:
            for statement in node.children if node else []:
                if statement.type not in ("comment", "empty_statement"):
                    outputs += self.statement(statement)
        except (Flow, PowerShellError) as leave:
            leave.outputs = outputs + leave.outputs
            raise
        return outputs

    def statement(self, node):
        run = getattr(self, f"run_{node.type}", None)
        if run:
            return run(node)
        value = self.value(node)
        return [] if value is NOTHING else stream(value)

    def run_function_statement(self, node):
        name = node.first("function_name").text
        self.functions[name.lower()] = Function(node, name)
        return []

    def run_command(self, node):
        return self.command(node)

    def run_pipeline_chain(self, node):
        first, *rest = [child for child in node.children if child.type != "|"]
        outputs = self.statement(first)
        for command in rest:
            outputs = self.command(command, outputs)
        return outputs

    def run_assignment_expression(self, node):
        target, value = node.children[0], self.assigned(node.children[2])
        if node.children[1].text == "+=":
            value = add(self.value(target), value)
        self.assign(target, value)
        return []

    def assign(self, target, value):
        if target.type == "variable":
            self.write(target.text[1:], value)
        elif target.type == "array_literal_expression":
            for part, item in zip(target.named("variable"), iterate(value)):
                self.assign(part, item)
        elif target.type == "member_access":
            set_member(self.value(target.children[0]), target.children[2].text, value)
        elif target.type == "element_access":
            self.value(target.children[0])[self.value(target.children[2])] = value
        else:
            raise NotImplementedError(target)

    def run_post_increment_expression(self, node):
        self.assign(node.children[0], self.value(node.children[0]) + 1)
        return []

    def run_statement_block(self, node):
        return self.block(node.first("statement_list"))

    def run_if_statement(self, node):
        clauses = [node]
        if node.first("elseif_clauses"):
            clauses += node.first("elseif_clauses").children
        for clause in clauses:
            if truth(self.value(clause.children[2])):
                return self.run_statement_block(clause.first("statement_block"))
        last = node.first("else_clause")
        return self.run_statement_block(last.first("statement_block")) if last else []

    def loop(self, block):
        try:
            return self.run_statement_block(block)
        except Flow as flow:
            if flow.kind != "continue":
                raise
            return flow.outputs

    def repeat(self, rounds, block):
        outputs = []
        try:
            for _ in rounds:
                outputs += self.loop(block)
        except (Flow, PowerShellError) as leave:
            leave.outputs = outputs + leave.outputs
            raise
        return outputs

    def run_foreach_statement(self, node):
        def rounds():
            for item in iterate(self.value(node.children[4])):
                self.write(node.first("variable").text[1:], item)
                yield
        return self.repeat(rounds(), node.first("statement_block"))

    def run_for_statement(self, node):
        def rounds():
            self.statement(node.first("for_initializer").children[0])
            while truth(self.value(node.first("for_condition").children[0])):
                yield
                self.statement(node.first("for_iterator").children[0])
        return self.repeat(rounds(), node.first("statement_block"))

    def run_while_statement(self, node):
        def rounds():
            while truth(self.value(node.first("while_condition").children[0])):
                yield
        return self.repeat(rounds(), node.first("statement_block"))

    def run_switch_statement(self, node):
        value = self.value(node.first("switch_condition").children[1])
        clauses = node.first("switch_body").first("switch_clauses").children
        taken = [clause for clause in clauses if clause.children[0].children
                 and same(value, self.value(clause.children[0].children[0]))]
        taken = taken or [clause for clause in clauses if clause.children[0].text == "default"]
        return [output for clause in taken
                for output in self.run_statement_block(clause.children[1])]

    def run_try_statement(self, node):
        last = node.first("finally_clause")
        try:
            outputs = self.run_statement_block(node.first("statement_block"))
        except PowerShellError as error:
            if not node.first("catch_clauses"):
                if last:
                    error.outputs += self.run_statement_block(last.first("statement_block"))
                raise
            self.write("_", Thing(Exception=Thing(Message=str(error))))
            clause = node.first("catch_clauses").children[0]
            outputs = error.outputs + self.run_statement_block(clause.first("statement_block"))
        if last:
            outputs += self.run_statement_block(last.first("statement_block"))
        return outputs

    def run_flow_control_statement(self, node):
        kind, outputs = node.children[0].text.lower(), []
        if len(node.children) > 1:
            outputs = self.statement(node.children[1])
        if kind == "throw":
            raise PowerShellError(text(collapse(outputs)))
        raise Flow(kind, code=outputs[0]) if kind == "exit" else Flow(kind, outputs)


class ShouldProcess:
    """$PSCmdlet"""

    def __init__(self, run, parameter_set):
        self.run, self.ParameterSetName = run, parameter_set

    def ShouldProcess(self, target, action):
        if not self.run.read("WhatIfPreference"):
            return True
        self.run.host.output.append(f"What if: {action} {target}")
        return False


def run(host, script, **arguments):
    """A script of the kit on a host: outputs and exit code; host.shown() is what it told people."""
    host.output.clear()
    host.warnings.clear()
    outcome = Run(host).script(f"{script}-IscsiHost.ps1", **arguments)
    assert not host.errors, "errors that did not stop the script"
    return outcome
