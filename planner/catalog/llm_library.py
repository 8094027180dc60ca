"""Finding LLMs: shipped folders, the user's own, and any `config.json` by its path."""

import json
from collections.abc import Mapping, Sequence
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field
from ruamel.yaml import YAML

from planner.catalog.architectures import read_llm
from planner.catalog.layers import Layer, provenance_faults, with_prefix
from planner.catalog.llm import LLM, Excluded
from planner.catalog.provenance import NOT_STATED, CatalogEntry, Source
from planner.catalog.unknown import UnknownEntry
from planner.files import Document, InputFault, InputFaults, content_hash, read_document, validate
from planner.shipped import shipped_folder

CONFIG = "config.json"
FACTS = "facts.yaml"
QUANTIZATION = "hf_quant_config.json"


class LLMFacts(CatalogEntry):
    """What is known of an LLM beside its architecture."""

    kind_name: ClassVar[str] = "llm"

    hugging_face_id: str = Field(default="", description="its name on the Hugging Face hub")
    aliases: tuple[str, ...] = Field(default=(), description="other names for the same weights")
    licence: str = Field(default="", description="licence of the weights")
    total_parameters_b: float | None = Field(
        default=None, gt=0, description="published number of parameters, 1e9"
    )
    active_parameters_b: float | None = Field(
        default=None, gt=0, description="published number of parameters one token uses, 1e9"
    )
    active_excludes: Excluded = Field(
        default="nothing", description="what the published count of active parameters leaves out"
    )
    config: str | None = Field(default=None, description="path of the config.json (own catalogs)")


@cache
def _shipped_facts(folder: Path) -> Mapping[str, Any]:
    text = (folder / FACTS).read_text(encoding="utf-8")
    data: Mapping[str, Any] = YAML(typ="safe", pure=True).load(text)
    return data


@lru_cache(maxsize=256)
def _read(path: Path, stamp: int, name: str, hugging_face_id: str, source: str) -> LLM:
    """Read the `config.json` at `path`; `stamp` (its time of change) makes an edited file new."""
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
        document = Document(data, path, str(path))
    except (OSError, ValueError, RecursionError):
        document = read_document(path)  # says what is wrong, with the line
    beside = path.parent / QUANTIZATION
    quantization = read_document(beside) if beside.is_file() else None
    arguments: dict[str, Any] = {
        "hugging_face_id": hugging_face_id,
        "source": source,
        "quantization": quantization,
    }
    try:
        return read_llm(document, name, **arguments)
    except InputFaults:
        # Something is wrong: read again with line numbers, to point at it.
        return read_llm(read_document(path), name, **arguments)


def _from_folder(path: Path, name: str, hugging_face_id: str, source: str) -> LLM:
    """Read the `config.json` at `path` with an `hf_quant_config.json` beside it."""
    stamp = path.stat().st_mtime_ns if path.is_file() else 0
    return _read(path, stamp, name, hugging_face_id, source)


