"""Words that alterations exchange: opposites, modal words, units. English only."""

from __future__ import annotations

OPPOSITES: tuple[tuple[str, str], ...] = tuple(
    (one, other)
    for one, other in (
        pair.split("/")
        for pair in (
            "increase/decrease increases/decreases increased/decreased increasing/decreasing rise/fall rises/falls "
            "rose/fell rising/falling raise/lower raises/lowers raised/lowered raising/lowering more/less more/fewer "
            "most/least greater/smaller larger/smaller largest/smallest higher/lower high/low highest/lowest "
            "above/below over/under before/after prior/subsequent longer/shorter long/short maximum/minimum "
            "improve/worsen improves/worsens improved/worsened gain/loss gains/losses profit/loss early/late "
            "earlier/later first/last better/worse stronger/weaker strong/weak faster/slower older/younger "
            "start/stop starts/stops begins/ends begin/end commence/terminate include/exclude includes/excludes "
            "included/excluded including/excluding allow/forbid allows/forbids allowed/forbidden accept/refuse "
            "positive/negative common/rare benign/malignant acute/chronic active/inactive mild/severe "
            "income/expense revenue/cost assets/liabilities debit/credit buyer/seller lender/borrower "
            "landlord/tenant employer/employee plaintiff/defendant disclosing/receiving licensor/licensee "
            "male/female males/females men/women mother/father children/adults upper/lower left/right "
            "internal/external direct/indirect favorable/unfavorable available/unavailable likely/unlikely "
            "necessary/unnecessary effective/ineffective with/without up/down primary/secondary major/minor "
            "buy/sell buys/sells paid/received pay/receive pays/receives dominant/recessive short-term/long-term "
            "current/non-current exclusive/non-exclusive inclusive/exclusive public/private same/different"
        ).split()
    )
)
"""(word, its opposite), used both ways."""

MODALITY: dict[str, tuple[str, ...]] = {
    "may": ("must", "will", "shall"),
    "might": ("must", "will"),
    "can": ("must", "will"),
    "could": ("must", "will"),
    "must": ("may", "need not"),
    "shall": ("may", "need not"),
    "should": ("may", "must", "need not"),
    "will": ("may", "might"),
    "required": ("allowed", "advised"),
    "usually": ("always", "rarely"),
    "often": ("always", "rarely"),
    "sometimes": ("always", "never"),
    "rarely": ("often", "usually"),
    "generally": ("always", "rarely"),
    "typically": ("always", "rarely"),
    "always": ("sometimes", "rarely"),
    "never": ("always", "sometimes"),
    "some": ("all", "no"),
    "many": ("all", "few", "no"),
    "most": ("all", "few"),
    "all": ("no", "few"),
    "any": ("no", "only some"),
    "each": ("no", "only one"),
    "every": ("no", "hardly any"),
    "only": ("also",),
    "probably": ("certainly",),
    "possible": ("certain", "impossible"),
    "approximately": ("exactly", "more than"),
    "about": ("exactly",),
    "significantly": ("slightly",),
}

UNITS: dict[str, tuple[str, ...]] = {
    "day": ("week", "month", "hour"),
    "days": ("weeks", "months", "hours"),
    "hour": ("day", "minute"),
    "hours": ("days", "minutes"),
    "minutes": ("hours", "seconds"),
    "week": ("month", "day"),
    "weeks": ("months", "days"),
    "month": ("year", "week"),
    "months": ("years", "weeks"),
    "year": ("month", "decade"),
    "years": ("months", "weeks"),
    "mg": ("g", "mcg", "ml"),
    "g": ("mg", "kg"),
    "kg": ("g", "lb"),
    "mcg": ("mg",),
    "ml": ("mg", "l"),
    "mm": ("cm", "m"),
    "cm": ("mm", "m"),
    "centimeters": ("millimeters",),
    "centimeter": ("millimeter", "meter"),
    "inches": ("feet",),
    "feet": ("inches", "miles"),
    "percent": ("per thousand", "million"),
    "%": (" per thousand", " million"),
    "thousand": ("million", "billion"),
    "thousands": ("millions", "billions"),
    "million": ("billion", "thousand", "percent"),
    "millions": ("thousands", "billions"),
    "billion": ("million", "thousand"),
    "billions": ("millions",),
    "basis points": ("percent",),
    "shares": ("dollars",),
    "people": ("families", "percent"),
    "patients": ("centers", "percent"),
    "mmhg": ("mmol/L",),
    "mmol/l": ("mg/dL",),
    "mg/dl": ("mmol/L",),
    "ml/min": ("mg/min",),
    "times": ("percent",),
}

CURRENCIES: dict[str, tuple[str, ...]] = {"$": ("€", "£"), "€": ("$", "£"), "£": ("$", "€")}
