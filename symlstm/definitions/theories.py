r"""The model that the definitions of a document make: the equations of one step, and what is defined by way of them.

A quantity whose equation needs only values is an equation of the step, whether it is a gate, a state or part of the
output head; a step runs them in order of evaluation. A loss, a shorthand for a derivative, anything over several steps is
*lazy*: it is worked out where it is used. What occurs at t-1 is a state; a time-marked symbol that nothing defines is an
input; one without a mark that the equations use is a parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from symlstm.algebra import (
    NOW,
    SOME,
    Add,
    Adj,
    Apply,
    Blocks,
    Component,
    Diag,
    Hadamard,
    Listed,
    MatMul,
    Ones,
    Partial,
    Prod,
    Relation,
    Rows,
    Sum,
    Sym,
    SymlstmError,
    Term,
    Time,
    Total,
    children,
    plain,
    substitute,
    transform,
    walk,
)  # fmt: skip
from symlstm.definitions.forms import (
    at_now,
    in_order,
    indicators,
    is_function_stack,
    is_lazy,
    is_number,
    is_numeric,
    is_parameter_stack,
    is_stack,
    marked,
    means,
    stacks,
    with_letter,
    without_index,
)  # fmt: skip
from symlstm.definitions.meanings import PRE, Lazy, Theory, lazy_key, loss_defined
from symlstm.definitions.sources import LOSSES, Source
from symlstm.reader import PEOPLE, read


def theory(source: Source, extra: Iterable[Relation] = (), without: frozenset[str] = frozenset()) -> Theory:
    """The theory of a document; `extra` are definitions from elsewhere (a cell of the zoo), in place of those of `without`."""
    return _Maker(source, tuple(extra), without).made()


def step(source: Source) -> Theory:
    """The equations of one step as the text writes them, for a cell: nothing is renamed, joined or named, numbers are put in.

    A quantity that is computed from parameters alone, `\\alpha = \\sigma(a)`, is one of every step.
    """
    return _Maker(source, (), frozenset()).written()


class _Maker:
    """Sorts definitions into steps and lazies, splits off the terms that a derivative is taken by, and orders the steps."""

    def __init__(self, source: Source, extra: tuple[Relation, ...], without: frozenset[str]) -> None:
        tagged = [line for statement in source.statements if statement.role == "both" for line in statement.relations]
        kept = [line for line in source.definitions if not _is_about(line, without, line in tagged)]
        self.lines = (*extra, *kept)
        self.said = {role: _names_in(source.directives.get(role, "")) for role in ("states", "inputs")}
        self.all = [line for statement in source.statements for line in statement.relations]
        self.made_theory = Theory()
        self.raw: dict[str, tuple[Sym, Term, Relation | None]] = {}
        self.pieces: dict[str, list[tuple[tuple[str, ...], Term, Relation]]] = {}
        self.stacks: list[Relation] = []
        self.losses = LOSSES  # the names that are losses

    def made(self) -> Theory:
        new = self.made_theory
        for line in self.lines:
            self.sort(line)
        self.join_pieces()
        self.split_stacks()
        self.find_aliases()
        self.renamed_all()
        self.find_ends()
        self.split_timeless()
        self.put_matrices()
        self.time_constants()
        self.find_counts()
        self.find_steps()
        self.use_names()
        self.name_parts()
        self.find_roles()
        self.heed(source_words=self.said)
        self.find_distributions()
        new.printed = [*self.raw]
        new.steps = self.ordered()
        name_preactivations(new)
        new.output = self.find_output()
        self.complete_losses()
        return new

    def written(self) -> Theory:
        self.losses = frozenset()  # in a cell any letter may be a gate
        new = self.made_theory
        for line in self.lines:
            self.sort(line)
        self.join_pieces()
        self.split_stacks()
        self.put_numbers()
        self.split_timeless()
        self.time_constants()
        self.find_steps()
        self.find_roles()
        self.heed(source_words=self.said)
        new.output = self.find_output()
        return new

    def sort(self, line: Relation) -> None:
        """Put a definition where it belongs by its left side."""
        new, left = self.made_theory, line.lhs
        if line.operators[0] == "in":
            for each in left.args if isinstance(left, Listed) else (left,):
                if isinstance(each, Sym):
                    new.sizes.setdefault(each.name, line.rhs)
        elif any(map(is_stack, line.terms)) and line.condition is None and not is_parameter_stack(line):
            self.stacks.append(line)
            if isinstance(left, Sym):
                self.sort_quantity(left, line)
        elif isinstance(left, Apply) and (loss := loss_defined(left, line.terms[1])) is not None:
            new.called.add(lazy_key(loss))
            lazy = Lazy(loss.time.base if loss.time else "", line.terms[1], line.condition)
            new.lazies.setdefault(lazy_key(loss), []).append(lazy)
        elif isinstance(left, Apply):
            args = left.arg.args if isinstance(left.arg, Listed) else (left.arg,)
            names = tuple(arg.name for arg in args if isinstance(arg, Sym))
            if line.condition is not None:
                self.pieces.setdefault(left.function, []).append((names, line.terms[1], line.condition))
            elif isinstance(args[0], Sym) and args[0].time is None:
                new.functions.setdefault(left.function, (names, line.terms[1]))
        elif isinstance(left, Component) and isinstance(left.of, Sym):
            self.sort_quantity(left.of, replace(line, terms=(left.of, without_index(line.terms[1], left.index))))
        elif isinstance(left, Adj):
            time = left.of.time or NOW
            new.adjoints.setdefault(left.of.name, Lazy(time.base, line.terms[1], line.condition, time.offset))
        elif isinstance(left, Sym):
            self.sort_quantity(left, line)

    def sort_quantity(self, left: Sym, line: Relation) -> None:
        new = self.made_theory
        if left.time is not None and (left.time.offset or not left.time.base):
            new.values.setdefault((left.name, str(left.time)), line.terms[1])
        elif is_numeric(line.terms[1]):
            new.values.setdefault((left.name, "" if left.time is None else str(left.time)), line.terms[1])
        elif left.name in self.losses or line.condition is not None:
            letter = left.time.base if left.time is not None else ""
            new.lazies.setdefault(lazy_key(left), []).append(Lazy(letter, line.terms[1], line.condition))
        elif left.name not in self.raw:
            self.raw[left.name] = (left, line.terms[1], line.condition)
            following = line.terms[1]
            if len(line.terms) > 2 and isinstance(following, Sym) and following.name not in self.raw:
                self.raw[following.name] = (following, line.terms[2], line.condition)

    # --- pieces and stacks -------------------------------------------------------------------------------------

    def join_pieces(self) -> None:
        """A function defined by cases is the sum of its pieces, each where its condition holds."""
        for name, pieces in self.pieces.items():
            parts: list[Term] = [MatMul((*indicators(condition), body)) for _, body, condition in pieces]
            self.made_theory.functions.setdefault(name, (pieces[0][0], Add(tuple(parts)) if len(parts) > 1 else parts[0]))

    def split_stacks(self) -> None:
        """`[i; f; g] = [\\sigma; \\sigma; \\tanh] W z`: an equation for each part, with its block of every parameter."""
        for line in self.stacks:
            stack = next(side for side in line.terms if is_stack(side))
            parts: list[Sym] = [part for part in children(stack) if isinstance(part, Sym)]
            others = [side for side in line.terms if side is not stack]
            whole = next((side for side in others if not isinstance(side, Sym)), others[0])
            named = next((side for side in others if isinstance(side, Sym)), None)
            if isinstance(whole, Sym):
                whole = self.raw[whole.name][1] if whole.name in self.raw else whole
            if whole == stack or isinstance(whole, Sym) or any(part.name in self.raw for part in parts):
                continue
            names = [part.name for part in parts]
            for place, part in enumerate(parts):
                self.raw[part.name] = (part, self.sliced(whole, place, names), None)
            if named is not None:
                self.raw[named.name] = (named, stack, None)

    def sliced(self, node: Term, place: int, parts: list[str]) -> Term:
        """One block of a stacked vector: of its functions, and of the parameters that its terms begin with."""
        inner = lambda term: self.sliced(term, place, parts)
        if isinstance(node, (Add, MatMul, Hadamard)) and is_function_stack(node.args[0]):
            function = children(node.args[0])[place]
            rest = node.args[1] if len(node.args) == 2 else MatMul(node.args[1:])
            return Apply(function.name, inner(rest))  # type: ignore[attr-defined]
        if isinstance(node, Add):
            return Add(tuple(map(inner, node.args)))
        if isinstance(node, (MatMul, Hadamard)):
            return type(node)((inner(node.args[0]), *node.args[1:]))
        if isinstance(node, Apply):
            return Apply(node.function, inner(node.arg))
        if isinstance(node, Sym) and node.time is None:
            blocks = [Sym(f"{node.name}_{part}") for part in parts]
            self.raw.setdefault(node.name, (node, Blocks(tuple((block,) for block in blocks)), None))
            return blocks[place]
        return node

    # --- names -------------------------------------------------------------------------------------------------

    def find_ends(self) -> None:
        """`s = v^T h_T + d`: a quantity without a time that is computed from the last step is one of the last step."""
        ends = self.made_theory.ends
        while True:
            more = {
                name
                for name, (left, body, condition) in self.raw.items()
                if left.time is None and name not in ends and name not in self.losses and condition is None
                and not any(isinstance(part, (Partial, Adj, Sum, Prod)) for part in walk(body))
                and any(isinstance(part, Sym) and (part.time == Time("T") or part.name in ends) for part in walk(body))
                and all(part.time in (None, Time("T")) for part in walk(body) if isinstance(part, Sym))
            }
            if not more:
                break
            ends |= more
        for name in ends:
            left, body, condition = self.raw[name]
            self.raw[name] = (left.at(NOW), marked(with_letter(body, "T"), ends), condition)

    def find_aliases(self) -> None:
        """`c_t = C_t`: two names of one quantity."""
        for name, (left, body, condition) in list(self.raw.items()):
            if (
                isinstance(body, Sym)
                and condition is None
                and body.name != name
                and body.time == left.time
                and left.time is not None
            ):
                self.made_theory.same[name] = body.name
                del self.raw[name]

    def rename(self, node: Term) -> Term:
        same = self.made_theory.same

        def change(part: Term) -> Term:
            return Sym(same[part.name], part.time) if isinstance(part, Sym) and part.name in same else part

        return transform(node, change) if same else node

    def renamed_all(self) -> None:
        self.raw = {name: (left, self.rename(body), condition) for name, (left, body, condition) in self.raw.items()}
        new = self.made_theory
        new.adjoints = {
            new.same.get(name, name): Lazy(lazy.letter, self.rename(lazy.body), lazy.condition, lazy.offset)
            for name, lazy in new.adjoints.items()
        }
        new.lazies = {
            name: [Lazy(each.letter, self.rename(each.body), each.condition, each.offset) for each in found]
            for name, found in new.lazies.items()
        }

    def split_timeless(self) -> None:
        """`z = W h_t + b`: a quantity of step t without its mark gets it, wherever it stands."""
        timed = {part.name for line in self.all for part in walk(line) if isinstance(part, Sym) and part.time is not None}
        open_ = {
            name: [part for part in walk(body) if isinstance(part, Sym)]
            for name, (left, body, _) in self.raw.items()
            if left.time is None and name not in self.losses and not is_lazy(body)
        }
        now = (NOW, Time("t", -1))
        found = _grown(set(), open_, lambda part, found: part.time in now or part.name in found)
        self.made_theory.timeless = found - timed | {name for name in found if name in self.raw}
        for name in found:
            left, body, condition = self.raw[name]
            self.raw[name] = (left.at(NOW), body, condition)
        self.raw = {name: (left, marked(body, found), condition) for name, (left, body, condition) in self.raw.items()}

    def put_numbers(self) -> None:
        """`\\lambda = 0.9`: a number with a name stands in the equations as a number."""
        values = self.made_theory.values
        numbers: dict[Term, Term] = {Sym(name): value for (name, time), value in values.items() if not time and is_number(value)}
        if numbers:
            self.raw = {name: (left, substitute(body, numbers), condition) for name, (left, body, condition) in self.raw.items()}

    def put_matrices(self) -> None:
        """`W_{ci} = \\mathrm{diag}(w_{ci})`: a parameter that is made of another stands in the equations as what it is."""
        made: dict[Term, Term] = {
            Sym(name): body
            for name, (left, body, condition) in self.raw.items()
            if left.time is None and condition is None
            and isinstance(body, Diag) and isinstance(body.arg, Sym) and body.arg.time is None
        }
        if made:
            keep = {each.name for each in made if isinstance(each, Sym)}
            self.raw = {
                name: (left, body if name in keep else substitute(body, made), condition)
                for name, (left, body, condition) in self.raw.items()
            }

    def time_constants(self) -> None:
        """`\\alpha = \\sigma(a)`: what a step needs and is computed from parameters alone gets the mark of a step."""
        constant = {
            name
            for name, (left, body, condition) in self.raw.items()
            if left.time is None
            and name not in self.losses
            and condition is None
            and not is_lazy(body)
            and not stacks(body)
            and not (isinstance(body, Diag) and isinstance(body.arg, Sym))
            and not any(isinstance(part, Sym) and part.time is not None for part in walk(body))
        }
        users = {name: body for name, (left, body, _) in self.raw.items() if left.time is not None}
        found: set[str] = set()
        while used := {part.name for body in users.values() for part in walk(body) if isinstance(part, Sym)} & constant - found:
            found |= used
            users = {name: self.raw[name][1] for name in used}
        for name in found:
            left, body, condition = self.raw[name]
            self.raw[name] = (left.at(NOW), body, condition)
        self.raw = {name: (left, marked(body, found), condition) for name, (left, body, condition) in self.raw.items()}
        self.made_theory.constants = found
        self.made_theory.timeless |= found

    def find_counts(self) -> None:
        """`\\mu_t = \\frac{1}{n} \\sum_i a_{t,i}`: a sum of entries is divided by their number, where nothing says more."""
        counts = {count.name for _, body, _ in self.raw.values() for count, _ in means(body)}
        self.made_theory.counts = {name for name in counts if name not in self.raw and (name, "") not in self.made_theory.values}

    # --- steps -------------------------------------------------------------------------------------------------

    def find_steps(self) -> None:
        new = self.made_theory
        lazy = {
            name
            for name, (left, body, condition) in self.raw.items()
            if left.time is None or condition is not None or is_lazy(body)
        }
        blocks = self.block_parameters()
        used = {name: [part for part in walk(body) if isinstance(part, Sym)] for name, (_, body, _) in self.raw.items()}
        lazy = _grown(lazy, used, lambda part, found: part.name in found and part.name not in blocks)
        for name, (left, body, condition) in self.raw.items():
            if name not in lazy:
                base = (left.time or NOW).base
                new.steps[name] = body if base == "t" else with_letter(body, base)
            else:
                new.lazies.setdefault(lazy_key(left), []).append(Lazy((left.time or Time("", 0)).base, body, condition))

    def block_parameters(self) -> set[str]:
        return {name for name, (left, body, _) in self.raw.items() if left.time is None and stacks(body)}

    def use_names(self) -> None:
        """`a_t = W x_t + b` beside `h_t = \\tanh(W x_t + b)`: the argument is a_t."""
        steps = self.made_theory.steps
        names: dict[Term, str] = {}
        for name, body in steps.items():
            if isinstance(body, (Add, MatMul, Hadamard, Apply)):
                names.setdefault(in_order(body), name)
        for name, body in list(steps.items()):
            whole = [part for part in walk(body) if part is not body and isinstance(part, (Add, MatMul, Hadamard, Apply))]
            found = ((part, in_order(part)) for part in whole)
            inside: dict[Term, Term] = {part: Sym(names[key], NOW) for part, key in found if key in names and names[key] != name}
            if inside:
                steps[name] = substitute(body, inside)

    def name_parts(self) -> None:
        """A term that some derivative is taken by becomes a quantity of the step: `\\partial L / \\partial (1 - z_t)`."""
        steps = self.made_theory.steps
        wanted = {
            at_now(self.rename(part.wrt))
            for line in self.all
            for part in walk(line)
            if isinstance(part, Partial) and not isinstance(part.wrt, Sym)
        }
        for count, term in enumerate(sorted(wanted, key=plain)):
            term = marked(term, self.made_theory.timeless)
            whole = next((name for name, body in steps.items() if body == term), "")
            users = [name for name, body in steps.items() if any(part == term for part in walk(body))]
            if whole:
                self.made_theory.parts[term] = whole
            elif users:
                part = Sym(f"part{count}_", NOW)
                for name in users:
                    steps[name] = substitute(steps[name], {term: part})
                steps[part.name] = term
                self.made_theory.parts[term] = part.name

    def find_roles(self) -> None:
        """States are what occurs at t-1; inputs are what has a time and no equation; the rest are parameters."""
        new = self.made_theory
        new.letters = self.size_letters() | new.counts
        used = [part for body in new.steps.values() for part in walk(body) if isinstance(part, Sym)]
        lazily = [part for found in new.lazies.values() for each in found for part in walk(each.body) if isinstance(part, Sym)]
        over_time = (part for line in self.all for part in walk(line) if isinstance(part, (Sum, Prod)))
        ends = any(part.upper == Time("T") for part in over_time)  # then T is the last step, as in 1/T before a sum
        for part in used:
            if part.time is not None and part.time.offset < 0 and part.name in new.steps:
                _note(new.states, part.name)
        for part in (*used, *lazily):
            if part.name in new.steps or new.lazy(part) or part.name in self.losses:
                continue
            if part.time is not None:
                _note(new.inputs, part.name)
            elif part.name not in ("infinity", SOME.name, *new.letters, *({"T"} if ends and part not in used else ())):
                _note(new.parameters, part.name)
        for name, _ in new.values:
            if not new.known(Sym(name)):
                _note(new.parameters if tuple(time for other, time in new.values if other == name) == ("",) else new.inputs, name)
        for name in self.block_parameters():
            for part in walk(self.raw[name][1]):
                if isinstance(part, Sym) and part.time is None and part.name not in new.lazies:
                    _note(new.parameters, part.name)
        for body in new.steps.values():
            for part in walk(body):
                if not isinstance(part, Apply) or not isinstance(part.arg, Listed):
                    continue
                if part.function.partition("[")[0] not in self.losses:
                    names = tuple(arg.name if isinstance(arg, Sym) else "" for arg in part.arg.args)
                    new.formals.setdefault(part.function, names)

    def size_letters(self) -> set[str]:
        """The letters of lengths: of declared sizes, of columns of ones, and of the rows of a part."""
        spaces = [part for space in self.made_theory.sizes.values() for part in walk(space) if isinstance(part, Sym)]
        ranges = (part for line in (*self.all, *self.lines) for part in walk(line) if isinstance(part, (Ones, Rows)))
        counts = (side for part in ranges for side in ((part.rows,) if isinstance(part, Ones) else (part.start, part.stop)))
        spaces += [part for side in counts for part in walk(side) if isinstance(part, Sym)]
        return {part.name for part in spaces if part.time is None and part != SOME and part.name not in self.made_theory.sizes}

    def heed(self, source_words: dict[str, list[str]]) -> None:
        """What the comments say outright of states and inputs comes before what the equations tell."""
        new = self.made_theory
        states = [name for name in source_words["states"] if name in new.steps]
        inputs = [name for name in source_words["inputs"] if name not in new.steps]
        new.states = [*states, *(name for name in new.states if name not in states)]
        new.parameters = [name for name in new.parameters if name not in inputs]
        new.inputs = [*inputs, *(name for name in new.inputs if name not in inputs)]

    def find_distributions(self) -> None:
        """The targets of a cross entropy, `\\sum_k y_k \\log p_k`, sum up to one."""
        new = self.made_theory
        for found in new.lazies.values():
            for total in (part for lazy in found for part in walk(lazy.body) if isinstance(part, (Total, MatMul, Hadamard))):
                logged = {
                    inner.name
                    for part in walk(total)
                    if isinstance(part, Apply) and part.function == "log"
                    for inner in walk(part)
                    if isinstance(inner, Sym)
                }
                if logged:
                    names = {part.name for part in walk(total) if isinstance(part, Sym)} - logged
                    new.distributions |= {name for name in names if name in (*new.inputs, *new.parameters)}

    def ordered(self) -> dict[str, Term]:
        """The equations in order of evaluation; a cycle within one step is remembered in words, and cut."""
        new, left, done = self.made_theory, dict(self.made_theory.steps), {}
        needs = {
            name: {part.name for part in walk(body) if isinstance(part, Sym) and part.time == NOW and part.name in left}
            for name, body in left.items()
        }
        while left:
            ready = [name for name in left if not needs[name] & left.keys()]
            if not ready:
                name = self.blamed(left)
                new.broken[name] = "the equations of one step form a cycle, " + " and ".join(
                    f"{each}[t] = {plain(body)}" for each, body in left.items()
                )
                del left[name]
                _note(new.inputs, name)
                continue
            for name in ready:
                done[name] = left.pop(name)
        return done

    def blamed(self, left: dict[str, Term]) -> str:
        """Of equations that wait for each other, the one that uses a state at t which has a step before: it needs t-1."""

        def waits_for(name: str) -> set[str]:
            return {part.name for part in walk(left[name]) if isinstance(part, Sym) and part.name in left and part.time == NOW}

        reach = {name: waits_for(name) for name in left}
        for _ in left:
            reach = {name: found.union(*(reach[other] for other in found)) for name, found in reach.items()}
        cyclic = [name for name in left if name in reach[name]] or list(left)
        states = self.made_theory.states
        return next((name for name in cyclic if waits_for(name) & set(states) and name not in states), cyclic[-1])

    def find_output(self) -> str:
        """The last quantity that the document defines in step t and that nothing else of the step uses."""
        new = self.made_theory
        used = {part.name for body in new.steps.values() for part in walk(body) if isinstance(part, Sym) and part.time == NOW}
        ends = [name for name in self.raw if name in new.steps and name not in used and not stacks(new.steps[name])]
        return ends[-1] if ends else next(reversed(new.steps), "")

    def complete_losses(self) -> None:
        """A loss that nothing defines is a generic function of the output; the loss of all steps is the sum of theirs."""
        new = self.made_theory
        asked = [
            self.rename(part.of)
            for line in self.all
            for part in walk(line)
            if isinstance(part, Partial) and isinstance(part.of, Sym)
        ]
        asked = [of for of in asked if isinstance(of, Sym)]
        used = [part for found in new.lazies.values() for each in found for part in walk(each.body) if isinstance(part, Sym)]
        for of in dict.fromkeys((*used, *asked)):
            if (
                not new.output
                or new.known(of)
                or of.time is None
                or of.name in new.steps
                or (of.name not in LOSSES and of not in asked)
            ):
                continue
            new.lazies[lazy_key(of)] = [Lazy("t", Apply(f"{of.name}[t]", Sym(new.output, NOW)))]
        for of in asked:
            if of.time is None and new.output and not new.known(of) and of.name not in new.timeless:
                new.lazies[of.name] = [Lazy("", self.total_loss())]
        if new.output and not any(name in LOSSES for name in new.lazies):
            new.lazies["L_"] = [Lazy("", self.total_loss())]

    def total_loss(self) -> Term:
        new = self.made_theory
        each = next(
            (
                name[:-2]
                for name, found in new.lazies.items()
                if name.endswith("[]")
                and name[:-2] in LOSSES
                and not any(
                    isinstance(part, Sum) or (isinstance(part, Sym) and part.name in LOSSES)
                    for lazy in found
                    for part in walk(lazy.body)
                )
            ),
            "",
        )
        body: Term = Sym(each, NOW) if each else Apply("l[t]", Sym(new.output, NOW))
        return Sum("t", Time("", 1), Time("T"), body)


def _is_about(line: Relation, names: frozenset[str], tagged: bool) -> bool:
    """Whether an equation is one of these quantities; where it has a tag, one of their adjoints counts too."""
    left = line.lhs.of if tagged and isinstance(line.lhs, Adj) else line.lhs
    return isinstance(left, Sym) and left.name in names


def _names_in(text: str) -> list[str]:
    """The names in a list of symbols such as `h_t, c_t`."""
    found: list[str] = []
    for piece in filter(str.strip, text.split(",")):
        try:
            term = read(piece.strip().strip("$"), PEOPLE)
        except SymlstmError:
            continue
        if isinstance(term, Sym):
            found.append(term.name)
    return found


def name_preactivations(theory: Theory) -> None:
    """Give the argument of every gate that has no name one: what a `\\delta` before the activation is about."""
    steps: dict[str, Term] = {}
    for name, body in theory.steps.items():
        if isinstance(body, Apply) and not isinstance(body.arg, (Sym, Listed)) and body.function != "softmax":
            steps[name + PRE] = body.arg
            body = Apply(body.function, Sym(name + PRE, NOW))
        steps[name] = body
    theory.steps = steps


def _grown(found: set[str], used: Mapping[str, list[Sym]], joins: Callable[[Sym, set[str]], bool]) -> set[str]:
    """The names with all others of which a symbol joins them to those that are found, until there are no more."""
    while more := {name for name, parts in used.items() if name not in found and any(joins(part, found) for part in parts)}:
        found = found | more
    return found


def _note(names: list[str], name: str) -> None:
    if name not in names:
        names.append(name)


__all__ = ["Theory", "name_preactivations", "step", "theory"]
