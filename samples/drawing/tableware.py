# mypy: ignore-errors
"""Sample products that are turned, blown or thrown: mug, bottle, teapot, pan, jar, vase, plant."""

from __future__ import annotations

import math
import random

import materials as m
import shapes as s
from mathutils import Vector


def mug() -> list:
    """A stoneware mug whose glaze stops above the bare foot."""
    body = m.glaze("#e9e0cf", "#2f6f74", line=0.1, wobble=0.16)
    inside = m.plain("#e6dcc8", 0.18, coat_weight=0.4)
    wall = [
        (0, 0),
        (0.3, 0),
        (0.36, 0.015),
        (0.4, 0.07),
        (0.425, 0.2),
        (0.43, 0.5),
        (0.425, 0.82),
        (0.43, 0.9),
    ]
    lip = [(0.425, 0.925), (0.41, 0.93), (0.398, 0.915)]
    well = [(0.398, 0.915), (0.39, 0.86), (0.392, 0.5), (0.385, 0.15), (0.3, 0.07), (0, 0.06)]
    ear = [
        (0.4, 0, 0.74),
        (0.52, 0, 0.785),
        (0.66, 0, 0.74),
        (0.72, 0, 0.58),
        (0.69, 0, 0.4),
        (0.58, 0, 0.26),
    ]
    ring = s.sweep(s.spline([*ear, (0.4, 0, 0.22)], 12), s.rounded_rectangle(0.13, 0.062, 0.03), body, side=(0, 1, 0))
    coffee = s.lathe([(0.389, 0.72), (0.38, 0.716), (0, 0.716)], m.plain("#2a1409", 0.06, coat_weight=1.0))
    return s.group([s.lathe(wall + lip, body), s.lathe(well, inside), ring, coffee], turn=(0, 0, -28))


def bottle() -> list:
    """An insulated bottle, powder coated, with a steel collar and a carrying loop."""
    coat, steel, cap = m.plastic("#d9553b", 0.4), m.metal("#c9cbd0", 0.24), m.plastic("#25282c", 0.5)
    body = [
        (0, 0),
        (0.33, 0),
        (0.33, 0),
        (0.36, 0.03),
        (0.365, 0.1),
        (0.365, 1.32),
        (0.35, 1.45),
        (0.28, 1.58),
    ]
    things = [s.lathe([*body, (0.245, 1.66), (0.245, 1.7), (0.245, 1.7), (0.2, 1.7)], coat)]
    things.append(s.lathe([(0.366, 0.0), (0.37, 0.02), (0.37, 0.1), (0.366, 0.11), (0.3, 0.11)], steel))
    things.append(s.lathe([(0.25, 1.7), (0.252, 1.7), (0.252, 1.755), (0.252, 1.755), (0.2, 1.755)], steel))
    lid = [
        (0.262, 1.757),
        (0.268, 1.765),
        (0.268, 1.765),
        (0.268, 1.96),
        (0.255, 1.985),
        (0.2, 1.99),
        (0, 1.99),
    ]
    things.append(s.lathe(lid, cap, ribs=(48, 0.03)))
    loop = [
        (-0.24, 0, 1.9),
        (-0.25, 0, 2.06),
        (-0.15, 0, 2.22),
        (0.0, 0, 2.25),
        (0.15, 0, 2.22),
        (0.25, 0, 2.06),
    ]
    path = s.spline([*loop, (0.24, 0, 1.9)], 10)
    things.append(s.sweep(path, s.rounded_rectangle(0.13, 0.05, 0.022), cap, side=(0, 1, 0)))
    white = m.plain("#f6efe4", 0.6)
    things.append(s.text("TARN", 0.17, white, at=(0, 0, 0.98), round_=0.366))
    things.append(s.text("mountain water co.", 0.052, white, at=(0, 0, 0.83), round_=0.366))
    peaks = [(-0.17, 1.14), (-0.06, 1.3), (0.0, 1.22), (0.07, 1.34), (0.18, 1.14)]
    ridge = s.spline([(0.37 * math.sin(x / 0.37), -0.37 * math.cos(x / 0.37), z) for x, z in peaks for _ in (0, 1)], 8)
    things.append(s.tube(ridge, 0.011, white, steps=1))
    return s.group(things, turn=(0, 0, 4))


