# mypy: ignore-errors
"""Sample products for a home: lamp, chair, sofa, towels; and the boxes and notebooks of a stationer."""

from __future__ import annotations

import math
import random

import bpy
import materials as m
import shapes as s
import tableware
from mathutils import Vector


def lamp() -> list:
    """A table lamp: glazed gourd, brass neck, pleated shade lit from inside."""
    body = m.glaze("#31597d", "#7fa6b8", line=-0.3, wobble=0.5)
    brass, shade = m.metal("#c49a56", 0.24, (1, 1, 40)), m.translucent("#f2e6d0", 0.55)
    foot = [(0, 0), (0.3, 0), (0.31, 0.01), (0.31, 0.04), (0.29, 0.055), (0.2, 0.06)]
    gourd = [
        (0.2, 0.055),
        (0.27, 0.08),
        (0.38, 0.25),
        (0.385, 0.38),
        (0.27, 0.6),
        (0.16, 0.75),
        (0.12, 0.88),
        (0.1, 0.92),
    ]
    stem = [(0.11, 0.915), (0.12, 0.93), (0.11, 0.95), (0.05, 0.96), (0.035, 1.0), (0.035, 1.28), (0, 1.28)]
    things = [s.lathe(foot, brass), s.lathe(gourd, body), s.lathe(stem, brass)]
    drum = s.lathe([(0.58, 0), (0.58, 0), (0.4, 0.68), (0.4, 0.68)], shade, ribs=(90, 0.012), at=(0, 0, 1.05))
    inner = s.lathe([(0.57, 0), (0.57, 0), (0.39, 0.68)], m.plain("#fff3dd", 0.8), at=(0, 0, 1.05))
    for radius, height in ((0.576, 1.05), (0.398, 1.73)):
        ring = [(radius * math.cos(i / 9.549), radius * math.sin(i / 9.549), height) for i in range(60)]
        things.append(s.tube(ring, 0.013, m.fabric("#e9dcc2"), closed=True, steps=2))
    chain = [(0.07, -0.1, 1.12 - 0.028 * k) for k in range(9)]
    for spot in chain:
        things.append(s.lathe([(0, -0.012), (0.012, 0), (0, 0.012)], brass, at=spot))
    bulb(Vector((0, 0, 1.32)), 6.0)
    return [*things, drum, inner]


def bulb(at: Vector, watts: float) -> None:
    """Hang a warm point of light."""
    light = bpy.data.lights.new("bulb", "POINT")
    light.energy, light.color, light.shadow_soft_size = watts, (1.0, 0.72, 0.42), 0.12
    thing = bpy.data.objects.new("bulb", light)
    thing.location = at
    bpy.context.scene.collection.objects.link(thing)


