"""Who is matched with whom, for many small groups at once."""

import numpy as np
from jaxtyping import Float64, Int64
from scipy.optimize import linear_sum_assignment


def assign_pairs(
    cost: Float64[np.ndarray, "cell row column"],
) -> tuple[Int64[np.ndarray, "cell pair"], Int64[np.ndarray, "cell pair"]]:
    """Find the rows and columns of the `min(row, column)` pairs of least cost, for every cell.

    Of several cheapest assignments it takes the one that `scipy.optimize.linear_sum_assignment` takes: on a line they
    are the rule and not the exception, and distances are scored on the pairs that azimuth has made.
    """
    _, rows, columns = cost.shape
    if rows > columns:
        column, row = assign_pairs(cost.transpose(0, 2, 1))
        return row, column
    if rows == 1:
        return np.zeros((len(cost), 1), dtype=np.int64), cost[:, 0].argmin(axis=1)[:, None]
    if rows == columns == 2:
        first = _first_column(cost)[:, None]
        return np.tile(np.arange(2), (len(cost), 1)), np.concatenate([first, 1 - first], axis=1)
    pairs = [linear_sum_assignment(group) for group in cost]
    return np.stack([row for row, _ in pairs]), np.stack([column for _, column in pairs])


def _first_column(cost: Float64[np.ndarray, "cell 2 2"]) -> Int64[np.ndarray, "cell"]:
    """The first row's column: its cheapest one, unless the whole gets cheaper with the other."""
    cheapest = cost[:, 0].argmin(axis=1)
    cells = np.arange(len(cost))
    straight = cost[cells, 0, cheapest] + cost[cells, 1, 1 - cheapest]
    swapped = cost[cells, 0, 1 - cheapest] + cost[cells, 1, cheapest]
    first: Int64[np.ndarray, "cell"] = np.where(swapped < straight, 1 - cheapest, cheapest)
    return first
