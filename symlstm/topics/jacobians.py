"""Jacobians of one step, read off the reverse sweep.

A share `A delta q` of the adjoint of p says that dq/dp is A transposed, and the Jacobian of a quantity by an earlier one is
the sum over all paths between them of the products along the path. Where paths part and meet again on the way, what lies
between gets a name, `d y / d a`, and an equation of its own; so no sum has more terms than a quantity has uses.
"""

from __future__ import annotations

from functools import cached_property

from symlstm.algebra import (
    Add,
    Adj,
    Blocks,
    Diag,
    Div,
    Hadamard,
    MatMul,
    Neg,
    NotSupported,
    Ones,
    Partial,
    Relation,
    Rows,
    Sym,
    Term,
    Transpose,
    equation,
    plain,
    term,
    walk,
)
from symlstm.reverse import Sweep
from symlstm.rules import times, transposed
from symlstm.shapes import ONE, Length, length_term, total_length
from symlstm.tidying import Tidying

Factors = tuple[Term, ...]
Named = dict[tuple[Sym, Sym], Term]  # Jacobians with a name, in the order in which their equations can stand


class Jacobians:
    """The Jacobians of the quantities of one step by each other.

    >>> from symlstm import zoo
    >>> from symlstm.reverse import sweep
    >>> found = Jacobians(sweep(zoo.LSTM))
    >>> found.direct(zoo.lstm.c, zoo.lstm.c.prev)
    diag(f[t])
    >>> found.whole(zoo.lstm.h, zoo.lstm.c)
    diag(o[t] * (1 - tanh(c[t])^2))
    """

    def __init__(self, swept: Sweep) -> None:
        self.swept, self.shapes, self.tidy = swept, swept.cell.shapes, Tidying(swept.cell.shapes)
        self._reaching: dict[Sym, set[Sym]] = {}
        self._common: dict[Sym, dict[Sym, tuple[Sym, ...]]] = {}  # by goal: what all paths there go through, in order

    def length(self, of: Sym) -> Length:
        """The length of a column."""
        return self.shapes.lengths[of.name][0]

    def is_matrix(self, of: Sym) -> bool:
        """Whether a quantity is neither a vector nor a number; its Jacobians are no matrices."""
        return self.shapes.lengths[of.name][1] != ONE

    def back(self, state: Sym) -> Sym:
        """A state at the step it comes from."""
        return self.swept.cell.carried[state]

    def identity(self, of: Sym) -> Diag:
        """The identity matrix, as long as a column."""
        return self._identity(self.length(of))

    # --- the graph ---

    @cached_property
    def edges(self) -> dict[Sym, tuple[Sym, ...]]:
        """For each quantity those whose equations use it, in order of evaluation."""
        return {line.of: tuple(dict.fromkeys(share.through for share in line.shares)) for line in self.swept.lines}

    def reaching(self, of: Sym) -> set[Sym]:
        """The quantities from which a path of this step leads to `of`, without itself."""
        if of not in self._reaching:
            users: dict[Sym, list[Sym]] = {}
            for here, there in self.edges.items():
                for each in there:
                    users.setdefault(each, []).append(here)
            found: set[Sym] = set()
            stack = [of]
            while stack:
                for each in users.get(stack.pop(), []):
                    if each not in found:
                        found.add(each)
                        stack.append(each)
            self._reaching[of] = found
        return self._reaching[of]

    def _onward(self, here: Sym, of: Sym) -> list[Sym]:
        """Where the paths to `of` go on from a quantity."""
        return [there for there in self.edges.get(here, ()) if there == of or there in self.reaching(of)]

    def _meeting(self, here: Sym, of: Sym) -> Sym:
        """The first quantity that all paths to `of` go through."""
        if of not in self._common:
            common = self._common[of] = {of: (of,)}
            for node in reversed([*self.edges, *(line.lhs for line in self.swept.cell.named if isinstance(line.lhs, Sym))]):
                ways = [common[there] for there in self._onward(node, of) if there in common]
                if ways:
                    common[node] = (node, *(each for each in ways[0] if all(each in way for way in ways)))
        return self._common[of][here][1]

    # --- Jacobians ---

    def direct(self, of: Sym, wrt: Sym) -> Term | None:
        """Along the equation of `of` alone; None where `wrt` does not stand in it. Raises `NotSupported`."""
        return self.joined(of, self._edge(wrt, of)) if of in self.edges.get(wrt, ()) else None

    def number(self, of: Sym, wrt: Sym) -> Term | None:
        """The number that the equation of `of` multiplies `wrt` by; None where it does something else."""
        try:
            return self.direct(of, wrt)
        except NotSupported:
            return None

    def whole(self, of: Sym, wrt: Sym) -> Term | None:
        """Along all paths of the step; None where there is none. Raises `NotSupported` for one that is no matrix."""
        paths = self.paths(of, wrt, {})
        return self.added(paths) if paths else None

    def paths(self, of: Sym, wrt: Sym, named: Named) -> list[Term]:
        """One product of matrices for each path from `wrt` to `of`; what gets a name on the way is put into `named`."""
        found: list[Term] = []
        stack: list[tuple[Sym, Factors]] = [(wrt, ())]
        while stack:
            here, factors = stack.pop()
            if here == of:
                found.append(self.joined(of, factors))
                continue
            onward = self._onward(here, of)
            there = self._meeting(here, of) if len(onward) > 1 else of
            if len(onward) > 1 and (here != wrt or there != of):
                if (there, here) not in named:
                    inner = self.added(self.paths(there, here, named))
                    named[there, here] = inner
                stack.append((there, (self.partial(there, here), *factors)))
            else:
                stack += [(each, (*self._edge(here, each), *factors)) for each in reversed(onward)]
        return found

    def _edge(self, here: Sym, there: Sym) -> Factors:
        """d there / d here along the equation of `there`, as factors; several uses are added up."""
        line = self.swept.line(here)
        uses = [self._local(share.term) for share in line.shares if share.through == there]
        if any(map(self.is_matrix, (here, there))) and not all(self._is_number(each) for use in uses for each in use):
            raise NotSupported("A derivative by a matrix, or of one, is not a matrix.", f"d {plain(there)} / d {plain(here)}")
        if len(uses) == 1:
            return uses[0]
        return (self.added([self.joined(there, use) for use in uses]),)

    def added(self, terms: list[Term]) -> Term:
        """The sum of Jacobians; of diagonal matrices, the diagonal matrix of the sum."""
        entries = [_entries(each) for each in terms]
        found = [entry for entry in entries if entry is not None]
        if len(terms) < 2 or len(found) < len(terms):
            return self.tidy.summed(terms)
        whole = self.tidy.summed(sorted(found, key=lambda each: isinstance(each, Neg)))
        if isinstance(whole, Add) and all(isinstance(each, Neg) for each in whole.args):
            return Neg(Diag(self.tidy.summed([Neg(each) for each in whole.args])))
        return Neg(Diag(whole.arg)) if isinstance(whole, Neg) else Diag(whole)

    def _is_number(self, factor: Term) -> bool:
        return not isinstance(factor, Partial) and self.shapes.is_scalar(factor)

    # --- names ---

    def _is_row(self, of: Sym, wrt: Sym) -> bool:
        return self.shapes.is_scalar(of) and not self.shapes.is_scalar(wrt)

    def partial(self, of: Sym, wrt: Sym) -> Term:
        """The name of a Jacobian as a factor: the derivative of a number by a vector is a column, its Jacobian the row."""
        return Transpose(Partial(of, wrt)) if self._is_row(of, wrt) else Partial(of, wrt)

    def equation(self, of: Sym, wrt: Sym, whole: Term) -> Relation:
        """The equation of a Jacobian with a name."""
        return equation(Partial(of, wrt), self._turned(whole) if self._is_row(of, wrt) else whole)

    def _turned(self, node: Term) -> Term:
        """The transpose, carried down to the factors."""
        if isinstance(node, Neg):
            return Neg(self._turned(node.arg))
        if isinstance(node, Add):
            return Add(tuple(map(self._turned, node.args)))
        if isinstance(node, Div):
            return Div(self._turned(node.above), node.below)
        if isinstance(node, MatMul):
            numbers = tuple(each for each in node.args if self._is_number(each))
            rest = tuple(self._turned(each) for each in reversed(node.args) if each not in numbers)
            return self.tidy.matrix_product(MatMul((*numbers, *rest)))
        if isinstance(node, Diag):
            return node
        return node.arg if isinstance(node, Transpose) else node if self._is_number(node) else Transpose(node)

    # --- one share ---

    def _local(self, share: Term) -> Factors:
        """The factors of dq/dp, from the share that reaches p: linear in the adjoint of q, transposed factor by factor."""
        if isinstance(share, Adj):
            return ()
        if isinstance(share, Neg):
            return (*self._local(share.arg), Neg(term(1)))
        if isinstance(share, Div) and not _has_adjoint(share.below):
            over = Div(term(1), share.below)
            return (*self._local(share.above), over if self._is_number(share.below) else Diag(over))
        if isinstance(share, Hadamard):
            k = _place(share.args)
            rest = times(*share.args[:k], *share.args[k + 1 :])
            return (*self._local(share.args[k]), rest if self._is_number(rest) else Diag(rest))
        if isinstance(share, MatMul):
            return self._of_product(share)
        if isinstance(share, Transpose) and self._is_number(share.arg):
            return self._local(share.arg)
        if isinstance(share, Rows):
            *before, last = self._local(share.arg) or (self._identity(self._rows(share.arg)),)
            across = last if isinstance(last, Diag) else Transpose(last)
            return (*before, Transpose(Rows(across, share.start, share.stop)))
        if isinstance(share, Blocks) and all(len(row) == 1 for row in share.rows):
            blocks = [row[0] for row in share.rows]
            k = _place(tuple(blocks))
            above = total_length([self._rows(block) for block in blocks[:k]])
            below = total_length([above, self._rows(blocks[k])])
            all_rows = self._identity(total_length([self._rows(block) for block in blocks]))
            return (*self._local(blocks[k]), Rows(all_rows, length_term(above), length_term(below)))
        raise NotSupported("This derivative is not a matrix.", plain(share), "a share that is a matrix times an adjoint")

    def _of_product(self, share: MatMul) -> Factors:
        k = _place(share.args)
        numbers = [each for j, each in enumerate(share.args) if j != k and self._is_number(each)]
        left, right = ([each for each in side if each not in numbers] for side in (share.args[:k], share.args[k + 1 :]))
        inner = self._local(share.args[k])
        if self._is_number(share.args[k]):
            return (*inner, *numbers, *transposed((*left, *right)))
        if right:
            raise NotSupported("This derivative is not a matrix.", plain(share), "a share that is a matrix times an adjoint")
        return (*inner, *numbers, *transposed(tuple(left)))

    def _rows(self, node: Term) -> Length:
        return (self.shapes.of(node) or (ONE, ONE))[0]

    def _identity(self, length: Length) -> Diag:
        return Diag(Ones(length_term(length)))

    # --- a product as a person writes it ---

    def joined(self, of: Sym, factors: Factors) -> Term:
        """The product: numbers in front, neighbouring diagonal matrices joined, a diagonal matrix before a column or after
        a row multiplied in; of nothing, the identity."""
        opened = [part for factor in factors for part in self._opened(factor)]
        numbers = [factor for factor in opened if self._is_number(factor)]
        matrices: list[Term] = []
        for factor in (factor for factor in opened if factor not in numbers):
            if matrices and (both := self._met(matrices[-1], factor)) is not None:
                matrices[-1] = both
            else:
                matrices.append(factor)
        if not matrices and self.length(of) != ONE and not self.is_matrix(of):
            matrices = [self.identity(of)]
        return self.tidy.matrix_product(MatMul((*numbers, *matrices))) if numbers or matrices else term(1)

    def _opened(self, factor: Term) -> list[Term]:
        """A factor that is itself a product, or divided by a number, taken apart."""
        if isinstance(factor, Div) and factor.above != term(1) and self._is_number(factor.below):
            return [*self._opened(factor.above), Div(term(1), factor.below)]
        return [part for each in factor.args for part in self._opened(each)] if isinstance(factor, MatMul) else [factor]

    def _met(self, left: Term, right: Term) -> Term | None:
        """Two neighbours as one, where one of them is diagonal."""
        if isinstance(left, Diag) and isinstance(right, Diag):
            return Diag(self._times(left.arg, right.arg))
        if isinstance(left, Diag) and self._columns(right) == ONE:
            return self._times(left.arg, right)
        if isinstance(right, Diag) and isinstance(left, Transpose) and self._columns(left.arg) == ONE:
            return Transpose(self._times(left.arg, right.arg))
        return None

    def _columns(self, node: Term) -> Length | None:
        if any(isinstance(part, Partial) for part in walk(node)):
            return None
        found = self.shapes.of(node)
        return found[1] if found else None

    def _times(self, *factors: Term) -> Term:
        """The elementwise product without ones, what divides below."""
        flat: list[Term] = []
        for factor in factors:
            above, below = (factor.above, [Div(term(1), factor.below)]) if isinstance(factor, Div) else (factor, [])
            flat += [*([] if isinstance(above, Ones) or above == term(1) else [above]), *below]
        return self.tidy.elementwise(Hadamard(tuple(flat))) if flat else factors[0]


def _entries(node: Term) -> Term | None:
    """The diagonal of a diagonal matrix, with its sign; None of another."""
    if isinstance(node, Neg):
        inner = _entries(node.arg)
        return None if inner is None else Neg(inner)
    return node.arg if isinstance(node, Diag) else None


def _has_adjoint(node: Term) -> bool:
    return any(isinstance(part, Adj) for part in walk(node))


def _place(args: tuple[Term, ...]) -> int:
    """Which of several factors has the adjoint in it."""
    return next(k for k, arg in enumerate(args) if _has_adjoint(arg))
