"""The targets of functional code: a row of a table each."""

from __future__ import annotations

from symlstm.generator.targets.jax import JAX
from symlstm.generator.targets.mpmath import MPMATH
from symlstm.generator.targets.numba import NUMBA
from symlstm.generator.targets.numpy import NUMPY
from symlstm.generator.targets.target import Target
from symlstm.generator.targets.torch import TORCH

TARGETS: dict[str, Target] = {target.name: target for target in (NUMPY, NUMBA, JAX, TORCH, MPMATH)}
