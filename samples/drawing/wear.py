# mypy: ignore-errors
"""Sample products that are sewn and worn: sneaker, handbag, backpack, headphones, watch."""

from __future__ import annotations

import math

import materials as m
import shapes as s
from mathutils import Vector


def last(turn: float, rise: float, out: float = 0.0) -> Vector:
    """Return a point of the upper: ``turn`` 0 at the toe, 0.5 at the heel; ``rise`` 0 sole, 1 collar."""
    angle = math.tau * turn
    x, y = math.cos(angle), math.sin(angle)
    wide = 0.5 + 0.07 * math.cos(angle - 0.7)
    foot = Vector((1.5 * math.copysign(abs(x) ** 0.86, x), wide * math.copysign(abs(y) ** 0.72, y), 0.26))
    foot.z += 0.1 * max(0.0, x) ** 3
    collar = Vector(
        (-0.79 + 0.53 * x, 0.27 * math.copysign(abs(y) ** 0.8, y), 1.08 + 0.14 * x + 0.12 * max(0.0, -x) ** 2)
    )
    front = max(0.0, x) ** 1.5
    low = foot + Vector((0.05 * x, 0.04 * y, 0.34 + 0.14 * front))
    high = collar.lerp(foot, 0.3 + 0.12 * front) + Vector((0, 0, 0.02))
    high.z = 0.86 - 0.06 * front
    point = s.bezier((foot, low, high, collar), rise)
    centre = Vector((min(0.9, max(-0.75, point.x)) * 0.9, 0, 0.2))
    return point + (point - centre).normalized() * out


def panel(corners: tuple, material, out: float = 0.014, lift=None):
    """Return a patch of the upper between two turns and two rises; ``lift`` bends its upper edge."""
    left, right, low, high = corners
    bend = lift or (lambda u: 1.0)
    return s.surface(
        lambda u, v: last(left + (right - left) * u, low + (high * bend(u) - low) * v, out),
        material,
        cells=(40, 16),
        thick=0.022,
    )


def sneaker() -> list:
    """A court shoe: leather upper in panels, stitched, laced, on a rubber cup sole."""
    white, navy, tan = (
        m.leather("#ddd7cb", grain=70.0),
        m.leather("#24406b", grain=70.0),
        m.leather("#c98a4c", grain=70.0),
    )
    mesh, rubber, thread = (
        m.fabric("#e6e1d8", weave=34.0),
        m.plastic("#e2dac8", 0.5, 60.0),
        m.plain("#f2eee4", 0.7),
    )
    things = [s.surface(lambda u, v: last(u, v), white, cells=(96, 40), wrap=True)]
    lining = m.fabric("#d9c8b0", weave=40.0)
    inner = [(0.0, 0.0), (0.03, 0.03), (0.06, -0.02), (0.09, -0.2), (0.1, -0.6)]

    def throat(u: float, v: float) -> Vector:
        inward, drop = inner[min(4, int(v * 4.999))]
        edge = last(u, 1.0)
        return edge + (Vector((-0.7, 0, edge.z)) - edge).normalized() * inward + Vector((0, 0, drop))

    things.append(s.surface(throat, lining, cells=(64, 5), wrap=True))
    things.append(s.tube([last(0.08 + 0.84 * i / 40, 1.0) for i in range(41)], 0.042, navy, steps=2))
    things.append(panel((-0.1, 0.1, 0.0, 0.4), white, 0.016, lambda u: 1 - 0.9 * (2 * u - 1) ** 4))
    things.append(panel((0.4, 0.6, 0.0, 0.97), navy, 0.016, lambda u: 1 - 0.55 * (2 * u - 1) ** 2))
    for flip in (1, -1):
        things += shoe_side(flip, (navy, tan, mesh, thread))
    things += laces(thread, white)
    return s.group(things + sole(rubber, tan), at=(0, 0, -0.08), turn=(0, 0, 14))


def shoe_side(flip: int, stuff: tuple) -> list:
    """Return the panels, stripe, eyelets and stitches of one side."""
    navy, tan, _, thread = stuff
    things = [panel((flip * 0.085, flip * 0.2, 0.44, 0.99), tan, 0.018, lambda u: 1 - 0.2 * u * u)]
    for shift in (0.0, 0.046):
        things.append(stripe(flip, shift, navy))
    for k in range(5):
        spot = last(flip * (0.098 + 0.006 * k), 0.53 + 0.098 * k, 0.034)
        ring = s.arc((0, 0, 0), (0.024, 0.024), (0, 340), 12)
        things.append(s.place(s.tube(ring, 0.009, thread, closed=True, steps=2), spot, (60, 0, 0 if flip < 0 else 180)))
    edge = [last(flip * (0.1 + 0.09 * t), 0.455, 0.034) for t in (i / 24 for i in range(25))]
    heel = [last(flip * (0.415 + 0.01 * t), 0.02 + 0.52 * t, 0.034) for t in (i / 20 for i in range(21))]
    toe = [last(flip * 0.092 * t, 0.385 - 0.32 * t**4, 0.032) for t in (i / 24 for i in range(25))]
    return things + [s.dashes(path, thread, radius=0.0055, dash=0.026) for path in (edge, heel, toe)]


