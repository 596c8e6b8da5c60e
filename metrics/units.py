"""What the numbers of a metric are in, and which of its figures is the one to show. Pure."""

from enum import StrEnum


class Unit(StrEnum):
    """What a metric is sent in. Sizes go by powers of ten, as the digits of what is sent do."""

    NUMBER = "number"
    BYTES = "bytes"
    KILOBYTES = "kilobytes"
    MEGABYTES = "megabytes"
    GIGABYTES = "gigabytes"
    TERABYTES = "terabytes"
    MILLISECONDS = "milliseconds"
    SECONDS = "seconds"
    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    PERCENT = "percent"  # 0 to 100.
    RATIO = "ratio"  # 0 to 1.
    # Currencies by their code in ISO 4217.
    AUD = "AUD"
    BRL = "BRL"
    CAD = "CAD"
    CHF = "CHF"
    CNY = "CNY"
    CZK = "CZK"
    DKK = "DKK"
    EUR = "EUR"
    GBP = "GBP"
    HKD = "HKD"
    HUF = "HUF"
    ILS = "ILS"
    INR = "INR"
    JPY = "JPY"
    KRW = "KRW"
    MXN = "MXN"
    NOK = "NOK"
    NZD = "NZD"
    PLN = "PLN"
    RON = "RON"
    SEK = "SEK"
    SGD = "SGD"
    TRY = "TRY"
    UAH = "UAH"
    USD = "USD"
    ZAR = "ZAR"


SIZES = [Unit.BYTES, Unit.KILOBYTES, Unit.MEGABYTES, Unit.GIGABYTES, Unit.TERABYTES]
TIMES = [Unit.MILLISECONDS, Unit.SECONDS, Unit.MINUTES, Unit.HOURS, Unit.DAYS]
SHARES = [Unit.PERCENT, Unit.RATIO]
CURRENCIES = [unit for unit in Unit if unit.value.isupper()]


class Aggregation(StrEnum):
    """How the values of all instances become the one number of the metric."""

    SUM = "sum"
    MEAN = "mean"
    MEDIAN = "median"
    MAXIMUM = "maximum"
    MINIMUM = "minimum"

    @property
    def figure(self) -> str:
        """What metrics.figures.Figures calls it."""
        return {"maximum": "max", "minimum": "min"}.get(self.value, self.value)