def teapot() -> list:
    """A celadon teapot with a cane handle over the top."""
    pot, cane = m.glaze("#7fa08d", "#3f6f66", line=-0.3, wobble=0.22), m.wood("#c89a5e", "#7a4a22")
    brass = m.metal("#b88a4a", 0.28, None)
    body = [
        (0, 0),
        (0.34, 0),
        (0.36, 0.02),
        (0.36, 0.05),
        (0.5, 0.14),
        (0.63, 0.33),
        (0.645, 0.45),
        (0.58, 0.64),
    ]
    things = [s.lathe([*body, (0.42, 0.77), (0.29, 0.82), (0.27, 0.84), (0.25, 0.82)], pot)]
    lid = [
        (0.275, 0.835),
        (0.285, 0.85),
        (0.25, 0.885),
        (0.14, 0.93),
        (0.05, 0.945),
        (0.045, 0.97),
        (0.075, 1.0),
    ]
    things.append(s.lathe([*lid, (0.08, 1.03), (0.05, 1.06), (0, 1.065)], pot))
    spout = [
        (0.5, 0, 0.3, 1.9),
        (0.66, 0, 0.36, 1.55),
        (0.8, 0, 0.5, 1.15),
        (0.9, 0, 0.68, 0.9),
        (1.02, 0, 0.8, 0.82),
    ]
    things.append(s.tube(spout, 0.088, pot))
    things.append(s.tube([(1.0, 0, 0.782), (1.024, 0, 0.803)], 0.058, m.plain("#14211d", 0.6)))
    arch = s.arc((0, 0, 0.7), (0.5, 0.72), (12, 168))
    things.append(s.tube(arch, 0.04, cane, steps=3))
    for k in range(26):
        i = 5 + k * 0.52
        a, b = Vector(arch[int(i)]), Vector(arch[int(i) + 1])
        spot, ahead = a.lerp(b, i % 1), (b - a).normalized()
        things.append(s.tube([spot - ahead * 0.012, spot + ahead * 0.012], 0.047, m.plain("#d8b27a", 0.5)))
    for x in (-1, 1):
        things.append(s.tube(s.arc((x * 0.485, 0, 0.8), (0.05, 0.075), (0, 345)), 0.016, brass, closed=True, steps=2))
        things.append(s.tube([(x * 0.47, -0.05, 0.72), (x * 0.47, 0.05, 0.72)], 0.05, pot))
    return s.group(things, turn=(0, 0, -16))


def frying_pan() -> list:
    """A copper pan with a steel lining and a riveted cast handle."""
    copper, steel, iron = (
        m.metal("#c4703f", 0.3, (2, 2, 50)),
        m.metal("#b9bbbd", 0.3, None),
        m.plastic("#23221f", 0.5),
    )
    outside = [(0, 0), (0.72, 0), (0.76, 0.015), (0.82, 0.09), (0.9, 0.24), (0.935, 0.3), (0.945, 0.302)]
    inside = [
        (0.945, 0.302),
        (0.93, 0.308),
        (0.912, 0.3),
        (0.86, 0.235),
        (0.77, 0.1),
        (0.7, 0.05),
        (0, 0.045),
    ]
    things = [s.lathe(outside, copper), s.lathe(inside, steel)]
    arm = [
        (0.86, 0, 0.2, 1.15),
        (0.96, 0, 0.25, 1.0),
        (1.15, 0, 0.34, 0.72),
        (1.5, 0, 0.46, 0.8),
        (1.85, 0, 0.53, 1.0),
    ]
    path = s.spline([*arm, (2.05, 0, 0.55, 1.05), (2.12, 0, 0.553, 0.7)], 12)
    things.append(s.sweep(path, s.rounded_rectangle(0.17, 0.06, 0.028), iron, side=(0, 1, 0)))
    eye = [(2.04 + 0.045 * math.cos(i / 3.82), 0.045 * math.sin(i / 3.82), 0.582) for i in range(24)]
    things.append(s.tube(eye, 0.012, copper, closed=True, steps=2))
    for y in (-0.07, 0.07):
        rivet = s.lathe([(0, 0.03), (0.022, 0.022), (0.032, 0)], m.metal("#d9d9d9", 0.2, None))
        things.append(s.place(rivet, (0.87, y, 0.22), (0, -62, 0)))
    return s.group(things, turn=(0, 0, -38))


