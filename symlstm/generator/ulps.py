"""The functions of `accuracy="ulp"`: the forms of the table of activations, as functions at the head of a module."""

from __future__ import annotations

import re
from collections.abc import Iterator

from symlstm.activations import Activation, activation
from symlstm.generator.codes import OWN, Code, parsed
from symlstm.generator.targets import NUMPY, Target

IN_DOUBLE = '''def in_double(function):
    """A function of doubles for arrays of any dtype: what is given is made double, what is found is rounded once."""
    def applied(x, out=None):
        found = function(np.asarray(x, np.float64))
        if out is None:
            return found.astype(np.asarray(x).dtype, copy=False)
        out[...] = found
        return out
    return applied
'''
FUNCTION = '''{above}def {name}(x):
    """{what}, within {bound}."""
{lines}    return {value}
'''
# of each target: in NumPy float32 is computed in float64, and XLA takes subnormal numbers for 0
BOUND = {
    "numpy": "{:g} ulp for every x", "torch": "{:g} ulp for every x in float64", "jax": "a few ulp in float64, down to 1e-300",
}


def called(source: str, target: Target = NUMPY) -> str:
    """The functions that a module calls, to stand before it; "" if it calls none.

    >>> print(called("f = sigma_ulp(z)").partition("@in_double\\n")[2], end="")
    def sigma_ulp(x):
        \"\"\"sigma(x), within 2.5 ulp for every x.\"\"\"
        e = np.exp(-np.abs(x))
        y = e - e * e / (1 + e)
        return np.where(x >= 0, 1 - y, y)
    """
    names = dict.fromkeys(re.findall(rf"\b(\w+?)((?:_slope)?){OWN}\(", source))
    double = [IN_DOUBLE] * (target.name == "numpy")
    found = [_function(activation(name), bool(slope), target) for name, slope in names]
    return "\n\n".join((*double, *found)) if found else ""


def _function(row: Activation, slope: bool, target: Target) -> str:
    *parts, (_, value) = lines(row.ulp_slope if slope else row.ulp)
    double = target.name == "numpy"
    return FUNCTION.format(
        above="@in_double\n" * double, bound=BOUND[target.name].format(row.ulps[slope]),
        name=f"{row.name}{'_slope' * slope}{OWN}", what=f"{row.name}{chr(39) * slope}(x)",
        lines="".join(f"    {name} = {target.infix(code)}\n" for name, code in parts), value=target.infix(value))


def lines(form: str) -> Iterator[tuple[str, Code]]:
    """The parts of a form by name, and last, under no name, the value.

    >>> [(name, str(code)) for name, code in lines("e = exp(x); 1 + e")]
    [('e', 'np.exp(x)'), ('', 'np.add(1, e)')]
    """
    for line in form.split("; "):
        name, _, formula = line.rpartition(" = ")
        yield name, parsed(formula, {})
