"""Fits the confidence of masks to how many of them are right: logistic regression with a small penalty.

J. Platt, "Probabilistic Outputs for Support Vector Machines", 1999, over several figures in place of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from workers.mask.confidence import Evidence

PENALTY = 0.5
"""Of the squared factors, so that figures which say nothing here get no weight."""


def fit_confidence(evidence: Sequence[Evidence], right: Sequence[bool]) -> tuple[float, ...]:
    """Return the offset and a factor for each field of ``Evidence`` that make what was right most likely."""
    rows = np.column_stack((np.ones(len(evidence)), np.array([astuple(one) for one in evidence], np.float64)))
    signs = np.where(np.asarray(right, np.bool_), 1.0, -1.0)

    def cost(factors: npt.NDArray[np.float64]) -> float:
        unlikely = np.logaddexp(0, -signs * (rows @ factors)).sum()
        return float(unlikely + PENALTY * (factors[1:] ** 2).sum() / 2)

    fitted = minimize(cost, np.zeros(rows.shape[1]), method="BFGS").x
    return tuple(round(float(factor), 2) for factor in fitted)