def cream_jar() -> list:
    """A jar of face cream with a brushed gold lid on a plinth of travertine."""
    opal, gold = m.plain("#f3ede4", 0.12, coat_weight=0.8), m.metal("#d9ac62", 0.24, (1, 1, 50))
    ink, stone = m.plain("#5b4230", 0.5), m.paper("#d8c3ac", fibre=0.35)
    plinth = s.lathe([(0, 0), (0.95, 0), (0.95, 0), (0.95, 0.3), (0.93, 0.32), (0.93, 0.32), (0, 0.32)], stone)
    body = [
        (0, 0.32),
        (0.5, 0.32),
        (0.54, 0.335),
        (0.56, 0.38),
        (0.56, 0.72),
        (0.54, 0.79),
        (0.49, 0.82),
        (0.4, 0.82),
    ]
    lid = [(0.5, 0.83), (0.555, 0.83), (0.555, 0.83), (0.56, 0.84), (0.56, 1.1), (0.545, 1.12), (0.52, 1.125)]
    things = [plinth, s.lathe(body, opal), s.lathe([*lid, (0.5, 1.12), (0, 1.12)], gold)]
    things.append(s.text("LUMÉA", 0.14, ink, at=(0, 0, 0.62), round_=0.562))
    things.append(s.text("CRÈME DE JOUR", 0.048, ink, at=(0, 0, 0.51), round_=0.562))
    things.append(s.text("50 ml", 0.04, ink, at=(0, 0, 0.43), round_=0.562))
    ball = s.lathe([(0.17 * math.sin(a * 0.2), 0.17 - 0.17 * math.cos(a * 0.2)) for a in range(16)] + [(0, 0.34)], gold)
    things.append(s.place(ball, (-0.98, -0.62, 0), (30, 0, 0)))
    block = m.plain("#c97b5a", 0.65)
    things.append(
        s.lathe([(0, 0), (0.34, 0), (0.34, 0), (0.34, 0.62), (0.32, 0.64), (0, 0.64)], block, at=(1.12, 0.35, 0))
    )
    return things


def vase() -> list:
    """A fluted vase with branches of eucalyptus."""
    chance = random.Random(5)
    pot = m.paper("#f0e6da", fibre=0.08, rough=0.6)
    outside = [
        (0, 0),
        (0.2, 0),
        (0.24, 0.02),
        (0.36, 0.22),
        (0.42, 0.45),
        (0.38, 0.7),
        (0.24, 0.9),
        (0.15, 1.02),
    ]
    neck = [(0.145, 1.1), (0.19, 1.19), (0.18, 1.2), (0.13, 1.1), (0.12, 0.9)]
    things = [s.lathe(outside + neck, pot, ribs=(28, 0.05))]
    stem = m.plain("#7b6a4a", 0.7)
    tones = [m.leaf("#5f8373", "#93b09c"), m.leaf("#4d7263", "#7f9f8d"), m.leaf("#76957f", "#a9bfa6")]
    for lean, bow, tall in (
        (-0.62, -0.2, 1.45),
        (-0.2, 0.1, 1.9),
        (0.3, -0.1, 1.65),
        (0.75, 0.25, 1.2),
        (0.1, 0.3, 1.25),
    ):
        away = chance.uniform(-0.35, 0.25)
        curve = s.spline(
            [
                (0, 0, 0.7),
                (lean * 0.12, away * 0.1, 1.2),
                (lean * 0.5 + bow * 0.3, away * 0.5, 1.2 + tall * 0.5),
                (lean * 1.05 + bow * 0.2, away, 1.2 + tall),
            ],
            14,
        )
        things.append(s.tube([*curve[::6], curve[-1]], 0.014, stem))
        for i in range(17, len(curve), 3):
            size = 0.27 * (1.15 - 0.55 * i / len(curve))
            for flip in (-1, 1):
                things.append(leaf_at(curve[i], size, (flip, chance), chance.choice(tones)))
    return things