def chair() -> list:
    """A lounge chair: moulded shell, mustard upholstery, splayed legs of oak."""
    shell, cloth = (
        m.wood("#b77b4a", "#6d4020", along="Z", scale=2.4),
        m.fabric("#d39a2d", "#b57f1d", weave=34.0),
    )
    oak, steel = m.wood("#c99a67", "#8a5b33", along="Z", scale=4.0), m.metal("#2b2b2d", 0.4, None)
    spine = s.spline(
        [
            (-0.02, -0.74, 0.84),
            (0, -0.66, 0.9),
            (0, -0.3, 0.82),
            (0, 0.12, 0.76),
            (0, 0.42, 0.92),
            (0, 0.6, 1.35),
            (0, 0.72, 1.8),
            (0, 0.78, 1.98),
        ],
        8,
    )

    def seat(u: float, v: float, inset: float = 0.0, out: float = 0.0) -> Vector:
        v = inset * 0.6 + v * (1 - 1.2 * inset)
        i = v * (len(spine) - 1)
        spot = spine[int(i)].lerp(spine[min(int(i) + 1, len(spine) - 1)], i % 1)
        x = (2 * u - 1) * (1 - inset)
        hip = math.exp(-(((v - 0.46) / 0.24) ** 2))
        half = (0.62 + 0.16 * hip) * (1 - 0.45 * max(0.0, v - 0.8) ** 2 * 12) * (1 - 2.2 * max(0.0, 0.1 - v))
        arm = 0.36 * hip * abs(x) ** 3
        wrap = (0.2 * hip + 0.2 * v) * x * x
        normal = Vector((-0.35 * x * hip, -v, 1 - 0.8 * v)).normalized()
        return Vector((half * x, spot.y - wrap * (0.2 + 0.8 * v), spot.z + arm)) + normal * out

    things = [s.surface(seat, shell, cells=(40, 48), thick=0.05)]
    things.append(
        s.surface(
            lambda u, v: seat(u, v, 0.06, 0.06 + 0.04 * math.sin(math.pi * v)),
            cloth,
            cells=(40, 48),
            thick=0.09,
        )
    )
    for x in (-1, 1):
        for y in (-1, 1):
            leg = [(x * 0.34, y * 0.26 - 0.02, 0.74, 1.15), (x * 0.66, y * 0.58, 0.0, 0.6)]
            things.append(s.tube(leg, 0.05, oak, steps=12))
        rail = [(x * 0.43, -0.36, 0.52), (x * 0.43, 0.34, 0.52)]
        things.append(s.tube(rail, 0.016, steel, steps=2))
    things.append(s.tube([(-0.42, 0.3, 0.56), (0.42, -0.34, 0.56)], 0.016, steel, steps=2))
    things.append(s.tube([(0.42, 0.3, 0.56), (-0.42, -0.34, 0.56)], 0.016, steel, steps=2))
    things.append(s.box((0.7, 0.56, 0.05), (0, -0.02, 0.745), steel, bevel=0.02))
    return things


def sofa() -> list:
    """A three-seat sofa with loose cushions on tapered legs."""
    cloth, oak = m.fabric("#3f6b68", "#335a58", weave=26.0), m.wood("#b98352", "#6b4021", along="Z")
    things = [s.cushion((3.3, 1.3, 0.3), (0, 0, 0.42), cloth, radius=0.08, puff=0.0)]
    for x in (-1.55, 1.55):
        things.append(s.cushion((0.3, 1.32, 0.72), (x, 0, 0.66), cloth, radius=0.12, puff=0.03))
    things.append(s.cushion((3.3, 0.3, 0.95), (0, 0.55, 0.85), cloth, radius=0.13, puff=0.02, turn=(-6, 0, 0)))
    for x in (-0.93, 0.0, 0.93):
        things.append(s.cushion((0.93, 1.0, 0.26), (x, -0.14, 0.68), cloth, radius=0.1, puff=0.16))
        things.append(s.cushion((0.92, 0.66, 0.3), (x, 0.3, 1.08), cloth, radius=0.12, puff=0.3, turn=(76, 0, 0)))
    throw, blush = m.fabric("#d9a441", "#c28f30", weave=30.0), m.fabric("#e6d8c6", "#cdbca6", weave=22.0)
    things.append(s.cushion((0.62, 0.6, 0.2), (-1.12, 0.0, 1.08), throw, radius=0.06, puff=0.9, turn=(64, 8, 14)))
    things.append(s.cushion((0.56, 0.54, 0.2), (1.12, 0.02, 1.06), blush, radius=0.06, puff=0.9, turn=(62, -8, -16)))
    for x in (-1.45, 1.45):
        for y in (-0.5, 0.5):
            things.append(s.tube([(x, y, 0.3, 1.2), (x * 1.03, y * 1.06, 0.0, 0.7)], 0.05, oak, steps=2))
    return things


