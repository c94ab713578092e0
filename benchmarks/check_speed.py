r"""What `symlstm check` of a document of 50 formulas costs, as a ratio to `import sympy`; fresh processes that take turns.

    python benchmarks/check_speed.py

The goal is at most 10 times, everything included: the start of Python, all imports, reading, judging and printing. Of a wrong
claim the nearest right formula is searched too, so a document with mistakes in it is timed beside one without.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import sympy
from timing import side_by_side, surroundings, table

import symlstm

FORMULAS = 50
ACTIVATIONS = {"f": r"\sigma", "i": r"\sigma", "o": r"\sigma", "g": r"\tanh"}
ADJOINTS = {
    "f": r"\delta c_t \odot c_{t-1}",
    "i": r"\delta c_t \odot g_t",
    "o": r"\delta h_t \odot \tanh(c_t)",
    "g": r"\delta c_t \odot i_t",
}
SLOPES = {"f": r"f_t \odot (1 - f_t)", "i": r"i_t \odot (1 - i_t)", "o": r"o_t \odot (1 - o_t)", "g": "(1 - g_t^2)"}
MISTAKES = (("(1 - g_t^2)", r"(1 - \tanh^2(g_t))"), (r"h_{t-1}^\top", r"h_t^\top"), (r"\odot c_{t-1} \odot", r"\odot c_t \odot"))


def definitions() -> list[str]:
    """The cell, its loss, and the meaning of the deltas."""
    found = [rf"z_{{{gate},t}} = W_{gate} x_t + U_{gate} h_{{t-1}} + b_{gate}" for gate in ACTIVATIONS]
    found += [rf"{gate}_t = {function}(z_{{{gate},t}})" for gate, function in ACTIVATIONS.items()]
    found += [r"c_t = f_t \odot c_{t-1} + i_t \odot g_t", r"h_t = o_t \odot \tanh(c_t)", r"L = \sum_{t=1}^{T} L_t"]
    named = ["h_t", "c_t", *(f"z_{{{gate},t}}" for gate in ACTIVATIONS)]
    return found + [rf"\delta {name} = \frac{{\partial L}}{{\partial {name}}}" for name in named]


def claims() -> list[str]:
    """Gradients, bounds, and sums over time."""
    found = [r"\delta c_t = \delta c_{t+1} \odot f_{t+1} + \delta h_t \odot o_t \odot (1 - \tanh^2(c_t))"]
    for gate in ACTIVATIONS:
        found += [
            rf"\delta z_{{{gate},t}} = {ADJOINTS[gate]} \odot {SLOPES[gate]}",
            rf"\frac{{\partial L}}{{\partial W_{gate}}} = \sum_{{t=1}}^{{T}} \delta z_{{{gate},t}} x_t^\top",
            rf"\frac{{\partial L}}{{\partial U_{gate}}} = \sum_{{t=1}}^{{T}} \delta z_{{{gate},t}} h_{{t-1}}^\top",
            rf"\frac{{\partial L}}{{\partial b_{gate}}} = \sum_{{t=1}}^{{T}} \delta z_{{{gate},t}}",
            rf"\frac{{\partial L}}{{\partial {gate}_t}} = {ADJOINTS[gate]}",
        ]
    for function, bound in ((r"\sigma", r"\frac14"), (r"\tanh", "1")):
        found += [rf"{function}'(x) \le {bound}", rf"\max_x {function}'(x) = {bound}", rf"{function}'(x) > 0"]
    found += [r"\sigma'(x) = \sigma(x) (1 - \sigma(x))", r"\tanh'(x) = 1 - \tanh^2(x)"]
    through = " + ".join(rf"W_{gate}^\top \delta z_{{{gate},t}}" for gate in ACTIVATIONS)
    found.append(rf"\frac{{\partial L}}{{\partial x_t}} = {through}")
    return [*found, r"\frac{\partial h_t}{\partial o_t} = \mathrm{diag}(\tanh(c_t))"]


def document(mistakes: bool) -> str:
    """A document of 50 formulas."""
    given, said = definitions(), claims()
    said = (said * 2)[: FORMULAS - len(given)]
    if mistakes:
        for right, wrong in MISTAKES:
            said = [line.replace(right, wrong) for line in said]
    tagged = [rf"{line} \tag{{{number}}}" for number, line in enumerate(said, start=1)]
    return "\n\n".join(f"$${line}$$" for line in [*given, *tagged])


def process(*arguments: str) -> Callable[[], object]:
    """A fresh Python process; what it prints is dropped."""
    return lambda: subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, env=os.environ, check=False)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        candidates = {"`import sympy`": process("-c", "import sympy")}
        for name, mistakes in (("50 formulas, all right", False), ("50 formulas, mistakes in some", True)):
            path = Path(folder) / f"{mistakes}.md"
            path.write_text(document(mistakes), encoding="utf-8")
            found = symlstm.check(path)
            wrong = sum(each.verdict != "right" for each in found)
            candidates[f"{name} ({len(found)} claims, {wrong} not right)"] = process("-m", "symlstm.cli", "check", str(path))
        timing = side_by_side(candidates, seconds=20, least=5)
    base, *others = candidates
    rows = [(base, f"{timing.median(base):.2f}", "1")]
    rows += [(name, f"{timing.median(name):.2f}", f"{timing.ratio(name, base):.1f}") for name in others]
    print(f"{surroundings(sympy)}\n\n{table(('process', 'seconds', 'times `import sympy`'), rows)}")


if __name__ == "__main__":
    main()
