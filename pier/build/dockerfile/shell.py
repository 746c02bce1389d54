"""Variables, quotes and escapes in the words of a Dockerfile (pure): what a shell does, as far as Docker does it.

Forms: ``$v ${v} ${v:-w} ${v-w} ${v:+w} ${v+w} ${v:?w} ${v?w} ${v#p} ${v##p} ${v%p} ${v%%p} ${v/p/r} ${v//p/r}``;
a word in them is expanded in turn, a pattern has ``*``, ``?`` and escapes (``dockerfile.patterns``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pier.build.dockerfile.patterns import PatternError, replaced, without_prefix, without_suffix
from pier.build.dockerfile.space import is_space

_SPECIAL: Final = frozenset("@*#?-$!0")  # a shell's own parameters: never set here
_END: Final = ""
_DEEPEST: Final = 100  # substitutions in substitutions
_LONGEST: Final = 1 << 20  # what variables may bring into one word: no program could be given more
_MOST_SHOWN: Final = 4 << 10
_TOO_LONG: Final = f"its variables have more than {_LONGEST} characters"


class ExpansionError(ValueError):
    """Its text begins with ``failed to process "WORD": ``, as Docker's does."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """``used`` are the variables that were asked for and are set; ``unset`` those that are not, and had to be
    (``${v:-w}`` and its like provide for it)."""

    text: str
    used: frozenset[str]
    unset: frozenset[str]


def expand(word: str, variables: Mapping[str, str], escape: str = "\\", *, raw: bool = False) -> Expansion:
    """``raw``: the content of a here-document: quotes are not special, and the escape is a backslash always."""
    lexer = _Lexer(word, variables, "\\" if raw else escape, quotes=not raw)
    text = lexer.run().text()
    return Expansion(text, frozenset(lexer.used), frozenset(lexer.unset))


def expand_words(word: str, variables: Mapping[str, str], escape: str = "\\") -> list[str]:
    """As :func:`expand`, and split at spaces outside of quotes, also at those that variables bring."""
    return _Lexer(word, variables, escape).run().split()


def plain_words(text: str, *, raw: bool) -> list[str]:
    """Split as :func:`expand_words` but leave variables alone; ``raw`` leaves quotes and escapes in, too."""
    return _Lexer(text, {}, "\\", raw=raw, keep_unset=True).run().split()


def visible(text: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """The text with the variables that are set, for people to read; as it is where it is malformed, or grows too long.

    As BuildKit names its steps: quotes stay, with the escapes in them; other escapes go.
    """
    try:
        return (
            _Lexer(text, variables, escape, raw=True, keep_unset=True, most=_MOST_SHOWN).run(raw_escapes=False).text()
        )
    except ExpansionError:
        return text


class _Words:
    """What has been read: the text, and its words."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._word: list[str] = []
        self._words: list[str] = []

    def keep(self, text: str) -> None:
        """Quoted or escaped: spaces do not end the word."""
        self._text.append(text)
        self._word.append(text)

    def add(self, text: str) -> None:
        self._text.append(text)
        for char in text:
            if is_space(char):
                self._finish()
            else:
                self._word.append(char)

    def text(self) -> str:
        return "".join(self._text)

    def split(self) -> list[str]:
        self._finish()
        return self._words

    def _finish(self) -> None:
        if word := "".join(self._word):
            self._words.append(word)
        self._word = []