def stripe(flip: int, shift: float, hide):
    """Return one of the slanting stripes on a side, narrower towards the collar."""

    def band(u: float, v: float) -> Vector:
        turn = 0.2 + shift + 0.1 * v**1.3 + 0.03 * (1 - 0.35 * v) * u
        return last(flip * turn, 0.04 + 0.76 * v, 0.012)

    return s.surface(band, hide, cells=(10, 32), thick=0.02)


def laces(thread, hide) -> list:
    """Return the tongue and the rungs of lace, their ends tucked in."""

    def tongue(u: float, v: float) -> Vector:
        left, right = last(0.09, 0.5 + 0.5 * v, -0.02), last(-0.09, 0.5 + 0.5 * v, -0.02)
        spot = left.lerp(right, u)
        return spot + Vector((-0.12 * v**3, 0, 0.05 * math.sin(math.pi * u) + 0.14 * v**3))

    things = [s.surface(tongue, hide, cells=(16, 16), thick=0.05)]
    for k in range(5):
        a, b = (last(f * (0.098 + 0.006 * k), 0.53 + 0.098 * k, 0.045) for f in (1, -1))
        path = [a, a.lerp(b, 0.3) + Vector((0.01, 0, 0.05)), a.lerp(b, 0.7) + Vector((-0.01, 0, 0.05)), b]
        things.append(s.sweep(s.spline(path, 8), s.rounded_rectangle(0.055, 0.026, 0.012), thread, side=(1, 0, 0.4)))
    return things


def sole(rubber, tan) -> list:
    """Return the cup sole with its grooves and the outsole beneath."""

    def ring(u: float, grow: float, z: float) -> Vector:
        foot = last(u, 0.0)
        spring = 0.1 * max(0.0, math.cos(math.tau * u)) ** 3
        flat = Vector((foot.x, foot.y, 0))
        return flat + flat.normalized() * grow + Vector((0, 0, z + spring))

    wall = [(0.0, 0.08), (0.05, 0.08), (0.065, 0.12), (0.06, 0.2), (0.066, 0.205), (0.066, 0.225)]
    wall += [(0.06, 0.23), (0.056, 0.34), (0.04, 0.355), (-0.02, 0.34)]
    cup = s.surface(lambda u, v: ring(u, *wall[round(v * 9)]), rubber, cells=(120, 10), wrap=True)
    bed = s.surface(
        lambda u, v: ring(u, (0.06, 0.07, 0.062)[round(v * 2)], (0.08, 0.1, 0.13)[round(v * 2)]),
        tan,
        cells=(120, 3),
        wrap=True,
    )
    line = [ring(i / 120, 0.064, 0.3) for i in range(121)]
    return [cup, bed, s.dashes(line, rubber, radius=0.007, dash=0.04, gap=0.022)]


