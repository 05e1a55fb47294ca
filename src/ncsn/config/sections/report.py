"""Section `report`: sizes of what the page shows."""

from ncsn.config.sections.kinds import Section, Shown


class ReportParams(Section):
    """What the report shows."""

    num_grid_images: Shown
    """Most images in each grid of samples and of real images, 1 to 10,000."""
