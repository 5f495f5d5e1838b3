"""How services are put together: few arguments, bundles of records and effects, and no service used as a locator."""

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

_TOP = Path(__file__).parents[2]
_MOST = 7  # arguments of a constructor
_LONGEST = 60  # lines of a function in the composition root
_BUNDLES = {"Effects"}  # handed on as a whole; `Records` and `Ports` are outside of services
_REACHING = re.compile(r"factory\.\w+\.\w+\.\w+")


def _modules(package: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((_TOP / "pipeline_core" / package).rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def _arguments(definition: ast.ClassDef) -> dict[str, str]:
    """What a class is constructed from, by name, with its type: fields of a dataclass or arguments of __init__."""
    for each in definition.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            given = [*each.args.args[1:], *each.args.kwonlyargs]
            return {one.arg: ast.unparse(one.annotation) for one in given if one.annotation is not None}
    return {
        each.target.id: ast.unparse(each.annotation)
        for each in definition.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and not _is_own(each)
    }


def _is_own(field: ast.AnnAssign) -> bool:
    """True for a field that the class begins with by itself: no caller gives it."""
    return isinstance(field.value, ast.Call) and any(
        each.arg == "init" and ast.unparse(each.value) == "False" for each in field.value.keywords
    )


@functools.cache
def _services() -> Mapping[str, tuple[ast.ClassDef, dict[str, str]]]:
    """Classes of services that do something: data have fields only, and may have as many as they need."""
    return {
        definition.name: (definition, _arguments(definition))
        for _, tree in _modules("services")
        for definition in tree.body
        if isinstance(definition, ast.ClassDef)
        and any(isinstance(each, ast.FunctionDef) and not _is_passive(each) for each in definition.body)
        and not any(isinstance(base, ast.Name) and base.id == "Protocol" for base in definition.bases)
    }


def _is_passive(function: ast.FunctionDef) -> bool:
    return function.name == "__init__" or "property" in map(ast.unparse, function.decorator_list)


def test_no_service_is_constructed_from_more_than_seven_arguments() -> None:
    services = _services()
    assert {"Registrar", "Completion", "RecoveryLog"} <= set(services)
    found = {name: len(arguments) for name, (_, arguments) in services.items() if len(arguments) > _MOST}
    assert {name: count for name, count in found.items() if name not in _BUNDLES} == {}


def test_no_function_of_the_wiring_is_long_or_takes_more_than_seven_arguments() -> None:
    functions = [
        (f"{path.name}:{each.name}", each)
        for path, tree in _modules("wiring")
        for each in ast.walk(tree)
        if isinstance(each, ast.FunctionDef)
    ]
    assert len(functions) > 10
    lengths = {name: (each.end_lineno or 0) - each.lineno + 1 for name, each in functions}
    assert {name: length for name, length in lengths.items() if length > _LONGEST} == {}
    counts = {name: len([*each.args.args, *each.args.kwonlyargs]) for name, each in functions}
    assert {name: count for name, count in counts.items() if count > _MOST} == {}


def test_no_service_takes_a_collaborator_off_another_service() -> None:
    services = _services()
    found = [
        f"{name}: {ast.unparse(node)}"
        for name, (definition, arguments) in services.items()
        for node in ast.walk(definition)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute)
        and isinstance(node.value.value, ast.Name)
        and node.value.value.id == "self"
        and node.attr in services.get(arguments.get(node.value.attr, ""), (None, {}))[1]
    ]
    assert found == []


def test_wiring_takes_nothing_off_a_service() -> None:
    """Parts and foundation are data; what is read from them is never read on."""
    services = set(_services())
    found = []
    for path, tree in _modules("wiring"):
        for function in (each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)):
            given = {one.arg for one in function.args.args if _type_of(one) in services}
            found += [
                f"{path.name}: {ast.unparse(node)}"
                for node in ast.walk(function)
                if isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in given
            ]
    assert found == []


def _type_of(argument: ast.arg) -> str:
    return "" if argument.annotation is None else ast.unparse(argument.annotation)


def test_tests_of_services_do_not_reach_through_the_factory() -> None:
    paths = [
        path for name in ("services", "simulation") for path in (_TOP / "tests/unit" / name).rglob("*.py")
    ]
    assert len(paths) > 40
    found = [
        f"{path.name}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if _REACHING.search(line)
    ]
    assert found == []
