"""Clinical calculators: published formulas, each with its range checks and its source.

Knows the arithmetic and its limits of validity. Does not know patients, and does not advise treatment.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from skills.errors import ToolInputError

__all__ = ["TOOLS"]

Result = tuple[str, dict[str, Any]]
Sex = Annotated[Literal["female", "male"], Field(description="sex used by the formula, 'female' or 'male'")]
WeightKg = Annotated[float, Field(description="body weight, in kg", gt=0, lt=500)]
AdultAge = Annotated[float, Field(description="age, in completed years, 18 or more", ge=18, le=120)]
Creatinine = Annotated[float, Field(description="serum creatinine, in mg/dL", ge=0.1, le=30)]


def _number(value: float, digits: int) -> str:
    """A number with at most ``digits`` decimals and no trailing zeros."""
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def bmi(
    weight_kg: WeightKg,
    height_cm: Annotated[float, Field(description="body height, in cm", gt=0, lt=300)],
    extra_cm: Annotated[
        float, Field(description="cm added to the height: 5 feet 9 inches, 1米75", ge=0, lt=100)
    ] = 0,
) -> Result:
    """Body mass index of an adult with its WHO category.

    Example: 80 kg and 175 cm -> 80 / 1.75 ** 2 = 26.1 kg/m², overweight.
    Source: WHO, body mass index classification for adults (WHO Technical Report Series 894).
    """
    height = height_cm + extra_cm
    if not 50 <= height <= 272:
        raise ToolInputError(
            f"body height should be 50 to 272 cm, got {_number(height, 1)} cm", subject=height
        )
    index = round(weight_kg / (height / 100) ** 2, 1)
    if not 5 <= index <= 250:
        raise ToolInputError(
            f"{_number(weight_kg, 1)} kg and {_number(height, 1)} cm give {index:.1f} kg/m², which nobody has: "
            "are weight, height or their units mixed up?",
            subject=index,
        )
    limits = ((18.5, "underweight"), (25, "normal weight"), (30, "overweight"), (35, "obesity class 1"))
    category = next((name for limit, name in limits if index < limit), None)
    category = category or ("obesity class 2" if index < 40 else "obesity class 3")
    text = (
        f"The body mass index is {index:.1f} kg/m² (rounded to one decimal) for {_number(weight_kg, 1)} kg "
        f"and {_number(height, 1)} cm, which is {category} by the WHO classification for adults."
    )
    return text, {"bmi": index, "category": category}


def egfr_ckd_epi_2021(creatinine_mg_dl: Creatinine, age_years: AdultAge, sex: Sex) -> Result:
    """Estimated glomerular filtration rate from serum creatinine (CKD-EPI 2021, without race).

    Example: creatinine 1.0 mg/dL, 60 years, male ->
    142 * (1.0 / 0.9) ** -1.2 * 0.9938 ** 60 = 86 mL/min/1.73 m², category G2.
    Source: Inker et al., New England Journal of Medicine 2021 (CKD-EPI 2021); G categories: KDIGO 2024.
    """
    kappa, alpha, factor = (0.7, -0.241, 1.012) if sex == "female" else (0.9, -0.302, 1.0)
    ratio = creatinine_mg_dl / kappa
    exact = 142 * min(ratio, 1) ** alpha * max(ratio, 1) ** -1.2 * 0.9938**age_years * factor
    value = round(exact)
    stages = ((90, "G1"), (60, "G2"), (45, "G3a"), (30, "G3b"), (15, "G4"))
    stage = next((name for limit, name in stages if value >= limit), "G5")
    text = (
        f"The estimated GFR is {value} mL/min/1.73 m² (CKD-EPI 2021, rounded to a whole number) for "
        f"creatinine {_number(creatinine_mg_dl, 2)} mg/dL, {_number(age_years, 0)} years, {sex}; "
        f"this is KDIGO category {stage}."
    )
    return text, {"egfr": value, "category": stage}


def creatinine_clearance_cockcroft_gault(
    creatinine_mg_dl: Creatinine, age_years: AdultAge, weight_kg: WeightKg, sex: Sex
) -> Result:
    """Creatinine clearance for drug dosing (Cockcroft and Gault), with the weight that is given.

    Example: creatinine 1.2 mg/dL, 70 years, 72 kg, male -> (140 - 70) * 72 / (72 * 1.2) = 58 mL/min.
    Source: Cockcroft and Gault, Nephron 1976.
    """
    exact = (140 - age_years) * weight_kg / (72 * creatinine_mg_dl) * (0.85 if sex == "female" else 1.0)
    value = round(exact)
    text = (
        f"The creatinine clearance is {value} mL/min (Cockcroft-Gault, rounded to a whole number) for "
        f"creatinine {_number(creatinine_mg_dl, 2)} mg/dL, {_number(age_years, 0)} years, "
        f"{_number(weight_kg, 1)} kg, {sex}."
    )
    return text, {"clearance": value}


def cha2ds2_vasc(
    age_years: AdultAge,
    sex: Sex,
    heart_failure: Annotated[bool, Field(description="heart failure or reduced ejection fraction")] = False,
    hypertension: Annotated[bool, Field(description="high blood pressure")] = False,
    diabetes: Annotated[bool, Field(description="diabetes mellitus")] = False,
    stroke: Annotated[bool, Field(description="earlier stroke, TIA or systemic embolism")] = False,
    vascular_disease: Annotated[
        bool, Field(description="earlier heart attack, peripheral artery disease or aortic plaque")
    ] = False,
) -> Result:
    """CHA2DS2-VASc score for the stroke risk in atrial fibrillation.

    Example: woman of 76 with hypertension -> 2 (age) + 1 (sex) + 1 (hypertension) = 4 points.
    Source: Lip et al., Chest 2010; ACC/AHA/ACCP/HRS guideline 2023 for the threshold.
    """
    points = {
        "heart failure": int(heart_failure),
        "hypertension": int(hypertension),
        "age": 2 if age_years >= 75 else int(age_years >= 65),
        "diabetes": int(diabetes),
        "stroke or TIA": 2 * stroke,
        "vascular disease": int(vascular_disease),
        "female sex": int(sex == "female"),
    }
    score = sum(points.values())
    parts = ", ".join(f"{name} {value}" for name, value in points.items() if value) or "no risk factor"
    threshold = 3 if sex == "female" else 2
    side = "at or above" if score >= threshold else "below"
    text = (
        f"The CHA2DS2-VASc score is {score} of 9 points ({parts}; factors not mentioned count as absent), "
        f"which is {side} the {threshold} points from which the 2023 ACC/AHA guideline recommends an "
        f"anticoagulant ({sex})."
    )
    return text, {"score": score, "points": points}


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def _read_date(text: str) -> date:
    """A date with four-digit year first, or with its month as a word."""
    problem = f"cannot read the date {text!r}; write it like 2026-03-01 or 1 March 2026"
    cleaned = re.sub(r"(?<=\d)(?:st|nd|rd|th)\b|\b(?:of|the)\b", " ", text.strip().lower()).replace(",", " ")
    numbers = [int(number) for number in re.findall(r"\d+", cleaned)]
    words = re.findall(r"[a-z]+", cleaned)
    try:
        if len(numbers) == 3 and not words and numbers[0] >= 1900:
            return date(*numbers)
        if len(numbers) == 2 and len(words) == 1 and words[0][:3] in _MONTHS:
            return date(max(numbers), _MONTHS.index(words[0][:3]) + 1, min(numbers))
    except ValueError as error:
        raise ToolInputError(problem, subject=text) from error
    raise ToolInputError(problem, subject=text)


def due_date(
    last_period: Annotated[
        str, Field(description="first day of the last period, such as 2026-03-01 or 1 March 2026")
    ],
    cycle_days: Annotated[int, Field(description="length of the cycle, in days", ge=20, le=45)] = 28,
) -> Result:
    """Expected date of birth from the last period (Naegele's rule, 280 days, corrected for the cycle length).

    Example: last period 2026-03-01, cycle of 28 days -> 2026-12-06.
    Source: Naegele's rule; ACOG Committee Opinion 700 (280 days after the first day of the last period).
    """
    start = _read_date(last_period)
    due = start + timedelta(days=280 + cycle_days - 28)
    cycle = "" if cycle_days == 28 else f" and corrected for a cycle of {cycle_days} days"
    text = (
        f"The expected date of birth is {due.isoformat()}, 280 days after the last period on "
        f"{start.isoformat()}{cycle} "
        "(Naegele's rule, whole days; an early ultrasound is more exact)."
    )
    return text, {"due_date": due.isoformat(), "last_period": start.isoformat()}


def corrected_qt(
    qt_ms: Annotated[float, Field(description="measured QT interval, in ms", ge=200, le=800)],
    heart_rate: Annotated[float, Field(description="heart rate, in beats per minute", ge=30, le=220)],
) -> Result:
    """Heart-rate corrected QT interval by Bazett, with Fridericia beside it.

    Example: QT 400 ms at 75/min -> RR 0.8 s, Bazett 400 / sqrt(0.8) = 447 ms, Fridericia 431 ms.
    Source: Bazett, Heart 1920; Fridericia, Acta Medica Scandinavica 1920.
    """
    interval = 60 / heart_rate
    bazett, fridericia = round(qt_ms / interval**0.5), round(qt_ms / interval ** (1 / 3))
    text = (
        f"The corrected QT is {bazett} ms by Bazett and {fridericia} ms by Fridericia (rounded to whole ms) "
        f"for a QT of {_number(qt_ms, 0)} ms at {_number(heart_rate, 0)} beats per minute."
    )
    return text, {"bazett_ms": bazett, "fridericia_ms": fridericia}


def anion_gap(
    sodium: Annotated[float, Field(description="serum sodium, in mmol/L", ge=90, le=200)],
    chloride: Annotated[float, Field(description="serum chloride, in mmol/L", ge=50, le=160)],
    bicarbonate: Annotated[float, Field(description="serum bicarbonate, in mmol/L", ge=1, le=60)],
    albumin_g_dl: Annotated[float | None, Field(description="serum albumin, in g/dL", ge=0.5, le=8)] = None,
) -> Result:
    """Serum anion gap without potassium, corrected for albumin where it is given.

    Example: sodium 140, chloride 100, bicarbonate 20 -> 20 mmol/L; with albumin 2.0 g/dL -> 25.
    Source: Emmett and Narins, Medicine 1977; albumin correction: Figge et al., Critical Care Medicine 1998
    (2.5 mmol/L for each g/dL of albumin below 4.0).
    """
    gap = round(sodium - chloride - bicarbonate, 1)
    text = f"The anion gap is {_number(gap, 1)} mmol/L (sodium - chloride - bicarbonate, one decimal)"
    values: dict[str, Any] = {"anion_gap": gap}
    if albumin_g_dl is not None:
        corrected = round(gap + 2.5 * (4 - albumin_g_dl), 1)
        text += f", or {_number(corrected, 1)} mmol/L corrected for albumin {_number(albumin_g_dl, 1)} g/dL"
        values["corrected"] = corrected
    return f"{text}.", values


def convert_glucose(
    value: Annotated[float, Field(description="glucose concentration in the given unit", gt=0, le=2000)],
    unit: Annotated[Literal["mg/dL", "mmol/L"], Field(description="unit of the value, 'mg/dL' or 'mmol/L'")],
) -> Result:
    """Convert a glucose value between mg/dL and mmol/L (molar mass 180.16 g/mol).

    Example: 126 mg/dL -> 126 / 18.016 = 7.0 mmol/L.
    Source: molar mass of glucose, 180.156 g/mol; conversion factor 18.016 of the IFCC.
    """
    if unit == "mmol/L" and value > 111:
        raise ToolInputError(f"a glucose of {_number(value, 1)} mmol/L is out of range, did you mean mg/dL?")
    if unit == "mg/dL":
        result = round(value / 18.016, 1)
        text = f"A glucose of {_number(value, 1)} mg/dL is {result:.1f} mmol/L (rounded to one decimal)."
        return text, {"mmol_l": result}
    result = round(value * 18.016)
    text = f"A glucose of {_number(value, 1)} mmol/L is {result} mg/dL (rounded to a whole number)."
    return text, {"mg_dl": result}


def convert_hba1c(
    value: Annotated[float, Field(description="HbA1c in the given unit", gt=0, le=250)],
    unit: Annotated[Literal["%", "mmol/mol"], Field(description="unit of the value, '%' or 'mmol/mol'")],
) -> Result:
    """Convert HbA1c between percent (NGSP) and mmol/mol (IFCC), with the estimated average glucose.

    Example: 7% -> 10.93 * 7 - 23.5 = 53 mmol/mol; average glucose 28.7 * 7 - 46.7 = 154 mg/dL.
    Source: IFCC-NGSP master equation; Nathan et al., Diabetes Care 2008 (ADAG) for the average glucose.
    """
    percent = value if unit == "%" else 0.09148 * value + 2.152
    if not 3 <= percent <= 20:
        raise ToolInputError(f"HbA1c should be 3 to 20% (9 to 195 mmol/mol), got {_number(value, 1)} {unit}")
    exact = 28.7 * percent - 46.7
    molar = round(10.93 * percent - 23.5)
    given, other = (f"{_number(value, 1)}%", f"{molar} mmol/mol")
    if unit == "mmol/mol":
        given, other = f"{_number(value, 1)} mmol/mol", f"{percent:.1f}%"
        molar = round(value)
    text = (
        f"An HbA1c of {given} is {other} and corresponds to an average glucose of about {round(exact)} mg/dL "
        f"({exact / 18:.1f} mmol/L; values rounded)."
    )
    return text, {"percent": round(percent, 1), "mmol_mol": molar, "average_glucose_mg_dl": round(exact)}


def paracetamol_child_dose(
    weight_kg: Annotated[float, Field(description="body weight of the child, in kg (4 to 80)", ge=4, le=80)],
    age_months: Annotated[
        float | None, Field(description="age of the child, in months", ge=0, lt=216)
    ] = None,
) -> Result:
    """Weight-based range of one paracetamol (acetaminophen) dose for a child, with its caps.

    Example: 14 kg -> 10 to 15 mg/kg = 140 to 210 mg a dose; at most 60 mg/kg = 840 mg in 24 hours.
    Source: WHO Model Formulary for Children 2010 (15 mg/kg and at most 1 g a dose, every four to six hours,
    at most four doses or 60 mg/kg in 24 hours); American Academy of Pediatrics (10 to 15 mg/kg a dose).
    """
    if age_months is not None and age_months < 3:
        raise ToolInputError(
            "under 3 months paracetamol is given only on medical advice; please ask a clinician"
        )
    low, high = min(int(10 * weight_kg), 1000), min(int(15 * weight_kg), 1000)
    daily = min(int(60 * weight_kg), 4000)
    text = (
        f"For {_number(weight_kg, 1)} kg one dose of paracetamol is {low} to {high} mg (10 to 15 mg/kg, "
        f"rounded down), at least 4 hours apart, at most 4 doses and {daily} mg in 24 hours; follow the "
        "product's label, and ask a clinician for a baby under 3 months or with liver disease."
    )
    return text, {"dose_low_mg": low, "dose_high_mg": high, "daily_max_mg": daily}


def mean_arterial_pressure(
    systolic: Annotated[float, Field(description="systolic blood pressure, in mmHg", ge=40, le=300)],
    diastolic: Annotated[float, Field(description="diastolic blood pressure, in mmHg", ge=20, le=200)],
) -> Result:
    """Mean arterial pressure from systolic and diastolic blood pressure.

    Example: 120/80 mmHg -> (120 + 2 * 80) / 3 = 93 mmHg.
    Source: standard physiological approximation, diastolic pressure plus a third of the pulse pressure.
    """
    if diastolic >= systolic:
        raise ToolInputError(
            f"the systolic pressure ({_number(systolic, 0)}) should be above the diastolic "
            f"({_number(diastolic, 0)})"
        )
    value = round((systolic + 2 * diastolic) / 3)
    text = (
        f"The mean arterial pressure is {value} mmHg (rounded to a whole number) for "
        f"{_number(systolic, 0)}/{_number(diastolic, 0)} mmHg."
    )
    return text, {"map_mmhg": value}


TOOLS = (
    bmi,
    egfr_ckd_epi_2021,
    creatinine_clearance_cockcroft_gault,
    cha2ds2_vasc,
    due_date,
    corrected_qt,
    anion_gap,
    convert_glucose,
    convert_hba1c,
    paracetamol_child_dose,
    mean_arterial_pressure,
)
