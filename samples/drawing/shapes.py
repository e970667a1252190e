# mypy: ignore-errors
"""Solids and surfaces the sample products are put together from. Needs Blender's ``bpy``."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence

import bmesh
import bpy
from mathutils import Euler, Matrix, Vector, noise

Point = Sequence[float]
ROUND = tuple((math.cos(math.tau * i / 20), math.sin(math.tau * i / 20)) for i in range(20))


def mesh(name: str, vertices: Iterable, faces: Iterable, material, smooth: bool = True):
    """Make a mesh object of one material and link it to the scene."""
    data = bpy.data.meshes.new(name)
    data.from_pydata([tuple(v) for v in vertices], [], [tuple(f) for f in faces])
    data.materials.append(material)
    data.polygons.foreach_set("use_smooth", [smooth] * len(data.polygons))
    data.validate()
    thing = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(thing)
    return thing


def grid(columns: int, rows: int, wrap: bool = False) -> list[tuple[int, ...]]:
    """Return the quads of a grid of vertices; with ``wrap`` the columns close into a ring."""
    span = columns if wrap else columns - 1
    return [
        (
            r * columns + c,
            r * columns + (c + 1) % columns,
            (r + 1) * columns + (c + 1) % columns,
            (r + 1) * columns + c,
        )
        for r in range(rows - 1)
        for c in range(span)
    ]


def spline(points: Sequence[Point], steps: int = 10, closed: bool = False) -> list[Vector]:
    """Return a Catmull-Rom curve through the points; a point given twice makes a corner."""
    knots = [Vector(p) for p in points]
    count = len(knots) if closed else len(knots) - 1
    curve: list[Vector] = []
    for i in range(count):
        a, b, c, d = (
            knots[j % len(knots)] if closed else knots[min(max(j, 0), len(knots) - 1)] for j in range(i - 1, i + 3)
        )
        if (c - b).length < 1e-9:
            continue
        for k in range(steps):
            t = k / steps
            curve.append(
                0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t**3)
            )
    return curve if closed else [*curve, knots[-1]]


def lathe(profile: Sequence[Point], material, *, ribs: tuple[int, float] = (0, 0.0), at: Point = (0, 0, 0)):
    """Turn a profile of (radius, height) about the vertical; ``ribs`` are (how many, how deep)."""
    turns = 192 if ribs[0] else 96
    curve = spline([(r, 0.0, z) for r, z in profile])
    vertices = []
    for point in curve:
        for i in range(turns):
            angle = math.tau * i / turns
            radius = max(point.x, 0.0) * (1 - ribs[1] * (0.5 + 0.5 * math.cos(ribs[0] * angle)))
            vertices.append((radius * math.cos(angle), radius * math.sin(angle), point.z))
    thing = mesh("lathe", vertices, grid(turns, len(curve), wrap=True), material)
    thing.location = at
    return thing


def sweep(path: Sequence[Point], section: Sequence[Point], material, *, side: Point = (1, 0.01, 0), closed=False):
    """Carry a closed 2-D section along a path; a path point may carry a fourth number, its scale."""
    points = [Vector(p[:3]) for p in path]
    scales = [p[3] if len(p) > 3 else 1.0 for p in path]
    normal, vertices = Vector(side), []
    for i, point in enumerate(points):
        ahead = points[(i + 1) % len(points)] if closed else points[min(i + 1, len(points) - 1)]
        behind = points[i - 1] if closed or i else points[0]
        tangent = (ahead - behind).normalized()
        normal = (normal - tangent * normal.dot(tangent)).normalized()
        across = tangent.cross(normal)
        vertices += [point + (normal * x + across * y) * scales[i] for x, y in section]
    count = len(section)
    faces = grid(count, len(points), wrap=True)
    if closed:
        last = (len(points) - 1) * count
        faces += [(last + c, last + (c + 1) % count, (c + 1) % count, c) for c in range(count)]
    else:
        faces += [tuple(reversed(range(count))), tuple(range(len(vertices) - count, len(vertices)))]
    return mesh("sweep", vertices, faces, material)


def tube(path: Sequence[Point], radius: float, material, *, closed: bool = False, steps: int = 10):
    """Make a round tube through the points; a fourth number at a point scales the radius there."""
    knots = [(*p, 1.0) if len(p) == 3 else tuple(p) for p in path]
    curve = spline(knots, steps, closed) if steps > 1 else knots
    return sweep(curve, [(radius * x, radius * y) for x, y in ROUND], material, side=(0.31, 0.2, 0.93), closed=closed)


def rounded_rectangle(width: float, height: float, radius: float) -> list[tuple[float, float]]:
    """Return the outline of a rectangle with round corners, about the origin."""
    points = []
    for corner in range(4):
        sx, sy = ((1, 1), (-1, 1), (-1, -1), (1, -1))[corner]
        for k in range(6):
            angle = math.pi / 2 * (corner + k / 5)
            x = sx * (width / 2 - radius) + radius * math.cos(angle)
            points.append((x, sy * (height / 2 - radius) + radius * math.sin(angle)))
    return points


def box(size: Point, at: Point, material, *, bevel: float = 0.02, turn: Point = (0, 0, 0)):
    """Make a box with bevelled edges, centred at a point; ``turn`` is in degrees."""
    x, y, z = (s / 2 for s in size)
    corners = [(i * x, j * y, k * z) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    thing = mesh("box", corners, faces, material)
    modifier = thing.modifiers.new("bevel", "BEVEL")
    modifier.width, modifier.segments, modifier.harden_normals = bevel, 4, True
    return place(thing, at, turn)


def cushion(size: Point, at: Point, material, *, radius: float = 0.08, puff: float = 0.2, turn: Point = (0, 0, 0)):
    """Make a soft box: round edges, faces swollen by ``puff`` of the thickness, slightly uneven."""
    shape = bmesh.new()
    bmesh.ops.create_cube(shape, size=2)
    bmesh.ops.subdivide_edges(shape, edges=shape.edges[:], cuts=26, use_grid_fill=True)
    half = Vector(size) / 2
    for vertex in shape.verts:
        p = vertex.co.copy()
        spot = Vector(p[i] * half[i] for i in range(3))
        inner = Vector(max(-(half[i] - radius), min(half[i] - radius, spot[i])) for i in range(3))
        out = (spot - inner).normalized() * radius if (spot - inner).length > 1e-9 else Vector()
        spot = inner + out
        spot.z *= 1 + puff * (1 - p.x**2) * (1 - p.y**2)
        spot.x *= 1 + 0.3 * puff * (1 - p.y**2) * (1 - p.z**2) * half.z / half.x
        spot.y *= 1 + 0.3 * puff * (1 - p.x**2) * (1 - p.z**2) * half.z / half.y
        vertex.co = spot + noise.noise_vector(spot * 2.2 + Vector(at)) * 0.012
    for face in shape.faces:
        face.smooth = True
    data = bpy.data.meshes.new("cushion")
    shape.to_mesh(data)
    shape.free()
    data.materials.append(material)
    thing = bpy.data.objects.new("cushion", data)
    bpy.context.scene.collection.objects.link(thing)
    return place(thing, at, turn)


def surface(formula: Callable[[float, float], Point], material, *, cells=(32, 32), thick: float = 0.0, wrap=False):
    """Make the surface ``formula(u, v)``, u and v in 0 to 1; ``thick`` gives it a soft-edged body."""
    columns, rows = cells
    span = columns if wrap else columns - 1
    vertices = [formula(c / span, r / (rows - 1)) for r in range(rows) for c in range(columns)]
    thing = mesh("surface", vertices, grid(columns, rows, wrap), material)
    if thick:
        solid = thing.modifiers.new("solid", "SOLIDIFY")
        solid.thickness, solid.offset = thick, 0.0
        soft = thing.modifiers.new("soft", "SUBSURF")
        soft.levels = soft.render_levels = 1
    return thing


def dashes(path: Sequence[Point], material, *, dash: float = 0.03, gap: float = 0.018, radius: float = 0.006):
    """Lay a line of stitches along a path."""
    points = [Vector(p) for p in path]
    vertices, faces, travelled, start = [], [], 0.0, None
    for a, b in itertools.pairwise(points):
        pieces = max(1, int((b - a).length / 0.004))
        for k in range(pieces):
            spot = a.lerp(b, k / pieces)
            phase = travelled % (dash + gap)
            if phase < dash and start is None:
                start = spot
            elif phase >= dash and start is not None:
                bead(vertices, faces, (start, spot), radius)
                start = None
            travelled += (b - a).length / pieces
    return mesh("stitches", vertices, faces, material)


def bead(vertices: list, faces: list, ends: tuple[Vector, Vector], radius: float) -> None:
    """Add one stitch, a thin spindle between two points, to a mesh being made."""
    a, b = ends
    along = (b - a).normalized()
    side = along.orthogonal().normalized()
    across, first = along.cross(side), len(vertices)
    for t, r in ((0.0, 0.35), (0.2, 1.0), (0.8, 1.0), (1.0, 0.35)):
        for k in range(6):
            angle = math.tau * k / 6
            vertices.append(a.lerp(b, t) + (side * math.cos(angle) + across * math.sin(angle)) * radius * r)
    faces += [tuple(first + i for i in face) for face in grid(6, 4, wrap=True)]
    faces += [tuple(range(first + 5, first - 1, -1)), tuple(range(first + 18, first + 24))]


def text(words: str, height: float, material, *, at: Point = (0, 0, 0), turn: Point = (90, 0, 0), round_: float = 0):
    """Write words as thin relief facing the camera; ``round_`` bends them about a vertical cylinder."""
    curve = bpy.data.curves.new("text", "FONT")
    curve.body, curve.size, curve.align_x, curve.align_y = words, height, "CENTER", "CENTER"
    curve.extrude, curve.space_character = 0.002, 1.1
    drawn = bpy.data.objects.new("drawn", curve)
    bpy.context.scene.collection.objects.link(drawn)
    bpy.context.view_layer.update()
    data = bpy.data.meshes.new_from_object(drawn.evaluated_get(bpy.context.evaluated_depsgraph_get()))
    bpy.data.objects.remove(drawn)
    data.materials.clear()
    data.materials.append(material)
    thing = bpy.data.objects.new("text", data)
    bpy.context.scene.collection.objects.link(thing)
    if not round_:
        return place(thing, at, turn)
    slice_upright(data, height / 12)
    for vertex in data.vertices:
        x, y, z = vertex.co
        radius = round_ + z
        vertex.co = (radius * math.sin(x / round_), -radius * math.cos(x / round_), y)
    thing.location = at
    thing.rotation_euler = Euler((0, 0, math.radians(turn[2])))
    return thing


def slice_upright(data, width: float) -> None:
    """Cut a mesh into upright slices, since a face bends only at its edges."""
    shape = bmesh.new()
    shape.from_mesh(data)
    across = [vertex.co.x for vertex in shape.verts]
    for k in range(math.ceil(min(across) / width), math.ceil(max(across) / width)):
        whole = [*shape.verts, *shape.edges, *shape.faces]
        bmesh.ops.bisect_plane(shape, geom=whole, plane_co=(k * width, 0, 0), plane_no=(1, 0, 0))
    shape.to_mesh(data)
    shape.free()


def place(thing, at: Point = (0, 0, 0), turn: Point = (0, 0, 0), scale: float = 1.0):
    """Move, turn (degrees) and scale a thing; returns it."""
    thing.location = at
    thing.rotation_euler = Euler([math.radians(a) for a in turn])
    thing.scale = (scale, scale, scale)
    return thing


def group(things: Iterable, at: Point = (0, 0, 0), turn: Point = (0, 0, 0), scale: float = 1.0) -> list:
    """Move, turn (degrees) and scale several things together, about the origin."""
    bpy.context.view_layer.update()
    angles = Euler([math.radians(a) for a in turn])
    frame = Matrix.LocRotScale(Vector(at), angles, Vector((scale, scale, scale)))
    things = list(things)
    for thing in things:
        thing.matrix_world = frame @ thing.matrix_world
    return things


def arc(centre: Point, radius: Point, degrees: Point, count: int = 24) -> list[tuple[float, float, float]]:
    """Return points of an elliptical arc in the plane facing the camera (x and z)."""
    angles = [math.radians(degrees[0] + (degrees[1] - degrees[0]) * i / (count - 1)) for i in range(count)]
    return [(centre[0] + radius[0] * math.cos(a), centre[1], centre[2] + radius[1] * math.sin(a)) for a in angles]


def bezier(points: Sequence[Point], t: float) -> Vector:
    """Return the point at t of a cubic Bézier curve."""
    a, b, c, d = (Vector(p) for p in points)
    s = 1 - t
    return a * s**3 + b * 3 * s * s * t + c * 3 * s * t * t + d * t**3
