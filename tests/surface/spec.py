"""What the binding surface says: api.pyi, the error tree and the list of what is still pending."""

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
SHARED = HERE.parents[2] / "shared" / "design"

REQUIRED = object()
"""The default of a parameter that has none."""

ANYTHING = object()
"""A default written as `...`: there is one, its value is not part of the surface."""

TWINS = ("Database", "Store", "Events", "Follower", "Consumer", "Loaded")
"""The classes that have an Async twin."""

NEVER_AWAITED = {
    "store", "read", "read_all", "streams", "follow", "consume", "parked", "audit", "handling",
    "ack", "ack_until", "nack", "stop",
}  # fmt: skip
"""Methods which are plain calls in the async half too (the header of api.pyi)."""

ASYNC_SPELLING = {"__enter__": "__aenter__", "__exit__": "__aexit__", "__next__": "__anext__"}


@dataclass
class Parameter:
    """One parameter as api.pyi has it."""

    name: str
    kind: str
    default: object
    annotated: bool


@dataclass
class Function:
    """One function or method; `binding` is "function", "method", "staticmethod"..."""

    name: str
    parameters: list[Parameter]
    binding: str
    returns: str


@dataclass
class Class:
    """One class: annotated attributes, enum members (name to value text) and methods."""

    name: str
    bases: list[str]
    attributes: dict[str, str] = field(default_factory=dict)
    members: dict[str, object] = field(default_factory=dict)
    methods: dict[str, Function] = field(default_factory=dict)

    @property
    def is_typed_dict(self) -> bool:
        """Whether the class describes keyword settings."""
        return bool({"TypedDict", "StoreSettings"} & set(self.bases))


@dataclass
class Surface:
    """All of api.pyi."""

    classes: dict[str, Class]
    functions: dict[str, Function]
    aliases: list[str]

    def names(self) -> set[str]:
        """Every module-level name."""
        return {*self.classes, *self.functions, *self.aliases}


def _default(node: ast.expr | None) -> object:
    if node is None:
        return REQUIRED
    value = ast.literal_eval(node)
    return ANYTHING if value is ... else value


def _parameters(arguments: ast.arguments) -> list[Parameter]:
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    found = [
        Parameter(arg.arg, "POSITIONAL_OR_KEYWORD", _default(value), arg.annotation is not None)
        for arg, value in zip(plain, defaults, strict=True)
    ]
    if arguments.vararg:
        found.append(Parameter(arguments.vararg.arg, "VAR_POSITIONAL", REQUIRED, annotated=True))
    found += [
        Parameter(arg.arg, "KEYWORD_ONLY", _default(value), arg.annotation is not None)
        for arg, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    if arguments.kwarg:
        found.append(Parameter(arguments.kwarg.arg, "VAR_KEYWORD", REQUIRED, annotated=True))
    return found


def _function(node: ast.FunctionDef, *, inside: bool) -> Function:
    decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
    binding = decorators[0] if decorators else "method" if inside else "function"
    parameters = _parameters(node.args)
    if binding in ("method", "classmethod"):
        parameters = parameters[1:]
    return Function(node.name, parameters, binding, ast.unparse(node.returns or ast.Constant("")))


def _class(node: ast.ClassDef) -> Class:
    found = Class(node.name, [ast.unparse(base).split("[")[0] for base in node.bases])
    for item in node.body:
        match item:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                found.attributes[name] = ast.unparse(annotation)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found.members[name] = ast.literal_eval(value)
            case ast.FunctionDef():
                found.methods[item.name] = _function(item, inside=True)
            case _:
                pass
    return found


def load_surface() -> Surface:
    """api.pyi, parsed."""
    surface = Surface({}, {}, [])
    for node in ast.parse((HERE / "api.pyi").read_text("utf-8")).body:
        match node:
            case ast.ClassDef():
                surface.classes[node.name] = _class(node)
            case ast.FunctionDef():
                surface.functions[node.name] = _function(node, inside=False)
            case ast.Assign(targets=[ast.Name(id=name)]) if len(name) > 1:
                surface.aliases.append(name)
            case _:
                pass
    return surface


@dataclass
class ErrorClass:
    """One error of the tree: its parent and the built-in class it also is."""

    name: str
    parent: str
    builtin: str | None


def _named(word: str) -> tuple[str, str | None]:
    name, _, rest = word.partition("(")
    return name, rest.rstrip(")") or None


def load_errors() -> dict[str, ErrorClass]:
    """The error tree, by name; the root is its own parent."""
    lines = (HERE / "errors.txt").read_text("utf-8").splitlines()
    root = lines[0].split()[0]
    tree = {root: ErrorClass(root, root, None)}
    for line in lines[1:]:
        branch, *leaves = (_named(word) for word in re.split(r"\s+", line.strip()))
        tree[branch[0]] = ErrorClass(branch[0], root, branch[1])
        for name, builtin in leaves:
            tree[name] = ErrorClass(name, branch[0], builtin)
    return tree


def load_pending() -> list[str]:
    """What later releases deliver: one dotted name per line, `#` starts a comment."""
    lines = (HERE / "pending.txt").read_text("utf-8").splitlines()
    return [text for line in lines if (text := line.partition("#")[0].strip())]
