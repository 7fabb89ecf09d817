package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// oddRunes are characters that readers and writers of JSON treat differently.
var oddRunes = []string{
	"<", ">", "&", "\"", "\\", "/", "\x7f", "\u2028", "\u2029", "é", "ß", "ſ", "K", "Σ", "ς", "µ",
	"日", "\ufeff", "\uffff", "\ufffd", "😀", "\U00010000", "\U0010ffff", "\t", "\n", "\x00",
}

// validNumbers are literals. numberTexts also holds texts that are not literals.
var validNumbers = []string{
	"0", "-0", "1", "-1", "127", "128", "-128", "-129", "255", "256", "32767", "32768", "65535",
	"2147483647", "2147483648", "-2147483648", "4294967295", "4294967296", "9223372036854775807",
	"9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615",
	"18446744073709551616", "1.0", "1.50", "1e3", "1E+2", "0e0", "-0.0", "1e-400", "5e-324",
	"2.4703282292062327e-324", "1e21", "1e20", "1e-6", "1e-7", "0.1", "16777217", "3.4028236e38",
	"1.7976931348623158e308", "9007199254740993", "123456789012345678901234567890",
	"0.30000000000000004", "1.00000000000000011102230246251565404236316680908203125",
}

var numberTexts = append([]string{
	"", "01", "+1", ".5", "1.", "1e", "0x10", "NaN", "Infinity", " 1", "1 ", "--1", "1_000", "x",
	"1e400", "-1e400", "1e309",
}, validNumbers...)

// fragments are pieces of text to insert where they are not allowed.
var fragments = []string{
	"{", "}", "[", "]", ",", ":", "\"", "\\", "null", "true", "false", "nul", "TRUE", "{}", "[]",
	"[[]]", "{\"a\":1}", "\"x\"", "\"\"", "0", "-", "01", ".5", "1e5", "1.", "+1", "\\u0041",
	"\\ud83d", "\\ude00", "\\ud83d\\ude00", "\\uD8", "\\x", "\\/", "\\b", "\\u00e9", "\xff", "\xc0\xaf",
	"\xed\xa0\x80", "\xe2\x82", "\xf0\x9f\x98", "\xf4\x90\x80\x80", "\xef\xbb\xbf", "\x00", "\x1f",
	"\x7f", " ", "\t", "\n", "\r", "\v", "\f", "\u00a0", "\u2028", "//", "/*", "'", "#", "\"12\"",
	"\"null\"", "\"true\"", "\"1.5\"", "\"AQID\"", "\"AQ==\"", "\"AR==\"", "\"A\\nQ==\"", "\"AQ\"",
	"\"_-8=\"", "[1,2,3,4]", "[1,null,255]", "[256]", "\"\\\"x\\\"\"",
}

// names are member names that the types have, some of them spelt so that only case folding makes
// them equal.
var names = []string{
	"a", "A", "b", "c", "x", "X", "y", "z", "v", "V", "name", "NAME", "Name", "nAmE", "count", "flag",
	"kind", "KIND", "Kind", "pass", "paſſ", "a_b-1", "A_B-1", "ab1", "bond", "É", "é", "straße",
	"STRAẞE", "strasse", "Σ", "σ", "ς", "ǆ", "ǅ", "Ǆ", "µm", "μM", "i", "i8", "u", "f", "f32", "s", "p",
	"n", "l", "o", "m", "a2", "t", "r", "d", "Mp", "-", "shown", "Hidden", "in", "ptr", "list", "arr",
	"map", "pp", "both", "tag", "Tag", "sub", "h", "inner", "data", "args", "method", "METHOD", "arg",
	"ARG", "success", "ſucceſſ", "err", "result", "reſult", "q", "filename", "argv", "envv", "wd", "KUID",
	"KGID", "extraKGIDs", "StdioIsPty", "limits", "timeout", "Files", "a b", "x<y&z", "Empty", "Comma",
	"日本", "next", "kids", "",
}

// document returns a text for the type, and how it was made.
func (g generator) document(zero any) (string, []byte) {
	text := g.wellFormed(zero)
	switch n := g.Intn(10); {
	case n < 2:
		return "typed", g.spread(tokens(text))
	case n < 5:
		return "edited", g.spread(g.edit(tokens(text), 1+g.Intn(4)))
	case n < 6:
		return "any", g.spread(g.edit(tokens(g.object()), g.Intn(3)))
	}
	text = g.spread(g.edit(tokens(text), g.Intn(2)))
	for k := 1 + g.Intn(3); k > 0; k-- {
		text = g.damage(text)
	}
	return "damaged", text
}

// wellFormed is a random value of the type as Go writes it.
func (g generator) wellFormed(zero any) []byte {
	for {
		pointer := fresh(zero)
		g.fill(pointer.Elem(), 0)
		if text, err := json.Marshal(pointer.Elem().Interface()); err == nil {
			return text
		}
	}
}

