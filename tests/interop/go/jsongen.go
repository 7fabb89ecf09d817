package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"strings"
)

// generate prints count cases in the format of the recorded vectors. Four of five cases are
// documents to decode, one is a value to encode. The same seed gives the same cases.
func generate(seedText, countText string) error {
	seed, err := strconv.ParseInt(seedText, 10, 64)
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(countText)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	g := generator{rand.New(rand.NewSource(seed))}
	for n := 0; n < count; {
		c := g.testCase()
		if c == nil {
			continue
		}
		n++
		c.ID = fmt.Sprintf("g%06d", n)
		if err := lines.Encode(c); err != nil {
			return err
		}
	}
	return out.Flush()
}

// generator makes values, documents and damage from one stream of random numbers.
type generator struct {
	*rand.Rand
}

// line is one case, with what encoding/json did.
type line struct {
	ID   string  `json:"id"`
	Kind string  `json:"kind"`
	Cat  string  `json:"cat"`
	Type string  `json:"type"`
	In   *string `json:"in,omitempty"`
	// Value is the tree of the value to encode.
	Value any `json:"value,omitempty"`
	full
	// Differs and Newest are set where later versions of Go write a short escape.
	Differs string `json:"differs,omitempty"`
	Newest  *full  `json:"newest,omitempty"`
}

// full is an answer, with the answer for the complete document if that is different.
type full struct {
	answer
	Whole *answer `json:"whole,omitempty"`
}

// testCase returns nil for a case for which the versions of Go have different answers.
func (g generator) testCase() *line {
	kind := kinds[g.Intn(len(kinds))]
	if g.Intn(5) == 0 {
		return g.encodeCase(kind.name, kind.zero)
	}
	cat, document := g.document(kind.zero)
	if disputed(kind.name, document) {
		return nil
	}
	in := hex.EncodeToString(document)
	c := &line{Kind: "decode", Cat: cat, Type: kind.name, In: &in}
	c.answer = decodeStream(kind.zero, document)
	if kind.name == "struct:Quoted" && c.OutErr != "" {
		return nil // a quoted number that only earlier versions take
	}
	if whole := decodeWhole(kind.zero, document); !whole.sameAs(c.answer) {
		c.Whole = &whole
	}
	if c.Out != nil {
		c.newest(*c.Out)
	}
	return c
}

// newest adds what later versions write, if it is different.
func (c *line) newest(out string) {
	backslash := `\`
	if c.Type == "struct:Quoted" {
		backslash = `\\` // its one string is written twice
	}
	short := strings.NewReplacer(
		backslash+backslash, backslash+backslash,
		backslash+`u0008`, backslash+`b`, backslash+`u000c`, backslash+`f`,
	).Replace(out)
	if short == out {
		return
	}
	as := c.full
	as.Out = &short
	c.Differs, c.Newest = "result", &as
}

// disputed reports whether the versions of Go may read the document differently: names of integer
// keys, and quoted numbers that only some versions accept. In a raw value, an escape that they
// write differently cannot be distinguished from one that they keep.
func disputed(kind string, document []byte) bool {
	lower := strings.ToLower(string(document))
	if strings.Contains(lower, `\u0008`) || strings.Contains(lower, `\u000c`) {
		return true
	}
	if kind == "struct:Quoted" && strings.Count(lower, `"n"`) > 1 {
		return true // the first may be a number that only earlier versions take
	}
	if strings.HasPrefix(kind, "map[int") || strings.HasPrefix(kind, "map[uint") {
		return strings.Contains(lower, `null"`) || strings.Contains(lower, `\u`)
	}
	return false
}
