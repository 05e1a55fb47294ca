"""The page of `dvc plots` without a network: DVC's own loads what draws charts from one."""

from pathlib import Path

from ncsn.base.errors import UserError
from ncsn.base.files import whole_file

PLOTS_PAGE = Path(".dvc/tmp/plots.html")
_VEGA_LITE = "5.21"  # DVC's templates of charts are written for version 5
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
{{refresh_tag}}
<meta charset="utf-8">
<title>dvc plots</title>
<script>{script}</script>
<style>
body {{ font: 15px system-ui, sans-serif; margin: 1rem; }}
table {{ border-spacing: 15px; }}
img {{ max-width: 100%; image-rendering: pixelated; }}
</style>
</head>
<body>
{{plot_divs}}
</body>
</html>
"""


def write_plots_page(path: Path) -> None:
    """Writes a template for DVC's setting `plots.html_template`, with the library inside it.

    Args:
        path: a file, which is replaced; 0.9 MB.

    Raises:
        UserError: the package that holds the library is not installed.
    """
    try:
        from vl_convert import javascript_bundle
    except ImportError:
        need = "charts without a network need a package: python -m pip install '.[dev]'"
        raise UserError(f"vl-convert-python: {need}") from None
    bundle = javascript_bundle("window.vegaEmbed = vegaEmbed;", _VEGA_LITE)
    script = bundle.replace("</script", "<\\/script")
    with whole_file(path) as partial:
        partial.write_text(_PAGE.format(script=script), encoding="utf-8")
