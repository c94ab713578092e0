"""The functions of `accuracy="ulp"`: the forms of the table of activations as functions at the head of a module."""

from __future__ import annotations

import re
from collections.abc import Iterator

from symlstm.activations import Activation, activation
from symlstm.generator.codes import OWN, Code, infix, parsed

IN_DOUBLE = '''
def in_double(function):
    """A function of doubles for arrays of any dtype: what is given is made double, what is found is rounded once."""
    def applied(x, out=None):
        found = function(np.asarray(x, np.float64))
        if out is None:
            return found.astype(np.asarray(x).dtype, copy=False)
        out[...] = found
        return out
    return applied

'''
FUNCTION = '''
@in_double
def {name}(x):
    """{what}, within {ulps} ulp for every x."""
{lines}
    return {value}

'''


def called(source: str) -> str:
    """The functions that a module calls, to stand before it; "" if it calls none.

    >>> print(called("f = sigma_ulp(z)").partition("@in_double\\n")[2].strip())
    def sigma_ulp(x):
        \"\"\"sigma(x), within 2.5 ulp for every x.\"\"\"
        e = np.exp(-np.abs(x))
        y = e - e * e / (1 + e)
        return np.where(x >= 0, 1 - y, y)
    """
    names = dict.fromkeys(re.findall(rf"\b(\w+?)((?:_slope)?){OWN}\(", source))
    found = [_function(activation(name), bool(slope)) for name, slope in names]
    return IN_DOUBLE + "".join(found) + "\n" if found else ""


def _function(row: Activation, slope: bool) -> str:
    *parts, (_, value) = lines(row.ulp_slope if slope else row.ulp)
    return FUNCTION.format(
        name=f"{row.name}{'_slope' * slope}{OWN}", what=f"{row.name}{chr(39) * slope}(x)", ulps=row.ulps[slope],
        lines="\n".join(f"    {name} = {infix(code)}" for name, code in parts), value=infix(value))


def lines(form: str) -> Iterator[tuple[str, Code]]:
    """The parts of a form by name, and last, under no name, the value.

    >>> [(name, str(code)) for name, code in lines("e = exp(x); 1 + e")]
    [('e', 'np.exp(x)'), ('', 'np.add(1, e)')]
    """
    for line in form.split("; "):
        name, _, formula = line.rpartition(" = ")
        yield name, parsed(formula, {})
