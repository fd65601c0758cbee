"""PowerShell's expressions: one value of each, and the parts of .NET that the kit uses."""

import datetime
import ipaddress

from powershell_values import (PowerShellError, Secret, Table, Thing, add, collapse, compare,
                               element, member, method, net_format, stream, text, truth)

NOTHING = object()  # of a method that gives no value, not even $null


class Address:
    """[Net.IPAddress]"""

    def __init__(self, value):
        value = value.to_bytes(4, "little") if isinstance(value, int) else value
        self.address = ipaddress.ip_address(value)

    def GetAddressBytes(self):
        return self.address.packed

    def ToString(self):
        return str(self.address)


def reverse(values):
    values.reverse()
    return NOTHING


STATICS = {
    ("net.ipaddress", "Parse"): Address,
    ("net.ipaddress", "new"): Address,
    ("bitconverter", "GetBytes"): lambda value: value.to_bytes(8, "little", signed=value < 0),
    ("bitconverter", "ToInt32"): lambda data, at: int.from_bytes(data[at:at + 4], "little",
                                                                 signed=True),
    ("net.networkcredential", "new"): lambda user, secret: Thing(Password=secret.hidden),
    ("collections.generic.list[object]", "new"): list,
    ("math", "Round"): round,
    ("array", "Reverse"): reverse,
}


def cast(kind, value):
    kind = kind.lower()
    if kind.endswith("[]"):
        if value is None:
            return None
        items = [cast(kind[:-2], item) for item in stream(value)]
        return bytes(items) if kind == "byte[]" else items
    if kind == "pscustomobject":
        return Thing(value.items())
    if kind in ("int", "int64"):
        return int(value or 0)
    if kind in ("bool", "switch"):
        return truth(value)
    if kind == "string":
        return text(value)
    if kind == "datetime":
        return datetime.datetime.fromisoformat(value) if isinstance(value, str) else value
    if kind == "securestring" and not isinstance(value, (Secret, type(None))):
        raise PowerShellError("a secret as plain text")
    return value


def convert(kind, value):
    """-as: $null where a cast would fail."""
    assert kind == "ipaddress"
    try:
        return Address(value)
    except ValueError:
        return None


class Expressions:
    """Half of Run: needs its read(), block() and statement()."""

    def value(self, node):
        """An expression; what went into it is gone when it fails."""
        try:
            return self.evaluate(node)
        except PowerShellError as error:
            error.outputs = []
            raise

    def evaluate(self, node):
        evaluate = getattr(self, f"eval_{node.type}", None)
        if evaluate:
            return evaluate(node)
        if hasattr(self, f"run_{node.type}"):
            return collapse(self.statement(node))
        raise NotImplementedError(f"{node.type}: {node.text[:80]}")

    def assigned(self, node):
        """What `... = node` gives: a statement's outputs together, or a value as it is."""
        if hasattr(self, f"run_{node.type}"):
            return collapse(self.statement(node))
        return self.value(node)

    def eval_variable(self, node):
        return self.read(node.text.strip("${}"))

    def eval_verbatim_string_characters(self, node):
        return node.text[1:-1].replace("''", "'")

    def eval_generic_token(self, node):
        return node.text

    def eval_decimal_integer_literal(self, node):
        return int(node.text)

    def eval_expandable_string_literal(self, node):
        result, at = "", node.start + 1
        for part in node.children:
            result += node.source[at:part.start] + text(self.value(part))
            at = part.end
        return result + node.source[at:node.end - 1]

    def eval_sub_expression(self, node):
        return collapse(self.block(node.first("statement_list")))

    def eval_array_expression(self, node):
        return self.block(node.first("statement_list"))

    def eval_parenthesized_expression(self, node):
        return self.value(node.children[1])

    def eval_command_name_expr(self, node):
        return self.value(node.children[0])

    def eval_array_literal_expression(self, node):
        return [self.value(item) for item in node.children if item.type != ","]

    def eval_hash_literal_expression(self, node):
        body, table = node.first("hash_literal_body"), Table()
        for entry in body.named("hash_entry") if body else []:
            table[entry.children[0].text] = self.assigned(entry.children[2])
        return table

    def eval_script_block_expression(self, node):
        return node

    def eval_cast_expression(self, node):
        return cast(node.children[0].text[1:-1], self.value(node.children[1]))

    def eval_member_access(self, node):
        return member(self.value(node.children[0]), node.children[2].text)

    def eval_element_access(self, node):
        return element(self.value(node.children[0]), self.value(node.children[2]))

    def eval_invokation_expression(self, node):
        listed = node.first("argument_list").first("argument_expression_list")
        listed = listed.children if listed else []
        arguments = [self.value(item) for item in listed if item.type != ","]
        name = node.first("member_name").text
        if node.children[0].type == "type_literal":
            return STATICS[node.children[0].text[1:-1].lower(), name](*arguments)
        value = method(self.value(node.children[0]), name)(*arguments)
        return NOTHING if name == "Add" else value

    def eval_comparison_expression(self, node):
        if node.children[1].text == "-as":
            return convert(node.children[2].text[1:-1], self.value(node.children[0]))
        left, right = self.value(node.children[0]), self.value(node.children[2])
        return compare(node.children[1].text.lower(), left, right)

    def eval_logical_expression(self, node):
        left = truth(self.value(node.children[0]))
        if node.children[1].text == "-and":
            return left and truth(self.value(node.children[2]))
        return left or truth(self.value(node.children[2]))

    def eval_expression_with_unary_operator(self, node):
        value = self.value(node.children[1])
        return -value if node.children[0].text == "-" else not truth(value)

    def eval_additive_expression(self, node):
        left, right = self.value(node.children[0]), self.value(node.children[2])
        return add(left, right) if node.children[1].text == "+" else left - right

    def eval_multiplicative_expression(self, node):
        return self.value(node.children[0]) % self.value(node.children[2])

    def eval_bitwise_expression(self, node):
        assert node.children[1].text == "-band"
        return self.value(node.children[0]) & self.value(node.children[2])

    def eval_format_expression(self, node):
        return net_format(self.value(node.children[0]), self.value(node.children[2]))
