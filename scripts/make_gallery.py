"""Make the pictures of the docs' gallery: a small run, what can be asked of it, and every figure that comes of it.

    .venv/bin/python scripts/make_gallery.py

The runs lie in runs/, and are gone on with where they are there; pictures are written to docs/gallery, smaller than the
reports' own. The page is made of the same list when the documents are built.
"""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pdtrain.report.texts import HOW_TO_READ, TITLES

_ROOT = Path(__file__).resolve().parents[1]
PICTURES = _ROOT / "docs" / "gallery"
_WIDTH, _COLOURS = 760, 256  # pixels; of a palette
_SMALL = "data.training_images=4000 trainer.max_epochs=4"
_INTRODUCTION = """\
# Gallery

Figures that pdtrain draws, each with the command that makes it, and how it is read. The network is small, of 4,000
images and 4 epochs: they show what figures look like, not what a finished training does. Reports hold them as vector
graphics too. Made by `python scripts/make_gallery.py`.
"""


@dataclass(frozen=True)
class Part:
    """Some figures, and what makes them.

    Attributes
    ----------
    title
        Heading.
    commands
        As they are typed in the folder of the project.
    folder
        Where they leave the figures.
    figures
        Names of the reports' figures.
    said
        Titles of other figures, by name.
    """

    title: str
    commands: tuple[str, ...]
    folder: str
    figures: tuple[str, ...] = ()
    said: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> list[str]:
        """Of all its figures."""
        return [*self.figures, *(name for name, _ in self.said)]

    def picture(self, name: str) -> Path:
        """Where the docs have a figure."""
        places = [part for part in Path(self.folder).parts[1:] if part != "report"]
        return PICTURES / f"{'_'.join([*places, name])}.png"


PARTS = (
    Part(
        "A training",
        (f"pdtrain-train hydra.run.dir=runs/gallery {_SMALL}",),
        "runs/gallery/report",
        (
            "dimension",
            "information",
            "information_at_fixed_identity",
            "objects",
            "indices",
            "paths",
            "heat_maps",
            "units",
            "unit_map",
            "accuracy",
            "stimuli",
            "properties",
        ),
    ),
    Part(
        "Figures of your own",
        ("python scripts/examples/before_and_after.py runs/gallery runs/gallery_own/before_and_after.png",),
        "runs/gallery_own",
        said=(("before_and_after", "What training does, for a paper's page: a script of forty lines to make yours."),),
    ),
    Part(
        "Runs compared: this one, and the tutorial's of four times the images",
        (
            "pdtrain-train hydra.run.dir=runs/quickstart",
            'pdtrain-report "run_dir=[runs/gallery,runs/quickstart]" by=data.training_images out=runs/gallery_compared',
        ),
        "runs/gallery_compared",
        ("comparison_dimension", "comparison_information", "comparison_indices"),
    ),
    Part(
        "Recorded neurons (here simulated), and a network beside them",
        (
            "pdtrain-probe responses=docs/examples/simulated_responses.csv "
            'stimuli_table=docs/examples/simulated_stimuli.csv "areas=[V1,LM,LI,LL]" out=runs/gallery_areas',
            'pdtrain-report "run_dir=[runs/gallery_areas,runs/gallery]"',
        ),
        "runs/gallery_areas/report",
        ("areas", "neurons"),
    ),
    Part(
        "The embedded stimuli",
        ("python scripts/draw_objects.py runs/gallery_objects/objects.png",),
        "runs/gallery_objects",
        said=(("objects", "Ten objects, a line each, in views that are drawn at random."),),
    ),
)


def page() -> str:
    """The gallery, in Markdown."""
    return "\n".join([_INTRODUCTION, *map(_section, PARTS)])


def _section(part: Part) -> str:
    commands = "\n".join(part.commands)
    figures = "\n".join(_figure(part, name) for name in part.names)
    return f"## {part.title}\n\n```bash\n{commands}\n```\n\n{figures}"


def _figure(part: Part, name: str) -> str:
    own = dict(part.said)
    title = name.replace("_", " ").capitalize() if name in own else TITLES[name]
    said = own.get(name) or HOW_TO_READ[name]
    picture = part.picture(name).relative_to(_ROOT / "docs").as_posix()
    return f"### {title}\n\n![{title}]({picture})" + "{ loading=lazy }" + f"\n\n{said}\n"


def main() -> None:
    """Run the commands, and write the pictures."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for part in PARTS:
        (_ROOT / part.folder).mkdir(parents=True, exist_ok=True)
        for command in part.commands:
            go_on = ["resume=auto"] if command.startswith("pdtrain-train") else []
            subprocess.run([*shlex.split(command), *go_on], cwd=_ROOT, env=environment, check=True)
        for name in part.names:
            _write_small(_ROOT / part.folder / f"{name}.png", part.picture(name))


def _write_small(source: Path, target: Path) -> None:
    """A picture no wider than a page, of a palette."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as image:
        flat = Image.new("RGB", image.size, "white")
        flat.paste(image, mask=image.convert("RGBA").getchannel("A"))
    width = min(_WIDTH, flat.width)
    small = flat.resize((width, round(flat.height * width / flat.width)), Image.Resampling.LANCZOS)
    # colours that cover the range, not the page: those of heat maps and their bars, which the median cut merges
    small.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE).save(target, optimize=True)


if __name__ == "__main__":
    main()
