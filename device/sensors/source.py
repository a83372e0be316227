"""A Python file that a driver names: where it lies, who may write it, what it defines. Imports nothing.

What a module does when it is imported is its own affair, and may be to touch hardware: so all that can
be known beforehand is read from its source.
"""

import ast
import importlib.machinery
import importlib.util
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from config.problems import did_you_mean, shown

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_MAX_BYTES = 1024 * 1024
_MAX_LINKS = 40  # as path_resolution(7)


class SourceError(Exception):
    """A file is not there, not to be trusted, or no Python; the message says what to do."""


class Keywords(NamedTuple):
    """What a function or class may be called with by name; `is_open`: with anything else as well."""

    names: Sequence[str]
    required: Sequence[str]
    is_open: bool


class Module(NamedTuple):
    """A module by name and file; `is_installed`: an import by that name finds it."""

    name: str
    file: Path
    is_installed: bool


def found(module: str, folder: Path) -> Module:
    """Return the module of this name: a file of its own in the folder, else an installed one.

    Raises:
        SourceError: there is none.
    """
    alone = folder / f"{module}.py"
    if "." not in module and _is_file(alone):
        return Module(module, alone, is_installed=False)
    origin = _installed(module)
    if origin is None:
        file = f"there is no {alone}, and " if "." not in module else ""
        raise SourceError(f"{file}no module `{shown(module)}` is installed")
    if not origin.endswith(".py"):
        raise SourceError(
            f"`{shown(module)}` is no Python source: write a file in {folder} that calls it"
        )
    return Module(module, Path(origin), is_installed=True)


def check_writers(file: Path) -> None:
    """Refuse a file that anyone but root and this user could change, or put another in its place.

    A folder in which everyone may make files and nobody may replace those of others (/tmp) is fine.

    Raises:
        SourceError: somebody could.
    """
    for path in _steps(file):
        try:
            status = path.lstat()
        except OSError as error:
            raise SourceError(f"cannot look at {path}: {error.strerror}") from None
        if status.st_uid not in (0, os.geteuid()):
            raise SourceError(
                f"{path} belongs to another user ({status.st_uid}), who could run code as this one: "
                f"`sudo chown root {path}`"
            )
        is_sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
        is_link = stat.S_ISLNK(status.st_mode)  # its mode means nothing, its folder's does
        if status.st_mode & _OTHERS_WRITE and not is_sticky and not is_link:
            raise SourceError(
                f"others may write {path} (mode {stat.S_IMODE(status.st_mode):04o}), and so run code "
                f"as this user: `sudo chmod go-w {path}`"
            )


def defined(file: Path, name: str) -> Definition | None:
    """Return how a file defines a name; None where it gets it in another way, by an import perhaps.

    Raises:
        SourceError: not at all; or the file cannot be read.
    """
    bound: dict[str, Definition | None] = {}
    for names, definition in _bindings(_parsed(file).body):
        bound.update(dict.fromkeys(names, definition))
    if name not in bound and not {"*", "__getattr__"} & bound.keys():
        near = did_you_mean(name, (each for each in bound if not each.startswith("_")))
        raise SourceError(f"{file} defines no `{shown(name)}`.{near}".removesuffix("."))
    return bound.get(name)


def keywords(definition: Definition) -> Keywords | None:
    """Return what it may be called with; None where the source alone does not tell."""
    if definition.decorator_list:
        return None
    if not isinstance(definition, ast.ClassDef):
        return _keywords(definition.args, 0)
    makers = [each for each in _functions(definition) if each.name == "__init__"]
    if makers:
        return _keywords(makers[-1].args, 1)
    if definition.bases or definition.keywords:
        return None
    return Keywords((), (), is_open=False)


def is_async(definition: Definition) -> bool:
    """Say whether a call would give something to await instead of a value."""
    return isinstance(definition, ast.AsyncFunctionDef)


def lacks_method(definition: Definition, name: str) -> bool:
    """Say whether this is a class that surely has no such method."""
    if not isinstance(definition, ast.ClassDef) or definition.decorator_list:
        return False
    if definition.bases or definition.keywords:
        return False
    names = {each for names, _ in _bindings(definition.body) for each in names}
    return not {name, "__getattr__"} & names


def _is_file(file: Path) -> bool:
    try:
        return stat.S_ISREG(file.stat().st_mode)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise SourceError(f"cannot look at {file}: {error.strerror}") from None


def _steps(file: Path) -> Iterator[Path]:
    """Give all that lies on the way to a file, as the kernel goes it: folders, links, the file."""
    at, links = Path("/"), 0
    ahead = list(reversed(file.absolute().parts))
    while ahead:
        at = at.parent if ahead[-1] == ".." else at / ahead[-1]
        del ahead[-1]
        yield at
        if at.is_symlink():
            links += 1
            if links > _MAX_LINKS:
                raise SourceError(f"{file} is a link that leads to itself")
            ahead.extend(reversed(at.readlink().parts))
            at = at.parent


def _installed(module: str) -> str | None:
    """Find a module as an import would, but import none of the packages that it lies in."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
        for n in range(len(rest)):
            if spec is None or spec.submodule_search_locations is None:
                return None
            full_name = ".".join((top, *rest[: n + 1]))
            places = list(spec.submodule_search_locations)
            spec = importlib.machinery.PathFinder.find_spec(full_name, places)
    except (ImportError, ValueError):
        return None
    return spec.origin if spec else None


def _parsed(file: Path) -> ast.Module:
    try:
        with file.open("rb") as opened:
            source = opened.read(_MAX_BYTES + 1)
    except OSError as error:
        raise SourceError(f"cannot read {file}: {error.strerror}") from None
    if len(source) > _MAX_BYTES:
        raise SourceError(f"{file} has more than {_MAX_BYTES} bytes")
    try:
        return ast.parse(source, str(file))
    except SyntaxError as error:
        where = f"{file}:{error.lineno}:" if error.lineno else f"{file} is no Python:"
        raise SourceError(f"{where} {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise SourceError(f"{file} is no Python: {error}") from None


def _bindings(
    body: Sequence[ast.stmt],
) -> Iterator[tuple[list[str], Definition | None]]:
    """Give the names that statements bind, in order; those within functions and classes are theirs."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield [statement.name], statement
            continue
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield [alias.asname or alias.name.split(".")[0] for alias in statement.names], None
            continue
        yield _assigned(statement), None
        for _, field in ast.iter_fields(statement):
            if isinstance(field, list):
                yield from _bindings([each for each in field if isinstance(each, ast.stmt)])
                for handler in field:
                    if isinstance(handler, ast.ExceptHandler | ast.match_case):
                        yield from _bindings(handler.body)


def _assigned(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.Assign(targets=targets):
            pass
        case ast.AnnAssign(target=target, value=value) if value is not None:
            targets = [target]
        case _:
            return []
    nodes = (node for target in targets for node in ast.walk(target))
    return [
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]


def _functions(definition: ast.ClassDef) -> list[ast.FunctionDef]:
    return [each for each in definition.body if isinstance(each, ast.FunctionDef)]


def _keywords(arguments: ast.arguments, given: int) -> Keywords:
    """Return what can be given by name; the first `given` arguments come by themselves."""
    positional = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
    required = positional[: len(positional) - len(arguments.defaults)][given:]
    required += [
        each.arg
        for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is None
    ]
    by_name = [each.arg for each in arguments.args][max(0, given - len(arguments.posonlyargs)) :]
    names = by_name + [each.arg for each in arguments.kwonlyargs]
    return Keywords(names, required, is_open=arguments.kwarg is not None)
