"""Who may import whom."""

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("utils", "loaders", "models")
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
FORBIDDEN = {"loaders": {"models"}, "models": {"loaders"}, "utils": {"models", "loaders"}}
ALONE = {"sklearn": "label_grouping.py", "matplotlib": "plots.py"}


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_keep_apart(path):
    tops = {name.split(".")[0] for name in _imports(path)}
    room = path.relative_to(ROOT).parts[0]
    assert not tops & FORBIDDEN[room]
    assert not tops & {"run_semco", "split_maker", "tests", "demo", "benchmarks"}
    for package, only in ALONE.items():
        assert package not in tops or path.name == only


@pytest.mark.parametrize("room", ROOMS)
def test_imports_form_no_cycle(room):
    """Those inside functions count as well: they put a cycle off, they do not take it away."""
    paths = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in (ROOT / room).rglob("*.py")}
    graph = {name: _imports(path) & paths.keys() for name, path in paths.items()}
    assert any(graph.values())
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_there_is_something_to_check():
    assert len(FILES) > 30


def test_configuration_needs_the_standard_library_only():
    for name in ("config.py", "config_checks.py", "command_line.py", "errors.py"):
        outside = {entry.split(".")[0] for entry in _imports(ROOT / "utils" / name)} - {"utils"}
        assert not outside & {"torch", "numpy", "PIL", "pandas", "sklearn", "tqdm"}


def test_packages_hold_no_logic_and_nothing_is_called_helpers():
    for path in FILES:
        assert path.name not in ("common.py", "helpers.py")
        if path.name == "__init__.py":
            assert not path.read_text(encoding="utf-8").strip()


def test_requirements_are_lower_bounds_and_never_apex():
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            assert line.startswith("-r ") or (">=" in line and "==" not in line)
            assert not line.startswith("apex")
