# mypy: ignore-errors
"""The photo studio: empty scene, backgrounds, soft lights, a camera that frames, Cycles. Needs ``bpy``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import materials
import shapes
from mathutils import Vector


@dataclass(frozen=True)
class Shot:
    """How one product is photographed; angles in degrees, lens in millimetres.

    ``ground`` is ``white``, ``clear`` (transparent film), ``sweep`` (paper of a colour) or ``table``
    (wood before a wall of a colour). ``margin`` is air around the product, as a share of the picture at each side.
    """

    width: int
    height: int
    azimuth: float = 0.0
    elevation: float = 12.0
    ground: str = "white"
    color: str = "#ffffff"
    margin: float = 0.1
    lens: float = 85.0
    samples: int = 8
    key: float = 1.0


def clear() -> None:
    """Empty the scene and reset every setting."""
    bpy.ops.wm.read_factory_settings(use_empty=True)


def shoot(things: Sequence, shot: Shot, out: Path) -> None:
    """Light the things, frame them and render to a PNG."""
    bpy.context.view_layer.update()
    frame(things, shot)
    backdrop(things, shot)
    lights(shot)
    engine(shot)
    bpy.context.scene.render.filepath = str(out)
    bpy.ops.render.render(write_still=True)


def corners(things: Sequence) -> list[Vector]:
    """Return points of the things that the camera must see."""
    graph = bpy.context.evaluated_depsgraph_get()
    points = []
    for thing in things:
        seen = thing.evaluated_get(graph)
        data = seen.to_mesh()
        step = max(1, len(data.vertices) // 300)
        points += [seen.matrix_world @ vertex.co for vertex in list(data.vertices)[::step]]
        seen.to_mesh_clear()
    return points


def frame(things: Sequence, shot: Shot) -> None:
    """Point the camera so that the things fill the picture but for the margin."""
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = shot.width, shot.height
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    camera.data.lens, camera.data.clip_end = shot.lens, 1000
    azimuth, elevation = math.radians(shot.azimuth), math.radians(shot.elevation)
    away = Vector(
        (
            math.sin(azimuth) * math.cos(elevation),
            -math.cos(azimuth) * math.cos(elevation),
            math.sin(elevation),
        )
    )
    camera.rotation_euler = away.to_track_quat("Z", "Y").to_euler()
    bpy.context.view_layer.update()
    points = corners(things)
    camera.location = sum(points, Vector()) / len(points) + away * 12
    for _ in range(8):
        step_closer(camera, points, shot)


def step_closer(camera, points: Sequence[Vector], shot: Shot) -> None:
    """Move the camera so that the points come to lie in the middle of the picture, and fill it."""
    turn = camera.rotation_euler.to_matrix()
    seen = [turn.transposed() @ (p - camera.location) for p in points]
    across, up = [p.x / -p.z for p in seen], [p.y / -p.z for p in seen]
    view = camera.data.sensor_width / camera.data.lens / max(shot.width, shot.height) * (1 - 2 * shot.margin)
    fill = max((max(across) - min(across)) / (view * shot.width), (max(up) - min(up)) / (view * shot.height))
    depth = -sum(p.z for p in seen) / len(seen)
    aside, rise = (max(across) + min(across)) / 2, (max(up) + min(up)) / 2
    camera.location += turn @ Vector((aside * depth, rise * depth, depth * (fill - 1)))


def backdrop(things: Sequence, shot: Shot) -> None:
    """Lay the ground the product stands on."""
    if shot.ground == "white":
        shapes.mesh("floor", plane(400), [(0, 1, 2, 3)], materials.plain("#f4f4f4", 0.9))
    elif shot.ground == "sweep":
        paper = materials.paper(shot.color, fibre=0.03)
        curve = [(-30.0, 0.0), *quarter((2.5, 5.0), 5.0), (7.5, 40.0)]
        vertices = [(x, y, z) for y, z in curve for x in (-40, 40)]
        shapes.mesh("sweep", vertices, shapes.grid(2, len(curve)), paper)
    elif shot.ground == "table":
        top = materials.wood("#c09468", "#94683f", scale=1.3, rough=0.4)
        for row in range(7):
            plank = shapes.box((30, 0.9, 0.2), (row * 3.7 % 5, -3.15 + row * 0.905, -0.1), top, bevel=0.012)
            shapes.place(plank, plank.location, (0, 0, 0))
        wall = shapes.mesh("wall", plane(40), [(0, 1, 2, 3)], materials.paper(shot.color, fibre=0.05))
        shapes.place(wall, (0, 4.2, 0), (90, 0, 0))


def quarter(centre: tuple[float, float], radius: float, count: int = 96) -> list[tuple[float, float]]:
    """Return points (depth, height) of the quarter circle by which level paper turns into upright paper.

    A true arc with straight ends: a spline would swing below the floor before it, and fold.
    """
    angles = [math.pi / 2 * i / (count - 1) for i in range(count)]
    return [(centre[0] + radius * math.sin(a), centre[1] - radius * math.cos(a)) for a in angles]


def plane(half: float) -> list[tuple[float, float, float]]:
    """Return the corners of a horizontal square."""
    return [(-half, -half, 0), (half, -half, 0), (half, half, 0), (-half, half, 0)]


def lights(shot: Shot) -> None:
    """Set up a large key, two strips for the edges, and an even surround.

    On white the sun and the surround together lift the floor just over white, so that it is clipped
    everywhere but in the shadow at the foot of the product.
    """
    bright = shot.ground in ("white", "clear")
    surround(1.3 if bright else 0.0, 0.62 if bright else 0.34)
    sun = bpy.data.lights.new("key", "SUN")
    sun.energy, sun.angle = (2.35 if bright else 2.3) * shot.key, math.radians(38 if bright else 16)
    aim(bpy.data.objects.new("key", sun), (-4.2, -4.5, 8.5 if bright else 6.5), (0, 0, 0))
    strip((4.6, -1.0, 2.4), (1.2, 5.0), 75.0 if bright else 50.0)
    strip((-4.8, 0.6, 2.6), (1.0, 5.0), 60.0 if bright else 25.0)


def surround(seen: float, strength: float) -> None:
    """Fill the world: a dome brighter above, which the camera sees as flat white (or not at all)."""
    world = bpy.data.worlds.new("world")
    bpy.context.scene.world = world
    world.use_nodes = True
    # A smooth dome needs no fine map, and the default one costs seconds a picture.
    world.cycles.sampling_method, world.cycles.sample_map_resolution = "MANUAL", 128
    nodes, links = world.node_tree.nodes, world.node_tree.links
    where = nodes.new("ShaderNodeTexCoord")
    split = nodes.new("ShaderNodeSeparateXYZ")
    links.new(where.outputs["Generated"], split.inputs[0])
    ramp = nodes.new("ShaderNodeValToRGB")
    links.new(split.outputs["Z"], ramp.inputs["Fac"])
    low, high = ramp.color_ramp.elements
    low.position, low.color = 0.0, (0.35, 0.35, 0.36, 1)
    high.position, high.color = 0.6, (1.0, 1.0, 1.0, 1)
    background = nodes["Background"]
    links.new(ramp.outputs["Color"], background.inputs["Color"])
    background.inputs["Strength"].default_value = strength
    white = nodes.new("ShaderNodeBackground")
    white.inputs["Color"].default_value, white.inputs["Strength"].default_value = (1, 1, 1, 1), seen
    path, mix = nodes.new("ShaderNodeLightPath"), nodes.new("ShaderNodeMixShader")
    links.new(path.outputs["Is Camera Ray"], mix.inputs["Fac"])
    links.new(background.outputs[0], mix.inputs[1])
    links.new(white.outputs[0], mix.inputs[2])
    links.new(mix.outputs[0], nodes["World Output"].inputs["Surface"])


def strip(at: Sequence[float], size: Sequence[float], watts: float) -> None:
    """Hang a strip light that looks at the product."""
    light = bpy.data.lights.new("strip", "AREA")
    light.shape, light.size, light.size_y, light.energy = "RECTANGLE", size[0], size[1], watts
    thing = bpy.data.objects.new("strip", light)
    thing.visible_camera = False
    aim(thing, at, (0, 0, 0.8))


def aim(thing, at: Sequence[float], target: Sequence[float]) -> None:
    """Put a light somewhere and turn it to a point."""
    bpy.context.scene.collection.objects.link(thing)
    thing.location = at
    thing.rotation_euler = (Vector(at) - Vector(target)).to_track_quat("Z", "Y").to_euler()


def engine(shot: Shot) -> None:
    """Choose Cycles on the CPU with few samples and a denoiser, always the same seed."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.threads_mode, scene.render.threads = "FIXED", 2
    cycles = scene.cycles
    cycles.device, cycles.seed, cycles.samples = "CPU", 7, shot.samples
    cycles.use_adaptive_sampling, cycles.adaptive_threshold = True, 0.1
    cycles.adaptive_min_samples = 4
    cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 4, 2, 2
    cycles.sample_clamp_indirect, cycles.blur_glossy = 4.0, 0.5
    scene.render.film_transparent = shot.ground == "clear"
    scene.view_settings.view_transform, scene.view_settings.look = "Standard", "None"
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGBA" if shot.ground == "clear" else "RGB"
