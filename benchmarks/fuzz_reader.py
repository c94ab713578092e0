r"""A coverage-guided fuzz run of the reader, and with `--judge` of the judge behind it. Some minutes, not a quick test.

    pip install '.[fuzz]'
    python benchmarks/fuzz_reader.py -max_total_time=240 CORPUS_FOLDER
    python benchmarks/fuzz_reader.py --judge -max_total_time=240

Whatever the text, a formula is read or refused by a `SymlstmError`, and a document gets verdicts; any other exception, a
text that takes longer than 5 seconds, or more than 500 MB is a finding. Arguments after `--judge` are libFuzzer's.
"""

from __future__ import annotations

import sys
from contextlib import suppress

import atheris

with atheris.instrument_imports(include=["symlstm.reader", "symlstm.claims", "lark"]):
    from symlstm.algebra import SymlstmError, plain
    from symlstm.claims.proofreading import FAILED, proofread
    from symlstm.definitions.pages import Page
    from symlstm.reader import formulas, read_all, survey

LANGUAGE = r"""
\frac \partial \delta \sigma \tanh \odot \cdot \top \sum \prod \left( \right) \begin{bmatrix} \end{bmatrix} \\ & \tag{1}
\mathbb{R} \in \text{if} \hat \tilde \mathbf \underbrace \quad \le \max \lim \to \infty \begin{cases} \end{cases} \|
_t ^{(t)} _{t-1} ^{t+1} ^T ' _{ ^{ { } ( ) [ ] | = + - * / , . ; ! % $$ $ \[ \] \begin{align} \end{align} δ ₜ ᵀ ⊙ h̃
h c x W U b f i o g L E T t s k n m 0 1 2 0.5 1000 tanh softmax diag dh dc ReLU log
"""
SPACED = (" ", "\n", "\n\n", "$$ ", " $$\n\n", r" \tag{2} $$", "<!-- cell: lstm -->", "<!-- vectors: rows -->")
WORDS = (*LANGUAGE.split(), *SPACED)  # so that bytes become formulas
DEFINITIONS = r"$$ h_t = \tanh(W x_t + U h_{t-1} + b) $$" + "\n\n$$ L = \\sum_t L_t $$\n\n"
JUDGE = "--judge" in sys.argv


def made(data: bytes) -> str:
    """A text out of the fuzzer's bytes: each a word of the language, or after 255 a character of its own."""
    source, words = iter(data), []
    for byte in source:
        words.append(chr(next(source, 65)) if byte == 255 else WORDS[byte % len(WORDS)])
    return "".join(word + " " * word[1:].isalpha() for word in words)


def one(data: bytes) -> None:
    """Read one text; nothing but a `SymlstmError` may come out of it."""
    text = made(data)
    if JUDGE:
        with suppress(SymlstmError):
            proof = proofread(Page("", DEFINITIONS + "$$ " + text + r" \tag{9} $$"))
            broken = [line for each in proof.verdicts for line in each.warnings if line.startswith(FAILED)]
            assert not broken, broken
        return
    for kind in ("md", "tex"):
        try:
            found = formulas(text, kind)
        except SymlstmError:
            continue
        conventions = survey([formula.text for formula in found])
        for formula in (*found, text):
            with suppress(SymlstmError):
                for each in read_all(formula, conventions):
                    plain(each)


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv if argument != "--judge"]
    atheris.Setup([*arguments, "-timeout=5", "-rss_limit_mb=1500", "-max_len=400"], one)
    atheris.Fuzz()
