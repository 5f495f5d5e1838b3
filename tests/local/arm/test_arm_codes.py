"""The emulator answers with codes of Azure's table, or with few of its own that say so. Read from its sources."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.arm import launch
from pipeline_core.domain import azure_codes

FOLDER = Path(__file__).parents[3] / "local" / "arm"
MODULES = sorted(FOLDER.rglob("*.py"))
# The first two say that the emulator speaks, not Azure. The last is Event Grid's: only the door `event-grid` gives it,
# and the product makes no subscription.
OWN = frozenset({"NotEmulated", "BadControl", "Url validation"})
INJECTED = "self.code"  # of `faults`: a test chose the code, and the door has checked it


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_each_answer_has_a_code_that_the_table_knows(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    unknown = [code for code in _codes(tree) if code not in OWN and not azure_codes.is_known(code)]
    assert unknown == [], "give the code a row in pipeline_core/domain/azure_code_table.py, with its document"


def test_the_sources_are_read() -> None:
    found = {code for module in MODULES for code in _codes(ast.parse(module.read_text(encoding="utf-8")))}
    assert found >= {"AllocationFailed", "NicInUse", "AuthenticationFailed", "SecretNotFound", "NotEmulated"}


def test_a_code_that_nobody_knows_is_found() -> None:
    odd = (
        'raise ArmError(400, "OddCode", "m")\nraise ArmError(400, CODES[kind], "m")\nCODES = {1: "OddToo"}\n'
    )
    passed = 'def f(code):\n    return ArmError(1, code, "")\nf("OddThree")\n'
    assert list(_codes(ast.parse(odd + passed))) == ["OddCode", "OddToo", "OddThree"]


def test_a_fault_with_an_unknown_code_has_to_say_so(arm: launch.RunningArm) -> None:
    fault = {"path_regex": "/nothing-like-this", "status": 400, "code": "InaccesibleImage"}
    with pytest.raises(ValueError, match="InaccesibleImage is not a code of the table"):
        arm.ask("POST", "faults", fault)
    arm.ask("POST", "faults", {**fault, "unknown_code": True})
    arm.ask("POST", "faults", {**fault, "code": "InaccessibleImage"})
    arm.ask("DELETE", "faults")


def _codes(tree: ast.Module) -> Iterator[str]:
    """The codes of all errors that a module makes: literals, values of a table of the module, or passed on."""
    for call in _calls(tree, "ArmError"):
        code = _argument(call, 1, "code")
        if code is None or ast.unparse(code) == INJECTED:
            continue
        yield from _values(tree, code)


def _values(tree: ast.Module, code: ast.expr) -> Iterator[str]:
    if isinstance(code, ast.Constant):
        yield str(code.value)
    elif isinstance(code, ast.Subscript):
        name = ast.unparse(code.value)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if name in map(ast.unparse, targets):
                    yield from (str(ast.literal_eval(value)) for value in node.value.values)
    elif isinstance(code, ast.Name):
        yield from _passed(tree, code.id)
    else:
        pytest.fail(f"line {code.lineno}: write the code as a literal, so that it can be checked")


def _passed(tree: ast.Module, parameter: str) -> Iterator[str]:
    """What the callers of the functions with this parameter give for it."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [each.arg for each in function.args.args if each.arg != "self"]
            for call in _calls(tree, function.name) if parameter in names else ():
                given = _argument(call, names.index(parameter), parameter)
                if given is not None:
                    yield from _values(tree, given)


def _calls(tree: ast.Module, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name:
            yield node


def _argument(call: ast.Call, place: int, name: str) -> ast.expr | None:
    if len(call.args) > place:
        return call.args[place]
    return next((each.value for each in call.keywords if each.arg == name), None)
