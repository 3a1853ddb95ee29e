"""The exact result at every float32 input: polynomials through numbers of the oracle.

All that is known here of a function is what ``benchmarks.oracle`` says at single points, so a
mistake in the catalogue's stable forms, or in a kernel's coefficients, cannot be shared.

The bits of a positive float32 count upwards with it, and within a binade (one exponent) x is
linear in them. So a binade is cut into pieces of a power of two of neighbours; through each goes
a polynomial of degree 15, by mpmath's values at nodes that are exact in float64. It is held
against mpmath's at further points, and a piece that does not keep 13 digits there is cut again.
Pieces are then written as blocks of 4,096 neighbours with 8 coefficients each, so that the values
of 64 blocks are one matrix product: 0.8 ns an input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import mpmath
import numpy as np

from benchmarks import oracle

BLOCK = 1 << 12  # neighbours that share a polynomial
BINADE = 1 << 23
BINADES = 255  # exponents of finite numbers; 0 are the subnormal ones
_COEFFICIENTS = 8
_TOLERANCE = 1e-13  # relative; half an ulp of float32 is 3e-8
_OVER, _UNDER = 1e39, 2.0**-152  # beyond them float32 has infinity and 0
_CLIP = 1e300
_MANY = 64  # blocks of one binade without a polynomial: something is wrong

# Blocks of neighbours are longer than a period from here on, and no polynomial follows. What does
# is the C library's, tried at some points of every binade.
_WAVES_FROM = 127 + 4
_WAVES: dict[tuple[str, str], Callable[[np.ndarray], np.ndarray]] = {
    ("sine", "value"): np.sin,
    ("sine", "derivative"): np.cos,
    ("snake", "value"): lambda x: x + np.sin(x) ** 2,
    ("snake", "derivative"): lambda x: (np.sin(x) + np.cos(x)) ** 2,
}


@dataclass
class Piece:
    """A polynomial over ``size`` neighbours from ``start`` on, by Chebyshev's, in longdouble."""

    start: int
    size: int
    powers: np.ndarray