def leaf_at(spot: Vector, size: float, lie: tuple, material):
    """Return one round leaf that starts at a spot on a stem; ``lie`` is (left or right, random source)."""
    flip, chance = lie

    def blade(u: float, v: float) -> tuple[float, float, float]:
        half = 0.62 * math.sin(math.pi * min(1.0, v * 1.02)) ** 0.6
        return (half * (u - 0.5) * 2, v * 1.25, 0.35 * (u - 0.5) ** 2 + 0.25 * v * v)

    thing = s.surface(blade, material, cells=(7, 9))
    turn = (chance.uniform(-10, 60), chance.uniform(-40, 40), -flip * 90 + chance.uniform(-45, 45))
    return s.place(thing, spot, turn, size)


def plant() -> list:
    """A rubber plant in a footed pot of terracotta."""
    chance = random.Random(11)
    clay, soil = m.paper("#c4734d", fibre=0.22, rough=0.85), m.terry("#3a2a1e")
    pot = [(0, 0), (0.3, 0), (0.33, 0.02), (0.44, 0.5), (0.44, 0.5), (0.49, 0.5), (0.49, 0.5), (0.505, 0.66)]
    things = [
        s.lathe([*pot, (0.49, 0.68), (0.455, 0.67), (0.44, 0.58)], clay),
        s.lathe([(0.45, 0.6), (0, 0.62)], soil),
    ]
    saucer = [(0, -0.04), (0.42, -0.04), (0.47, 0.05), (0.46, 0.055), (0.41, -0.01), (0, -0.01)]
    things.append(s.lathe(saucer, clay))
    tones = [m.leaf("#1f4a2c", "#2f6b3c"), m.leaf("#2a5c34", "#498a4a"), m.leaf("#173d28", "#2c5a38")]
    bark, rib = m.plain("#6d5136", 0.8), m.plain("#8fae6a", 0.5)
    for lean, tall, count in ((-0.22, 1.75, 9), (0.16, 2.15, 11), (0.3, 1.25, 6)):
        path = s.spline([(lean * 0.3, 0, 0.55), (lean * 0.6, 0.02, 0.55 + tall * 0.5), (lean * 1.3, 0, 0.5 + tall)], 20)
        things.append(s.tube([*path[::5], path[-1]], 0.028, bark))
        for k in range(count):
            spot = path[int((0.3 + 0.69 * k / (count - 1)) * (len(path) - 1))]
            size = 0.62 - 0.22 * k / count + chance.uniform(-0.05, 0.05)
            things += ficus_leaf(
                spot, size, (k * 137.5 + lean * 200, 38 * k / count, chance), (chance.choice(tones), rib)
            )
    return things


def ficus_leaf(spot: Vector, size: float, lie: tuple, stuff: tuple) -> list:
    """Return an oval leaf with its midrib; ``lie`` is (compass, lift, random source) in degrees."""
    compass, lift, chance = lie

    def blade(u: float, v: float) -> tuple[float, float, float]:
        half = 0.29 * math.sin(math.pi * v**0.85) ** 0.8
        x = (u - 0.5) * 2
        return (half * x, 0.12 + v, 0.1 * abs(x) * half * 4 + 0.34 * v - 0.5 * v * v)

    line = [(0, 0, 0)] + [(0, 0.12 + v / 8, 0.34 * v / 8 - 0.5 * (v / 8) ** 2 + 0.002) for v in range(9)]
    things = [s.surface(blade, stuff[0], cells=(13, 18)), s.tube(line, 0.013, stuff[1], steps=3)]
    turn = (lift + chance.uniform(-8, 18), chance.uniform(-12, 12), compass)
    return [s.place(thing, spot, turn, size) for thing in things]
