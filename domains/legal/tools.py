"""Calculators of the legal pack: deadlines, wages, interest, terms of protection, fines.

Knows the rule behind each number and its source; not whether the rule fits a case. No tool looks anything up.
"""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta
from math import floor
from typing import Annotated, Any, Literal

from pydantic import Field

from skills.errors import ToolInputError

Result = tuple[str, dict[str, Any]]

_MONTHS: dict[str, int] = {
    name.lower(): number
    for names in (calendar.month_name, calendar.month_abbr)
    for number, name in enumerate(names)
    if name
} | {"sept": 9}
_YEARS = range(1900, 2201)


def _date(text: str, what: str) -> date:
    """A date written 2026-03-02, 2026年3月2日, 3/2/2026 (month first), March 2, 2026 or 2 March 2026."""
    year: str
    month: str | int | None
    day: str
    plain = text.strip().lower()
    if found := re.fullmatch(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*[日号]?", plain):
        year, month, day = found.groups()
    elif found := re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{4})", plain):
        month, day, year = found.groups()
    elif found := re.fullmatch(r"([a-z]+)\.?\s+(?:the\s+)?(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})", plain):
        month, day, year = _MONTHS.get(found[1]), found[2], found[3]
    elif found := re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th)?\s+(?:of\s+)?([a-z]+)\.?,?\s+(\d{4})", plain):
        day, month, year = found[1], _MONTHS.get(found[2]), found[3]
    else:
        raise ToolInputError(f"{what}: {text!r} is not a date; write it like 2026-03-02", subject=text)
    try:
        value = date(int(year), int(month or 0), int(day))
    except ValueError as error:
        raise ToolInputError(f"{what}: {text!r} is no day of the calendar ({error})", subject=text) from error
    if value.year not in _YEARS:
        raise ToolInputError(f"{what}: the year must be from 1900 to 2200, not {value.year}", subject=text)
    return value


def _nth(year: int, month: int, weekday: int, count: int) -> date:
    """The count-th weekday (Monday 0) of a month; -1 is the last one."""
    days = [
        d
        for d in calendar.Calendar().itermonthdates(year, month)
        if d.month == month and d.weekday() == weekday
    ]
    return days[count - 1] if count > 0 else days[-1]


def _federal_holidays(year: int) -> dict[date, str]:
    """Federal holidays of 5 U.S.C. 6103 of a year by the day and, where it differs, by the day observed."""
    fixed = {
        "New Year's Day": (1, 1),
        "Independence Day": (7, 4),
        "Veterans Day": (11, 11),
        "Christmas Day": (12, 25),
    }
    if year >= 2021:
        fixed["Juneteenth"] = (6, 19)
    days: dict[date, str] = {
        _nth(year, 1, 0, 3): "Martin Luther King Jr. Day",
        _nth(year, 2, 0, 3): "Washington's Birthday",
        _nth(year, 5, 0, -1): "Memorial Day",
        _nth(year, 9, 0, 1): "Labor Day",
        _nth(year, 10, 0, 2): "Columbus Day",
        _nth(year, 11, 3, 4): "Thanksgiving Day",
    }
    for name, (month, day) in fixed.items():
        actual = date(year, month, day)
        days[actual] = name
        shift = {5: -1, 6: 1}.get(actual.weekday(), 0)
        if shift:
            days[actual + timedelta(shift)] = f"{name} (observed)"
    return days


def _roll(day: date) -> tuple[date, list[str]]:
    """The first day from ``day`` on that is no weekend or federal holiday, and why days were skipped."""
    reasons: list[str] = []
    while True:
        holidays = _federal_holidays(day.year) | _federal_holidays(
            day.year + 1
        )  # 31 December can be observed
        if day.weekday() >= 5:
            reasons.append(f"{day:%A}")
        elif day in holidays:
            reasons.append(holidays[day])
        else:
            return day, reasons
        day += timedelta(1)


