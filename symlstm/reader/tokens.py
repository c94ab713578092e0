r"""The reader's own table of signs and names, and a formula cut into the pieces that TeX sees.

Limits on characters, depth and pieces are checked first, so that no input can take long.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from symlstm.algebra import NotValid, Sym, SymlstmError, Time

Product = Literal["hadamard", "matrix"]
LIMITS = MappingProxyType({"characters": 20_000, "tokens": 5_000, "depth": 40, "digits": 40, "power": 1000, "formulas": 20_000})


class Fault(Exception):
    """Something that cannot be read, at a character of the formula; `read` makes a message of it."""

    def __init__(self, what: str, at: int, right: str = "", kind: type[SymlstmError] = NotValid) -> None:
        self.what, self.at, self.right, self.kind = what, at, right, kind
        super().__init__(what)


class Raw(NamedTuple):
    """A piece of the text as TeX sees it, a command, a number or one character, and where it starts."""

    text: str
    at: int


class Token(NamedTuple):
    """A terminal of the grammar, what it carries, and the character at which it starts."""

    type: str
    value: Any
    at: int


class Sign(NamedTuple):
    """A product sign, as it was written and as it is meant."""

    text: str
    product: Product
    tight: bool


class Big(NamedTuple):
    """A sum or product sign with its limits; without limits it runs over the components of a vector."""

    sign: str
    letter: str
    lower: Time | None = None
    upper: Time | None = None


# --- tables ---------------------------------------------------------------------------------------------------


def _commands(names: str) -> frozenset[str]:
    return frozenset("\\" + name for name in names.split())


GREEK = _commands(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho sigma tau"
    " upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell"
)
ACCENTS = {command: command[1:].removeprefix("wide") for command in _commands("tilde widetilde hat widehat bar overline vec dot")}
ACCENTS |= {"\\overline": "bar", "\\overrightarrow": "forward", "\\overleftarrow": "backward"}
FUNCTIONS = {
    "sigma": "sigma", "sigmoid": "sigma", "sigm": "sigma", "logistic": "sigma",
    "tanh": "tanh", "relu": "relu", "ReLU": "relu", "softmax": "softmax",
    "exp": "exp", "log": "log", "ln": "log", "sin": "sin", "cos": "cos", "tan": "tan", "sinh": "sinh", "cosh": "cosh",
    "sqrt": "sqrt", "abs": "abs", "tr": "tr", "Tr": "tr", "diag": "diag", "max": "max", "min": "min", "sech": "sech",
    "softplus": "softplus", "Softplus": "softplus", "SoftPlus": "softplus",
    "silu": "silu", "SiLU": "silu", "swish": "silu", "Swish": "silu",
    "hardsigmoid": "hardsigmoid", "HardSigmoid": "hardsigmoid", "Hardsigmoid": "hardsigmoid", "hsigmoid": "hardsigmoid",
}  # fmt: skip
CONDITIONS = {"for": "_IF", "if": "_IF", "when": "_IF", "where": "_IF", "and": "SEP", "otherwise": "ELSE", "else": "ELSE"}
TRANSPOSES = frozenset({"T", "\\top", "\\intercal", "Tr", "tr"})
MATRICES = frozenset({"matrix", "bmatrix", "pmatrix", "smallmatrix", "array"})
CASES = frozenset({"cases", "dcases"})
SIGNS = _commands("odot cdot circ times otimes ast bullet") | {"*", "@", "."}
SIZING = frozenset(f"\\{size}{side}" for size in ("big", "Big", "bigg", "Bigg") for side in ("", "l", "r", "m"))
SIZING |= _commands("left right middle mathopen mathclose mathrel mathbin")
SPACES = _commands("thinspace displaystyle textstyle limits nolimits rm bf it small footnotesize large Large strut")
SPACES |= _commands("left. right. notag nonumber")
SPACES |= {"~", "\\,", "\\;", "\\:", "\\!", "\\>", "\\ ", "\\/"}
DROPPED = _commands("color hspace vspace phantom hphantom vphantom label tag")  # with what stands in braces behind them
FRAMES = _commands("boxed underline textcolor colorbox fbox cancel overbrace underbrace mathstrut")
FONTS = _commands("mathbf boldsymbol bm pmb mathit mathcal mathscr mathfrak")
BOLD = _commands("mathbf boldsymbol bm pmb")
TEXTS = _commands("text textrm textit textbf textsf texttt mathrm mathsf operatorname mbox mathop")

SIMPLE: dict[str, tuple[str, Any]] = {
    "+": ("PLUS", "+"), "-": ("MINUS", "-"), "/": ("SLASH", "/"), "&": ("_AMP", "&"), "\\\\": ("_ROW", "\\\\"),
    "=": ("REL", "="), "<": ("REL", "<"), ">": ("REL", ">"), "\\lt": ("REL", "<"), "\\gt": ("REL", ">"),
    "\\le": ("REL", "<="), "\\leq": ("REL", "<="), "\\leqslant": ("REL", "<="), "\\ge": ("REL", ">="),
    "\\geq": ("REL", ">="), "\\geqslant": ("REL", ">="), "\\approx": ("REL", "~"), "\\in": ("REL", "in"),
    "\\ne": ("REL", "!="), "\\neq": ("REL", "!="), "\\equiv": ("REL", "="), "\\triangleq": ("REL", "="),
    "\\coloneqq": ("REL", "="), "\\leftarrow": ("REL", "="), "\\gets": ("REL", "="),
    "'": ("PRIME", "'"), "\\infty": ("SYM", Sym("infinity")), "\\forall": ("_IF", "\\forall"),
    "\\Rightarrow": ("SEP", "=>"), "\\implies": ("SEP", "=>"), "\\oplus": ("PLUS", "+"),
}  # fmt: skip
OPENING = {"{": ("_LBRACE", "}"), "(": ("LP", ")"), "[": ("LB", ")"), "\\{": ("LP", "\\}"), "\\lbrace": ("LP", "\\}")}
OPENING |= {"\\langle": ("_LANGLE", "\\rangle")}
OPENING |= {"\\lVert": ("_LNORM", "\\rVert"), "\\lvert": ("_LABS", "\\rvert"), "\\lbrack": ("LB", ")")}
CLOSING = {"}": ("_RBRACE", "}"), ")": ("RP", ")"), "]": ("RB", ")"), "\\}": ("RP", "\\}"), "\\rbrace": ("RP", "\\}")}
CLOSING |= {"\\rangle": ("_RANGLE", "\\rangle")}
CLOSING |= {"\\rVert": ("_RNORM", "\\rVert"), "\\rvert": ("_RABS", "\\rvert"), "\\rbrack": ("RB", ")")}
BARS = {"|": ("\\lvert", "\\rvert"), "\\vert": ("\\lvert", "\\rvert"), "\\|": ("\\lVert", "\\rVert")}
BARS["\\Vert"] = BARS["\\|"]
INEQUALITIES = {sign: value for sign, (kind, value) in SIMPLE.items() if kind == "REL" and value in ("<", "<=", ">", ">=")}
DOTS = _commands("dots ldots cdots dotsb dotsc dotsm dotsi dotso hdots")
TIME_BRACKETS = frozenset({("(", ")"), ("\\langle", "\\rangle"), ("<", ">"), ("[", "]")})

UNICODE = {
    "−": "-", "–": "-", "⊙": "\\odot", "∘": "\\circ", "·": "\\cdot", "⋅": "\\cdot", "×": "\\times", "⊗": "\\otimes",
    "∗": "*", "•": "\\bullet", "∂": "\\partial", "∇": "\\nabla", "∑": "\\sum", "∏": "\\prod", "≤": "\\le", "≥": "\\ge",
    "≠": "\\ne", "≈": "\\approx", "≔": "\\coloneqq", "∈": "\\in", "ℝ": "\\R", "∞": "\\infty", "√": "\\sqrt",
    "→": "\\to", "←": "\\leftarrow", "′": "'", "’": "'", "⊤": "\\top", "‖": "\\|", "∥": "\\|", "ℓ": "\\ell", "∆": "\\Delta",
    "⊕": "\\oplus", "⟨": "\\langle", "⟩": "\\rangle",
    "，": ",", "；": ";", "（": "(", "）": ")", "＝": "=", "＋": "+", "：": ":", "。": ".", "、": ",", "…": "\\dots",
}  # fmt: skip
UNICODE |= {unicodedata.lookup(f"GREEK SMALL LETTER {name[1:].upper().replace('LAMBDA', 'LAMDA')}"): name
            for name in GREEK if name[1:].islower() and not name.startswith("\\var") and name != "\\ell"}  # fmt: skip
UNICODE |= {unicodedata.lookup(f"GREEK CAPITAL LETTER {name[1:].upper().replace('LAMBDA', 'LAMDA')}"): name
            for name in GREEK if name[1:].istitle()}  # fmt: skip
MARKS = {"\u0303": "\\tilde", "\u0302": "\\hat", "\u0304": "\\bar", "\u20d7": "\\vec", "\u0307": "\\dot"}
SYNONYMS = {"\\_": "_", "\\*": "*", "**": "^", ":=": "=", "\\colon=": "="}

RAW = re.compile(
    r"(?P<comment>%[^\n]*)|\\(?:left|right)\s*\.|\\[A-Za-z]+|\\.|[0-9]+(?:\.[0-9]+)?|\*\*|:=|\.T(?![A-Za-z_0-9])|\S", re.DOTALL
)
FUNCTION_WORD = re.compile("|".join(sorted((word for word in FUNCTIONS if len(word) > 2), key=len, reverse=True)))


# --- cutting up -----------------------------------------------------------------------------------------------


def bounded(text: str) -> None:
    """Raise a `Fault` if the text is longer or deeper than `LIMITS` allow."""
    if len(text) > LIMITS["characters"]:
        raise Fault(f"The formula has {len(text)} characters; the limit is {LIMITS['characters']}.", 0)
    depth = 0
    for at, character in enumerate(text):
        if character in "{([":
            depth += 1
            if depth > LIMITS["depth"]:
                raise Fault(f"The formula is nested deeper than the limit of {LIMITS['depth']} brackets.", at)
        elif character in "})]" and depth:
            depth -= 1


def raws(text: str) -> list[Raw]:
    """The pieces of a formula, without comments and spaces, Unicode as commands. Raises `Fault` over a limit.

    >>> [raw.text for raw in raws("h̃ₜ₋₁ ⊙ σ(x)")]
    ['\\\\tilde', 'h', '_', '{', 't', '-', '1', '}', '\\\\odot', '\\\\sigma', '(', 'x', ')']
    """
    bounded(text)
    found: list[Raw] = []
    for match in RAW.finditer(text):
        piece, at = match[0], match.start()
        piece = "".join(piece.split()) if piece.startswith(("\\left", "\\right")) else piece
        if match["comment"] or piece in SPACES or piece[1:].isspace():
            continue
        if piece.isascii():
            found.append(Raw(SYNONYMS.get(piece, piece), at))
        else:
            _add_unicode(found, piece, at)
    if len(found) > LIMITS["tokens"]:
        raise Fault(f"The formula has {len(found)} tokens; the limit is {LIMITS['tokens']}.", 0)
    return found


@cache
def texts_of(sign: str) -> tuple[str, ...]:
    """The pieces of a sign that the conventions name, without their places."""
    return tuple(raw.text for raw in raws(sign))


def without_unicode(text: str) -> str:
    """The text with the commands that its characters beyond ASCII stand for.

    >>> without_unicode("δhᵗ ⊙ x")
    '\\\\delta h^{t} \\\\odot  x'
    """
    return "".join(character if character.isascii() else _commands_for(character) for character in text)


def _commands_for(character: str) -> str:
    found: list[Raw] = []
    _add_unicode(found, character, 0)
    return "".join(raw.text + " " * raw.text.startswith("\\") for raw in found)


def _add_unicode(found: list[Raw], piece: str, at: int) -> None:
    """A character beyond ASCII, as the commands it stands for; scripts in a row make one script."""
    if len(piece) > 1:
        found.append(Raw(piece, at))
        return
    if piece in MARKS and found:
        found.insert(len(found) - 1, Raw(MARKS[piece], found[-1].at))
        return
    kind, _, codes = unicodedata.decomposition(piece).rpartition("> ")
    letters = [chr(int(code, 16)) for code in codes.split()]
    if kind in ("<sub", "<super") and len(letters) == 1:
        sign, inside = "_" if kind == "<sub" else "^", UNICODE.get(letters[0], letters[0])
        if found and found[-1].text == sign:
            found.pop()
        if len(found) > 2 and found[-1].text == "}" and found[-1].at == at - 1 and _script_of(found) == sign:
            found.insert(len(found) - 1, Raw(inside, at))
            found[-1] = Raw("}", at)
        else:
            found += [Raw(sign, at), Raw("{", at), Raw(inside, at), Raw("}", at)]
    elif kind == "" and len(letters) == 2 and letters[1] in MARKS:
        found += [Raw(MARKS[letters[1]], at), Raw(letters[0], at)]
    elif kind == "<font" and len(letters) == 1:
        found.append(Raw(UNICODE.get(letters[0], letters[0]), at))
    else:
        found.append(Raw(UNICODE.get(piece, piece), at))


def _script_of(found: list[Raw]) -> str:
    """The sign of the script that ends here, if it was made of Unicode scripts: they share their places."""
    opened = next((k for k in range(len(found) - 1, -1, -1) if found[k].text == "{"), 0)
    same = opened > 0 and found[opened].at == found[opened - 1].at
    return found[opened - 1].text if same else ""


def is_letter(text: str) -> bool:
    return text.isascii() and text.isalpha()


def is_digits(text: str) -> bool:
    return text[:1].isascii() and text[:1].isdigit()


def words(pieces: list[Raw]) -> Iterator[str]:
    """The texts of some pieces, with braces and fonts left out."""
    return (raw.text for raw in pieces if raw.text not in "{}" and raw.text not in FONTS and raw.text not in TEXTS)
