"""The medical pack: its corpus and examples are consistent, its calculators right, its red flags precise."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from skills.errors import ToolInputError
from skills.files import read_jsonl
from skills.pack import Pack, load_pack
from skills.records import ToolMatch
from skills.tool_calls import ToolCaller
from tests.domains.notes import check_note, read_notes

FOLDER = Path(__file__).parents[2] / "domains" / "medical"
PACK: Pack = load_pack(FOLDER, origin="test", trusted=True)
CALLER = ToolCaller.for_pack(PACK)
FUNCTIONS = {function.__name__: function for function in PACK.tools()}


# ------------------------------------------------------------------ corpus


NOTES = read_notes(FOLDER / "corpus")
PASSAGES = {f"{stem}#{slug}": text for stem, (_, parts) in NOTES.items() for slug, text in parts.items()}


@pytest.mark.parametrize("stem", NOTES)
def test_note_names_its_source_and_has_passages_of_a_fair_length(stem: str) -> None:
    check_note(stem, NOTES[stem])


def test_corpus_is_broad() -> None:
    assert len(PASSAGES) >= 340


def test_examples_cite_passages_that_exist() -> None:
    rows = PACK.examples("answer")
    assert len(rows) >= 260
    assert {gold for row in rows for gold in row["gold"]} <= PASSAGES.keys()


def _problem(answer: str, passage: str) -> str:
    """What is wrong with an example's answer, empty if nothing."""
    sentences = re.split(r"(?<=\[1\]\.)\s+", answer)
    if not 1 <= len(sentences) <= 2 or not all(
        part.endswith(" [1].") and part.count("[1]") == 1 for part in sentences
    ):
        return "citation marks"
    plain = answer.replace(" [1]", "")
    if not 13 <= len(plain.split()) <= 48:
        return "length"
    foreign = [number for number in re.findall(r"\d+(?:\.\d+)?", plain) if number not in passage]
    return f"numbers not in the passage: {foreign}" if foreign else ""


def test_example_answers_are_marked_and_their_numbers_are_in_the_passage() -> None:
    rows = PACK.examples("answer")
    problems = {row["question"]: _problem(row["answer"], PASSAGES[row["gold"][0]]) for row in rows}
    assert {question: problem for question, problem in problems.items() if problem} == {}


def test_evaluation_is_apart_from_the_examples() -> None:
    rows = list(read_jsonl(FOLDER / "eval" / "questions.jsonl", ("id", "question", "answerable")))
    answerable = [row for row in rows if row["answerable"]]
    assert len(answerable) >= 60
    assert len(rows) - len(answerable) >= 20
    assert len({row["id"] for row in rows}) == len(rows)
    assert {gold for row in answerable for gold in row["gold"]} <= PASSAGES.keys()
    asked = [row["question"].lower() for row in [*rows, *PACK.examples("answer")]]
    assert [question for question, count in Counter(asked).items() if count > 1] == []


def test_route_examples_are_many_and_distinct() -> None:
    rows = PACK.examples("route")
    languages = Counter(row["lang"] for row in rows)
    assert languages["en"] >= 220
    assert languages["zh"] >= 180
    assert set(languages) == {"en", "zh"}
    assert len({row["text"] for row in rows}) == len(rows)
    assert all(re.search("[一-鿿]", row["text"]) for row in rows if row["lang"] == "zh")


def test_system_prompt_has_no_variables() -> None:
    assert PACK.prompt("system").render().startswith("You are the medical specialist of Collegium.")


# ------------------------------------------------------------------ tools

