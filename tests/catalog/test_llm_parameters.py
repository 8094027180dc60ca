"""Parameter counts against the published ones."""

import pytest

BILLION = 1e9

# Parameters of the published checkpoints, counted tensor by tensor (the `total` of the safetensors
# index on the Hugging Face hub, text models only). These must match to the last weight.
EXACT = {
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-2-70b": 68_976_648_192,
    "llama-3-8b": 8_030_261_248,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.3-70b": 70_553_706_496,
    "llama-3.1-405b": 405_853_388_800,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "mistral-7b": 7_241_732_096,
    "mixtral-8x7b": 46_702_792_704,
    "mixtral-8x22b": 140_620_634_112,
    "qwen2-7b": 7_615_616_512,
    "qwen2.5-72b": 72_706_203_648,
    "qwen3-8b": 8_190_735_360,
    "qwen3-14b": 14_768_307_200,
    "qwen3-32b": 32_762_123_264,
    "qwen3-30b-a3b": 30_532_122_624,
    "qwen3-235b-a22b": 235_093_634_560,
    "qwen3-next-80b-a3b": 79_674_391_296,
    "gpt-oss-120b": 116_829_156_672,
    "gpt-oss-20b": 20_914_757_184,
    "gemma-2-9b": 9_241_705_984,
    "gemma-2-27b": 27_227_128_320,
    "phi-3-mini": 3_821_079_552,
    "phi-4": 14_659_507_200,
    "deepseek-v2-lite": 15_706_484_224,
    "deepseek-v2": 235_741_434_880,
}

# Published in model cards and technical reports, in 1e9 parameters, to the digits given there: total; then
# the active count, what it leaves out (each family its own, see docs/catalog.md), and how its last digit came
# about. Rounded to the nearest, `3.3` stands for 3.25 to 3.35; truncated, for 3.3 to 3.4.
PUBLISHED = {
    "llama-4-maverick": ("400", "17", "nothing", "nearest"),
    "llama-3.3-nemotron-super-49b": ("49.9", None, "nothing", "nearest"),
    "deepseek-v3": ("671", "37", "embedding", "nearest"),
    "deepseek-r1": ("671", "37", "embedding", "nearest"),
    "deepseek-v2": ("236", "21", "embedding", "nearest"),
    "deepseek-v2-lite": ("15.7", "2.4", "embedding", "truncated"),
    "kimi-k2": ("1026", "32", "embedding", "nearest"),
    "glm-5": ("744", "40", "embedding_and_head", "nearest"),
    "glm-4.5": ("355", "32", "embedding_and_head", "nearest"),
    "glm-4.5-air": ("106", "12", "embedding_and_head", "nearest"),
    "gpt-oss-120b": ("116.83", "5.13", "embedding", "nearest"),
    "gpt-oss-20b": ("20.91", "3.61", "embedding", "nearest"),
    "mixtral-8x7b": ("46.7", "12.9", "nothing", "nearest"),
    "mixtral-8x22b": ("140.6", "39.1", "nothing", "nearest"),
    "qwen3-30b-a3b": ("30.5", "3.3", "nothing", "truncated"),
    "qwen3-235b-a22b": ("235", "22", "nothing", "nearest"),
    "qwen3-coder-480b-a35b": ("480", "35", "nothing", "nearest"),
    "qwen3-next-80b-a3b": ("80", "3", "nothing", "truncated"),
    "qwen3.5-27b": ("27", None, "nothing", "nearest"),
    "qwen3.5-35b-a3b": ("35", "3", "nothing", "nearest"),
    "qwen3.5-122b-a10b": ("122", "10", "nothing", "nearest"),
    "qwen3.5-397b-a17b": ("397", "17", "nothing", "nearest"),
    "gemma-4-26b-a4b": ("25.2", "3.8", "nothing", "nearest"),
    "gemma-4-31b-nvfp4": ("30.7", None, "nothing", "nearest"),
    "gemma-3-27b": ("27.01", None, "nothing", "nearest"),
    "minimax-m2.5": ("230", "10", "embedding_and_head", "nearest"),
    "minimax-text-01": ("456", "45.9", "embedding_and_head", "nearest"),
    "nemotron-3-nano-30b-a3b": ("31.6", "3.2", "embedding", "nearest"),
    "nemotron-3-super-120b-a12b": ("120.6", "12", "embedding", "nearest"),
    "nemotron-3-ultra-550b-a55b": ("550", "55", "embedding", "nearest"),
    "nemotron-h-56b": ("56", None, "nothing", "nearest"),
    "mimo-v2-flash": ("309", "15", "nothing", "nearest"),
    "phi-3.5-moe": ("41.87", "6.6", "nothing", "nearest"),
}

# What the same publishers say in other words.
ALSO_PUBLISHED = [
    ("nemotron-3-nano-30b-a3b", "3.6", "nothing"),
    ("nemotron-3-super-120b-a12b", "12.7", "nothing"),
]

