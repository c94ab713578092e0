r"""What a cell is made of, from a text: its inputs, states, equations and sizes.

The text is read as `symlstm check` reads it. Its first untagged equation of a quantity defines it, sizes may be declared
anywhere in it (`$b \in \mathbb{R}$`), the letters of its sizes become ours: n is the length of the first state, m that of
the first input. What no state needs, an output head or a loss, is not part of the cell and is listed as `beside`. What
the notation leaves open (which names are numbers, vectors and matrices, whether vectors are rows) is told by the shapes:
`readings` yields one reading after another, the likeliest first, and the first that fits is the cell's.

>>> next(readings(r"h_t = \tanh(W x_t + U h_{t-1} + b)")).equations
(h[t] = tanh(W @ x[t] + U @ h[t-1] + b),)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count

from symlstm.activations import activation
from symlstm.algebra import (
    NOW,
    SOME,
    Apply,
    Diag,
    Listed,
    NotSupported,
    NotValid,
    Ones,
    Relation,
    Space,
    Sym,
    SymlstmError,
    Term,
    equation,
    free_sizes,
    plain,
    substitute,
    term,
    transform,
    walk,
)
from symlstm.definitions.kinds import Kinds, kinds_of
from symlstm.definitions.meanings import Theory, lazy_key
from symlstm.definitions.pages import kind_of
from symlstm.definitions.sources import Source, source
from symlstm.definitions.theories import step
from symlstm.reader import PEOPLE, Kind, read

Declared = dict[str, tuple[Term | None, ...]]
MARKUP = re.compile(r"\$|\\\[|\\\(|\\begin\{")
CASES = ("positive", "nonnegative")  # what a function by cases is made of
IDENTITY = frozenset({"I", "I_bold"})


@dataclass(frozen=True, slots=True)
class Parts:
    """What a cell is made of. A size of `sizes` may be None: it is not said. `beside` are quantities that no state needs.

    `kinds` says which quantities are vectors and which matrices by the way they are written.
    """

    inputs: tuple[Sym, ...]
    states: tuple[Sym, ...]
    equations: tuple[Relation, ...]
    sizes: Declared
    beside: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    found: bool = False  # whether nothing names the inputs

    def told(self, problem: SymlstmError) -> SymlstmError:
        """A problem with these parts; where several inputs were found, one of them may be a gate without its equation."""
        if not self.found or len(self.inputs) < 2:
            return problem
        names = " and ".join(map(plain, self.inputs))
        right = f"{problem.right}; {names} are taken for inputs, as no equation defines them"
        return type(problem)(problem.what, problem.where, right, line=problem.line, column=problem.column)


def readings(text: str, states: str = "", inputs: str = "", kind: Kind | None = None) -> Iterator[Parts]:
    """The readings of a text, the likeliest first. States and inputs are symbols with commas between, or found in the text.

    Raises `NotValid` or `NotSupported` for a text without equations, for one that cannot be read, with the place, and for
    what is no equation of a step.
    """
    found = source(text, _language(text, kind), inline=True)
    for statement in found.statements:
        if statement.error is not None and statement.tag is None:
            raise statement.error
    made = step(found)
    if not made.steps:
        raise _backward(made) or _nothing(found, made)
    _refuse_second_equations(found, made)
    said = found.directives
    chosen_states = _symbols(states or said.get("states", "")) or _found_states(made)
    chosen_inputs = _symbols(inputs or said.get("inputs", "")) or tuple(Sym(name, NOW) for name in made.inputs)
    for state in chosen_states:
        if state.name not in made.steps:
            raise _backward(made) or NotValid(
                f"No equation of the text defines the state {plain(state)}.",
                f"the text defines {', '.join(made.steps)}",
                f"a line {plain(state)} = ..., or other states",
            )
    made.parameters = [name for name in made.parameters if Sym(name, NOW) not in chosen_inputs]
    expanded = {name: _expanded(body, made) for name, body in made.steps.items()}
    needed = _needed(expanded, [state.name for state in chosen_states])
    beside = tuple(name for name in made.steps if name not in needed)
    made.steps = {name: expanded[name] for name in made.steps if name in needed}
    _know_functions(made)
    used = {part.name for body in made.steps.values() for part in walk(body) if isinstance(part, Sym)}
    explicit = bool(inputs or said.get("inputs"))
    chosen_inputs = tuple(each for each in chosen_inputs if explicit or each.name in used)
    if not chosen_inputs:
        written = "; ".join(f"{name}[t] = {plain(body)}" for name, body in made.steps.items())
        raise NotSupported("Nothing enters these equations.", written, "an input such as x_t")
    made.parameters = [name for name in made.parameters if name in used]
    declared = _declared(made, chosen_states, chosen_inputs)
    rows = said.get("vectors", "")
    for meant in _with_identity(made):
        yield from _guesses(meant, declared, Parts(chosen_inputs, chosen_states, (), declared, beside, found=not explicit), rows)


def _guesses(made: Theory, declared: Declared, parts: Parts, rows: str) -> Iterator[Parts]:
    """The readings of the equations by what the parameters may be, as columns and as rows."""
    for turned in (True,) if rows == "rows" else (False,) if rows == "columns" else (False, True):
        for guess in kinds_of(made):
            kinds = Kinds.of(made, guess, declared, rows=turned)
            bodies = {name: kinds.settled(body) for name, body in made.steps.items()}
            lines = tuple(equation(Sym(name, NOW), body) for name, body in _counted(bodies).items())
            of_name = {name: kind for name, kind in kinds.of_name.items() if name in made.steps}
            for more in kinds.sizes(parts.states, parts.inputs):
                yield replace(parts, equations=lines, sizes={**more, **declared}, kinds=of_name)


def _with_identity(made: Theory) -> Iterator[Theory]:
    """The equations with the identity matrix where the text writes `I` and says nothing of it; else with `I` as a parameter."""
    names = {name for name in made.parameters if name in IDENTITY and name not in made.sizes}
    if names:
        identity: dict[Term, Term] = {Sym(name): Diag(Ones(SOME)) for name in names}
        steps = {name: substitute(body, identity) for name, body in made.steps.items()}
        yield replace(made, steps=steps, parameters=[name for name in made.parameters if name not in names])
    yield made


def _counted(bodies: dict[str, Term]) -> dict[str, Term]:
    """Each column of ones that is written without a size has an unknown of its own as size; the shapes tell it."""
    numbers = count(1)

    def change(part: Term) -> Term:
        return Ones(Sym(f"ones.{next(numbers)}")) if part == Ones(SOME) else part

    return {name: transform(body, change) for name, body in bodies.items()}


def _language(text: str, kind: Kind | None) -> Kind:
    """The language of a text; one without any sign of mathematics is a list of formulas."""
    kind = kind or kind_of("", text)
    return kind if kind == "tex" or MARKUP.search(text) else "bare"


def _nothing(found: Source, made: Theory) -> SymlstmError:
    written = [statement.latex for statement in found.statements][:3] or ["no formula"]
    lazy = next(iter(made.lazies), "").replace("[]", "[t]")
    lines = [line for statement in found.statements for line in statement.relations if line.operators[0] == "="]
    circular = next((line for line in lines if any(part == line.lhs for part in walk(line.terms[1]))), None)
    if circular is not None and not lazy:
        words = f"{plain(circular.lhs)} is computed from itself, in the same step."
        return NotValid(words, plain(circular), "the step before on the right, as in h_{t-1}")
    return NotValid(
        f"{lazy} is not an equation of one step." if lazy else "There is no equation of a step in this text.",
        "; ".join(written),
        r"lines such as h_t = \tanh(W x_t + U h_{t-1} + b)",
    )


def _backward(made: Theory) -> SymlstmError | None:
    """What to say of a quantity that the text computes from the step after; None where there is none."""
    for name, found in made.lazies.items():
        for each in found:
            later = [part for part in walk(each.body) if isinstance(part, Sym) and part == Sym(part.name, NOW).next]
            if any(lazy_key(part) == name for part in later):
                line = f"{plain(later[0].at(NOW))} = {plain(each.body)}"
                right = "h.next in Python, and stack(cell, bidirectional=True) for a cell in both directions"
                return NotSupported("An equation with t+1 runs backward in time; in a text a cell runs forward.", line, right)
    return None


def _refuse_second_equations(found: Source, made: Theory) -> None:
    """A quantity with two untagged equations that differ: which one is meant?"""
    first: dict[str, tuple[int, Relation]] = {}
    for statement in found.statements:
        for line in statement.relations:
            left = line.lhs
            if not isinstance(left, Sym) or left.name not in made.steps or line.operators[0] != "=" or statement.tag is not None:
                continue
            if left.time is not None and left.time != NOW:
                continue
            place, before = first.setdefault(left.name, (statement.line, line))
            if before.terms[1] != line.terms[1]:
                raise NotValid(
                    f"{plain(left)} has two equations.",
                    f"line {place}: {plain(before)}; line {statement.line}: {plain(line)}",
                    r"one equation for each quantity; one with a \tag{...} is a claim and not part of the cell",
                )


def _symbols(text: str) -> tuple[Sym, ...]:
    """Symbols with commas between, as a person writes them: `h_t, \\tilde{C}_t`; a time mark may be left out."""
    found: list[Sym] = []
    for piece in filter(str.strip, text.split(",")):
        try:
            symbol = read(piece.strip().strip("$"), PEOPLE)
        except SymlstmError as error:
            raise NotValid("This is no symbol of a state or input.", repr(piece.strip()), "for example h_t, c_t") from error
        if not isinstance(symbol, Sym):
            raise NotValid("This is no symbol of a state or input.", repr(piece.strip()), "for example h_t, c_t")
        found.append(symbol.at(NOW))
    return tuple(found)


def _found_states(made: Theory) -> tuple[Sym, ...]:
    """What occurs at t-1; the output of the step first, where it is one of them."""
    if not made.states:
        raise NotValid(
            "Nothing of the step before occurs in these equations, so there is no state.",
            "; ".join(f"{name}[t] = {plain(body)}" for name, body in made.steps.items()),
            r"an equation that uses h_{t-1}, or the states by name",
        )
    return tuple(Sym(name, NOW) for name in sorted(made.states, key=lambda name: name != made.output))


def _expanded(body: Term, made: Theory) -> Term:
    """The functions that the text defines, put in."""

    def change(part: Term) -> Term:
        if not isinstance(part, Apply) or part.function not in made.functions:
            return part
        names, inside = made.functions[part.function]
        arguments = part.arg.args if isinstance(part.arg, Listed) else (part.arg,)
        values: dict[Term, Term] = {Sym(name): argument for name, argument in zip(names, arguments, strict=False)}
        return _expanded(substitute(inside, values), made)

    return transform(body, change)


def _needed(steps: Mapping[str, Term], states: list[str]) -> set[str]:
    """The quantities that the states need, directly or by way of others."""
    found, waiting = set(states), list(states)
    while waiting:
        for part in walk(steps[waiting.pop()]):
            if isinstance(part, Sym) and part.time is not None and part.name in steps and part.name not in found:
                found.add(part.name)
                waiting.append(part.name)
    return found


def _know_functions(made: Theory) -> None:
    for name, body in made.steps.items():
        for part in walk(body):
            if isinstance(part, Apply):
                if part.function in CASES:
                    raise NotSupported(
                        "A function that is defined by cases is not read in a cell.",
                        f"{name}[t] = {plain(body)}",
                        r"\max(0, x) and \min(1, x), or a row of the table of activations",
                    )
                try:
                    activation(part.function)
                except NotValid as unknown:
                    right = rf"{unknown.right}; or define it in the text, {part.function}(x) = ..."
                    raise NotValid(unknown.what, f"{name}[t] = {plain(body)}", right) from None


# --- sizes -----------------------------------------------------------------------------------------------------


def _declared(made: Theory, states: tuple[Sym, ...], inputs: tuple[Sym, ...]) -> Declared:
    """The sizes that the text declares, in our letters; the equations of the theory get them too."""
    spaces = {name: space for name, space in made.sizes.items() if isinstance(space, Space)}
    used = {part.name for space in spaces.values() for part in walk(space) if isinstance(part, Sym)}
    letters: dict[str, str] = {}
    for symbol, ours in ((states[0], "n"), *((each, "m") for each in inputs[:1])):
        space = spaces.get(symbol.name)
        if space is not None and isinstance(space.rows, Sym) and space.columns in (None, term(1)):
            letters.setdefault(space.rows.name, ours)
    free = free_sizes(used)  # for a size that the text calls n or m and that is neither
    for letter in sorted(used & {"n", "m"} - letters.keys()):
        if letter in letters.values():
            letters[letter] = next(free)
    names: dict[Term, Term] = {Sym(theirs): Sym(ours) for theirs, ours in letters.items()}
    made.steps = {name: substitute(body, names) for name, body in made.steps.items()}
    made.parameters = [name for name in made.parameters if name not in used and name not in ("n", "m")]
    declared: Declared = {}
    quantities = {*made.steps, *made.parameters, *(each.name for each in inputs)}
    for name in (name for name in spaces if name in quantities):
        rows, columns = (part and substitute(part, names) for part in (spaces[name].rows, spaces[name].columns or term(1)))
        if (name, rows, columns) not in ((states[0].name, Sym("n"), term(1)), *((x.name, Sym("m"), term(1)) for x in inputs[:1])):
            declared[name] = (rows, columns)
    return declared


__all__ = ["Parts", "readings"]