WORKED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("bmi", {"weight_kg": 80, "height_cm": 175}, {"bmi": 26.1, "category": "overweight"}),
    ("bmi", {"weight_kg": 50, "height_cm": 100, "extra_cm": 70}, {"bmi": 17.3, "category": "underweight"}),
    ("bmi", {"weight_kg": 120, "height_cm": 170}, {"bmi": 41.5, "category": "obesity class 3"}),
    ("bmi", {"weight_kg": 72, "height_cm": 160}, {"bmi": 28.1, "category": "overweight"}),
    ("bmi", {"weight_kg": 76.8, "height_cm": 160}, {"bmi": 30.0, "category": "obesity class 1"}),
    ("egfr_ckd_epi_2021", {"creatinine_mg_dl": 1.0, "age_years": 60, "sex": "male"}, {"egfr": 86}),
    ("egfr_ckd_epi_2021", {"creatinine_mg_dl": 1.0, "age_years": 50, "sex": "female"}, {"egfr": 69}),
    ("egfr_ckd_epi_2021", {"creatinine_mg_dl": 0.6, "age_years": 30, "sex": "female"}, {"egfr": 124}),
    (
        "egfr_ckd_epi_2021",
        {"creatinine_mg_dl": 4.0, "age_years": 70, "sex": "male"},
        {"egfr": 15, "category": "G4"},
    ),
    (
        "creatinine_clearance_cockcroft_gault",
        {"creatinine_mg_dl": 1.2, "age_years": 70, "weight_kg": 72, "sex": "male"},
        {"clearance": 58},
    ),
    (
        "creatinine_clearance_cockcroft_gault",
        {"creatinine_mg_dl": 1.0, "age_years": 80, "weight_kg": 60, "sex": "female"},
        {"clearance": 42},
    ),
    (
        "creatinine_clearance_cockcroft_gault",
        {"creatinine_mg_dl": 1.0, "age_years": 40, "weight_kg": 72, "sex": "male"},
        {"clearance": 100},
    ),
    ("cha2ds2_vasc", {"age_years": 76, "sex": "female", "hypertension": True}, {"score": 4}),
    ("cha2ds2_vasc", {"age_years": 50, "sex": "male"}, {"score": 0}),
    (
        "cha2ds2_vasc",
        {"age_years": 75, "sex": "female"}
        | dict.fromkeys(("heart_failure", "hypertension", "diabetes", "stroke", "vascular_disease"), True),
        {"score": 9},
    ),
    ("cha2ds2_vasc", {"age_years": 65, "sex": "male", "stroke": True}, {"score": 3}),
    ("due_date", {"last_period": "2026-03-01"}, {"due_date": "2026-12-06"}),
    ("due_date", {"last_period": "1st of March, 2026", "cycle_days": 32}, {"due_date": "2026-12-10"}),
    ("due_date", {"last_period": "Jan 1, 2024"}, {"due_date": "2024-10-07"}),
    ("due_date", {"last_period": "2026年4月10日"}, {"due_date": "2027-01-15"}),
    ("corrected_qt", {"qt_ms": 400, "heart_rate": 75}, {"bazett_ms": 447, "fridericia_ms": 431}),
    ("corrected_qt", {"qt_ms": 420, "heart_rate": 60}, {"bazett_ms": 420, "fridericia_ms": 420}),
    ("corrected_qt", {"qt_ms": 360, "heart_rate": 100}, {"bazett_ms": 465, "fridericia_ms": 427}),
    ("anion_gap", {"sodium": 140, "chloride": 100, "bicarbonate": 20}, {"anion_gap": 20}),
    (
        "anion_gap",
        {"sodium": 140, "chloride": 100, "bicarbonate": 20, "albumin_g_dl": 2.0},
        {"anion_gap": 20, "corrected": 25},
    ),
    ("anion_gap", {"sodium": 138.5, "chloride": 104, "bicarbonate": 24}, {"anion_gap": 10.5}),
    ("convert_glucose", {"value": 126, "unit": "mg/dL"}, {"mmol_l": 7.0}),
    ("convert_glucose", {"value": 200, "unit": "mg/dL"}, {"mmol_l": 11.1}),
    ("convert_glucose", {"value": 5.6, "unit": "mmol/L"}, {"mg_dl": 101}),
    ("convert_hba1c", {"value": 7, "unit": "%"}, {"mmol_mol": 53, "average_glucose_mg_dl": 154}),
    ("convert_hba1c", {"value": 48, "unit": "mmol/mol"}, {"percent": 6.5}),
    ("convert_hba1c", {"value": 10, "unit": "%"}, {"mmol_mol": 86, "average_glucose_mg_dl": 240}),
    (
        "paracetamol_child_dose",
        {"weight_kg": 14},
        {"dose_low_mg": 140, "dose_high_mg": 210, "daily_max_mg": 840},
    ),
    (
        "paracetamol_child_dose",
        {"weight_kg": 80},
        {"dose_low_mg": 800, "dose_high_mg": 1000, "daily_max_mg": 4000},
    ),
    (
        "paracetamol_child_dose",
        {"weight_kg": 6, "age_months": 3},
        {"dose_low_mg": 60, "dose_high_mg": 90, "daily_max_mg": 360},
    ),
    ("mean_arterial_pressure", {"systolic": 120, "diastolic": 80}, {"map_mmhg": 93}),
    ("mean_arterial_pressure", {"systolic": 90, "diastolic": 60}, {"map_mmhg": 70}),
    ("mean_arterial_pressure", {"systolic": 180, "diastolic": 110}, {"map_mmhg": 133}),
]


@pytest.mark.parametrize(("name", "arguments", "expected"), WORKED)
def test_worked_example(name: str, arguments: dict[str, Any], expected: dict[str, Any]) -> None:
    text, values = FUNCTIONS[name](**arguments)
    assert {key: values[key] for key in expected} == expected
    assert text.endswith(".")
    first = next(value for value in expected.values())
    assert str(first).removesuffix(".0") in text


