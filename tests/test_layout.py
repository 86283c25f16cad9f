"""Which room may import which, and which libraries are used where."""

import ast
import graphlib
import re
from pathlib import Path

import pytest

from tests.support.project import ROOT

TOPS = ("utils", "loaders", "models")
FILES = sorted(path for top in TOPS for path in (ROOT / top).rglob("*.py"))
FORBIDDEN = {"loaders": {"models"}, "models": {"loaders"}, "utils": {"models", "loaders"}}
# Libraries that are slow to import or that only one subject needs, and the rooms that may import them.
HOMES = {
    "matplotlib": {"utils.pictures"},
    "sklearn": {"utils.results"},
    "scipy": {"utils.labels", "utils.results"},
    "jinja2": {"utils.results"},
    "pandas": {"loaders.prepare", "loaders.prepare.sources"},
    "rapidfuzz": {"utils.labels"},
    "tensorboard": {"utils.run"},
    "onnx": {"models.export"},
    "onnxruntime": {"models.export"},
    "safetensors": {"models.export"},
    "timm": {"models.networks"},
}


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _room(module: str) -> str:
    """`utils.files.atomic` -> `utils.files`; a module beside the rooms is on the ground floor, `utils`."""
    return ".".join(module.split(".")[:-1])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_loaders_and_models_keep_apart_and_libraries_stay_at_home(path):
    imported = _imports(path)
    tops = {name.split(".")[0] for name in imported}
    assert not tops & FORBIDDEN[path.relative_to(ROOT).parts[0]]
    assert not tops & {
        "run_semco",
        "split_maker",
        "study_semco",
        "predict_semco",
        "export_semco",
        "tests",
        "demo",
        "benchmarks",
    }
    for library, rooms in HOMES.items():
        assert library not in tops or _room(_module(path)) in rooms


def _graph(name_of) -> dict[str, set[str]]:
    """Who imports whom, imports inside functions included: they put a circle off, they do not take it away."""
    known = {_module(path): path for path in FILES}
    graph: dict[str, set[str]] = {}
    for module, path in known.items():
        names = {name_of(other) for other in _imports(path) & known.keys()}
        graph.setdefault(name_of(module), set()).update(names - {name_of(module)})
    return graph


@pytest.mark.parametrize("name_of", [pytest.param(str, id="modules"), pytest.param(_room, id="rooms")])
def test_imports_form_no_circle(name_of):
    graph = _graph(name_of)
    if name_of is _room:
        # loaders and models keep a chain at their door and rooms behind it; only the rooms themselves are layered.
        graph = {
            room: others - {"loaders", "models"} for room, others in graph.items() if room not in ("loaders", "models")
        }
    assert any(graph.values())
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_rooms_of_utils_need_the_ground_floor_and_it_needs_no_room():
    ground = [path for path in FILES if _room(_module(path)) == "utils"]
    assert ground
    modules = {_module(path) for path in FILES}
    for path in ground:
        assert not {name for name in _imports(path) & modules if _room(name).startswith("utils.")}


def test_rooms_stay_small():
    others = [path for folder in ("benchmarks", "tests") for path in (ROOT / folder).rglob("*.py")]
    for folder in {path.parent for path in [*FILES, *others]}:
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= 15, f"{folder} holds {len(modules)} modules: part it"


def test_configuration_needs_the_standard_library_only():
    for path in [*(ROOT / "utils" / "flags").glob("*.py"), ROOT / "utils" / "errors.py"]:
        outside = {entry.split(".")[0] for entry in _imports(path)} - {"utils"}
        assert not outside & {"torch", "numpy", "PIL", "pandas", "sklearn", "tqdm"}


def test_packages_hold_no_logic_and_nothing_is_called_helpers():
    for path in FILES:
        assert path.name not in ("common.py", "helpers.py")
        if path.name == "__init__.py":
            assert not path.read_text(encoding="utf-8").strip()


def test_tests_mirror_the_rooms():
    rooms = {path.parent.relative_to(ROOT) for path in FILES}
    for test in (ROOT / "tests").rglob("test_*.py"):
        place = test.parent.relative_to(ROOT / "tests")
        assert place in rooms or str(place) in (".", "programs", "programs/faults", "benchmarks"), test


def test_requirements_are_lower_bounds_and_never_apex():
    for path in ROOT.glob("requirements*.txt"):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert line.startswith("-r ") or (">=" in line and "==" not in line)
            assert not line.startswith("apex")


def test_the_readme_fits_its_frame():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    assert [line for line in lines if len(line) > 100] == []


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("*/README.md")]))
def test_every_file_that_a_page_links_to_is_there(page):
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []


def test_the_table_of_faults_names_tests_that_exist():
    """A name without a folder is beside the one before it."""
    lines = [line for line in (ROOT / "docs" / "faults.md").read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    assert len(lines) > 90
    for line in lines:
        beside = ROOT
        for name in re.findall(r"`([\w/]+\.py)`", line.split("|")[-2]):
            found = [path for path in (ROOT / name, ROOT / "tests" / name, beside / name) if path.is_file()]
            assert found, f"{name} in {line}"
            beside = found[0].parent