class _Lexer:
    def __init__(
        self,
        source: str,
        variables: Mapping[str, str],
        escape: str,
        *,
        quotes: bool = True,
        raw: bool = False,
        keep_unset: bool = False,
        most: int = _LONGEST,
    ) -> None:
        self.used: set[str] = set()
        self.unset: set[str] = set()
        self._source = source
        self._at = 0
        self._depth = 0
        self._brought = 0
        self._most = most
        self._variables = variables
        self._escape = escape
        self._quotes = quotes
        self._raw = raw
        self._keep_unset = keep_unset

    def run(self, *, raw_escapes: bool | None = None) -> _Words:
        try:
            return self._until(_END, raw_escapes=self._raw if raw_escapes is None else raw_escapes)
        except (_Malformed, PatternError) as error:
            raise ExpansionError(f"failed to process {quoted(self._source)}: {error}") from error

    def _peek(self) -> str:
        return self._source[self._at] if self._at < len(self._source) else _END

    def _next(self) -> str:
        char = self._peek()
        self._at += 1
        return char

    def _until(self, stop: str, *, raw_escapes: bool) -> _Words:
        words = _Words()
        while (char := self._peek()) != _END:
            if char == stop:
                self._at += 1
                return words
            if char == "$":
                words.add(self._dollar())
            elif char == "'" and self._quotes:
                words.keep(self._single_quoted())
            elif char == '"' and self._quotes:
                words.keep(self._double_quoted())
            elif char == self._escape:
                self._at += 1
                words.keep((char if raw_escapes else "") + self._next())
            else:
                words.add(self._plain_run(stop))
        if stop != _END:
            raise _Unfinished(f"unexpected end of statement while looking for matching {stop}")
        return words

    def _plain_run(self, stop: str) -> str:
        """At least one character, up to the next that may be special."""
        begin = self._at
        special = {"$", "'", '"', self._escape, stop}
        self._at += 1
        while self._at < len(self._source) and self._source[self._at] not in special:
            self._at += 1
        return self._source[begin : self._at]

    def _single_quoted(self) -> str:
        end = self._source.find("'", self._at + 1)
        if end < 0:
            self._at = len(self._source)
            raise _Unfinished("unexpected end of statement while looking for matching single-quote")
        begin, self._at = self._at, end + 1
        return self._source[begin : end + 1] if self._raw else self._source[begin + 1 : end]

    def _double_quoted(self) -> str:
        quote = self._next() if self._raw else self._next() and ""
        parts = [quote]
        while (char := self._peek()) != '"':
            if char == _END:
                raise _Unfinished("unexpected end of statement while looking for matching double-quote")
            if char == "$":
                parts.append(self._dollar())
                continue
            self._at += 1
            if char == self._escape:
                char = self._escaped_in_quotes()
            parts.append(char)
        self._at += 1
        return "".join([*parts, quote])

    def _escaped_in_quotes(self) -> str:
        """Only a quote, a dollar and the escape itself lose their escape."""
        following = self._peek()
        if following == _END or following not in ('"', "$", self._escape):
            return "" if following == _END else self._escape
        self._at += 1
        return self._escape + following if self._raw else following

    def _dollar(self) -> str:
        """Values that hold themselves twice, and so on, are as short to write as any."""
        found = self._substituted()
        self._brought += len(found)
        if self._brought > self._most:
            raise _Malformed(_TOO_LONG)
        return found

    def _substituted(self) -> str:
        begin = self._at
        self._at += 1
        if self._peek() == "{":
            self._at += 1
            return self._braced(begin)
        name = self._name()
        if not name:
            return "$"
        value = self._value(name)
        return self._source[begin : self._at] if value is None and self._keep_unset else value or ""

    def _braced(self, begin: int) -> str:
        if self._peek() == _END:
            raise _Malformed("syntax error: missing '}'")
        if self._peek() in "{}:":
            raise _Malformed("syntax error: bad substitution")
        name = self._name()
        operator = self._next()
        empty_too = operator == ":"
        if empty_too:
            operator = self._next()
        shown = (":" if empty_too else "") + (operator or "\N{REPLACEMENT CHARACTER}")
        if operator == "}" and not empty_too:
            result = self._value(name) or ""
        elif operator == "/" and not empty_too:
            result = self._replacement(name)
        elif empty_too and operator in ("}", _END):
            raise _Malformed(
                "syntax error: missing '}'" if operator else f"unsupported modifier ({shown}) in substitution"
            )
        elif operator and operator in "+-?#%":
            word = self._operand("}", raw_escapes=operator in "#%")
            result = self._modified(name, operator, word, empty_too=empty_too)
        else:
            raise _Malformed(f"unsupported modifier ({shown}) in substitution")
        return self._source[begin : self._at] if self._keep_unset and name not in self._variables else result

    def _name(self) -> str:
        """A name, a number, or a shell's own parameter; empty where there is none."""
        begin = self._at
        first = self._peek()
        if first and first in _SPECIAL and not first.isdecimal():
            self._at += 1
        elif first.isdecimal():
            self._while(str.isdecimal)
        else:
            self._while(lambda char: char.isalpha() or char.isdecimal() or char == "_")
        return self._source[begin : self._at]

    def _while(self, fits: Callable[[str], bool]) -> None:
        while self._at < len(self._source) and fits(self._source[self._at]):
            self._at += 1

    def _value(self, name: str) -> str | None:
        value = self._variables.get(name)
        (self.unset if value is None else self.used).add(name)
        return value

    def _operand(self, stop: str, *, raw_escapes: bool) -> str:
        if self._depth == _DEEPEST:
            raise _Malformed("syntax error: substitutions nested too deeply")
        self._depth += 1
        try:
            return self._until(stop, raw_escapes=raw_escapes).text()
        except _Unfinished as error:
            where = " in ${}" if stop == "/" else ""
            raise _Malformed(f"syntax error: missing '{stop}'{where}") from error
        finally:
            self._depth -= 1

    def _modified(self, name: str, operator: str, word: str, *, empty_too: bool) -> str:
        value = self._variables.get(name) if operator in "+-?" else self._value(name)
        if value is not None:
            self.used.add(name)
        missing = value is None or (empty_too and not value)
        if operator == "+":
            return "" if missing else word
        if operator == "-":
            return word if missing else value or ""
        if operator == "?":
            if missing and not (self._keep_unset and value is None):
                raise _Malformed(f"{name}: {word or 'is not allowed to be ' + ('unset' if value is None else 'empty')}")
            return value or ""
        cut = without_prefix if operator == "#" else without_suffix
        return cut(value or "", word.removeprefix(operator), greedy=word.startswith(operator))

    def _replacement(self, name: str) -> str:
        every = self._peek() == "/"
        if every:
            self._at += 1
        pattern = self._operand("/", raw_escapes=True)
        new = self._operand("}", raw_escapes=True)
        value = self._value(name) or ""
        if len(value) * len(new) > _LONGEST * 64:
            raise _Malformed(_TOO_LONG)
        return replaced(value, pattern, new, every=every)


class _Malformed(Exception):
    pass


class _Unfinished(_Malformed):
    """The source ended inside a quote or a substitution."""


def quoted(text: str) -> str:
    """As Go's ``%q`` does for what a Dockerfile has."""
    marks = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(marks.get(char, char if char.isprintable() else _escaped(char)) for char in text) + '"'


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
