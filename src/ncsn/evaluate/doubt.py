"""When the classifier that gives the features is so weak that distances in them mean little."""

_CLEAR = 3.0  # standard errors above guessing
_WEAK = 0.8


def classifier_doubt(accuracy: float, guessing: float, num_images: int) -> str | None:
    """Returns a sentence of warning, None for a classifier that has learnt its labels.

    Args:
        accuracy: share of held-out images that it labels correctly.
        guessing: share of the most frequent label among them, which a constant answer reaches.
        num_images: how many held-out images there are.
    """
    share = f"the classifier that gives the features labels {100 * accuracy:.1f}% of"
    held_out = f"{num_images:,} held-out images correctly"
    clear = guessing + _CLEAR * (guessing * (1 - guessing) / num_images) ** 0.5
    if accuracy <= clear:
        return (
            f"{share} {held_out}, hardly more than one answer for all would "
            f"({100 * guessing:.1f}%): FID, KID, precision and recall mean nothing. Check the "
            "labels, or raise reference.classifier_steps"
        )
    if accuracy < _WEAK:
        return (
            f"{share} {held_out}: its features say little of the images. Check the labels, or "
            "raise reference.classifier_steps"
        )
    return None
