# mypy: ignore-errors
"""What the sample products are made of: shaders with grain, weave, speckle and brush marks."""

from __future__ import annotations

from collections.abc import Sequence

import bpy


class Shader:
    """A material under construction around one principled shader."""

    def __init__(self, color: str, rough: float, **inputs: float) -> None:
        self.material = bpy.data.materials.new("material")
        self.material.use_nodes = True
        self.nodes, self.links = self.material.node_tree.nodes, self.material.node_tree.links
        self.surface = self.nodes["Principled BSDF"]
        self.set("Base Color", rgb(color))
        self.set("Roughness", rough)
        for name, value in inputs.items():
            self.set(name.replace("_", " ").title(), value)

    def set(self, name: str, value) -> None:
        """Set one input of the principled shader to a value or to a node's output."""
        self.feed(self.surface.inputs[name], value)

    def feed(self, socket, value) -> None:
        """Set an input, or link it where the value is an output."""
        if isinstance(value, bpy.types.NodeSocket):
            self.links.new(value, socket)
        else:
            socket.default_value = value

    def node(self, kind: str, **inputs):
        """Add a node and set its inputs by name; underscores stand for spaces."""
        node = self.nodes.new(kind)
        for name, value in inputs.items():
            self.feed(node.inputs[name.replace("_", " ").title()], value)
        return node

    def place(self, scale: Sequence[float] = (1, 1, 1), turn: Sequence[float] = (0, 0, 0)):
        """Return the object's own coordinates, stretched and turned."""
        where = self.node("ShaderNodeTexCoord").outputs["Object"]
        return self.node("ShaderNodeMapping", vector=where, scale=scale, rotation=turn).outputs["Vector"]

    def noise(self, scale: float, stretch: Sequence[float] = (1, 1, 1), detail: float = 4.0):
        """Return grey noise."""
        return self.node("ShaderNodeTexNoise", vector=self.place(stretch), scale=scale, detail=detail).outputs["Fac"]

    def ramp(self, fac, stops: Sequence[tuple[float, str]]):
        """Return colours read off a ramp of (position, colour)."""
        node = self.node("ShaderNodeValToRGB", fac=fac)
        while len(node.color_ramp.elements) < len(stops):
            node.color_ramp.elements.new(0.5)
        for element, (position, color) in zip(node.color_ramp.elements, stops, strict=True):
            element.position, element.color = position, rgb(color)
        return node.outputs["Color"]

    def mix(self, fac, first, second):
        """Return a mix of two colours."""
        node = self.nodes.new("ShaderNodeMixRGB")
        for name, value in (("Fac", fac), ("Color1", first), ("Color2", second)):
            self.feed(node.inputs[name], value)
        return node.outputs["Color"]

    def math(self, operation: str, first, second):
        """Return the sum, product … of two numbers."""
        node = self.nodes.new("ShaderNodeMath")
        node.operation = operation
        self.feed(node.inputs[0], first)
        self.feed(node.inputs[1], second)
        return node.outputs[0]

    def bump(self, height, strength: float, distance: float = 0.01) -> None:
        """Raise the surface by a height."""
        node = self.node("ShaderNodeBump", height=height, strength=strength, distance=distance)
        self.set("Normal", node.outputs["Normal"])


def rgb(color: str) -> tuple[float, float, float, float]:
    """Return ``#rrggbb`` as linear light."""
    values = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return (*(v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values), 1.0)


def plain(color: str, rough: float = 0.5, **inputs: float):
    """Smooth stuff of one colour."""
    return Shader(color, rough, **inputs).material


def plastic(color: str, rough: float = 0.45, grain: float = 160.0):
    """Moulded plastic or powder coat with a fine grain."""
    shader = Shader(color, rough)
    shader.bump(shader.noise(grain), 0.12)
    return shader.material


def metal(color: str, rough: float = 0.25, brush: Sequence[float] | None = (1, 1, 60)):
    """Metal, brushed along the direction in which ``brush`` stretches least."""
    shader = Shader(color, rough, metallic=1.0)
    if brush:
        marks = shader.noise(9.0, brush, 3.0)
        shader.set("Roughness", shader.math("ADD", shader.math("MULTIPLY", marks, 0.28), rough - 0.12))
        shader.bump(marks, 0.06)
    return shader.material


def glaze(upper: str, lower: str, *, line: float, clay: str = "#b98f68", wobble: float = 0.1):
    """Speckled stoneware glaze that runs from one colour to another, over bare clay below ``line``."""
    shader = Shader(upper, 0.16, coat_weight=0.5)
    height = shader.node("ShaderNodeSeparateXYZ", vector=shader.place()).outputs["Z"]
    drift = shader.math("ADD", height, shader.math("MULTIPLY", shader.noise(4.0), wobble))
    body = shader.ramp(drift, [(max(line + 0.16, 0.0), lower), (min(line + 0.62, 1.0), upper)])
    specks = shader.ramp(shader.noise(55.0, detail=1.0), [(0.655, "#000000"), (0.69, "#ffffff")])
    body = shader.mix(shader.math("MULTIPLY", specks, 0.55), body, rgb("#3b2a20"))
    bare = shader.math("LESS_THAN", drift, line + wobble * 0.5)
    shader.set("Base Color", shader.mix(bare, body, rgb(clay)))
    shader.set("Roughness", shader.math("ADD", shader.math("MULTIPLY", bare, 0.6), 0.15))
    shader.set("Coat Weight", shader.math("SUBTRACT", 0.5, shader.math("MULTIPLY", bare, 0.5)))
    shader.bump(shader.noise(14.0), 0.1)
    return shader.material


