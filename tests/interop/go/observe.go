package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"unicode/utf8"
)

// answer is the outcome of one case in encoding/json.
type answer struct {
	OK     bool    `json:"ok"`
	Out    *string `json:"out,omitempty"`
	OutHex string  `json:"out_hex,omitempty"`
	OutErr string  `json:"out_err,omitempty"`
	// Bytes holds the content of a string and the like, Bits that of a float.
	Bytes    *string `json:"bytes,omitempty"`
	Bits     string  `json:"bits,omitempty"`
	Consumed int64   `json:"consumed,omitempty"`
	Err      string  `json:"err,omitempty"`
	Class    string  `json:"class,omitempty"`
}

func (a answer) sameAs(b answer) bool {
	return a.OK == b.OK && a.Class == b.Class && a.Err == b.Err
}

// mayEndTheWalk reports whether this is one of the type errors after which Go may store no more:
// the string of a quoted number does not contain a number.
func mayEndTheWalk(text string) bool {
	return strings.HasPrefix(text, "json: invalid number literal") ||
		strings.HasPrefix(text, "json: invalid use of ,string struct tag")
}

// decodeStream reads one value as urpc reads an envelope. If a part does not fit, the value is
// described too, because Go keeps all that fits.
func decodeStream(zero any, document []byte) answer {
	pointer := fresh(zero)
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	if err := decoder.Decode(pointer.Interface()); err != nil {
		a := answer{Err: err.Error(), Class: class(err)}
		if a.Class == "value" && !mayEndTheWalk(a.Err) {
			a.describe(pointer.Elem())
			a.OutErr = ""
		}
		return a
	}
	a := answer{OK: true, Consumed: decoder.InputOffset()}
	a.describe(pointer.Elem())
	return a
}

// decodeWhole reads the document as urpc reads an argument.
func decodeWhole(zero any, document []byte) answer {
	if err := json.Unmarshal(document, fresh(zero).Interface()); err != nil {
		return answer{Err: err.Error(), Class: class(err)}
	}
	return answer{OK: true}
}

func class(err error) string {
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return "syntax"
	case err == io.EOF:
		return "eof"
	case err == io.ErrUnexpectedEOF:
		return "unexpected_eof"
	}
	return "value"
}

// describe records the decoded value.
func (a *answer) describe(value reflect.Value) {
	out, err := json.Marshal(value.Interface())
	switch {
	case err != nil:
		a.OutErr = err.Error()
	case utf8.Valid(out):
		text := string(out)
		a.Out = &text
	default:
		a.OutHex = hex.EncodeToString(out)
	}
	if value.Kind() == reflect.Interface {
		return
	}
	switch v := value.Interface().(type) {
	case string:
		a.holds([]byte(v))
	case json.Number:
		a.holds([]byte(v))
	case []byte:
		a.holds(v)
	case json.RawMessage:
		a.holds(v)
	case float32:
		a.Bits = fmt.Sprintf("%08x", math.Float32bits(v))
	case float64:
		a.Bits = fmt.Sprintf("%016x", math.Float64bits(v))
	}
}

func (a *answer) holds(content []byte) {
	if content != nil {
		text := hex.EncodeToString(content)
		a.Bytes = &text
	}
}