def handbag() -> list:
    """A structured leather bag: flap with clasp, rolled handle on rings, stitched edges."""
    hide, dark, gold = m.leather("#8c3b2a"), m.leather("#6d2b1e"), m.metal("#d8b068", 0.2, None)
    thread = m.plain("#e3b98a", 0.7)

    def body(u: float, v: float) -> Vector:
        angle = math.tau * u
        x, y = (math.copysign(abs(f(angle)) ** 0.32, f(angle)) for f in (math.cos, math.sin))
        rise = min(1.0, max(0.0, (v - 0.08) / 0.84))
        shrink = 1.0 if 0.08 <= v <= 0.92 else 0.93 if 0.03 < v < 0.97 else 0.0
        bulge = 1 + 0.05 * math.sin(math.pi * rise)
        return Vector(
            (x * (0.86 - 0.12 * rise) * shrink, y * (0.34 - 0.12 * rise) * shrink * bulge, 0.02 + 1.12 * rise)
        )

    things = [s.surface(body, hide, cells=(96, 40), wrap=True)]
    things[0].modifiers.new("soft", "SUBSURF").render_levels = 1

    def flap(u: float, v: float, out: float = 0.0) -> Vector:
        half = (0.755 + 0.02 * v) * (1 - 0.3 * max(0.0, v - 0.62) ** 1.4 * 4)
        path = s.bezier(((0, 0.22, 1.15), (0, 0.02, 1.3), (0, -0.36 - out, 1.3), (0, -0.36 - out, 0.5)), v)
        x = (u - 0.5) * 2
        drop = -0.1 * (1 - x * x) * max(0.0, v - 0.55) * 2
        return Vector((x * half, path.y, path.z + drop))

    things.append(s.surface(flap, hide, cells=(40, 40), thick=0.035))
    rim = [flap(0.03, 0.35 + 0.02 * i, 0.02) for i in range(31)] + [
        flap(0.03 + 0.94 * i / 60, 0.95, 0.02) for i in range(61)
    ]
    rim += [flap(0.97, 0.95 - 0.02 * i, 0.02) for i in range(31)]
    things.append(s.dashes(rim, thread, dash=0.04, gap=0.02, radius=0.008))
    things.append(s.box((0.2, 0.03, 0.13), (0, -0.38, 0.47), gold, bevel=0.014))
    things.append(s.box((0.05, 0.05, 0.07), (0, -0.403, 0.47), gold, bevel=0.014))
    handle = s.arc((0, 0, 1.2), (0.42, 0.55), (6, 174), 30)
    things.append(s.tube(handle, 0.04, dark, steps=2))
    things.append(s.dashes([(x, -0.04, z) for x, _, z in handle[3:-3]], thread, dash=0.04, gap=0.02, radius=0.006))
    for x in (-0.42, 0.42):
        things.append(s.tube(s.arc((x, 0, 1.22), (0.06, 0.075), (0, 345)), 0.014, gold, closed=True, steps=2))
        things.append(s.box((0.13, 0.1, 0.05), (x, 0, 1.165), dark, bevel=0.02))
    for x in (-0.7, 0.7):
        things.append(s.lathe([(0, 0), (0.04, 0), (0.03, 0.03), (0, 0.03)], gold, at=(x, -0.2, -0.01)))
    return things + [strap(x, gold, dark) for x in (-0.79, 0.79)]


def strap(x: float, gold, dark):
    """Return the tab at a side of the bag that a shoulder strap would hang from."""
    return s.tube(s.arc((x, 0, 1.03), (0.06, 0.06), (0, 345)), 0.013, gold, closed=True, steps=2)


def backpack() -> list:
    """A canvas roll-mouth rucksack with a zipped pocket, leather tabs and padded straps."""
    canvas, dark = m.fabric("#50664f", "#42563f", weave=26.0), m.fabric("#38483a", weave=26.0)
    hide, brass, thread = m.leather("#a8683a"), m.metal("#c9a15c", 0.28, None), m.plain("#d9c9a3", 0.8)
    things = [s.cushion((1.3, 0.62, 1.75), (0, 0, 0.9), canvas, radius=0.27, puff=0.06)]
    things.append(s.cushion((1.0, 0.34, 0.8), (0, -0.34, 0.52), canvas, radius=0.15, puff=0.05))
    things.append(s.cushion((1.32, 0.66, 0.24), (0, 0, 0.14), dark, radius=0.1, puff=0.02))
    for x in (-0.69, 0.69):
        things.append(s.cushion((0.14, 0.46, 0.7), (x, 0, 0.5), dark, radius=0.065, puff=0.02))
    lid = s.cushion((1.3, 0.76, 0.3), (0, -0.05, 1.72), canvas, radius=0.13, puff=0.22, turn=(6, 0, 0))
    things.append(lid)
    zipper = [(-0.46, -0.49, 0.72), (-0.36, -0.51, 0.8), (0.36, -0.51, 0.8), (0.46, -0.49, 0.72)]
    things.append(s.tube(s.spline(zipper), 0.022, dark, steps=1))
    things.append(
        s.dashes([p + Vector((0, -0.02, 0)) for p in s.spline(zipper)], brass, dash=0.016, gap=0.012, radius=0.009)
    )
    things += [s.box((0.035, 0.02, 0.13), (0.38, -0.535, 0.735), hide, bevel=0.008)]
    for x in (-0.34, 0.34):
        belt = s.spline([(x, -0.3, 1.86), (x, -0.44, 1.72), (x, -0.45, 1.5), (x, -0.42, 1.2), (x, -0.5, 0.95)], 10)
        things.append(s.sweep(belt, s.rounded_rectangle(0.12, 0.024, 0.01), hide, side=(1, 0, 0)))
        for side in (-0.045, 0.045):
            things.append(s.dashes([p + Vector((side, -0.016, 0)) for p in belt], thread, radius=0.006))
        buckle = [
            (x - 0.09, -0.475, 1.2),
            (x + 0.09, -0.475, 1.2),
            (x + 0.09, -0.485, 1.06),
            (x - 0.09, -0.485, 1.06),
        ]
        things.append(s.tube([p for p in buckle for _ in (0, 1)], 0.013, brass, closed=True, steps=4))
    things.append(s.box((0.34, 0.02, 0.2), (0, -0.522, 0.45), hide, bevel=0.01))
    things.append(s.text("FERN & CO", 0.04, m.plain("#4a2a14", 0.7), at=(0, -0.535, 0.45)))
    patch = [(-0.15, 0.37), (0.15, 0.37), (0.15, 0.53), (-0.15, 0.53), (-0.15, 0.37)]
    things.append(s.dashes([(x, -0.535, z) for x, z in patch], thread, dash=0.022, gap=0.014, radius=0.004))
    loop = s.spline([(-0.16, 0.22, 1.8), (-0.15, 0.24, 1.98), (0, 0.25, 2.05), (0.15, 0.24, 1.98), (0.16, 0.22, 1.8)])
    things.append(s.sweep(loop, s.rounded_rectangle(0.05, 0.08, 0.02), hide, side=(0, 1, 0)))
    for x in (-0.36, 0.36):
        back = s.spline([(x * 0.6, 0.3, 1.7), (x, 0.52, 1.5), (x * 1.25, 0.58, 1.0), (x * 1.6, 0.36, 0.2)], 12)
        things.append(s.sweep(back, s.rounded_rectangle(0.2, 0.06, 0.028), dark, side=(1, 0, 0)))
    return things