def fabric(color: str, second: str | None = None, *, weave: float = 60.0, depth: float = 0.5):
    """Woven cloth: threads along all three axes, and yarn that varies in tone."""
    shader = Shader(color, 0.9, sheen_weight=0.25)
    facing = shader.node("ShaderNodeTexCoord").outputs["Normal"]
    facing = shader.node("ShaderNodeSeparateXYZ", vector=facing)
    threads = 0.0
    for axis in "XYZ":
        wave = shader.node("ShaderNodeTexWave", vector=shader.place(), scale=weave, distortion=1.6, detail=1.0)
        wave.bands_direction = axis
        # Threads across the cloth, not through it: those would draw rings like contour lines of a map.
        through = shader.math("MULTIPLY", facing.outputs[axis], facing.outputs[axis])
        along = shader.math("SUBTRACT", 1.0, through)
        threads = shader.math("ADD", threads, shader.math("MULTIPLY", wave.outputs["Fac"], along))
    tone = shader.ramp(shader.noise(weave * 2.2, detail=2.0), [(0.38, second or shade(color, 0.72)), (0.62, color)])
    dark = shader.math("MULTIPLY", shader.math("SUBTRACT", 1.6, threads), 0.28)
    shader.set("Base Color", shader.mix(dark, tone, rgb(shade(color, 0.45))))
    shader.bump(threads, depth, 0.006)
    return shader.material


def terry(color: str):
    """Looped towelling."""
    shader = Shader(color, 1.0, sheen_weight=0.5)
    loops = shader.noise(70.0, detail=3.0)
    shader.set("Base Color", shader.ramp(loops, [(0.3, shade(color, 0.72)), (0.6, color)]))
    shader.bump(loops, 1.0, 0.035)
    return shader.material


def leather(color: str, *, grain: float = 45.0, rough: float = 0.42):
    """Pebbled leather with uneven tone."""
    shader = Shader(color, rough, coat_weight=0.12)
    pebbles = shader.node("ShaderNodeTexVoronoi", vector=shader.place(), scale=grain).outputs["Distance"]
    tone = shader.ramp(shader.noise(2.4), [(0.3, shade(color, 0.92)), (0.7, color)])
    shader.set("Base Color", tone)
    shader.bump(shader.math("ADD", pebbles, shader.noise(grain * 2)), 0.3, 0.008)
    return shader.material


def wood(light: str, dark: str, *, along: str = "X", scale: float = 3.0, rough: float = 0.42):
    """Wood with rings, fibres and pores along one axis."""
    shader = Shader(light, rough)
    stretch = [0.12 if axis == along else 1.0 for axis in "XYZ"]
    fine = [0.03 if axis == along else 1.0 for axis in "XYZ"]
    wave = shader.node(
        "ShaderNodeTexWave",
        vector=shader.place(stretch),
        scale=scale,
        distortion=9.0,
        detail=3.0,
        detail_scale=1.4,
    )
    wave.bands_direction = "Y" if along != "Y" else "X"
    fibres = shader.noise(90.0, fine, 3.0)
    grain = shader.math("ADD", shader.math("MULTIPLY", wave.outputs["Fac"], 0.62), shader.math("MULTIPLY", fibres, 0.5))
    shader.set("Base Color", shader.ramp(grain, [(0.15, dark), (0.5, blend(light, dark)), (0.9, light)]))
    shader.bump(fibres, 0.14)
    return shader.material


def paper(color: str, *, fibre: float = 0.25, rough: float = 0.9):
    """Matt paper, board or plaster."""
    shader = Shader(color, rough)
    flecks = shader.noise(30.0, (1, 1, 1), 8.0)
    shader.set("Base Color", shader.ramp(flecks, [(0.25, shade(color, 1 - fibre)), (0.65, color)]))
    shader.bump(flecks, 0.15)
    return shader.material


def leaf(color: str, edge: str):
    """A waxy leaf, darker and lighter in patches."""
    shader = Shader(color, 0.3, coat_weight=0.2)
    shader.set("Base Color", shader.ramp(shader.noise(3.0), [(0.35, color), (0.68, edge)]))
    shader.bump(shader.noise(22.0, (1, 1, 1)), 0.12)
    return shader.material


def translucent(color: str, glow: float):
    """Cloth of a lamp shade that a bulb shines through."""
    shader = Shader(color, 0.9)
    weave = shader.noise(30.0, (1, 1, 8), 2.0)
    shader.set("Base Color", shader.ramp(weave, [(0.3, shade(color, 0.86)), (0.7, color)]))
    shader.set("Emission Color", rgb("#ffd9a0"))
    height = shader.node("ShaderNodeSeparateXYZ", vector=shader.place()).outputs["Z"]
    shader.set("Emission Strength", shader.math("MULTIPLY", shader.math("SUBTRACT", 1.0, height), glow))
    shader.bump(weave, 0.3)
    return shader.material


def shade(color: str, factor: float) -> str:
    """Return a colour made darker by a factor."""
    return "#" + "".join(f"{min(255, round(int(color[i : i + 2], 16) * factor)):02x}" for i in (1, 3, 5))


def blend(first: str, second: str) -> str:
    """Return the colour half way between two."""
    return "#" + "".join(f"{(int(first[i : i + 2], 16) + int(second[i : i + 2], 16)) // 2:02x}" for i in (1, 3, 5))
