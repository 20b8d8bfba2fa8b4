"""The steps of a skill, through its stream, with a scripted model and a judge that follows the test."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from langchain_core.tools import tool

from skills.grounding.select import select_spans
from skills.grounding.support import Support
from skills.llm.chat_model import CollegiumChatModel
from skills.llm.scripted import ScriptedEngine
from skills.pack import Guard, Pack, PackManifest, ToolPattern
from skills.records import (
    Configuration,
    Evidence,
    Filter,
    Passage,
    Retrieved,
    ScoredPassage,
    SkillAnswer,
    SkillEvent,
    SkillRequest,
    Token,
    ToolCalled,
    Turn,
    Verified,
)
from skills.retrieval.text import terms
from skills.skill import DomainSkill
from skills.tool_calls import ToolCaller

METFORMIN = Passage(
    "metformin#side-effects",
    "The common side effects of metformin are nausea and diarrhoea. Long-term use can lower vitamin B12.",
    "Metformin: Side effects",
    "FDA label",
)
REPORT = Passage(
    "report#table", "(In millions) | 2019 | 2018\nNet sales | 1,200 | 1,000\nCosts | 5 | 4\n", "Report"
)
CHINESE = Passage("zh#1", "试用期最长不得超过六个月。同一用人单位只能约定一次试用期。", "劳动合同法")


class Store:
    def __init__(self, passages: Sequence[Passage], known: float = 0.4) -> None:
        """``known``: above 0 where questions about the passages were judged."""
        self.passages, self.known = passages, known
        self.queries: list[str] = []
        self.where: Filter | None = None

    def search(self, query: str, k: int = 10, *, where: Filter | None = None) -> list[ScoredPassage]:
        self.queries.append(query)
        self.where = where
        size = len(self.passages)
        return [ScoredPassage(passage, 1.0, known=self.known, out_of=size) for passage in self.passages[:k]]


class WordPointer:
    def weigh(self, question: str, sentences: Sequence[str]) -> list[float]:
        """Sentences that share words with the question score high."""
        return [4.0 * len(set(terms(question)) & set(terms(text.split("\n")[-1]))) for text in sentences]


class FixedJudge:
    def __init__(self, probability: float) -> None:
        self.probability = probability

    def select(self, question: str, candidates: Sequence[ScoredPassage]) -> list[Evidence]:
        return [
            Evidence(
                item.passage,
                select_spans(item.passage.text, question),
                self.probability,
                self.probability >= 0.5,
            )
            for item in candidates
        ]


@tool(response_format="content_and_artifact")
def bmi(weight: float) -> tuple[str, dict[str, float]]:
    """Body mass index of a person 1 m tall."""
    return f"The BMI is {weight:.0f} kg/m².", {"bmi": weight}


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "system.txt").write_text("You are a test.")
    manifest = PackManifest(
        name="medical", title="Medical", version="1", description="d", disclaimer="no advice"
    )
    guard = Guard(
        name="chest_pain",
        patterns=("chest pain right now",),
        action="answer",
        message="Call 112.",
        message_zh="请拨打120。",
    )
    return Pack(manifest, tmp_path, "test", True, (guard,))


def run(
    pack: Pack,
    question: str,
    steps: Sequence[str] = (),
    *,
    probability: float = 0.9,
    passages: Sequence[Passage] = (METFORMIN,),
    configuration: Configuration = "lora+rag",
    tools: ToolCaller | None = None,
    given: tuple[Passage, ...] | None = None,
    context: int = 4096,
    known: float = 0.4,
) -> tuple[list[SkillEvent], ScriptedEngine]:
    engine = ScriptedEngine(steps, adapters=["medical"], context=context)
    skill = DomainSkill(
        pack,
        model=CollegiumChatModel(engine=engine),
        store=Store(passages, known),
        evidence=FixedJudge(probability),
        pointer=WordPointer(),
        adapter="medical",
        tools=tools,
    )
    events = list(skill.stream(SkillRequest(question, passages=given, configuration=configuration)))
    engine.assert_done()
    return events, engine


def final(events: Sequence[SkillEvent]) -> SkillAnswer:
    answer = events[-1]
    assert isinstance(answer, SkillAnswer)
    assert sum(isinstance(event, SkillAnswer) for event in events) == 1
    assert "".join(event.text for event in events if isinstance(event, Token)) == answer.text
    for citation in answer.citations:
        assert any(citation.quote in passage.text for passage in (METFORMIN, REPORT, CHINESE))
    return answer


def test_supported_sentences_are_released_with_their_citation(pack: Pack) -> None:
    events, engine = run(
        pack,
        "side effects of metformin?",
        ["The common side effects of metformin are nausea and diarrhoea [1]."],
    )
    answer = final(events)
    assert answer.status == "answered"
    assert answer.text == "The common side effects of metformin are nausea and diarrhoea [1]."
    assert answer.citations[0].quote == "The common side effects of metformin are nausea and diarrhoea."
    assert answer.confidence == pytest.approx(0.9)
    assert engine.requests[0].adapter == "medical"
    assert engine.requests[0].turns[0].text == "You are a test."


def test_an_unsupported_sentence_never_gets_out(pack: Pack) -> None:
    written = "The common side effects of metformin are nausea and diarrhoea [1]. It cures 95 percent of patients [1]."
    events, _ = run(pack, "side effects of metformin?", [written])
    assert "95" not in final(events).text
    assert [event.supported for event in events if isinstance(event, Verified)] == [True, False]


def test_what_the_check_refuses_never_gets_out_and_the_event_says_why(pack: Pack) -> None:
    def refuse(sentence: str, parts: Sequence[str], question: str, *, context: str = "") -> Support:
        assert context.startswith(METFORMIN.title)
        assert " ".join(parts) == METFORMIN.text
        return Support("diarrhoea" not in sentence, "entity_near", 0)

    engine = ScriptedEngine([f"{COMMON} {LONG_TERM}"], adapters=["medical"])
    skill = DomainSkill(
        pack, model=CollegiumChatModel(engine=engine), store=Store([METFORMIN]), evidence=FixedJudge(0.9),
        pointer=WordPointer(),
        check=refuse,
    )  # fmt: skip
    events = list(skill.stream(SkillRequest("Is metformin long-term use common?")))
    assert "diarrhoea" not in final(events).text
    assert next(event.reason for event in events if isinstance(event, Verified)) == "entity_near"


def test_writing_without_support_gives_way_to_quotes(pack: Pack) -> None:
    events, _ = run(pack, "Does metformin lower vitamin B12?", ["Aspirin heals 40 people in Paris."])
    answer = final(events)
    assert "Long-term use can lower vitamin B12 [1]." in answer.text
    assert answer.status == "answered"


def test_a_sentence_that_misses_the_point_gives_way_to_the_one_that_does_not(pack: Pack) -> None:
    written = "The common side effects of metformin are nausea and diarrhoea [1]."
    events, _ = run(pack, "Does it lower vitamin B12?", [written])
    assert final(events).text == "Long-term use can lower vitamin B12 [1]."
    assert [event.reason for event in events if isinstance(event, Verified)] == ["point"]


COMMON = "The common side effects of metformin are nausea and diarrhoea [1]."
LONG_TERM = "Long-term use can lower vitamin B12 [1]."


def test_in_a_text_that_nobody_judged_the_sentences_around_the_best_are_told_too(pack: Pack) -> None:
    events, _ = run(pack, "Does it lower vitamin B12?", [COMMON], known=0.0)
    assert final(events).text == f"{LONG_TERM} {COMMON}"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (f"{COMMON} {LONG_TERM}", f"{COMMON} {LONG_TERM}"),
        (COMMON, f"{LONG_TERM} {COMMON}"),
        (LONG_TERM, LONG_TERM),
    ],
)
def test_the_sentence_that_answers_best_is_always_there(pack: Pack, written: str, shown: str) -> None:
    """A lesser one waits for it; where it is not written, it is quoted and goes first."""
    events, _ = run(pack, "Is it common long-term?", [written])
    assert final(events).text == shown


def test_a_short_sentence_that_misses_the_point_is_not_shown_either(pack: Pack) -> None:
    events, _ = run(pack, "common side effects of metformin?", ["Use can lower vitamin B12 [1]."])
    assert final(events).text == "The common side effects of metformin are nausea and diarrhoea [1]."
    assert [event.reason for event in events if isinstance(event, Verified)] == ["point"]


def test_what_answers_as_well_and_was_not_written_is_quoted_behind(pack: Pack) -> None:
    written = "The common side effects of metformin are nausea and diarrhoea [1]."
    events, _ = run(pack, "nausea or vitamin?", [written])
    assert final(events).text == f"{written} Long-term use can lower vitamin B12 [1]."


def test_writing_that_only_leaves_much_out_gives_way_to_the_whole_sentence(pack: Pack) -> None:
    whole = (
        "A tenant must give 30 days of notice before leaving, in writing and by registered mail to the owner"
    )
    notice = Passage("notice#1", f"{whole}. Rent is due on the first day.", "Notice")
    written = "A tenant must give 30 days of notice [1]. Notice is by registered mail to the owner [1]."
    events, _ = run(pack, "what notice must a tenant give?", [written], passages=[notice])
    assert isinstance(events[-1], SkillAnswer)
    assert events[-1].text == f"{whole} [1]."
    assert [event.supported for event in events if isinstance(event, Verified)] == [True, True]


def test_the_title_may_be_named_in_an_answer(pack: Pack) -> None:
    passage = Passage("m#1", "Nausea and diarrhoea are common.", "Metformin")
    events, _ = run(
        pack, "What is common?", ["Nausea and diarrhoea are common with metformin [1]."], passages=[passage]
    )
    answer = events[-1]
    assert isinstance(answer, SkillAnswer)
    assert answer.text == "Nausea and diarrhoea are common with metformin [1]."


def test_a_value_of_a_table_cites_its_row(pack: Pack) -> None:
    table = Passage(
        "t#1", "(in thousands) | 2019 | 2018\nRevenue | 4,013 | 3,249\nCosts | 822 | 17", "Report"
    )
    events, engine = run(pack, "Tell me the revenue of 2019.", ["4,013 thousands [1]."], passages=[table])
    answer = events[-1]
    assert isinstance(answer, SkillAnswer)
    assert answer.text == "4,013 thousands [1]."
    assert answer.citations[0].quote == "Revenue | 4,013 | 3,249"
    assert "Revenue: 2019 = 4,013; 2018 = 3,249" in engine.requests[0].turns[1].text


def test_evidence_that_does_not_fit_the_context_is_cut_from_its_worst_end_never_the_question(
    pack: Pack,
) -> None:
    question = "can long-term use of metformin lower my vitamin B12 level over the years?"
    written = "Long-term use can lower vitamin B12 [1]."
    whole, engine = run(pack, question, [written])
    words = sum(len(turn.text.split()) for turn in engine.requests[0].turns)
    assert METFORMIN.text in engine.requests[0].turns[-1].text
    events, engine = run(pack, question, [written], context=160 + words - 1)
    prompt = engine.requests[0].turns[-1].text
    assert question in prompt
    assert "Long-term use can lower vitamin B12." in prompt
    assert "nausea" not in prompt
    assert final(events).text == final(whole).text


def test_where_not_even_the_best_sentence_fits_it_is_quoted(pack: Pack) -> None:
    events, engine = run(pack, "vitamin B12 and long-term use?", context=170)
    assert engine.requests == []
    assert final(events).text == "Long-term use can lower vitamin B12 [1]."


def test_passages_that_do_not_fit_are_left_out_from_the_last(pack: Pack) -> None:
    events, engine = run(
        pack,
        "metformin?",
        ["Nausea [1]."],
        passages=(METFORMIN, REPORT),
        configuration="rag-passages",
        context=160 + 40,
    )
    prompt = engine.requests[0].turns[-1].text
    assert METFORMIN.text in prompt
    assert "Net sales" not in prompt
    assert final(events).status == "answered"


def test_no_evidence_no_answer_and_the_model_is_not_asked(pack: Pack) -> None:
    events, engine = run(pack, "Who makes Zyloprim?", probability=0.2)
    answer = final(events)
    assert (answer.status, answer.reason, answer.citations) == ("declined", "no_evidence", ())
    assert "Metformin: Side effects" in answer.text
    assert engine.requests == []
    assert next(event for event in events if isinstance(event, Retrieved)).evidence == ()


def test_a_decline_for_a_year_says_of_when_the_nearest_is(pack: Pack) -> None:
    dated = replace(METFORMIN, as_of="2026-10")
    for question, said in (("metformin's price in 2019?", True), ("metformin's price?", False)):
        events, _ = run(pack, question, probability=0.2, passages=(dated,))
        assert ("Metformin: Side effects (as of 2026-10)" in final(events).text) is said


def test_a_chinese_question_to_english_notes_is_told_so(pack: Pack) -> None:
    events, _ = run(pack, "二甲双胍有什么副作用？", probability=0.2)
    assert "请用英文提问" in final(events).text
    assert "Metformin" not in final(events).text
    events, _ = run(pack, "试用期最长多久？", probability=0.2, passages=(CHINESE,))
    assert "请用英文提问" not in final(events).text


def test_a_red_flag_comes_first(pack: Pack) -> None:
    events, engine = run(pack, "I have chest pain right now")
    assert (final(events).text, final(events).reason) == ("Call 112.", "red_flag")
    assert engine.requests == []


def test_chinese_evidence_is_quoted_not_rewritten(pack: Pack) -> None:
    events, engine = run(pack, "试用期最长多久？", passages=[CHINESE])
    answer = final(events)
    assert "试用期最长不得超过六个月 [1]。" in answer.text
    assert engine.requests == []


def caller() -> ToolCaller:
    pattern = ToolPattern.model_validate(
        {
            "triggers": ["bmi"],
            "arguments": {
                "weight": {"patterns": [{"regex": r"(?P<value>\d+) ?kg"}], "ask": "What is the weight?"}
            },
        }
    )
    return ToolCaller([bmi], {"bmi": pattern})


def test_a_calculation_goes_to_the_tool(pack: Pack) -> None:
    events, engine = run(pack, "What is my BMI at 80 kg?", tools=caller())
    answer = final(events)
    assert answer.text == "The BMI is 80 kg/m²."
    assert [event.call.name for event in events if isinstance(event, ToolCalled)] == ["bmi"]
    assert engine.requests == []


def test_a_missing_argument_is_asked_for(pack: Pack) -> None:
    events, _ = run(pack, "calculate my bmi", tools=caller())
    assert (final(events).status, final(events).text) == ("clarify", "What is the weight?")


def test_given_passages_take_the_place_of_the_store(pack: Pack) -> None:
    written = "The common side effects of metformin are nausea and diarrhoea [1]."
    events, _ = run(pack, "side effects of metformin?", [written], passages=(), given=(METFORMIN,))
    assert final(events).citations[0].passage_id == METFORMIN.id


@pytest.mark.parametrize(
    ("configuration", "adapter"), [("base", None), ("lora", "medical"), ("rag", None), ("rag-passages", None)]
)
def test_configurations_for_evaluation(pack: Pack, configuration: Configuration, adapter: str | None) -> None:
    written = "The common side effects of metformin are nausea and diarrhoea [1]."
    events, engine = run(pack, "side effects of metformin?", [written], configuration=configuration)
    answer = final(events)
    assert answer.status == "answered"
    assert engine.requests[0].adapter == adapter
    shown = engine.requests[0].turns[-1].text
    assert ("nausea" in shown) == (configuration not in ("base", "lora"))
    assert bool(answer.citations) == (configuration not in ("base", "lora"))


def test_pointing_quotes_the_best_sentences_and_asks_no_model(pack: Pack) -> None:
    quoted = replace(pack, manifest=pack.manifest.model_copy(update={"answers": "quoted"}))
    asked: list[tuple[Pack, Configuration]] = [(pack, "pointing"), (quoted, "lora+rag")]
    for one, configuration in asked:
        events, engine = run(one, "side effects of metformin?", configuration=configuration)
        answer = final(events)
        assert engine.requests == []
        assert answer.status == "answered"
        assert answer.text.replace(" [1]", "") in METFORMIN.text
        assert answer.citations[0].quote in METFORMIN.text
    for configuration in cast("list[Configuration]", ["rag", "no-verify"]):
        _, engine = run(quoted, "side effects of metformin?", ["Nausea [1]."], configuration=configuration)
        assert engine.requests


def test_a_question_in_the_source_is_never_the_answer(pack: Pack) -> None:
    text = "What are the side effects of metformin? They are nausea and diarrhoea."
    passage = Passage("m#1", text, "Metformin")
    events, _ = run(
        pack, "What are the side effects of metformin?", passages=(passage,), configuration="pointing"
    )
    assert events[-1].text == "They are nausea and diarrhoea [1]."  # type: ignore[union-attr]


def answer_from(pack: Pack, text: str, question: str, steps: Sequence[str] = ()) -> str:
    passage = Passage("m#1", text, "Bronchitis")
    configuration: Configuration = "lora+rag" if steps else "pointing"
    events, _ = run(pack, question, steps, passages=(passage,), configuration=configuration)
    answer = events[-1]
    assert isinstance(answer, SkillAnswer)
    assert "".join(event.text for event in events if isinstance(event, Token)) == answer.text
    return answer.text


def test_a_sentence_that_leans_on_the_one_before_brings_it(pack: Pack) -> None:
    text = "Doctors use medicines for the lungs. These include bronchodilators for bronchitis. Rest is good."
    written = answer_from(
        pack, text, "bronchitis bronchodilators?", ["These include bronchodilators for bronchitis [1]."]
    )
    assert (
        written
        == "Doctors use medicines for the lungs [1]. These include bronchodilators for bronchitis [1]."
    )
    assert answer_from(pack, text, "bronchitis bronchodilators?") == written
    alone = "These include bronchodilators for bronchitis. Rest is good."
    assert (
        answer_from(pack, alone, "bronchitis bronchodilators?")
        == "These include bronchodilators for bronchitis [1]."
    )


def test_a_sentence_that_says_then_brings_the_one_that_says_when(pack: Pack) -> None:
    text = "The blisters crust within ten days. Children with bronchitis stay at home until then."
    assert answer_from(pack, text, "bronchitis children stay at home?") == (
        "The blisters crust within ten days [1]. Children with bronchitis stay at home until then [1]."
    )


def test_a_sentence_that_leads_to_a_table_or_a_list_brings_it(pack: Pack) -> None:
    table = "Stages of bronchitis, in weeks:\nstage | weeks\nacute | 1 to 3\nchronic | over 12\nRest is good."
    assert answer_from(pack, table, "What are the stages of bronchitis?") == (
        "Stages of bronchitis, in weeks [1]: acute: weeks = 1 to 3 [1]. chronic: weeks = over 12 [1]."
    )
    items = "The signs of bronchitis are:\n- cough\n- phlegm\n\nRest is good."
    steps = ["The signs of bronchitis are [1]:"]
    for given in ([], steps):
        assert answer_from(pack, items, "What are the signs of bronchitis?", given) == (
            "The signs of bronchitis are [1]: - cough [1]. - phlegm [1]."
        )


def test_what_is_asked_about_is_defined_and_both_sides_are_told(pack: Pack) -> None:
    text = (
        "With smoke in the air there is more bronchitis in winter. Bronchitis is a swelling of the airways. "
        "Asthma is a narrowing of the airways. Rest is good."
    )
    assert answer_from(pack, text, "What is bronchitis?") == "Bronchitis is a swelling of the airways [1]."
    told = answer_from(pack, text, "What is the difference between asthma and bronchitis?")
    assert "Asthma is a narrowing of the airways [1]." in told
    assert "ronchitis" in told
    steps = ["Asthma is a narrowing of the airways [1]."]
    assert "ronchitis" in answer_from(pack, text, "difference between asthma and bronchitis?", steps)


def test_a_question_that_the_model_repeats_is_not_shown(pack: Pack) -> None:
    text = "What are the symptoms of bronchitis? The symptoms of bronchitis are cough and phlegm."
    steps = ["What are the symptoms of bronchitis [1]? The symptoms of bronchitis are cough and phlegm [1]."]
    assert answer_from(pack, text, "symptoms of bronchitis?", steps) == (
        "The symptoms of bronchitis are cough and phlegm [1]."
    )


@pytest.mark.parametrize(
    ("question", "verdict"),
    [
        ("Is an oral sale of land binding?", False),
        ('In the agreement "Bronchitis": is it true that "Land needs no writing."', True),
        ('Is it true that "Land needs no writing."', True),
        ('In the contract "Bronchitis", Anti-Assignment: is consent required?', True),
    ],
)
def test_a_bare_yes_answers_a_stated_claim_or_a_named_document_only(
    pack: Pack, question: str, verdict: bool
) -> None:
    text = "Contracts for the sale of land need a writing."
    answer = answer_from(pack, text, question, ["Yes [1]."])
    assert answer == ("Yes [1]." if verdict else "Contracts for the sale of land need a writing [1].")


def test_a_bare_no_abridges_nothing(pack: Pack) -> None:
    text = "Contracts for the sale of land need a writing."
    question = 'Is it true that "Contracts for the sale of land need no writing."'
    assert answer_from(pack, text, question, ["No [1]."]) == "No [1]."


def test_an_abbreviation_with_a_blank_ends_no_sentence(pack: Pack) -> None:
    text = "Bronchitis is common in the U. S. among smokers. It is rare elsewhere."
    steps = ["Bronchitis is common in the U. S. among smokers [1]."]
    assert answer_from(pack, text, "is bronchitis common?", steps) == (
        "Bronchitis is common in the U. S. among smokers [1]."
    )


def test_another_skills_adapter_writes_for_comparison(pack: Pack) -> None:
    written = "The common side effects of metformin are nausea and diarrhoea [1]."
    engine = ScriptedEngine([written], adapters=["legal", "medical"])
    skill = DomainSkill(
        pack,
        model=CollegiumChatModel(engine=engine),
        store=Store([METFORMIN]),
        evidence=FixedJudge(0.9),
        pointer=WordPointer(),
        other_adapter="legal",
    )
    list(skill.stream(SkillRequest("side effects of metformin?", configuration="wrong-adapter")))
    assert engine.requests[0].adapter == "legal"


def test_without_checks_what_is_written_gets_out(pack: Pack) -> None:
    written = "Metformin cures baldness in 40 days."
    question = "side effects of metformin?"
    for configuration, gets_out in (("lora+rag", False), ("no-verify", True)):
        events, engine = run(pack, question, [written], configuration=configuration)  # pyright: ignore
        assert engine.requests[0].adapter == "medical"
        assert ("baldness" in final(events).text) == gets_out


def test_closing_the_stream_stops_the_model(pack: Pack) -> None:
    engine = ScriptedEngine(
        ["The common side effects of metformin are nausea and diarrhoea [1]. More."], adapters=["medical"]
    )
    skill = DomainSkill(
        pack,
        model=CollegiumChatModel(engine=engine),
        store=Store([METFORMIN]),
        evidence=FixedJudge(0.9),
        pointer=WordPointer(),
    )
    stream: Iterator[SkillEvent] = skill.stream(SkillRequest("side effects of metformin?"))
    assert isinstance(next(stream), Retrieved)
    stream.close()  # type: ignore[attr-defined]
    assert engine.requests == []


def test_a_filter_reaches_the_store(pack: Pack) -> None:
    store, where = Store(()), Filter(jurisdiction="US", as_of="2024-01-01")
    skill = DomainSkill(
        pack,
        model=CollegiumChatModel(engine=ScriptedEngine(())),
        store=store,
        evidence=FixedJudge(0.9),
        pointer=WordPointer(),
    )
    answer = final(list(skill.stream(SkillRequest("side effects of metformin?", where=where))))
    assert (answer.status, answer.reason) == ("declined", "no_evidence")
    assert store.where == where


def test_what_a_table_has_to_be_worked_out_for_is_calculated_without_the_model(pack: Pack) -> None:
    events, _ = run(
        pack, "What is the percentage change in net sales from 2018 to 2019?", passages=[METFORMIN, REPORT]
    )
    answer = final(events)
    assert answer.text == "20 percent [1]."
    (call,) = [event.call for event in events if isinstance(event, ToolCalled)]
    assert call.text == "Net sales: (1,200 - 1,000) / 1,000 = 20 percent"
    assert call.arguments == {"Net sales, 2018": "1,000", "Net sales, 2019": "1,200"}
    assert answer.tools == (call,)
    (citation,) = answer.citations
    assert (citation.passage_id, citation.quote) == ("report#table", "Net sales | 1,200 | 1,000")
    assert "".join(event.text for event in events if isinstance(event, Token)) == answer.text


def test_a_figure_of_a_table_is_read_without_the_model(pack: Pack) -> None:
    events, _ = run(pack, "What were net sales in 2018?", passages=[REPORT])
    answer = final(events)
    assert (answer.text, answer.tools) == ("1,000 million [1].", ())


def test_where_figures_are_to_be_compared_no_single_row_is_quoted(pack: Pack) -> None:
    mixed = Passage(
        "m#1", "Region | sales\nEurope | 66\nAsia | 12\nRegion | costs\nEurope | 6\nAsia | 9\n", "Sales"
    )
    events, engine = run(pack, "Which region has the highest sales?", passages=[mixed])
    assert final(events).status == "declined"
    assert not engine.requests


def test_a_table_that_is_no_evidence_is_not_read(pack: Pack) -> None:
    events, _ = run(pack, "What were net sales in 2018?", passages=[REPORT], probability=0.1)
    assert final(events).status == "declined"


def test_where_the_answer_depends_on_the_place_it_is_asked_for(pack: Pack) -> None:
    notes = [
        Passage("us#1", "Copyright lasts for life plus 70 years.", "Copyright: Term", jurisdiction="US"),
        Passage(
            "us#2",
            "Copyright of a work for hire lasts 95 years.",
            "Copyright: Hire",
            jurisdiction="US federal",
        ),
        Passage("cn#1", "Copyright lasts for life plus 50 years.", "China: copyright", jurisdiction="CN"),
    ]
    answer = final(run(pack, "How long does copyright last?", passages=notes)[0])
    assert (answer.status, answer.reason) == ("clarify", "which_place")
    assert "US (Copyright: Term); CN (China: copyright)" in answer.text
    everywhere = Passage("m#1", "Copyright lasts for decades.", "Copyright", jurisdiction="international")
    for question, passages in (
        ("How long does copyright last in China?", notes),
        ("How long does copyright last?", notes[2:]),
        ("How long does copyright last?", [*notes, everywhere][-2:]),
    ):
        events, _ = run(pack, question, ["Copyright lasts for life plus 50 years [1]."], passages=passages)
        last = events[-1]
        assert isinstance(last, SkillAnswer)
        assert last.status == "answered"


@pytest.mark.parametrize(
    ("question", "asked", "other"),
    [("试用期最长多久？", "zh", "en"), ("side effects of metformin?", "en", "zh")],
)
def test_a_question_is_looked_for_in_the_store_of_its_language(
    pack: Pack, question: str, asked: str, other: str
) -> None:
    stores = {"en": Store([METFORMIN]), "zh": Store([CHINESE])}
    skill = DomainSkill(
        pack,
        model=CollegiumChatModel(engine=ScriptedEngine([])),
        store=stores["en"],
        chinese_store=stores["zh"],
        evidence=FixedJudge(0.9),
        pointer=WordPointer(),
    )
    answer = final(list(skill.stream(SkillRequest(question, configuration="pointing"))))
    assert answer.citations[0].passage_id == stores[asked].passages[0].id
    assert (stores[asked].queries, stores[other].queries) == ([question], [])


DOSE = Passage(
    "metformin#dose", "The starting dose of metformin is 500 mg twice a day.", "Metformin: Dose", "FDA label"
)
EFFECTS = Passage(
    METFORMIN.id, "Metformin can cause nausea and diarrhoea.", METFORMIN.title, METFORMIN.source
)


ASKED, TOLD = "what is the dose", "what are the side effects of metformin what is the dose"


class ByQuestion(FixedJudge):
    """Finds the effects for the conversation and the dose for anything else, each as sure as it is told."""

    def __init__(self, sure: Mapping[str, float]) -> None:
        self.sure = sure

    def select(self, question: str, candidates: Sequence[ScoredPassage]) -> list[Evidence]:
        self.probability = self.sure[question]
        found = super().select(question, candidates)
        return [item for item in found if (item.passage.id == DOSE.id) == (question != TOLD)]


def _meant(
    pack: Pack, sure: Mapping[str, float], request: SkillRequest, dose: Passage = DOSE
) -> tuple[str, str]:
    """(the passage that is cited, the query instead of the conversation)"""
    skill = DomainSkill(
        pack,
        model=CollegiumChatModel(engine=ScriptedEngine([])),
        store=Store([EFFECTS, dose]),
        evidence=ByQuestion(sure),
        pointer=WordPointer(),
    )
    events = list(skill.stream(replace(request, search_query=TOLD, configuration="pointing")))
    answer, found = events[-1], next(event for event in events if isinstance(event, Retrieved))
    assert isinstance(answer, SkillAnswer)
    assert answer.status == "answered" or "looked through 2 " in answer.text
    return (answer.citations[0].passage_id if answer.citations else ""), found.query


@pytest.mark.parametrize(
    ("alone", "together", "moves", "leans", "cited"),
    [
        (0.95, 0.9, False, False, EFFECTS.id),  # about as sure: what was said before counts
        (0.95, 0.6, False, False, DOSE.id),
        (0.95, 0.2, False, False, DOSE.id),
        (0.8, 0.2, False, False, ""),  # not that sure
        (0.2, 0.9, False, False, EFFECTS.id),
        (0.95, 0.2, False, True, ""),  # it cannot be meant by itself
        (0.92, 0.9, True, False, DOSE.id),  # of another domain than the last one: it may well be
        (0.8, 0.2, True, False, ""),
        (0.95, 0.2, True, False, DOSE.id),
        (0.7, 0.9, True, False, EFFECTS.id),
    ],
)
def test_a_message_is_read_in_its_conversation_unless_it_surely_stands_alone(
    pack: Pack, alone: float, together: float, moves: bool, leans: bool, cited: str
) -> None:
    request = SkillRequest(ASKED, alone=() if leans else (ASKED,), moves=moves)
    instead = ASKED if cited == DOSE.id else ""
    assert _meant(pack, {ASKED: alone, TOLD: together}, request) == (cited, instead)


def test_a_place_that_was_told_keeps_other_places_out_and_nothing_else(pack: Pack) -> None:
    sure, placed = {TOLD: 0.2, ASKED: 0.95, f"{ASKED} in Spain": 0.2}, f"{ASKED} in Spain"
    request = SkillRequest(ASKED, alone=(placed, ASKED))
    assert _meant(pack, sure, request) == (DOSE.id, ASKED)
    british = replace(DOSE, jurisdiction="UK")
    assert _meant(pack, sure, request, british) == ("", "")
    assert _meant(pack, sure, replace(request, alone=(ASKED,)), british) == (DOSE.id, ASKED)


def test_what_was_told_already_leaves_room_for_what_a_message_finds_by_itself(pack: Pack) -> None:
    history = (Turn("user", "with meals?"), Turn("assistant", f"{EFFECTS.text} [1]"))
    request = SkillRequest(ASKED, alone=(ASKED,), history=history, repeats=False)
    sure = {TOLD: 0.9, f"with meals? {ASKED}": 0.2, ASKED: 0.6}
    assert _meant(pack, sure, request) == (DOSE.id, ASKED)


@pytest.mark.parametrize(
    ("question", "said", "repeats", "nearer", "cited"),
    [
        (ASKED, EFFECTS.text, False, 0.9, DOSE.id),  # told: read after the last message alone
        (ASKED, EFFECTS.text, False, 0.2, ""),
        (ASKED, EFFECTS.text, True, 0.9, EFFECTS.id),  # it only tells more
        (ASKED, "It lowers sugar.", False, 0.9, EFFECTS.id),
        ("and nausea?", EFFECTS.text, False, 0.9, EFFECTS.id),  # told, and asked for by name
    ],
)
def test_what_was_told_is_not_told_again_to_another_question(
    pack: Pack, question: str, said: str, repeats: bool, nearer: float, cited: str
) -> None:
    history = (Turn("user", "with meals?"), Turn("assistant", f"{said} [1]"))
    request = SkillRequest(question, history=history, repeats=repeats)
    found, _ = _meant(pack, {TOLD: 0.9, f"with meals? {question}": nearer}, request)
    assert found == cited