def headphones() -> list:
    """Over-ear headphones with a leather band and brushed aluminium yokes."""
    shell, steel = m.plastic("#e4ddd2", 0.42), m.metal("#c9c6c1", 0.22, (1, 1, 40))
    hide, gold = m.leather("#b98a63", grain=38.0, rough=0.5), m.metal("#c79b66", 0.22, None)
    band = s.arc((0, 0, 0.95), (0.78, 0.95), (14, 166), 48)
    things = [s.sweep(band, s.rounded_rectangle(0.24, 0.075, 0.035), shell, side=(0, 1, 0))]
    pad = s.arc((0, 0, 0.95), (0.735, 0.905), (36, 144), 40)
    things.append(s.sweep(pad, s.rounded_rectangle(0.22, 0.1, 0.048), hide, side=(0, 1, 0)))
    for flip in (-1, 1):
        things += ear_cup(flip, shell, (steel, hide, gold))
    return things


def ear_cup(flip: int, shell, trim: tuple) -> list:
    """Return one cup with its cushion, ring, slider and yoke."""
    steel, hide, gold = trim
    dark = m.fabric("#2b2724", weave=50.0)
    outer = [
        (0, 0.26),
        (0.16, 0.262),
        (0.2, 0.25),
        (0.3, 0.235),
        (0.37, 0.17),
        (0.39, 0.08),
        (0.39, 0.02),
        (0.3, 0),
    ]
    cushion = [
        (0.2, 0.0),
        (0.36, -0.01),
        (0.41, -0.06),
        (0.405, -0.13),
        (0.34, -0.19),
        (0.26, -0.17),
        (0.22, -0.1),
    ]
    parts = [s.lathe(outer, shell), s.lathe(cushion, hide), s.lathe([(0.26, -0.08), (0, -0.08)], dark)]
    parts.append(s.lathe([(0.205, 0.252), (0.215, 0.258), (0.225, 0.25), (0.225, 0.24)], gold))
    parts.append(s.lathe([(0.392, 0.0), (0.402, 0.01), (0.402, 0.035), (0.392, 0.045)], gold))
    parts.append(s.lathe([(0.15, 0.26), (0.145, 0.268), (0, 0.27)], steel))
    for part in parts:
        s.place(part, (flip * 0.7, 0, 0.62), (0, flip * 90, 0))
    yoke = [(flip * 0.8, 0.43 * math.cos(a), 0.62 + 0.43 * math.sin(a)) for a in (math.pi * i / 24 for i in range(25))]
    parts.append(s.tube(yoke, 0.026, steel, steps=2))
    parts.append(s.tube([(flip * 0.8, 0, 1.04), (flip * 0.79, 0, 1.12), (flip * 0.76, 0, 1.3)], 0.034, steel))
    for y in (-0.43, 0.43):
        parts.append(s.tube([(flip * 0.8, y * 1.06, 0.62), (flip * 0.8, y * 0.86, 0.62)], 0.045, gold))
    return parts