# Llama 4's vision tower and projector: 34 layers of width 1,408 and 5,632, then 5,632 x 4,096,
# 4,096 x 4,096 and 4,096 x 5,120; they are part of the published 109B and are not counted here.
LLAMA4_VISION = 34 * (4 * 1408**2 + 2 * 1408 * 5632) + 5632 * 4096 + 4096 * 4096 + 4096 * 5120


def _unit(figure: str) -> float:
    """One unit of the last digit of a figure."""
    return 10.0 ** -len(figure.partition(".")[2])


def _stands_for(figure: str, rounding: str = "nearest"):
    """The counts a published figure stands for: 1 % around it, or half a unit of its last digit if more."""
    center = float(figure) + (_unit(figure) / 2 if rounding == "truncated" else 0.0)
    return pytest.approx(center, abs=max(0.01 * float(figure), _unit(figure) / 2))


@pytest.mark.parametrize("name", EXACT)
def test_total_matches_the_checkpoint_exactly(catalog, name):
    """Biases, norms and sinks included, the count is the checkpoint's."""
    assert catalog.llm(name).total_parameters == EXACT[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_total_agrees_with_the_model_card(catalog, name):
    """Totals, rounded to the nearest digit by all publishers."""
    assert catalog.llm(name).total_parameters / BILLION == _stands_for(PUBLISHED[name][0])


@pytest.mark.parametrize("name", [name for name in PUBLISHED if PUBLISHED[name][1]])
def test_active_agrees_with_the_model_card(catalog, name):
    """Active counts agree under the convention and the rounding of their publisher."""
    _, figure, excluded, rounding = PUBLISHED[name]
    ours = catalog.llm(name).active_parameters_excluding(excluded) / BILLION
    assert ours == _stands_for(figure, rounding)


@pytest.mark.parametrize(("name", "figure", "excluded"), ALSO_PUBLISHED)
def test_other_statements_agree_too(catalog, name, figure, excluded):
    """Publishers that state both conventions."""
    ours = catalog.llm(name).active_parameters_excluding(excluded) / BILLION
    assert ours == _stands_for(figure)


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_shipped_facts_repeat_the_published_numbers(catalog, name):
    """facts.yaml carries the same figures as this table, and the same convention."""
    total, active, excluded, _ = PUBLISHED[name]
    facts = catalog.llm_facts(name)
    assert facts.total_parameters_b == float(total)
    if active is not None:
        assert facts.active_parameters_b == float(active)
        assert facts.active_excludes == excluded


CONVENTIONS = {
    "deepseek": "embedding",
    "kimi": "embedding",
    "gpt_oss": "embedding",
    "nemotron_h": "embedding",
    "glm": "embedding_and_head",
    "minimax": "embedding_and_head",
    "qwen": "nothing",
    "llama4": "nothing",
    "mixtral": "nothing",
    "gemma": "nothing",
    "phi": "nothing",
    "mimo": "nothing",
}


def test_siblings_count_alike(catalog):
    """Every mixture of experts of a family leaves out the same, whether or not a figure is published."""
    for name in catalog.llm_ids():
        llm = catalog.llm(name)
        if llm.moe:
            (convention,) = {CONVENTIONS[key] for key in CONVENTIONS if llm.family.startswith(key)}
            assert catalog.llm_facts(name).active_excludes == convention, name


def test_llama4_scout_is_published_with_its_vision_tower(catalog):
    """109B is text and vision; the text decoder alone is 107.8B."""
    scout = catalog.llm("llama-4-scout")
    assert (scout.total_parameters + LLAMA4_VISION) / BILLION == pytest.approx(109, rel=0.01)
    assert scout.active_parameters / BILLION == pytest.approx(17, abs=0.5)


def test_every_shipped_llm_agrees_with_its_own_facts(catalog):
    """No model folder states a total that its config contradicts."""
    for name in catalog.llm_ids():
        facts, llm = catalog.llm_facts(name), catalog.llm(name)
        if facts.total_parameters_b is not None and name != "llama-4-scout":
            ours = llm.total_parameters / BILLION
            assert ours == _stands_for(f"{facts.total_parameters_b:g}"), name


def test_parts_add_up_to_the_total(catalog):
    """Every weight belongs to exactly one part, and layers add up, for every model."""
    for name in catalog.llm_ids():
        llm = catalog.llm(name)
        assert sum(llm.parameters_by_part().values()) == llm.total_parameters
        assert 0 < llm.active_parameters <= llm.total_parameters
        assert llm.moe or llm.active_parameters == llm.total_parameters
        assert min(llm.parameters_by_part().values()) >= 0


def test_a_tied_head_is_counted_once(catalog):
    """Llama 3.2 1B shares its embedding with the LM head."""
    llm = catalog.llm("llama-3.2-1b")
    assert llm.tied_embeddings
    assert llm.parameters_by_part()["lm_head"] == 0
    assert llm.parameters_by_part()["embedding"] == 128256 * 2048
