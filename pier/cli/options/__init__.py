"""From flags to the API's JSON: parsers of flag values and pure functions that build request bodies."""