def watch() -> list:
    """A wristwatch: steel case, blue sunburst dial, applied markers, stitched strap."""
    steel, hide, thread = (
        m.metal("#c6c8cc", 0.2, (1, 1, 30)),
        m.leather("#6b3f22", grain=60.0),
        m.plain("#e0c49a", 0.7),
    )
    dial, mark = m.metal("#1d3f73", 0.35, (40, 1, 1)), m.metal("#eceae4", 0.12, None)
    case = [
        (0, -0.14),
        (0.5, -0.14),
        (0.56, -0.1),
        (0.58, 0.0),
        (0.56, 0.08),
        (0.53, 0.13),
        (0.49, 0.15),
        (0.45, 0.1),
    ]
    parts = [s.lathe([*case, (0.45, 0.07)], steel), s.lathe([(0.46, 0.075), (0, 0.075)], dial)]
    parts.append(s.lathe([(0.535, 0.12), (0.545, 0.135), (0.5, 0.168), (0.47, 0.165)], mark))
    for hour in range(12):
        angle = math.radians(30 * hour)
        wide = 0.045 if hour % 3 == 0 else 0.024
        parts.append(
            s.box(
                (wide, 0.1, 0.02),
                (0.37 * math.sin(angle), 0.37 * math.cos(angle), 0.085),
                mark,
                bevel=0.006,
                turn=(0, 0, -30 * hour),
            )
        )
    for minute in range(60):
        angle = math.radians(6 * minute)
        parts.append(
            s.box(
                (0.005, 0.022, 0.006),
                (0.438 * math.sin(angle), 0.438 * math.cos(angle), 0.08),
                mark,
                bevel=0.001,
                turn=(0, 0, -6 * minute),
            )
        )
    for length, wide, angle in ((0.23, 0.034, -54), (0.34, 0.024, 54)):
        a = math.radians(angle)
        parts.append(
            s.box(
                (wide, length, 0.012),
                (length / 2 * 0.86 * math.sin(a), length / 2 * 0.86 * math.cos(a), 0.1),
                mark,
                bevel=0.005,
                turn=(0, 0, -angle),
            )
        )
    parts.append(
        s.box(
            (0.009, 0.44, 0.008),
            (-0.06, -0.135, 0.115),
            m.plain("#d8452e", 0.4),
            bevel=0.002,
            turn=(0, 0, -24),
        )
    )
    parts.append(s.lathe([(0, 0.13), (0.024, 0.128), (0.028, 0.08)], mark))
    parts.append(s.text("MERIDIAN", 0.06, mark, at=(0, 0.19, 0.079), turn=(0, 0, 0)))
    parts.append(s.text("automatic", 0.034, mark, at=(0, -0.2, 0.079), turn=(0, 0, 0)))
    parts.append(
        s.place(
            s.lathe(
                [(0, 0), (0.07, 0), (0.075, 0.02), (0.075, 0.09), (0.06, 0.1), (0, 0.1)],
                steel,
                ribs=(24, 0.1),
            ),
            (0.57, 0, 0),
            (0, 90, 0),
        )
    )
    for x in (-0.29, 0.29):
        for y in (-1, 1):
            lug = s.spline([(x, y * 0.44, 0.03), (x, y * 0.58, 0.03), (x, y * 0.7, -0.1)], 8)
            parts.append(s.sweep(lug, s.rounded_rectangle(0.09, 0.11, 0.03), steel, side=(1, 0, 0)))
    band = [
        (0, 0.6, -0.04),
        (0, 0.8, -0.2),
        (0, 0.86, -0.55),
        (0, 0.72, -1.0),
        (0, 0.35, -1.32),
        (0, -0.05, -1.4),
    ]
    path = s.spline(
        [*band, (0, -0.4, -1.3), (0, -0.74, -0.98), (0, -0.87, -0.55), (0, -0.8, -0.2), (0, -0.6, -0.04)], 12
    )
    parts.append(s.sweep(path, s.rounded_rectangle(0.46, 0.075, 0.03), hide, side=(1, 0, 0)))
    for x in (-0.19, 0.19):
        outer = [p + (p - Vector((0, 0, -0.62))).normalized() * 0.042 + Vector((x, 0, 0)) for p in path]
        parts.append(s.dashes(outer, thread, dash=0.045, gap=0.03, radius=0.008))
    return s.group(parts, at=(0, 0, 1.05), turn=(68, 0, 0))
