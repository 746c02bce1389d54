"""Go templates over JSON: results and errors are Go's."""

from collections.abc import Callable
from typing import Any

import pytest

from pier.cli.template.execute import Template
from pier.cli.template.nodes import TemplateError

DATA: dict[str, Any] = {
    "S": "hi",
    "N": None,
    "T": True,
    "F": 1.5,
    "L": ["x", "y"],
    "A": {"b": 1, "C": ["x", "y"], "k-k": "v"},
    "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "77/tcp": None},
    "Env": None,
}


def execute(template: str) -> str:
    return Template(template, {"Health": None, "StopSignal": ""}).execute(DATA)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("{{.S}}", "hi"),
        ("{{ .S }}-{{ . | len }}", "hi-8"),
        ("{{.T}} {{.F}} {{.N}} {{.L}}", "true 1.5 <nil> [x y]"),
        ("{{.A}}", "map[C:[x y] b:1 k-k:v]"),
        ("{{.Ports}}", "map[77/tcp:[] 80/tcp:[{0.0.0.0 8080}]]"),
        ("{{.Env}}", "[]"),
        ("{{json .A}}", '{"b":1,"C":["x","y"],"k-k":"v"}'),
        ("{{.A.b}}{{$.A.b}}", "11"),
        ('{{index .A.C 1}} {{index .A "k-k"}} {{(index .A.C 0) | upper}}', "y v X"),
        ("{{if .S}}a{{else}}b{{end}}{{if .N}}a{{else}}b{{end}}", "ab"),
        ("{{if .Absent}}a{{else if .T}}b{{else}}c{{end}}", "b"),
        ('{{if and .T (eq .S "hi")}}y{{end}}{{if or .N .S}}y{{end}}{{if not .N}}y{{end}}', "yyy"),
        ("{{with .A}}{{.b}}{{$.S}}{{else}}no{{end}}{{with .N}}x{{else}}no{{end}}", "1hino"),
        ("{{range .L}}<{{.}}>{{end}}{{range .Env}}x{{else}}none{{end}}", "<x><y>none"),
        ("{{range $i, $e := .L}}{{$i}}{{$e}} {{end}}", "0x 1y "),
        ("{{range $k, $v := .A}}{{$k}} {{end}}", "C b k-k "),
        ('{{range .L}}{{if eq . "y"}}{{break}}{{end}}{{.}}{{end}}', "x"),
        ('{{range .L}}{{if eq . "x"}}{{continue}}{{end}}{{.}}{{end}}', "y"),
        ("{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}", "12"),
        ("{{$x := 1}}{{if .T}}{{$x = 2}}{{$y := 3}}{{end}}{{$x}}", "2"),
        ("a {{- .S -}} b", "ahib"),
        ("{{/* note */}}x{{- /* note */ -}} y", "xy"),
        ('{{"q\\"\\n\\u00e9"}}{{`raw\\n`}}{{\'a\'}}', 'q"\né' + "raw\\n97"),
        ('{{printf "%5s|%-4d|%q|%v|%t|%.2f|%x|%%" .S 7 .S .L .T .F 255}}', '   hi|7   |"hi"|[x y]|true|1.50|ff|%'),
        ('{{printf "%d %s" 1}}', "1 %!s(MISSING)"),
        ('{{printf "%d" .S}}', "%!d(str=hi)"),
        ('{{.S | printf "%s-%s" "a"}}', "a-hi"),
        ('{{join .L ", "}} {{split "a,b" ","}} {{title .S}} {{upper .S}} {{lower "AB"}}', "x, y [a b] Hi HI ab"),
        ("{{println .S 1}}", "hi 1\n"),
        ('{{print 1 2 "a" 3}}', "1 2a3"),
        ('{{pad .S 1 2}}|{{truncate "abcdef" 3}}', " hi  |abc"),
        (
            '{{eq 1 1}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 1 2}} {{eq .S "a" "hi"}}',
            "true true true true false false true",
        ),
        ('{{len .S}} {{len .A}} {{slice "abcdef" 1 3}}', "2 3 bc"),
        ('{{html "<a>"}}', "&lt;a&gt;"),
        ("{{.Health}} {{.StopSignal}}", "<nil> "),
        ("{{1}} {{-2}} {{0x10}} {{1e3}} {{true}} {{nil}}", "1 -2 16 1000 true <nil>"),
        ("{{range 3}}{{.}}{{end}}", "012"),
    ],
)
def test_results(template: str, expected: str) -> None:
    assert execute(template) == expected


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{.S", "template: :1: unclosed action"),
        ("\n{{.S", "template: :2: unclosed action"),
        ("{{if .S}}", "template: :1: unexpected EOF"),
        ("{{foo .}}", 'template: :1: function "foo" not defined'),
        ("{{end}}", "template: :1: unexpected {{end}}"),
        ("{{}}", "template: :1: missing value for command"),
        ("{{if}}x{{end}}", "template: :1: missing value for if"),
        ('{{"x}}', "template: :1: unterminated quoted string"),
        ("{{/* x}}", "template: :1: unclosed comment"),
        ("{{(.S}}", "template: :1: unclosed left paren"),
        ('{{define "x"}}{{end}}', "template: :1: {{define}} is not supported"),
        ("{{.Foo}}", 'template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"'),
        ("{{.A.X}}", 'template: :1:4: executing "" at <.A.X>: map has no entry for key "X"'),
        ("{{.Health.Status}}", 'template: :1:9: executing "" at <.Health.Status>: map has no entry for key "Health"'),
        ("{{.S.x}}", 'template: :1:4: executing "" at <.S.x>: can\'t evaluate field x in type string'),
        ("{{.N.x}}", 'template: :1:4: executing "" at <.N.x>: nil pointer evaluating interface {}.x'),
        ("{{index .L 5}}", 'template: :1:2: executing "" at <index>: error calling index: index out of range: 5'),
        ('{{eq 1 "a"}}', 'template: :1:2: executing "" at <eq>: error calling eq: incompatible types for comparison'),
        ("{{$nope}}", 'template: :1: undefined variable "$nope"'),
        ("{{range .S}}{{end}}", "range can't iterate over hi"),
    ],
)
def test_errors(template: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        execute(template)
    assert str(caught.value) == message


class Fields:
    type_name = "*formatter.ContainerContext"

    def field(self, name: str, *arguments: Any) -> Any:
        columns: dict[str, Callable[..., str]] = {"ID": lambda: "0123", "Label": lambda label: label.upper()}
        return columns[name](*arguments)


def test_rows_have_fields_and_methods() -> None:
    assert Template('{{.ID}} {{.Label "a"}} {{.ID | printf "%.2s"}}').execute(Fields()) == "0123 A 01"


def test_a_row_without_the_field() -> None:
    with pytest.raises(TemplateError) as caught:
        Template("{{.Foo}}").execute(Fields())
    assert str(caught.value).endswith("can't evaluate field Foo in type *formatter.ContainerContext")
