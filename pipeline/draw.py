"""Takes a checkpoint, or a folder that `export` wrote; leaves a picture of images drawn with it.

An export needs no params.yaml, so that this runs anywhere. Neither needs DVC. With the params of
the stage `sample` the images are the same as its.
Run it with `python pipeline/draw.py [--from PATH] [--num N] [--seed S] [--out FILE]`."""

from ncsn.base.entry import entry
from ncsn.config.params import load_params
from ncsn.export.load import load_trained
from ncsn.export.options import draw_options
from ncsn.export.picture import write_images


def main() -> str:
    """The command."""
    options = draw_options()
    source = options.source or load_params("paths").paths.checkpoint
    trained = load_trained(source)
    images = trained.draw(options.num, options.seed, options.device)
    write_images(options.out, images)
    return f"{options.out}: {len(images)} images drawn with {source}"


if __name__ == "__main__":
    entry(main)