def living_room() -> list:
    """The sofa in a room: boards, rug, panelled wall, a picture, a side table with a plant."""
    board, wall = m.wood("#c9a074", "#94663d", scale=1.6, rough=0.4), m.paper("#e4dccf", fibre=0.04)
    for row in range(16):
        s.box((24, 0.5, 0.1), (row * 2.3 % 4, -5.6 + row * 0.503, -0.05), board, bevel=0.008)
    back = s.mesh("wall", [(-14, 1.5, 0), (14, 1.5, 0), (14, 1.5, 9), (-14, 1.5, 9)], [(0, 1, 2, 3)], wall)
    s.box((28, 0.06, 0.24), (0, 1.47, 0.12), m.plain("#f0ebe2", 0.5), bevel=0.015)
    rug = s.cushion((4.4, 2.6, 0.05), (0, -0.7, 0.025), m.terry("#d8cdbb"), radius=0.02, puff=0.0)
    picture = framed((-0.55, 1.44, 2.2))
    oak = m.wood("#b98352", "#6b4021", scale=4.0)
    table = [s.lathe([(0, 0.8), (0.34, 0.8), (0.36, 0.82), (0.36, 0.85), (0.34, 0.87), (0, 0.87)], oak)]
    for k in range(3):
        a = math.tau * k / 3 + 0.4
        table.append(
            s.tube(
                [(0.2 * math.cos(a), 0.2 * math.sin(a), 0.8), (0.34 * math.cos(a), 0.34 * math.sin(a), 0)],
                0.028,
                oak,
                steps=2,
            )
        )
    s.group(table, at=(2.2, 0.15, 0))
    leaves = s.group(tableware.plant(), at=(2.2, 0.15, 0.9), scale=0.52)
    del back, rug
    return [*sofa(), *picture, *table, *leaves]


def framed(at: tuple[float, float, float]) -> list:
    """Return an abstract print in a frame of oak."""
    x, y, z = at
    oak = m.wood("#b98352", "#6b4021")
    things = [
        s.box((1.3, 0.06, 0.95), at, oak, bevel=0.012),
        s.box((1.2, 0.02, 0.85), (x, y - 0.025, z), m.plain("#f4efe6", 0.8), bevel=0.002),
    ]
    spots = (("#d0704a", 0.22, -0.16, 0.05), ("#2f4f5f", 0.28, 0.16, -0.06), ("#e0b04f", 0.12, 0.14, 0.22))
    for k, (color, radius, dx, dz) in enumerate(spots):
        disc = s.lathe([(0, 0.002), (radius, 0.002), (radius, 0)], m.paper(color, fibre=0.15))
        things.append(s.place(disc, (x + dx, y - 0.036 - 0.002 * k, z + dz), (90, 0, 0)))
    return things


def towels() -> list:
    """A stack of folded towels on a table, with a bar of soap."""
    things, height = [], 0.0
    for k, color in enumerate(("#f3ede2", "#c98f78", "#7f9686", "#e6d3b8")):
        turn = (3, -4, 2, -2)[k]
        things += s.group(folded(color, 1.9 - 0.05 * k), at=(0.02 * k, 0, height), turn=(0, 0, turn))
        height += 0.335
    soap = s.cushion(
        (0.5, 0.32, 0.16), (0, 0, 0), m.plain("#efe6cf", 0.35, subsurface_weight=0.3), radius=0.075, puff=0.2
    )
    s.place(soap, (1.45, -0.35, 0.17), (0, 0, 24))
    dish = s.lathe(
        [(0, 0), (0.3, 0), (0.36, 0.03), (0.4, 0.09), (0.38, 0.095), (0.32, 0.06), (0, 0.05)],
        m.glaze("#d9d2c4", "#a9b4ab", line=-0.4),
    )
    s.place(dish, (1.45, -0.35, 0.0))
    return [*things, soap, dish]


def folded(color: str, width: float) -> list:
    """Return one towel folded in three, its round fold to the front."""
    cloth = m.terry(color)
    fold = s.spline(
        [
            (0, 0.6, 0.045),
            (0, -0.5, 0.04),
            (0, -0.66, 0.085),
            (0, -0.62, 0.15),
            (0, -0.5, 0.165),
            (0, 0.5, 0.16),
            (0, 0.6, 0.2),
            (0, 0.52, 0.27),
            (0, -0.5, 0.285),
            (0, -0.6, 0.275),
        ],
        8,
    )

    def sheet(u: float, v: float) -> Vector:
        i = v * (len(fold) - 1)
        spot = fold[int(i)].lerp(fold[min(int(i) + 1, len(fold) - 1)], i % 1)
        sag = 0.012 * math.sin(7 * u + 3 * v)
        return Vector(
            (
                (u - 0.5) * width * (1 + 0.01 * math.sin(v * 30)),
                spot.y * (1 + 0.02 * math.sin(9 * u)),
                spot.z + sag,
            )
        )

    return [s.surface(sheet, cloth, cells=(40, 73), thick=0.1)]


