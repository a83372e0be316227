"""The layering and the style that can be counted, read from the source itself."""

import ast
import configparser
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("device", "wire", "collector", "config", "service")
SOURCES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))

# What a package may import of the others.
MAY_IMPORT: dict[str, set[str]] = {
    "wire": set(),
    "config": {"wire", "service"},
    "service": {"wire", "config"},
    "device": {"wire", "config", "service"},
    "collector": {"wire", "config", "service"},
}

# I/O, clocks, randomness, threads and logs: the wire decides, its callers act.
NOT_IN_WIRE = {
    "asyncio", "concurrent", "datetime", "http", "io", "logging", "multiprocessing", "os",
    "pathlib", "queue", "random", "secrets", "select", "selectors", "shutil", "signal", "socket",
    "sqlite3", "ssl", "structlog", "subprocess", "tempfile", "threading", "time", "urllib",
    "uuid", "warnings",
}  # fmt: skip

# Each costs a Pi Zero start-up time and memory.
NOT_ON_A_PI = {
    "click", "cryptography", "numpy", "orjson", "rich", "starlette", "uvicorn", "zstandard",
}  # fmt: skip


def name_of(file: Path) -> str:
    """Return a source file's name within the repository."""
    return str(file.relative_to(ROOT))


def imports_of(file: Path) -> Iterator[str]:
    """Return every module a file imports, also inside functions; `from a import b` as `a.b`."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(file)}:{node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def top(module: str) -> str:
    """Return the package of a module."""
    return module.partition(".")[0]


def sources_of(*packages: str) -> list[Path]:
    """Return the source files of some packages."""
    return [file for file in SOURCES if file.relative_to(ROOT).parts[0] in packages]


def offences(files: list[Path], forbidden: Callable[[str], set[str]]) -> dict[str, set[str]]:
    """Return which files import what is `forbidden` to a file's package."""
    found = {}
    for file in files:
        imported = {top(module) for module in imports_of(file)}
        if wrong := imported & forbidden(file.relative_to(ROOT).parts[0]):
            found[name_of(file)] = wrong
    return found


def test_layers_are_kept() -> None:
    """The two ends never import each other, and what they share imports neither."""
    assert offences(SOURCES, lambda own: set(PACKAGES) - MAY_IMPORT[own] - {own}) == {}


def test_the_store_is_asked_by_its_own_names() -> None:
    """What is behind the two interfaces of the store is imported by the store alone."""
    names = set(ast.literal_eval(_all_of(ROOT / "collector" / "store" / "__init__.py")))
    found = {
        name_of(file): wrong
        for file in sources_of("collector")
        if "store" not in file.relative_to(ROOT).parts
        and (wrong := {each for each in imports_of(file) if _is_behind(each, names)})
    }
    assert found == {}


def _is_behind(module: str, names: set[str]) -> bool:
    """Say whether an import goes past the names of the store."""
    package, dot, rest = module.partition("collector.store.")
    return bool(dot) and not package and rest not in names


def _all_of(file: Path) -> ast.expr:
    """Return what a module says in `__all__`."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return node.value
    raise AssertionError(f"{name_of(file)} has no __all__")


def test_parts_of_service_are_independent() -> None:
    """Each can be understood, and used, alone."""
    assert offences(sources_of("service"), lambda own: {own}) == {}


def test_the_wire_does_no_io() -> None:
    """No socket, file, clock, randomness or log: time and bytes come in as arguments."""
    files = sources_of("wire")
    assert offences(files, lambda _: NOT_IN_WIRE) == {}
    called = {
        node.func.id
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert called.isdisjoint({"open", "print", "input"})


def test_the_agent_imports_little() -> None:
    """What a Pi Zero would pay for dearly is not imported by anything that runs on it."""
    found = offences(sources_of("device", "wire", "config", "service"), lambda _: NOT_ON_A_PI)
    # Inside a function, called only where readings travel over UDP.
    assert found == {"device/cipher.py": {"cryptography"}}


def test_a_file_can_be_read_at_one_sitting() -> None:
    """A file has at most 300 lines."""
    lengths = {name_of(file): len(file.read_text().splitlines()) for file in SOURCES}
    assert {name: lines for name, lines in lengths.items() if lines > 300} == {}


def test_a_module_says_what_it_owns() -> None:
    """Each begins with a docstring."""
    assert [name_of(f) for f in SOURCES if not ast.get_docstring(ast.parse(f.read_text()))] == []


def test_every_package_is_listed() -> None:
    """A folder with Python that setup.cfg does not name would be missing once installed."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = setup["options"]["packages"].split()
    assert sorted(listed) == sorted({".".join(f.relative_to(ROOT).parts[:-1]) for f in SOURCES})
    assert all((ROOT / package.replace(".", "/") / "__init__.py").exists() for package in listed)


def test_the_folder_of_the_units_is_no_package() -> None:
    """Python in `systemd/` would hide the package of that name, or be hidden by it."""
    assert not list((ROOT / "systemd").rglob("*.py"))
