"""Roughness for drawn surfaces: a square of noise that repeats without a seam."""

import numpy as np
from jaxtyping import Float, Float32

TILE = 256


def build_noise_tile(rng: np.random.Generator, slope: float = 1.2) -> Float32[np.ndarray, "256 256"]:
    """Draw noise of mean 0 and deviation 1 whose spectrum falls with the frequency to the power of `slope`."""
    rows, columns = np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None, :]
    frequency = np.hypot(rows, columns)
    frequency[0, 0] = np.inf
    phases = rng.standard_normal(frequency.shape) + 1j * rng.standard_normal(frequency.shape)
    tile = np.fft.irfft2(phases / frequency**slope, s=(TILE, TILE))
    return np.asarray(tile / tile.std(), dtype=np.float32)


def sample_tile(
    tile: Float32[np.ndarray, "256 256"], across: Float[np.ndarray, "*pixel"], down: Float[np.ndarray, "*pixel"]
) -> Float[np.ndarray, "*pixel"]:
    """Sample the tile at places counted in its cells, between which it is interpolated; it repeats in all
    directions."""
    across, down = across.astype(np.float32), down.astype(np.float32)
    x, y = np.floor(across), np.floor(down)
    right, below = across - x, down - y
    column, row = x.astype(np.int32) % TILE, y.astype(np.int32) % TILE
    corner = row * TILE + column
    next_column = (column + 1) % TILE - column
    next_row = ((row + 1) % TILE - row) * TILE
    flat = tile.reshape(-1)
    upper = flat[corner] * (1 - right) + flat[corner + next_column] * right
    corner += next_row
    lower = flat[corner] * (1 - right) + flat[corner + next_column] * right
    return np.asarray(upper * (1 - below) + lower * below)