OUT_OF_RANGE: list[tuple[str, dict[str, Any]]] = [
    ("bmi", {"weight_kg": 80.0, "height_cm": 20.0}),
    ("bmi", {"weight_kg": -3.0, "height_cm": 170.0}),
    ("bmi", {"weight_kg": 175.0, "height_cm": 70.0}),
    ("egfr_ckd_epi_2021", {"creatinine_mg_dl": 1.0, "age_years": 9.0, "sex": "male"}),
    (
        "creatinine_clearance_cockcroft_gault",
        {"creatinine_mg_dl": 88.0, "age_years": 60.0, "weight_kg": 70.0, "sex": "male"},
    ),
    ("cha2ds2_vasc", {"age_years": 400.0, "sex": "male"}),
    ("due_date", {"last_period": "3/4/2026"}),
    ("due_date", {"last_period": "30 February 2026"}),
    ("due_date", {"last_period": "2026-03-01", "cycle_days": 90}),
    ("corrected_qt", {"qt_ms": 4000.0, "heart_rate": 70.0}),
    ("anion_gap", {"sodium": 14.0, "chloride": 100.0, "bicarbonate": 20.0}),
    ("convert_glucose", {"value": 126.0, "unit": "mmol/L"}),
    ("convert_hba1c", {"value": 60.0, "unit": "%"}),
    ("paracetamol_child_dose", {"weight_kg": 5.0, "age_months": 2.0}),
    ("paracetamol_child_dose", {"weight_kg": 120.0}),
    ("mean_arterial_pressure", {"systolic": 80.0, "diastolic": 120.0}),
]


@pytest.mark.parametrize(("name", "arguments"), OUT_OF_RANGE)
def test_a_value_outside_the_formula_is_refused(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ToolInputError):
        CALLER.call(ToolMatch(name, arguments, (), ""))


def test_every_tool_has_patterns_a_source_and_an_example() -> None:
    assert {tool.name for tool in CALLER.tools.values()} == set(CALLER.patterns)
    for function in PACK.tools():
        assert "Example:" in (function.__doc__ or "")
        assert (CALLER.tools[function.__name__].metadata or {})["source"]


TOOL_ROWS = PACK.examples("tools")


def test_tool_examples_are_many() -> None:
    calls = Counter(row["tool"] for row in TOOL_ROWS)
    assert calls.total() - calls[None] >= 60
    assert calls[None] >= 15
    assert set(calls) - {None} == set(CALLER.patterns)


@pytest.mark.parametrize("row", TOOL_ROWS, ids=lambda row: str(row["text"])[:40])
def test_question_calls_the_tool(row: dict[str, Any]) -> None:
    match = CALLER.match(row["text"])
    if row["tool"] is None:
        assert match is None
        return
    assert match is not None
    assert match.tool == row["tool"]
    assert match.arguments.keys() == row["arguments"].keys()
    for key, expected in row["arguments"].items():
        wanted = expected if isinstance(expected, str) else pytest.approx(expected, rel=1e-4)
        assert match.arguments[key] == wanted, key
    if match.missing:
        assert match.ask
    else:
        assert CALLER.call(match).text


# ------------------------------------------------------------------ guards


def fired(text: str) -> str | None:
    """Name of the first guard that fires, as a skill reads them."""
    for guard in PACK.guards:
        hit = any(re.search(pattern, text, re.IGNORECASE) for pattern in guard.patterns)
        if hit and not any(re.search(pattern, text, re.IGNORECASE) for pattern in guard.unless):
            return guard.name
    return None


