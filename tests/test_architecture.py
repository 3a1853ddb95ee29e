"""The arrows of import, the lazy import, the public names, the size of files."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

import rectifier as rf
from rectifier.errors import FormulaError

SOURCE = Path(rf.__file__).parent
DOORS = ("torch", "jax", "keras", "sklearn")

# Rooms from the bottom up, and the rooms that each may import. Every arrow points up this
# table; "rectifier" is the public face, which two rooms ask for the version and for names.
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "ops": {"errors"},
    "kernels": {"errors", "ops"},
    "dispatch": {"errors", "kernels", "ops"},
    "facts": {"errors"},
    "textbook": {"facts", "ops"},
    "trees": {"errors", "ops"},
    "expression": {"errors", "ops", "trees"},
    "activation": {"dispatch", "errors", "facts", "ops", "textbook"},
    "catalog": {"activation", "errors", "expression", "facts", "ops", "trees"},
    "doors": {"activation", "catalog", "errors"},
    **{door: {"activation", "catalog", "doors", "errors", "facts", "ops"} for door in DOORS},
    # whole models: what finds activations in them lies above, and is asked through the face
    "torch": {"activation", "catalog", "doors", "errors", "facts", "ops", "rectifier"},
    "sklearn": {"activation", "catalog", "errors", "facts", "ops", "rectifier"},
    "study": {"activation", "catalog", "errors", "kernels", "ops", "rectifier"},
    "bench": {"dispatch", "errors", "kernels", "rectifier"},
    "arguments": {"errors"},
    "report": {
        "activation",
        "bench",
        "catalog",
        "errors",
        "facts",
        "study",
        "textbook",
        "rectifier",
    },
    "repair": {"activation", "catalog", "doors", "errors", "expression", "facts", "ops"}
    | {"report", "study", "rectifier", *DOORS},
    "choose": {"catalog", "errors", "expression", "report", "study"},
    "cli": {"arguments", "catalog", "choose", "errors", "expression", "repair", "report", "study"},
    "__main__": {"cli"},
    "rectifier": {"activation", "catalog", "choose", "errors", "repair"},
}
FACE = "rectifier"

# Rooms that need nothing but Python until something is computed.
LIGHT = (
    "errors",
    "ops",
    "kernels",
    "dispatch",
    "facts",
    "textbook",
    "trees",
    "expression",
    "activation",
)
LIGHT += ("catalog",)
# Except in files that are themselves imported in a function: where, what, why.
LATE = {
    ("ops/torch_", "torch"): "imported once there is a torch tensor",
    ("ops/", "llvmlite"): "numbers of LLVM; imported once a kernel is worth compiling",
    ("kernels/", "llvmlite"): "the same",
    ("ops/on_triton", "triton"): "imported once there is a CUDA tensor",
    ("kernels/gpu", "triton"): "the same",
    ("kernels/gpu", "torch"): "the same",
}

# Library -> where it may be named at all.
NAMED = {
    "jax": (
        "bench/",
        "ops/on_jax.py",
        "jax.py",
        "study/",
        "cli.py",
        "report/",
        "choose.py",
        "repair/",
    ),
    "torch": ("ops/on_torch.py", "ops/torch_", "torch/", "kernels/", "repair/", "bench/"),
    "triton": ("ops/on_triton.py", "kernels/gpu"),
    "tensorflow": ("ops/on_tensorflow.py", "repair/"),
    "keras": ("keras/", "repair/", "study/own/"),
    "sklearn": ("sklearn/", "study/"),
    "ray": ("study/train/ray_engine.py",),
    "polars": ("study/", "choose.py", "report/"),
    "altair": ("report/",),
    "typer": ("cli.py",),
}


class Import(NamedTuple):
    file: str  # relative to the package, such as "ops/on_jax.py"
    line: int
    target: str  # a room ("ops", or "rectifier" for the face) or a library ("jax")
    ours: bool
    at_module_level: bool

    @property
    def room(self) -> str:
        first = self.file.split("/")[0].removesuffix(".py")
        return FACE if first == "__init__" else first


def imports(root: Path) -> Iterator[Import]:
    """Every import statement under ``root``, those inside functions too."""
    for path in sorted(root.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.Lambda))]
        inner = {id(n) for function in functions for n in ast.walk(function)}
        typing_only = {
            id(n)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for n in ast.walk(node)
        }
        for node in ast.walk(tree):
            if id(node) in typing_only:
                continue
            for target, ours in _targets(node, root):
                file = path.relative_to(root).as_posix()
                yield Import(file, node.lineno, target, ours, id(node) not in inner)  # type: ignore[attr-defined]


def _targets(node: ast.AST, root: Path) -> Iterator[tuple[str, bool]]:
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        modules = [node.module or ""]
        if node.module == FACE:  # "from rectifier import catalog" is the room, not the face
            rooms = [a.name for a in node.names if _is_room(root, a.name)]
            modules = [f"{FACE}.{name}" for name in rooms]
            modules += [FACE] * (len(rooms) < len(node.names))
    elif isinstance(node, ast.Import):
        modules = [a.name for a in node.names]
    else:
        return
    for module in modules:
        first, _, rest = module.partition(".")
        yield (rest.split(".")[0] or FACE, True) if first == FACE else (first, False)


def _is_room(root: Path, name: str) -> bool:
    return (root / f"{name}.py").exists() or (root / name / "__init__.py").exists()


def wrong_arrows(root: Path) -> list[str]:
    return [
        f"{i.file}:{i.line}: {i.room} imports {i.target}"
        for i in imports(root)
        if i.ours and i.target != i.room and i.target not in ROOMS.get(i.room, set())
    ]


def heavy_imports(root: Path) -> list[str]:
    return [
        f"{i.file}:{i.line}: {i.target} at module level"
        for i in imports(root)
        if i.room in LIGHT and not i.ours and i.at_module_level
        if i.target not in sys.stdlib_module_names
        if not any(i.file.startswith(where) and i.target == what for where, what in LATE)
    ]


def strangers(root: Path) -> list[str]:
    return [
        f"{i.file}:{i.line}: names {i.target}"
        for i in imports(root)
        if not i.ours and i.target in NAMED and not i.file.startswith(NAMED[i.target])
    ]


def test_every_room_has_a_place_in_the_table():
    rooms = {i.room for i in imports(SOURCE)} | {
        p.stem for p in SOURCE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()
    }
    assert rooms - {"__init__", "__pycache__"} <= set(ROOMS)


def test_the_table_itself_points_one_way():
    order = list(ROOMS)
    for room, allowed in ROOMS.items():
        for target in allowed - {FACE}:
            assert order.index(target) < order.index(room), f"{room} -> {target}"
    for door in DOORS:
        assert not ROOMS[door] & {*DOORS}, "doors never import each other"


def test_imports_point_one_way():
    assert wrong_arrows(SOURCE) == []


def test_light_rooms_import_no_library_at_module_level():
    assert heavy_imports(SOURCE) == []


def test_libraries_are_named_only_where_they_are_spoken():
    assert strangers(SOURCE) == []


def test_these_tests_can_fail(tmp_path):
    (tmp_path / "ops").mkdir()
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "__init__.py").write_text("")
    (tmp_path / "ops" / "__init__.py").write_text("def f():\n    from rectifier import catalog\n")
    (tmp_path / "errors.py").write_text("import jax.numpy as jnp\nimport math\n")
    (tmp_path / "torch.py").write_text("def f():\n    import rectifier.jax\n    import keras\n")
    (tmp_path / "trees.py").write_text("from rectifier import __version__\n")
    assert wrong_arrows(tmp_path) == [
        "ops/__init__.py:2: ops imports catalog",
        "torch.py:2: torch imports jax",
        "trees.py:1: trees imports rectifier",
    ]
    assert heavy_imports(tmp_path) == ["errors.py:1: jax at module level"]
    assert strangers(tmp_path) == ["errors.py:1: names jax", "torch.py:3: names keras"]


HEAVY = "numpy sympy scipy jax torch keras polars pandas sklearn altair rich typer mpmath numba"
HEAVY = [*HEAVY.split(), "llvmlite", "pyarrow", "triton"]


def loaded_by(program: str) -> set[str]:
    """Which of HEAVY a fresh process has loaded after ``program``."""
    report = f"{program}\nimport sys; print(*set({HEAVY!r}) & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", report], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_rectifier_loads_no_array_library():
    using = (
        "import rectifier as rf; rf.names(); str(rf.get('LeakyReLU(alpha=0.2)')); rf.get('gelu');"
        "rf.get('relu').config(); rf.relu.peers; dir(rf); repr(rf.elu)"
    )
    assert loaded_by("import rectifier") == set()
    assert loaded_by(using) == set()


def test_that_test_can_fail():
    assert "numpy" in loaded_by("import rectifier as rf; rf.relu(1.0)")
    assert "sympy" in loaded_by("import rectifier as rf; rf.relu.formula")


def test_computing_in_one_library_loads_no_other():
    assert loaded_by("import rectifier as rf; rf.elu(1.0)") == {"numpy"}
    assert not loaded_by("import numpy, rectifier as rf; rf.gelu(numpy.ones(2))") & {"jax", "torch"}


MODULES = {p.stem for p in SOURCE.iterdir() if (p.suffix or ".py") == ".py" and p.stem[0] != "_"}


# -- public names -----------------------------------------------------------------------------


def test_public_names_are_complete_and_resolve():
    assert rf.__all__ == sorted(rf.__all__)
    assert len(rf.__all__) == len(set(rf.__all__))
    for name in rf.__all__:
        assert getattr(rf, name) is not None
    own = {
        name
        for name, thing in vars(rf).items()
        if not name.startswith("_")
        and not isinstance(thing, ModuleType)
        and getattr(thing, "__module__", "").startswith("rectifier")
    }
    assert own <= set(rf.__all__) | set(rf.names())
    assert set(rf.__all__) <= set(dir(rf))


def test_star_import_gives_the_public_names():
    space: dict[str, object] = {}
    exec("from rectifier import *", space)
    assert set(rf.__all__) <= set(space) | {"__version__"}


def test_every_activation_is_an_attribute_and_no_other_name_is_hidden_by_it():
    for name in rf.names():
        assert getattr(rf, name) is rf.get(name)
    assert not set(rf.names()) & (set(rf.__all__) | MODULES)
    with pytest.raises(AttributeError, match="has no attribute 'no_such_thing'"):
        rf.no_such_thing  # noqa: B018


def test_names_of_the_package_cannot_be_defined_as_activations():
    public = {name for name in rf.__all__ if not name.startswith("_")}
    for name in (MODULES | public | {*DOORS, "lambda", "class"}) - {"__version__"}:
        with pytest.raises(FormulaError, match="cannot be the name of an activation"):
            rf.define(name, "x * tanh(x)")


# -- sizes ------------------------------------------------------------------------------------

FILES = sorted(SOURCE.rglob("*.py"))


def test_files_can_be_read_in_one_go():
    long = {
        p.relative_to(SOURCE).as_posix(): count
        for p in FILES
        if (count := len(p.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}


def test_every_file_says_what_it_is_for():
    silent = [p.name for p in FILES if not ast.get_docstring(ast.parse(p.read_text("utf-8")))]
    assert silent == []
    assert len(FILES) > 30