def _years_after(day: date, years: int) -> date:
    """The same day of a later year; 29 February becomes 28 February where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


def _day(value: date) -> str:
    return f"{value:%A}, {value.day} {value:%B} {value.year}"


def federal_deadline(
    event_date: Annotated[
        str, Field(description="Date of the event that starts the period, like 2026-03-02")
    ],
    days: Annotated[int, Field(description="Length of the period, in days", ge=1, le=3650)],
    served_by_mail: Annotated[
        bool, Field(description="True if service was by mail: three days are added")
    ] = False,
) -> Result:
    """Last day of a period in days in a US federal court, by the counting rule of FRCP 6(a) and 6(d).

    The day of the event is not counted, every other day is; a last day that is a Saturday, Sunday or federal
    holiday (also as observed) moves to the next day that is none. Holidays of a state are not considered.

    Example:
        Served on 2026-03-02 with 21 days: 2026-03-23, a Monday.
        Served on 2026-06-13 with 21 days: 4 July 2026 is a Saturday and a holiday, so 2026-07-06, a Monday.

    Source: Federal Rules of Civil Procedure, Rule 6(a)(1) and 6(d); 5 U.S.C. 6103 for the holidays
    """
    start = _date(event_date, "event date")
    end, reasons = _roll(start + timedelta(days))
    if served_by_mail:
        end, more = _roll(end + timedelta(3))
        reasons += more
    extra = " plus 3 days for service by mail" if served_by_mail else ""
    moved = f" (moved past {', '.join(reasons)})" if reasons else ""
    text = (
        f"Under FRCP 6 a period of {days} days{extra} from {_day(start)} ends on {_day(end)}{moved}; "
        "check local rules and the court's order."
    )
    return text, {"deadline": end.isoformat(), "event_date": start.isoformat(), "skipped": reasons}


def flsa_overtime_pay(
    hourly_rate: Annotated[
        float, Field(description="Regular rate of pay, in dollars an hour", gt=0, le=1000)
    ],
    hours: Annotated[float, Field(description="Hours worked in one workweek", gt=0, le=168)],
) -> Result:
    """Pay of a non-exempt employee for one workweek: hours over 40 at one and a half times the regular rate.

    Example:
        20 dollars an hour and 50 hours: 40 x 20 + 10 x 30 = 1,100 dollars, of which 300 are overtime pay.

    Source: Fair Labor Standards Act, 29 U.S.C. 207(a)(1)
    """
    over = max(0.0, hours - 40)
    regular = (hours - over) * hourly_rate
    overtime = over * hourly_rate * 1.5
    total = round(regular + overtime, 2)
    text = (
        f"Under the FLSA {hours:g} hours in one workweek at {hourly_rate:,.2f} dollars an hour pay "
        f"{total:,.2f} dollars: {regular:,.2f} regular and {overtime:,.2f} overtime for {over:g} hours "
        "at one and a half times the rate (rounded to cents)."
    )
    return text, {
        "total": total,
        "regular": round(regular, 2),
        "overtime": round(overtime, 2),
        "overtime_hours": over,
    }


def wage_garnishment_limit(
    weekly_disposable_earnings: Annotated[
        float,
        Field(
            description="Disposable earnings (after deductions required by law), in dollars a week",
            gt=0,
            le=1e6,
        ),
    ],
) -> Result:
    """Most that may be garnished a week in the US for an ordinary debt.

    The lesser of 25 % of disposable earnings and the amount above 30 times the federal minimum wage (7.25
    dollars, so 217.50). Not for child support, taxes or bankruptcy orders; a state can protect more.

    Example:
        800 dollars: 25 % is 200, the excess over 217.50 is 582.50, so 200 dollars.
        250 dollars: 25 % is 62.50, the excess is 32.50, so 32.50 dollars.

    Source: Consumer Credit Protection Act, Title III, 15 U.S.C. 1673(a)
    """
    limit = round(min(0.25 * weekly_disposable_earnings, max(0.0, weekly_disposable_earnings - 30 * 7.25)), 2)
    text = (
        f"At {weekly_disposable_earnings:,.2f} dollars of disposable earnings a week federal law lets "
        f"at most {limit:,.2f} dollars a week be garnished for an ordinary debt (rounded to cents); "
        "state law may protect more."
    )
    return text, {"limit": limit}


def judgment_interest(
    principal: Annotated[float, Field(description="Sum of the judgment", gt=0, le=1e12)],
    annual_rate: Annotated[float, Field(description="Interest rate, in percent a year", gt=0, le=100)],
    days: Annotated[float, Field(description="Time since the judgment, in days", gt=0, le=36500)],
) -> Result:
    """Simple interest on a judgment: principal x rate x days / 365.

    Not for US federal judgments, whose interest is compounded each year.

    Example:
        10,000 at 10 % for 90 days: 10,000 x 0.10 x 90 / 365 = 246.58.

    Source: simple interest formula, 365-day year
    """
    interest = round(principal * annual_rate / 100 * days / 365, 2)
    total = round(principal + interest, 2)
    text = (
        f"Simple interest on {principal:,.2f} at {annual_rate:g} percent a year for {days:g} days is "
        f"{interest:,.2f}, so {total:,.2f} in all (365-day year, rounded to two decimals)."
    )
    return text, {"interest": interest, "total": total}


def china_severance(
    years: Annotated[float, Field(description="Service with the employer, in years", ge=0, le=60)],
    monthly_wage: Annotated[
        float, Field(description="Average wage of the last 12 months, in yuan a month", gt=0, le=1e7)
    ],
    months: Annotated[
        float, Field(description="Further months of service beyond the years", ge=0, lt=12)
    ] = 0,
    kind: Annotated[
        Literal["N", "N+1", "2N"],
        Field(description="N, N+1 (dismissal without 30 days' notice) or 2N (unlawful)"),
    ] = "N",
    local_average_wage: Annotated[
        float | None,
        Field(description="Average wage of the place in the last year, in yuan a month", gt=0, le=1e6),
    ] = None,
) -> Result:
    """Economic compensation on dismissal in mainland China.

    One month's wage a full year; six months to under one year count as a year, less than six months as half.
    If the wage exceeds three times the local average, that triple counts and at most 12 years do.

    Example:
        3 years 7 months at 10,000 yuan: N = 4 months = 40,000 yuan, 2N = 80,000 yuan.
        2 years 3 months at 8,000 yuan: 2.5 months = 20,000 yuan.

    Source: Labour Contract Law of the PRC, Articles 40, 47 and 87
    """
    service = round(years * 12 + months, 6)
    if service <= 0:
        raise ToolInputError("service: expected more than zero months, got none", subject=service)
    full, rest = floor(service / 12), service % 12
    count = full + (0 if rest == 0 else 0.5 if rest < 6 else 1)
    wage, capped = monthly_wage, False
    if local_average_wage is not None and monthly_wage > 3 * local_average_wage:
        wage, count, capped = 3 * local_average_wage, min(count, 12), True
    base = wage * count
    # the "plus 1" is a month of notice and so is not capped like the compensation
    total = round({"N": base, "N+1": base + monthly_wage, "2N": 2 * base}[kind], 2)
    note = " (wage capped at three times the local average, at most 12 years)" if capped else ""
    text = (
        f"In China {service / 12:.2f} years of service count as {count:g} months of wage{note}, so {kind} is "
        f"{total:,.2f} yuan (rounded to two decimals)."
    )
    return text, {"amount": total, "months_of_wage": count, "kind": kind, "capped": capped}


def china_loan_interest_cap(
    lpr: Annotated[
        float, Field(description="One-year loan prime rate when the loan was made, in percent", gt=0, le=20)
    ],
    principal: Annotated[float | None, Field(description="Loan, in yuan", gt=0, le=1e12)] = None,
) -> Result:
    """Highest interest rate on a private loan that courts in mainland China support: four times the LPR.

    Example:
        LPR 3.1 %: 12.4 % a year, for 100,000 yuan 12,400 yuan a year.

    Source: Supreme People's Court, Provisions on Private Lending (2020 amendment)
    """
    cap = round(4 * lpr, 4)
    text = (
        f"Four times a one-year LPR of {lpr:g} percent is {cap:g} percent a year, "
        "the cap for private loans in China"
    )
    values: dict[str, Any] = {"cap": cap}
    if principal is not None:
        values["interest_a_year"] = round(principal * cap / 100, 2)
        text += f"; on {principal:,.2f} yuan that is {values['interest_a_year']:,.2f} yuan a year"
    return text + ".", values


def china_probation_limit(
    contract_months: Annotated[
        float, Field(description="Term of the labour contract, in months", gt=0, le=600)
    ],
) -> Result:
    """Longest probation of a fixed-term labour contract in mainland China.

    Under 3 months none; 3 months to under 1 year one month; 1 to under 3 years two months; from 3 years six.

    Example:
        36 months: six months. 24 months: two months. 6 months: one month.

    Source: Labour Contract Law of the PRC, Article 19
    """
    limit = 0 if contract_months < 3 else 1 if contract_months < 12 else 2 if contract_months < 36 else 6
    allowed = f"a probation of at most {limit} month{'s' if limit > 1 else ''}" if limit else "no probation"
    text = (
        f"A labour contract of {contract_months:g} months in China allows {allowed} "
        "(Labour Contract Law, Article 19)."
    )
    return text, {"months": limit}


def uk_statutory_notice(
    years: Annotated[float, Field(description="Complete years of continuous service", ge=0, le=60)],
    months: Annotated[
        float, Field(description="Further months of service beyond the years", ge=0, lt=12)
    ] = 0,
) -> Result:
    """Least notice an employer must give in Great Britain.

    None under one month, one week up to two years, then one week a complete year, at most 12 weeks.

    Example:
        5 years: 5 weeks. 20 years: 12 weeks. 0 years 6 months: 1 week.

    Source: Employment Rights Act 1996, section 86
    """
    service = years * 12 + months
    weeks = 0 if service < 1 else 1 if service < 24 else min(12, floor(service / 12))
    text = (
        f"With {service / 12:.2f} years of service the statutory minimum notice from a UK employer is "
        f"{weeks} week{'' if weeks == 1 else 's'} (a longer contractual notice applies)."
    )
    return text, {"weeks": weeks}


def copyright_expiry(
    death_year: Annotated[
        int, Field(description="Year in which the last surviving author died", ge=1800, le=2200)
    ],
    term: Annotated[int, Field(description="Years of protection after death", ge=50, le=100)] = 70,
) -> Result:
    """Last day of a copyright that runs from the author's death: life plus 70 years (China: life plus 50).

    For the US this holds for works created since 1978 by individuals.

    Example:
        Died in 1985: protected until 31 December 2055, free from 1 January 2056.

    Source: 17 U.S.C. 302 and 305; Directive 2006/116/EC; Copyright Law of the PRC (life plus 50)
    """
    end = death_year + term
    text = (
        f"With a term of life plus {term} years and a death in {death_year} the copyright lasts until "
        f"31 December {end}, and the work is free from 1 January {end + 1}."
    )
    return text, {"last_year": end, "term": term}


def patent_expiry(
    start_date: Annotated[
        str, Field(description="Filing date (for a US design patent: the grant date), like 2020-05-01")
    ],
    kind: Annotated[
        Literal["utility", "us_design", "china_utility_model", "china_design"],
        Field(description="Kind of patent"),
    ] = "utility",
) -> Result:
    """Day on which a patent's term ends.

    20 years from filing; US design 15 years from grant; China utility model 10 and design 15 from filing.
    Without term adjustment or extension, and only if the fees are paid.

    Example:
        Utility patent filed on 2010-06-15: 2030-06-15.

    Source: 35 U.S.C. 154 and 173; European Patent Convention, Article 63; Patent Law of the PRC, Article 42
    """
    years = {"utility": 20, "us_design": 15, "china_utility_model": 10, "china_design": 15}[kind]
    name = kind.replace("_", " ").replace("us", "US").replace("china", "Chinese")
    start = _date(start_date, "start date")
    end = _years_after(start, years)
    first = "grant" if kind == "us_design" else "filing"
    text = (
        f"A {name} patent lasts {years} years from {first} on {_day(start)}, so until {_day(end)}, "
        "if fees are paid and without adjustments."
    )
    return text, {"expires": end.isoformat(), "years": years}


def gdpr_max_fine(
    turnover: Annotated[
        float, Field(description="Worldwide annual turnover of the preceding year, in euros", ge=0, le=1e13)
    ],
    tier: Annotated[
        Literal["higher", "lower"],
        Field(description="higher: principles, rights, transfers; lower: other duties"),
    ] = "higher",
) -> Result:
    """Upper limit of a GDPR fine for an undertaking: the greater of a fixed sum and a share of turnover.

    Higher tier 20 million euros or 4 %, lower tier 10 million euros or 2 %.

    Example:
        Turnover of 1,000 million euros: 40 million (higher tier), 20 million (lower tier).

    Source: Regulation (EU) 2016/679, Article 83(4) and (5)
    """
    fixed, share = {"higher": (20e6, 4), "lower": (10e6, 2)}[tier]
    limit = round(max(fixed, turnover * share / 100), 2)
    text = (
        f"At a worldwide annual turnover of {turnover:,.0f} euros the {tier}-tier GDPR maximum fine is "
        f"{limit:,.0f} euros: the greater of {fixed:,.0f} euros and {share} percent of turnover."
    )
    return text, {"limit": limit, "tier": tier}


TOOLS = (
    federal_deadline,
    flsa_overtime_pay,
    wage_garnishment_limit,
    judgment_interest,
    china_severance,
    china_loan_interest_cap,
    china_probation_limit,
    uk_statutory_notice,
    copyright_expiry,
    patent_expiry,
    gdpr_max_fine,
)
