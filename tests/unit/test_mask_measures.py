import numpy as np
import pytest

from workers.mask.measures import boundary_f, calibration_error, iou, reliability


def box(left: int, right: int, *, top: int = 20, bottom: int = 80) -> np.ndarray:
    mask = np.zeros((100, 100), np.uint8)
    mask[top:bottom, left:right] = 255
    return mask


def test_iou_of_two_boxes_that_share_half_is_a_third() -> None:
    assert iou(box(10, 50), box(30, 70)) == pytest.approx(1 / 3)
    assert iou(box(10, 50), box(10, 50)) == 1
    assert iou(box(10, 30), box(50, 70)) == 0
    assert iou(box(0, 0), box(0, 0)) == 1


def test_boundary_f_forgives_a_shift_within_its_tolerance_and_no_larger_one() -> None:
    # 100 × 100 pixels: the tolerance is .8 % of a diagonal of 141, rounded up to 2 pixels.
    assert boundary_f(box(20, 60), box(22, 62)) == 1
    # Moved by 20, only the upper and lower sides match: each 40 long, 18 from 22 to 60 and the tolerance at the ends.
    moved = boundary_f(box(20, 60), box(40, 80))
    assert 0.1 < moved < 0.35
    assert boundary_f(box(20, 60), box(0, 0)) == 0
    assert boundary_f(box(0, 0), box(0, 0)) == 1


def test_an_outline_cut_by_the_frame_does_not_run_along_the_frame() -> None:
    cut = box(0, 100, top=0, bottom=100)
    assert boundary_f(cut, cut) == 1
    assert boundary_f(box(0, 50, top=0, bottom=100), box(0, 52, top=0, bottom=100)) == 1


def test_reliability_compares_what_was_said_with_what_was_right() -> None:
    bins = reliability([0.9, 0.9, 0.9, 0.9, 0.1, 0.1], [True, True, True, False, False, False])
    assert [(row.count, round(row.confidence, 2), row.right) for row in bins] == [(2, 0.1, 0.0), (4, 0.9, 0.75)]
    assert calibration_error(bins) == pytest.approx((2 * 0.1 + 4 * 0.15) / 6)