// object has members with known names and values of any kind.
func (g generator) object() []byte {
	var members []string
	for n := g.Intn(6); n > 0; n-- {
		name, _ := json.Marshal(g.pick(names))
		value, _ := json.Marshal(g.anything(2))
		members = append(members, fmt.Sprintf("%s:%s", name, value))
	}
	return []byte("{" + strings.Join(members, ",") + "}")
}

// tokens splits a compact, well-formed text into its tokens.
func tokens(text []byte) []string {
	var cut []string
	for start := 0; start < len(text); {
		end := start + 1
		switch {
		case text[start] == '"':
			for text[end] != '"' {
				if text[end] == '\\' {
					end++
				}
				end++
			}
			end++
		case !strings.ContainsRune("{}[]:,", rune(text[start])):
			for end < len(text) && !strings.ContainsRune("{}[]:,", rune(text[end])) {
				end++
			}
		}
		cut = append(cut, string(text[start:end]))
		start = end
	}
	return cut
}

// spread inserts white space between tokens in a quarter of the texts.
func (g generator) spread(cut []string) []byte {
	if g.Intn(4) != 0 {
		return []byte(strings.Join(cut, ""))
	}
	var text strings.Builder
	for _, token := range cut {
		text.WriteString(g.pick([]string{"", "", "", " ", "\n", "\t", "\r", "  "}))
		text.WriteString(token)
	}
	text.WriteString(g.pick([]string{"", "", " ", "\n", "x", "{}"}))
	return []byte(text.String())
}

// edit replaces some tokens, so that the text stays almost well-formed.
func (g generator) edit(cut []string, times int) []string {
	for ; times > 0 && len(cut) > 0; times-- {
		at := g.Intn(len(cut))
		token := cut[at]
		switch n := g.Intn(6); {
		case strings.HasPrefix(token, `"`) && n < 2:
			cut[at] = g.respell(token)
		case strings.HasPrefix(token, `"`) && n == 2:
			name, _ := json.Marshal(g.pick(names))
			cut[at] = string(name)
		case n == 3:
			cut = g.repeat(cut, at)
		case strings.Contains("{}[]:,", token):
			continue
		case n == 4:
			cut[at] = g.pick(validNumbers)
		default:
			cut[at] = g.pick(fragments)
		}
	}
	return cut
}

// repeat writes a member or an element a second time, if there is one at the place. Some values in
// the second copy become null.
func (g generator) repeat(cut []string, at int) []string {
	start := at
	if at+2 < len(cut) && cut[at+1] == ":" {
		start = at + 2
	}
	end := valueEnd(cut, start)
	if end >= len(cut) || cut[end] != "," {
		return cut
	}
	again := append([]string{}, cut[at:end]...)
	for i := start - at; i < len(again); i++ {
		isName := i+1 < len(again) && again[i+1] == ":"
		if !isName && !strings.Contains("{}[]:,", again[i]) && g.Intn(3) == 0 {
			again[i] = "null"
		}
	}
	return append(cut[:end+1:end+1], append(append(again, ","), cut[end+1:]...)...)
}

// valueEnd is the place after the value that begins at start.
func valueEnd(cut []string, start int) int {
	for depth := 0; start < len(cut); start++ {
		switch cut[start] {
		case "[", "{":
			depth++
		case "]", "}":
			depth--
		}
		if depth <= 0 {
			return start + 1
		}
	}
	return start
}

// respell writes the string differently: in another case, or with escapes for plain characters.
func (g generator) respell(token string) string {
	var text string
	if json.Unmarshal([]byte(token), &text) != nil {
		return token
	}
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range text {
		switch g.Intn(4) {
		case 0:
			r = unicode.SimpleFold(r)
		case 1:
			out.WriteString(g.escape(r))
			continue
		}
		plain, _ := json.Marshal(string(r))
		out.Write(plain[1 : len(plain)-1])
	}
	out.WriteByte('"')
	return out.String()
}

func (g generator) escape(r rune) string {
	if r > 0xffff {
		r -= 0x10000
		return fmt.Sprintf(`\u%04x\u%04X`, 0xd800+r>>10, 0xdc00+r&0x3ff)
	}
	return fmt.Sprintf(g.pick([]string{`\u%04x`, `\u%04X`}), r)
}

// damage changes bytes without regard to tokens.
func (g generator) damage(text []byte) []byte {
	if len(text) == 0 {
		return []byte(g.pick(fragments))
	}
	at := g.Intn(len(text))
	end := at + g.Intn(len(text)-at)
	switch g.Intn(7) {
	case 0:
		return text[:at]
	case 1:
		return append(text[:at:at], text[at+1:]...)
	case 2:
		return append(text[:at:at], append([]byte(g.pick(fragments)), text[at:]...)...)
	case 3:
		return append(text[:at:at], append([]byte(g.pick(fragments)), text[end:]...)...)
	case 4:
		return append(text[:end:end], text[at:]...)
	case 5:
		text[at] ^= 1 << g.Intn(8)
		return text
	}
	_, size := utf8.DecodeRune(text[at:])
	return append(text[:at:at], append([]byte{byte(g.Intn(256))}, text[at+size:]...)...)
}