class Library:
    """The LLMs of a catalog, read on demand."""

    def __init__(self, user_layers: Sequence[Layer], sources: Mapping[str, Source]):
        self._user_layers = user_layers
        self._sources = sources

    @cached_property
    def _shipped(self) -> dict[str, Path]:
        """Folder of every shipped LLM by id."""
        folder = shipped_folder("models")
        return {path.parent.name: path.parent for path in sorted(folder.glob(f"*/{CONFIG}"))}

    @cached_property
    def _own(self) -> Mapping[str, tuple[LLMFacts, Path]]:
        """Facts and config path of the LLMs in the user's files, the sound ones."""
        return self._read_own()[0]

    def _read_own(self) -> tuple[dict[str, tuple[LLMFacts, Path]], list[InputFault]]:
        """Return the sound LLMs of the user's files, and what is wrong with the others."""
        found: dict[str, tuple[LLMFacts, Path]] = {}
        faults: list[InputFault] = []
        for layer in self._user_layers:
            for name, entry in layer.section("llms").items():
                document = layer.document.part("llms", name)
                default = {"source": layer.own_source, "as_of": NOT_STATED}
                full = document.with_data({**default, **entry, "id": name})
                wrong = provenance_faults(document, self._sources)
                if entry.get("config") is None:
                    wrong.append(document.fault(("config",), "nothing", "the path of a config.json"))
                try:
                    facts = validate(LLMFacts, full)
                except InputFaults as error:
                    wrong += error.faults
                else:
                    home = layer.document.path.parent if layer.document.path else Path()
                    if not wrong:
                        found[name] = (facts, _config_file(home / str(facts.config)))
                faults += with_prefix(wrong, f"llms.{name}")
        return found, faults

    @cached_property
    def _names(self) -> dict[str, str]:
        """Id by every folded name: ids, Hugging Face ids, aliases."""
        names: dict[str, str] = {}
        for name in [*self._own, *self._shipped]:
            facts = self.facts(name)
            for alias in (*facts.aliases, facts.hugging_face_id):
                if alias:
                    names.setdefault(alias.lower(), name)
        for name in self.ids():
            names[name.lower()] = name
        return names

    def ids(self) -> list[str]:
        """Return all ids, sorted."""
        return sorted({*self._shipped, *self._own})

    def facts(self, name: str) -> LLMFacts:
        """Return the facts of an LLM by id or any other name.

        Raises:
            UnknownEntry: no LLM has that name.
        """
        if name in self._own:
            return self._own[name][0]
        if name in self._shipped:
            folder = self._shipped[name]
            document = Document({**_shipped_facts(folder), "id": name}, folder / FACTS, f"{name}/{FACTS}")
            return validate(LLMFacts, document)
        return self.facts(self._resolve(name))

    def _resolve(self, name: str) -> str:
        found = self._names.get(name.lower())
        if found is None:
            advice = "a path to a config.json works too; `planner catalog list llms` shows the ids"
            raise UnknownEntry("LLM", name, self._names, advice)
        return found

    def llm(self, name: str | Path) -> LLM:
        """Return an LLM by id, Hugging Face id, alias, or path (see `Catalog.llm`)."""
        text = str(name)
        if isinstance(name, str):
            if text in self._own:
                facts, path = self._own[text]
                return _from_folder(path, text, facts.hugging_face_id, facts.source)
            if text in self._shipped:
                return self._read_shipped(text)
            if text.lower() in self._names:
                return self.llm(self._names[text.lower()])
        path = Path(text)
        if isinstance(name, Path) or path.exists() or text.endswith(".json"):
            return _from_folder(_config_file(path), _name_of(path), "", str(_config_file(path)))
        return self.llm(self._resolve(text))

    def _read_shipped(self, name: str) -> LLM:
        facts = self.facts(name)
        return _from_folder(self._shipped[name] / CONFIG, name, facts.hugging_face_id, facts.source)

    def faults(self) -> list[InputFault]:
        """Return everything that is wrong with the user's LLMs: facts, names and configs."""
        faults = self._read_own()[1]
        for name in self._own:
            try:
                self.llm(name)
            except InputFaults as error:
                faults += error.faults
        return faults + self._name_faults()

    def _name_faults(self) -> list[InputFault]:
        """Return a fault for every alias of a user's LLM that is a name of another LLM.

        A Hugging Face id may be shared with a shipped LLM (one's own copy of it, which then answers to
        the name), but not with another one of the user's.
        """
        known = {name: self.facts(name) for name in self.ids()}
        shipped = [name for name in known if name not in self._own]
        ids = {name.lower(): name for name in known}
        copies = {known[name].hugging_face_id.lower(): name for name in shipped}
        aliases = {word.lower(): name for name in shipped for word in known[name].aliases}
        own: dict[str, str] = {}
        faults = []
        for layer in self._user_layers:
            for name in (name for name in layer.section("llms") if name in self._own):
                words = [("aliases", word, ids | copies | aliases) for word in known[name].aliases]
                words.append(("hugging_face_id", known[name].hugging_face_id, {}))
                for field, word, taken in words:
                    other = taken.get(word.lower()) or own.setdefault(word.lower(), name)
                    if word and other != name:
                        found = f"'{word}', which is a name of '{other}'"
                        loc = ("llms", name, field)
                        faults.append(layer.document.fault(loc, found, "a name of its own"))
        return faults

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the shipped LLM folders."""
        texts = {
            f"{name}/{path.name}": path.read_text(encoding="utf-8")
            for name, folder in self._shipped.items()
            for path in sorted(folder.iterdir())
        }
        return content_hash(texts)


def _config_file(path: Path) -> Path:
    """Return the config.json a path leads to."""
    return path / CONFIG if path.is_dir() else path


def _name_of(path: Path) -> str:
    """Return the id of an LLM that is known only by its path: the path without `config.json`.

    Two paths are two LLMs, so the whole path is kept.
    """
    return str(path.parent if path.name == CONFIG else path)
