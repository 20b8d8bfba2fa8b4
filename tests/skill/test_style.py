"""What a style changes in a skill's answer: its length, its language, the level of its note, and its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from skills.llm.chat_model import CollegiumChatModel
from skills.llm.scripted import ScriptedEngine
from skills.pack import Pack
from skills.records import Language, Level, Passage, Retrieved, SkillAnswer, SkillRequest
from skills.skill import DomainSkill
from tests.skill.test_domain_skill import METFORMIN, FixedJudge, Store, pack

__all__ = ["pack"]

NOTICE = "An employer must give notice of {} to an employee before the job ends."
UK = Passage("uk", NOTICE.format("one week"), "Notice in Britain", jurisdiction="UK")
CHINA = Passage("cn", NOTICE.format("30 days"), "Notice in China", jurisdiction="CN")
QUESTION = "What notice must an employer give?"
WRITTEN = "The common side effects of metformin are nausea and diarrhoea [1]. Long-term use can lower vitamin B12 [1]."


class EvenPointer:
    """Every sentence answers as well as the others."""

    def weigh(self, question: str, sentences: Sequence[str]) -> list[float]:
        return [0.0] * len(sentences)


def answer(
    pack: Pack, request: SkillRequest, *passages: Passage, written: str = ""
) -> tuple[SkillAnswer, Retrieved, Store]:
    store = Store(passages)
    skill = DomainSkill(
        replace(pack, guards=()) if "chest" not in request.question else pack,
        model=CollegiumChatModel(engine=ScriptedEngine([written] if written else [], adapters=["medical"])),
        store=store,
        evidence=FixedJudge(0.9),
        pointer=EvenPointer(),
    )
    events = list(skill.stream(request))
    final = events[-1]
    assert isinstance(final, SkillAnswer)
    found = next((event for event in events if isinstance(event, Retrieved)), Retrieved("medical", ()))
    return final, found, store


def test_length(pack: Pack) -> None:
    question = "nausea from metformin, and vitamin B12?"
    texts = {
        length: answer(
            pack,
            SkillRequest(question, length=length),
            METFORMIN,
            written=WRITTEN if length != "long" else WRITTEN[:66],
        )[0].text
        for length in ("short", "normal", "long")
    }
    assert [text.count("[1]") for text in texts.values()] == [1, 2, 2]
    assert texts["normal"].startswith(texts["short"])
    assert texts["long"].endswith("Long-term use can lower vitamin B12 [1].")


def test_language(pack: Pack) -> None:
    settings: tuple[tuple[Language, bool], ...] = (("auto", False), ("zh", True), ("en", False))
    for language, chinese in settings:
        flagged, _, _ = answer(pack, SkillRequest("chest pain right now", language=language))
        assert (flagged.text == "请拨打120。") == chinese
        declined, _, _ = answer(pack, SkillRequest("what is gout?", language=language))
        assert ("资料库" in declined.text) == chinese
        asked, _, _ = answer(pack, SkillRequest(QUESTION, language=language), UK, CHINA)
        assert ("取决于地区" in asked.text) == chinese


def test_level(pack: Pack) -> None:
    plain = Passage("plain", "Metformin can make you feel sick. It can upset your gut.", "Metformin")
    technical = Passage(
        "technical",
        "Metformin administration precipitates gastrointestinal adverse reactions predominantly.",
        "Metformin",
    )
    question = "Can metformin make me sick?"
    settings: tuple[tuple[Level, str], ...] = (
        ("any", "technical"),
        ("lay", "plain"),
        ("expert", "technical"),
    )
    for level, first in settings:
        written = "Metformin can make you feel sick [1]." if first == "plain" else technical.text
        final, _, _ = answer(pack, SkillRequest(question, level=level), technical, plain, written=written)
        assert final.citations[0].passage_id == first


def test_a_known_place_is_not_asked_for(pack: Pack) -> None:
    asked, _, _ = answer(pack, SkillRequest(QUESTION), UK, CHINA)
    assert (asked.status, asked.reason, asked.place) == ("clarify", "which_place", "")
    final, found, _ = answer(pack, SkillRequest(QUESTION, place="China"), UK, CHINA, written=CHINA.text)
    assert (final.status, final.place, final.citations[0].passage_id) == ("answered", "China", "cn")
    assert [item.passage.id for item in found.evidence] == ["cn"]


def test_another_place_is_looked_for_once_and_then_asked_about(pack: Pack) -> None:
    final, _, store = answer(pack, SkillRequest(QUESTION, place="Japan"), UK, CHINA)
    assert (final.status, final.place) == ("clarify", "")
    assert store.queries == [QUESTION, f"{QUESTION} (Japan)"]


def test_a_place_that_is_named_or_does_not_matter_is_left_alone(pack: Pack) -> None:
    named, _, _ = answer(
        pack, SkillRequest(f"{QUESTION} In the UK", place="China"), UK, CHINA, written=UK.text
    )
    assert named.place == ""
    elsewhere, _, _ = answer(
        pack, SkillRequest("metformin side effects?", place="China"), METFORMIN, written=WRITTEN
    )
    assert (elsewhere.status, elsewhere.place) == ("answered", "")


def test_what_memory_put_into_a_question_is_no_evidence(pack: Pack) -> None:
    written = "Metformin of 850 mg has side effects: nausea and diarrhoea [1]."
    asked = SkillRequest("Can my tablets cause nausea?", "Can 850 mg metformin cause nausea?")
    typed, _, _ = answer(pack, replace(asked, own_words=""), METFORMIN, written=written)
    recalled, _, _ = answer(pack, replace(asked, own_words=asked.question), METFORMIN, written=written)
    assert "850" in typed.text
    assert "850" not in recalled.text
    assert recalled.text.startswith("The common side effects of metformin are nausea")
