export default {
  "locales": {
    "en": {
      "decimal": ".", "group": ",", "space": "\u00a0", "beforeSuffix": "", "symbolFirst": true,
      "suffixes": ["k", "M", "bn", "tn"],
      "sizes": ["B", "kB", "MB", "GB", "TB", "PB", "EB"],
      "times": {"microseconds": "µs", "milliseconds": "ms", "seconds": "s", "minutes": "min", "hours": "h", "days": "d"}
    },
    "fr": {
      "decimal": ",", "group": "\u202f", "space": "\u202f", "beforeSuffix": "\u202f", "symbolFirst": false,
      "suffixes": ["k", "M", "Md", "Bn"],
      "sizes": ["o", "ko", "Mo", "Go", "To", "Po", "Eo"],
      "times": {"microseconds": "µs", "milliseconds": "ms", "seconds": "s", "minutes": "min", "hours": "h", "days": "j"}
    }
  },
  "sizes": {"bytes": 0, "kilobytes": 1, "megabytes": 2, "gigabytes": 3, "terabytes": 4},
  "times": {"milliseconds": 0.001, "seconds": 1, "minutes": 60, "hours": 3600, "days": 86400},
  "symbols": {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "INR": "₹", "KRW": "₩"},
  "currencies": {
    "AUD": 2, "BRL": 2, "CAD": 2, "CHF": 2, "CNY": 2, "CZK": 2, "DKK": 2, "EUR": 2, "GBP": 2, "HKD": 2, "HUF": 2,
    "ILS": 2, "INR": 2, "JPY": 0, "KRW": 0, "MXN": 2, "NOK": 2, "NZD": 2, "PLN": 2, "RON": 2, "SEK": 2, "SGD": 2,
    "TRY": 2, "UAH": 2, "USD": 2, "ZAR": 2
  }
};