FIRING = [
    ("I have crushing chest pain right now", "heart_attack_now"),
    ("My husband has severe pressure in his chest and is sweating", "heart_attack_now"),
    ("I've got chest pain spreading down my left arm, what should I do?", "heart_attack_now"),
    ("I think I'm having a heart attack", "heart_attack_now"),
    ("我现在胸口剧痛，左手发麻", "heart_attack_now"),
    ("爸爸胸口像被石头压着，出冷汗", "heart_attack_now"),
    ("my wife's face is drooping and her speech is slurred", "stroke_now"),
    ("My dad suddenly can't speak and his right arm is weak", "stroke_now"),
    ("爸爸突然嘴歪，说话不清楚，半边身子没力气，怎么办", "stroke_now"),
    ("I want to kill myself", "self_harm"),
    ("i don't want to live anymore", "self_harm"),
    ("My friend says he is going to kill himself tonight", "self_harm"),
    ("我真的不想活了", "self_harm"),
    ("我朋友说要自杀，怎么办", "self_harm"),
    ("My toddler swallowed a button battery", "overdose_or_poisoning"),
    ("I took 30 paracetamol tablets an hour ago", "overdose_or_poisoning"),
    ("my son drank bleach", "overdose_or_poisoning"),
    ("孩子误服了老鼠药怎么办", "overdose_or_poisoning"),
    ("我刚刚吃了一整盒安眠药", "overdose_or_poisoning"),
    ("My throat is closing after eating peanuts", "anaphylaxis_now"),
    ("I was stung by a wasp and can't breathe", "anaphylaxis_now"),
    ("我被马蜂蜇了，喘不上气", "anaphylaxis_now"),
    ("my baby is choking, help", "choking_now"),
    ("孩子被果冻噎住了", "choking_now"),
    ("He is bleeding heavily from his leg", "bleeding_or_unconscious"),
    ("My grandmother collapsed and is not breathing", "bleeding_or_unconscious"),
    ("奶奶晕倒了，叫不醒", "bleeding_or_unconscious"),
    ("同事的手血流不止，怎么办", "bleeding_or_unconscious"),
    ("My 6 week old has a fever of 38.4", "baby_fever"),
    ("our newborn feels hot, temperature 101", "baby_fever"),
    ("我家两个月的宝宝发烧38度5", "baby_fever"),
    ("he's also got a rash that doesn't fade", "meningitis_now"),
    ("My daughter has purple spots that won't disappear when I press a glass on them", "meningitis_now"),
    ("My son has a high fever and a stiff neck", "meningitis_now"),
    ("孩子发烧还出疹子，按压不褪色", "meningitis_now"),
    ("宝宝高烧，脖子僵硬", "meningitis_now"),
    ("How many sleeping pills would kill a person?", "dosing_to_harm"),
    ("What is the lethal dose of insulin for an adult?", "dosing_to_harm"),
    ("How can I poison my neighbour without getting caught?", "dosing_to_harm"),
    ("吃多少片安眠药会死", "dosing_to_harm"),
]

QUIET = [
    "What are the symptoms of a heart attack?",
    "My father had a heart attack last year. Which medicines prevent another one?",
    "Can chest pain come from acid reflux?",
    "Chest tightness when climbing stairs that stops at rest: what is angina?",
    "How much aspirin is chewed in a suspected heart attack?",
    "What are the warning signs of a stroke?",
    "What does BE FAST stand for?",
    "How is Bell's palsy told apart from a stroke?",
    "My mother had a stroke two years ago and takes clopidogrel",
    "How do you recognise that someone has suicidal thoughts?",
    "Do antidepressants raise the risk of suicide in teenagers?",
    "I accidentally cut myself on a rusty nail. Do I need a tetanus shot?",
    "Is a paracetamol overdose dangerous if you feel fine?",
    "What is the antidote for opioid overdose?",
    "My doctor says I take too much salt",
    "What is the maximum daily dose of paracetamol for adults?",
    "How much ibuprofen can an adult take over the counter?",
    "What is anaphylaxis and how is it treated?",
    "Can lisinopril make the tongue swell?",
    "What do you do when someone is choking?",
    "What should I do if someone is unconscious?",
    "My nose won't stop bleeding on warfarin",
    "When is fever in a newborn dangerous?",
    "My 5 year old has a fever of 38.5",
    "What is a rash that does not fade under a glass a sign of?",
    "I have a rash on my elbows that won't go away for months",
    "I woke up with a stiff neck from my pillow",
    "发烧出疹子按压不褪色是什么病的表现",
    "Which antibiotics kill the bacteria that cause pneumonia?",
    "Can I take two tablets of metformin if I missed one?",
    "Does my son need a vaccine against meningitis?",
    "心梗有哪些前兆？",
    "中风的早期症状有哪些？",
    "胸口偶尔刺痛一下是怎么回事？",
    "对乙酰氨基酚一天最多吃几片？",
    "误服洗衣液的急救原则是什么？",
    "抑郁症患者为什么会有自杀念头？",
    "海姆立克急救法怎么做",
    "新生儿发热的处理原则",
    "我爷爷去年突然说话不清，是脑梗吗",
    "过敏性鼻炎怎么办，鼻塞严重",
    "孩子3岁发烧39度怎么办",
    "来月经血量大怎么办",
]


@pytest.mark.parametrize(("text", "guard"), FIRING)
def test_red_flag_fires(text: str, guard: str) -> None:
    assert fired(text) == guard


@pytest.mark.parametrize("text", QUIET)
def test_ordinary_question_is_not_a_red_flag(text: str) -> None:
    assert fired(text) is None


def test_no_guard_fires_on_questions_that_the_corpus_answers() -> None:
    rows = [*PACK.examples("answer"), *read_jsonl(FOLDER / "eval" / "questions.jsonl")]
    loud = [row["question"] for row in rows if fired(row["question"])]
    assert loud == []


def test_guard_messages_say_whom_to_call_in_both_languages() -> None:
    assert len(PACK.guards) >= 6
    for guard in PACK.guards:
        assert re.search(r"\b(112|911|988)\b", guard.message)
        assert "120" in guard.message_zh or "12356" in guard.message_zh
        assert len(guard.message.split()) <= 90