def boxes() -> list:
    """Two corrugated boxes, taped and labelled."""
    things = s.group(carton((1.5, 1.1, 1.0), True), turn=(0, 0, 0))
    small = s.group(carton((0.8, 0.62, 0.46), False), at=(0.62, -1.05, 0), turn=(0, 0, -14))
    return things + small


def carton(size: tuple[float, float, float], label: bool) -> list:
    """Return a closed box: flaps that meet under tape, printed marks, perhaps a shipping label."""
    wide, deep, tall = size
    board, tape = m.paper("#c2925f", fibre=0.1), m.plain("#d9b27c", 0.22, coat_weight=0.3)
    ink = m.plain("#5b3d22", 0.8)
    things = [s.box((wide, deep, tall), (0, 0, tall / 2), board, bevel=0.012)]
    for y in (-1, 1):
        things.append(
            s.box(
                (wide - 0.004, deep / 2 - 0.006, 0.014),
                (0, y * deep / 4, tall + 0.008),
                board,
                bevel=0.005,
                turn=(y * 0.5, 0, 0),
            )
        )
    things.append(s.box((wide + 0.006, 0.17, 0.004), (0, 0, tall + 0.019), tape, bevel=0.001))
    for x in (-1, 1):
        things.append(s.box((0.004, 0.17, tall * 0.3), (x * (wide / 2 + 0.002), 0, tall * 0.86), tape, bevel=0.001))
    front = -deep / 2 - 0.001
    if not label:
        things.append(s.text("hollis & vane", 0.1, ink, at=(0, front, tall * 0.56)))
        things.append(s.text("PACKED WITH CARE", 0.035, ink, at=(0, front, tall * 0.36)))
        return things
    arrows(things, (wide * 0.34, front, tall * 0.24), ink)
    things.append(s.text("FRAGILE", 0.1, ink, at=(wide * 0.3, front, tall * 0.56)))
    white, black = m.plain("#f7f5f0", 0.55), m.plain("#1c1c1c", 0.6)
    things.append(s.box((0.62, 0.003, 0.5), (-wide * 0.22, front - 0.001, tall * 0.56), white, bevel=0.001))
    chance, x = random.Random(2), -wide * 0.22 - 0.25
    while x < -wide * 0.22 + 0.24:
        bar = chance.choice((0.006, 0.01, 0.016))
        things.append(s.box((bar, 0.003, 0.13), (x + bar / 2, front - 0.003, tall * 0.42), black, bevel=0.0005))
        x += bar + chance.choice((0.006, 0.012))
    for row, words in enumerate(("SHIP TO", "Ms A. Lindqvist", "14 Harbour Lane", "Northport")):
        things.append(
            s.text(
                words,
                0.042 if row else 0.03,
                black,
                at=(-wide * 0.22 - 0.08, front - 0.002, tall * 0.56 + 0.2 - 0.055 * row),
            )
        )
    return things


def arrows(things: list, at: tuple[float, float, float], ink) -> None:
    """Print two arrows that point up over a bar."""
    x, y, z = at
    for dx in (-0.09, 0.09):
        head = [(x + dx - 0.06, y, z + 0.08), (x + dx + 0.06, y, z + 0.08), (x + dx, y, z + 0.17)]
        things.append(s.mesh("arrow", head, [(0, 1, 2)], ink, smooth=False))
        things.append(s.box((0.036, 0.002, 0.12), (x + dx, y, z + 0.03), ink, bevel=0.0005))
    things.append(s.box((0.32, 0.002, 0.022), (x, y, z - 0.06), ink, bevel=0.0005))