@dataclass
class Binade:
    """The exact results of one sign and exponent, ready to be multiplied out.

    Attributes:
        powers: ``powers[block, n]``, the coefficients of Chebyshev's polynomials.
        exceptions: place in the binade -> result, where no polynomial holds (at a kink).
    """

    powers: np.ndarray
    exceptions: dict[int, float]

    def values(self, first: int, count: int) -> np.ndarray:
        """Exact results of ``count`` blocks from block ``first`` on, rounded to float64."""
        result = (self.powers[first : first + count] @ _block_matrix()).reshape(-1)
        start = first * BLOCK
        for place, value in self.exceptions.items():
            if start <= place < start + result.size:
                result[place - start] = value
        return result

    def at(self, places: np.ndarray) -> np.ndarray:
        """Exact results at single places of the binade."""
        t = (places % BLOCK) * (2.0 / BLOCK) - 1.0
        powers = self.powers[places // BLOCK]
        result = np.sum(powers * _chebyshev(t, _COEFFICIENTS).T, axis=1)
        for i in np.flatnonzero(np.isin(places, list(self.exceptions))):
            result[i] = self.exceptions[int(places[i])]
        return result


class Waves:
    """A binade of a periodic function, likewise."""

    def __init__(self, sign: int, exponent: int, wave: Callable[[np.ndarray], np.ndarray]) -> None:
        self._sign, self._exponent, self._wave = sign, exponent, wave

    def values(self, first: int, count: int) -> np.ndarray:
        return self.at(np.arange(first * BLOCK, (first + count) * BLOCK))

    def at(self, places: np.ndarray) -> np.ndarray:
        return self._wave(floats(self._sign, self._exponent, places).astype(np.float64))


def floats(sign: int, exponent: int, places: np.ndarray) -> np.ndarray:
    """The float32 at places of a binade."""
    bits = np.uint32((sign << 31) | (exponent << 23)) + places.astype(np.uint32)
    return bits.view(np.float32)


class Reference:
    """Exact values or derivatives of the activation that ``text`` names.

    Args:
        which: "value" or "derivative".
        kinks: where one input has a result of its own.
    """

    def __init__(self, text: str, which: str, kinks: tuple[float, ...] = ()) -> None:
        self._which = which
        self._exact: Callable[[str, np.ndarray], oracle.Exact] = getattr(oracle, which)
        self._text = text
        self._kinks = {*kinks, 0.0}
        self.points = 0  # asked of mpmath

    def exact(self, points: np.ndarray) -> oracle.Exact:
        """mpmath's own word, at a few points."""
        self.points += len(points)
        return self._exact(self._text, points)

    def binade(self, sign: int, exponent: int) -> Binade | Waves:
        wave = _WAVES.get((self._text, self._which))
        if wave is not None and exponent >= _WAVES_FROM:
            return self._tried(Waves(sign, exponent, wave), sign, exponent)
        pieces: list[Piece] = []
        exceptions: dict[int, float] = {}
        waiting = [(0, BINADE)]
        while waiting:
            start, size = waiting.pop()
            piece = self._fitted(sign, exponent, start, size)
            if piece is not None:
                pieces.append(piece)
            elif size > BLOCK:
                part = max(size // 8, BLOCK)
                waiting += [(at, part) for at in range(start, start + size, part)]
            else:  # every one of them by itself
                pieces.append(Piece(start, size, np.zeros(1, np.longdouble)))
                places = np.arange(start, start + size)
                exact = self.exact(floats(sign, exponent, places)).high
                exceptions |= dict(zip(places.tolist(), exact.tolist(), strict=True))
                if len(exceptions) > _MANY * BLOCK:
                    raise ArithmeticError(f"{self._text}: no polynomial at exponent {exponent}")
        pieces.sort(key=lambda piece: piece.start)
        powers = np.concatenate([_in_blocks(piece) for piece in pieces])
        for kink in self._kinks:
            at = np.float32(-abs(kink) if sign else abs(kink))
            bits = int(at.view(np.uint32))
            if (kink == 0 or float(at) == kink) and (bits >> 23) & 255 == exponent:
                place = bits & (BINADE - 1)
                exceptions[place] = float(self.exact(np.array([at])).high[0])
        return Binade(powers, exceptions)

    def _tried(self, binade: Waves, sign: int, exponent: int) -> Waves:
        places = np.random.default_rng(exponent).integers(0, BINADE, 16)
        exact = self.exact(floats(sign, exponent, places)).high
        if np.any(np.abs(binade.at(places) - exact) > 1e-11 * np.abs(exact)):
            raise ArithmeticError(f"{self._text}: the C library is off at exponent {exponent}")
        return binade

    def _fitted(self, sign: int, exponent: int, start: int, size: int) -> Piece | None:
        # Far from 1 functions are lines, powers or settled: five nodes tell.
        near = 127 - 20 < exponent < 127 + 8
        for count in (16,) if near else (5, 16):
            piece = self._through(sign, exponent, start, size, count)
            if piece is not None:
                return piece
        return None

    def _through(self, sign: int, exponent: int, start: int, size: int, count: int) -> Piece | None:
        """The piece by so many nodes, or None if it does not hold between them."""
        nodes, to_powers = _nodes(count)
        between = _between(count)
        t = np.concatenate([nodes, between])
        exact = self.exact(_points(sign, exponent, start, size, t))
        size_of = np.abs(exact.high)
        if np.all(size_of > _OVER) or np.all(size_of < _UNDER):
            constant = np.where(size_of[0] > 1, np.sign(exact.high[0]) * _CLIP, 0.0)
            return Piece(start, size, np.array([constant], np.longdouble))
        changes_sign = bool(np.any(exact.high > 0) and np.any(exact.high < 0))
        if not np.all(size_of < _CLIP) or (changes_sign and size > BLOCK):
            return None  # the digits that count are those of the small ones, beside a root
        values = exact.high.astype(np.longdouble) + exact.low
        powers = to_powers @ values[:count]
        away = np.abs(powers @ _chebyshev(between, count) - values[count:])
        held = away <= _TOLERANCE * np.maximum(np.abs(values[count:]), 2.0**-150)
        return Piece(start, size, powers) if np.all(held) else None


def _points(sign: int, exponent: int, start: int, size: int, t: np.ndarray) -> np.ndarray:
    """x at ``t`` in [-1, 1) of a piece, exact in float64."""
    places = start + (np.asarray(t, np.float64) + 1) * (size / 2)
    lead = BINADE if exponent else 0
    size_of = np.ldexp(lead + places, max(exponent, 1) - 127 - 23)
    return -size_of if sign else size_of


def _in_blocks(piece: Piece) -> np.ndarray:
    """The same polynomial over each block of the piece: ``[block, n]`` in float64."""
    count = piece.size // BLOCK
    if len(piece.powers) == 1:
        powers = np.zeros((count, _COEFFICIENTS))
        powers[:, 0] = piece.powers[0]
        return powers
    nodes, to_powers = _nodes(_COEFFICIENTS)
    centres = (2 * np.arange(count) + 1) / np.longdouble(count) - 1
    t = centres[:, None] + nodes / np.longdouble(count)
    values = np.tensordot(piece.powers, _chebyshev(t, len(piece.powers)), 1)
    return (values @ to_powers.T).astype(np.float64)


def _chebyshev(t: np.ndarray, count: int) -> np.ndarray:
    """Chebyshev's polynomials T_0 ... T_(count-1) at ``t``."""
    rows = [np.ones_like(t), t]
    while len(rows) < count:
        rows.append(2 * t * rows[-1] - rows[-2])
    return np.stack(rows[:count])


@cache
def _nodes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Chebyshev's nodes, rounded to 2^-20 so that their x are exact, and the matrix that makes
    coefficients of values there; in longdouble."""
    angles = (np.arange(count) + 0.5) * np.pi / count
    nodes = (np.round(np.cos(angles) * 2.0**20) / 2.0**20).astype(np.longdouble)
    with mpmath.workdps(50):
        rows = mpmath.matrix(count, count)
        for i, node in enumerate(nodes):
            for n in range(count):
                rows[i, n] = mpmath.chebyt(n, mpmath.mpf(float(node)))
        inverse = rows**-1
        exact = oracle.Exact([inverse[i, n] for i in range(count) for n in range(count)])
    matrix = exact.high.astype(np.longdouble) + exact.low
    return nodes, matrix.reshape(count, count)


@cache
def _between(count: int) -> np.ndarray:
    """Where a piece is tried: next to both ends, and between nodes in the middle."""
    nodes = np.sort(np.asarray(_nodes(count)[0], np.float64))
    gaps = [(a + b) / 2 for a, b in pairwise(nodes)]
    points = [-1 + 2.0**-10, gaps[len(gaps) // 3], gaps[len(gaps) // 2], 1 - 2.0**-10]
    return np.round(np.array(points) * 2.0**20) / 2.0**20


@cache
def _block_matrix() -> np.ndarray:
    t = np.arange(BLOCK) * (2.0 / BLOCK) - 1.0
    return np.ascontiguousarray(_chebyshev(t, _COEFFICIENTS))
