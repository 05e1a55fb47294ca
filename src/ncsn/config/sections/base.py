"""Section `base`: the seed, and how the work runs on this machine."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ncsn.config.sections.kinds import BatchSize, Devices, Positive, Section, Seed, at_most


class BaseParams(Section):
    """What all stages share. `seed` alone decides results; the rest decides speed and safety."""

    seed: Seed
    """Names every random number but those of `sample.seed` and `train.seed`; a whole number from
    0 to 2^63 - 1."""

    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d{1,3})?)$")]
    """Where tensors live: `cpu`, `cuda`, `cuda:N`, or `auto`, a GPU where there is one."""

    devices: Devices
    """Processes that share the work of `train`, `sample`, `oracle` and `reference`, each with
    a GPU of this host, or a share of its CPU; 1 to 1024. The results are those of one
    process up to the order of sums."""

    checkpoint_every_sec: Annotated[Positive, at_most(1e7, "four months of work could be lost")]
    """Seconds between two saves of unfinished work: the most that an interruption can cost; above
    0 and at most 1e7."""

    max_batch_size: BatchSize
    """Most images that go through a network together where nothing is trained; 1 to 1,048,576. It
    bounds memory and changes no number."""

    compile: Literal["auto", "always", "never"]
    """Whether networks run through torch.compile: `always`, `never`, or `auto`: on a GPU for work
    that is long enough to win back the time of compiling, on a CPU the norms of a network that
    computes in bf16. With `never`, `precision: auto` is fp32 on a CPU."""

    deterministic: bool
    """Whether a GPU takes algorithms that give the same bits each time, and so resumes a training
    with the bits of an unbroken one; slower, and `compile: auto` then compiles nothing. Where
    torch has no such algorithm the stage ends with torch's error. Without it results of a GPU
    differ by rounding alone. A CPU gives the same bits in any case, a training those of its number
    of threads: one for a network as small as the default's, else those of the machine or
    OMP_NUM_THREADS."""

    @model_validator(mode="after")
    def _a_gpu_for_each_process(self) -> Self:
        if self.devices > 1 and self.device.startswith("cuda:"):
            raise ValueError(
                f"devices: must be 1, where base.device names one GPU ({self.device}); 'cuda' are"
                " all of them"
            )
        return self