def books() -> list:
    """A stack of cloth-bound notebooks with stamped titles, a pencil on top, a mug beside it."""
    things, height = [], 0.0
    for k, (color, thick) in enumerate((("#27475a", 0.2), ("#c8643f", 0.16), ("#dfb65a", 0.22), ("#5c7b6a", 0.15))):
        one = notebook(
            color, (1.55 - 0.06 * k, 1.1 - 0.04 * k, thick), ("ATLAS", "Field notes", "LEDGER", "Sketches")[k]
        )
        things += s.group(one, at=(0.03 * k, 0, height), turn=(0, 0, (2, -5, 4, -9)[k]))
        height += thick
    gold, graphite = m.plain("#e8b84a", 0.4), m.plain("#2c2c2c", 0.5)
    pencil = [
        s.sweep(
            [(0, 0, 0), (1.0, 0, 0)],
            [(0.026 * math.cos(a * math.pi / 3), 0.026 * math.sin(a * math.pi / 3)) for a in range(6)],
            gold,
            side=(0, 0, 1),
        )
    ]
    pencil.append(s.tube([(1.0, 0, 0, 1.0), (1.1, 0, 0, 0.28)], 0.026, m.plain("#d9b384", 0.7), steps=2))
    pencil.append(s.tube([(1.1, 0, 0, 1.0), (1.125, 0, 0, 0.2)], 0.0072, graphite, steps=2))
    pencil.append(s.tube([(-0.06, 0, 0), (0.0, 0, 0)], 0.027, m.metal("#c9cbd0", 0.25, None), steps=2))
    pencil.append(s.tube([(-0.12, 0, 0), (-0.06, 0, 0)], 0.025, m.plain("#d98b8b", 0.8), steps=2))
    things += s.group(pencil, at=(-0.42, -0.12, height + 0.028), turn=(0, 0, 18))
    cup = s.group(tableware.mug(), at=(1.55, 0.25, 0), turn=(0, 0, 20), scale=0.85)
    return things + cup


def notebook(color: str, size: tuple[float, float, float], title: str) -> list:
    """Return a book lying flat, its spine to the front: boards, page block, title, ribbon."""
    wide, deep, thick = size
    cloth, gold = m.fabric(color, weave=46.0, depth=0.35), m.metal("#e0bd74", 0.3, None)
    pages = m.Shader("#f1e8d6", 0.85)
    pages.bump(pages.noise(120.0, (0.02, 0.02, 1)), 0.5)
    things = [s.box((wide - 0.06, deep - 0.05, thick - 0.05), (0, 0.005, thick / 2), pages.material, bevel=0.004)]
    for z in (0.014, thick - 0.014):
        things.append(s.box((wide, deep, 0.026), (0, 0, z), cloth, bevel=0.009))
    spine = [
        (0, -deep / 2 + 0.02, 0.014),
        (0, -deep / 2 - 0.016, thick * 0.3),
        (0, -deep / 2 - 0.016, thick * 0.7),
        (0, -deep / 2 + 0.02, thick - 0.014),
    ]
    line = s.spline(spine, 6)
    things.append(
        s.surface(
            lambda u, v: Vector(((u - 0.5) * wide, line[round(v * 18)].y, line[round(v * 18)].z)),
            cloth,
            cells=(8, 19),
            thick=0.02,
        )
    )
    things.append(s.text(title, min(0.11, thick * 0.5), gold, at=(0, -deep / 2 - 0.029, thick / 2)))
    for x in (-0.42, 0.42):
        things.append(s.box((0.014, 0.004, thick * 0.8), (x * wide, -deep / 2 - 0.026, thick / 2), gold, bevel=0.001))
    ribbon = [(wide * 0.3, deep / 2, thick * 0.5), (wide * 0.3, deep / 2 + 0.1, thick * 0.3)]
    things.append(s.tube(ribbon, 0.012, m.plain("#a33b2f", 0.8), steps=2))
    return things
