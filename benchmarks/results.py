"""The machine's name, and the files that `speed` leaves: numbers by size, as JSON and a table."""

import json
import os
import platform
import re
from pathlib import Path
from typing import Any

import torch

from ncsn.base.files import whole_file, write_json
from ncsn.base.progress import quantity

PLAIN = {"plain": "", "plain_fp32": ", plain in strict fp32"}  # what a row's name says besides
# Of a processor's flags, those that decide how fast it multiplies.
_INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8", "sve")
NAMES = {"train": "training", "sample": "sampling", "evaluate": "reference and evaluate"}


def device_name(device: torch.device) -> str:
    """Returns the name of the GPU; of the processor with the last of its instruction sets.

    Clouds give one name to processors of several generations.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    sets = _instruction_sets()
    return f"{_processor()} ({sets[-1]})" if sets else _processor()


def machine(device: torch.device) -> dict[str, Any]:
    """Returns what a result must name: device, processor, instruction sets, threads, versions."""
    named = {
        "device": device_name(device),
        "processor": _processor(),
        "instructions": _instruction_sets(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory
        named |= {"cuda": torch.version.cuda, "device_memory_mib": memory >> 20}
    return named


def _processor() -> str:
    found = re.search(r"model name\s*: (.+)", _cpu_info())
    return found[1].strip() if found else platform.processor() or platform.machine()


def _instruction_sets() -> list[str]:
    flags = re.search(r"(?:flags|Features)\s*: (.+)", _cpu_info())
    known = flags[1].split() if flags else []
    return [name for name in _INSTRUCTIONS if name in known]


def _cpu_info() -> str:
    info = Path("/proc/cpuinfo")
    return info.read_text() if info.exists() else ""


def write_results(
    folder: Path, name: str, machine: dict[str, Any], size: str, measured: dict[str, Any]
) -> str:
    """Adds one size to the results of a device; returns the device's whole table.

    Args:
        folder: of all results.
        name: of the device.
        machine: what all sizes share.
        size: name of the size; replaces an earlier measurement of the same one.
        measured: as `speed.measure` returns it.
    """
    stem = folder / re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    path = stem.with_name(stem.name + ".json")
    sizes = json.loads(path.read_text())["sizes"] if path.exists() else {}
    sizes[size] = {**machine, **measured}
    write_json(path, {"device": name, "sizes": sizes})
    text = table(name, sizes)
    with whole_file(stem.with_name(stem.name + ".md")) as partial:
        partial.write_text(text)
    return text


def table(name: str, sizes: dict[str, Any]) -> str:
    """Returns the Markdown table of all sizes of a device."""
    head = [
        f"# {name}",
        "",
        "Rates are the best of all repeats, ratios the median over repeats with the quartiles;",
        "the share is of the matrix product measured in the same run, in the same precision.",
        "",
        "| size | what | plain | ours | ratio | FLOP/s | share | peak memory, plain / ours |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows = [
        _row(size, kind, values[kind], plain)
        for size, values in sizes.items()
        for kind in NAMES
        for plain in PLAIN
        if plain in values.get(kind, {}).get("rate", {})
    ]
    rows += [
        _beside_row(size, kind, values["beside_neighbour"][kind])
        for size, values in sizes.items()
        for kind in values.get("beside_neighbour", {})
    ]
    notes = ["", *(_note(size, values) for size, values in sizes.items()), ""]
    return "\n".join([*head, *rows, *notes])


def _row(size: str, kind: str, row: dict[str, Any], plain: str = "plain") -> str:
    ratio = (
        row["ratios"][plain] if "ratios" in row else row
    )  # results of before have one plain way
    low, high = ratio["ratio_quartiles"]
    cells = [size, NAMES[kind] + PLAIN[plain]]
    cells += [f"{row['rate'][way]:,.4g} {row['unit']}" for way in (plain, "ours")]
    cells.append(f"{ratio['ratio']:.2f} ({low:.2f} to {high:.2f})")
    if "flops_per_sec" in row:
        memory = (f"{row['peak_memory_mib'][way]:,.0f}" for way in ("plain", "ours"))
        cells.append(quantity(row["flops_per_sec"]["ours"], "FLOP/s"))
        cells += [f"{row['share_of_matmul']:.0%}", " / ".join(memory) + " MiB"]
    else:
        cells += ["", "", ""]
    return "| " + " | ".join(cells) + " |"


def _beside_row(size: str, kind: str, row: dict[str, Any]) -> str:
    """Rates while another process trains on the same cores, with the shares of those alone."""
    cells = [size, f"{NAMES[kind]}, beside a busy neighbour"]
    for way in ("plain", "ours"):
        cells.append(f"{row['rate'][way]:,.4g} {row['unit']} ({row['share_of_alone'][way]:.0%})")
    ratio = row["ratios"]["plain"]
    low, high = ratio["ratio_quartiles"]
    cells += [f"{ratio['ratio']:.2f} ({low:.2f} to {high:.2f})", "", "", ""]
    return "| " + " | ".join(cells) + " |"


def _note(size: str, values: dict[str, Any]) -> str:
    shape = "x".join(map(str, values["shape_chw"]))
    peaks = ", ".join(
        f"{quantity(rate, 'FLOP/s')} in {name}"
        for name, rate in values["matmul_flops_per_sec"].items()
    )
    return (
        f"- `{size}`: {shape}, {values['base_channels']} channels, batches of"
        f" {values['batch_size']} in training and {values['num_samples_at_once']} in sampling;"
        f" ours in {values['precision']}, compile {values['compile']}{_compiled(values)}; fp32"
        f" multiplies as"
        f" {values['fp32_multiplies_as']}; {values['repeats']} repeats, {values['threads']} CPU"
        f" threads, {values['plain_workers']} loader workers; matrix product {peaks};"
        f" {_instructions(values)}torch {values['torch']}."
    )


def _compiled(values: dict[str, Any]) -> str:
    """What was compiled; results of before do not say it."""
    compiled = values.get("compiled", "nothing")
    return "" if compiled == "nothing" else f", {compiled} compiled"


def _instructions(values: dict[str, Any]) -> str:
    if "processor" not in values:  # a result of before
        return ""
    sets = " ".join(values["instructions"]) or "no instruction sets named"
    return f"{values['processor']}, {values['cores']} cores, {sets}; "
