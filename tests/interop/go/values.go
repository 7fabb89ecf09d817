package main

import (
	"encoding/json"
	"math"
	"os"
	"reflect"
	"strings"
)

// fill sets the value to random content. Below a few levels everything stays zero.
func (g generator) fill(v reflect.Value, depth int) {
	if depth > 4 || g.Intn(8) == 0 {
		return
	}
	switch v.Interface().(type) {
	case json.Number:
		v.SetString(g.pick(numberTexts))
		return
	case json.RawMessage:
		v.SetBytes([]byte(g.rawText()))
		return
	case []byte:
		v.SetBytes(g.bytes())
		return
	case []*os.File:
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(g.Intn(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(g.integer()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(g.integer())
	case reflect.Float32, reflect.Float64:
		v.SetFloat(g.float(v.Kind() == reflect.Float32))
	case reflect.String:
		v.SetString(g.str())
	case reflect.Interface:
		if value := g.anything(depth); value != nil {
			v.Set(reflect.ValueOf(value))
		}
	default:
		g.fillMany(v, depth+1)
	}
}

func (g generator) fillMany(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		g.fill(v.Elem(), depth)
	case reflect.Slice:
		n := g.Intn(4)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		g.fillItems(v, depth)
	case reflect.Array:
		g.fillItems(v, depth)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for n := g.Intn(4); n > 0; n-- {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			g.fill(key, 1)
			g.fill(value, depth)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := 0; i < v.NumField(); i++ {
			if v.Field(i).CanSet() {
				g.fill(v.Field(i), depth)
			}
		}
	}
}

func (g generator) fillItems(v reflect.Value, depth int) {
	for i := 0; i < v.Len(); i++ {
		g.fill(v.Index(i), depth)
	}
}

// anything is a value for a member of type any, of the kinds that decoding returns.
func (g generator) anything(depth int) any {
	switch n := g.Intn(6); {
	case n == 0:
		return nil
	case n == 1:
		return g.Intn(2) == 0
	case n == 2 || depth > 3:
		return g.str()
	case n == 3:
		return json.Number(g.pick(validNumbers))
	case n == 4:
		list := []any{}
		for k := g.Intn(4); k > 0; k-- {
			list = append(list, g.anything(depth+1))
		}
		return list
	}
	object := map[string]any{}
	for k := g.Intn(4); k > 0; k-- {
		object[g.str()] = g.anything(depth + 1)
	}
	return object
}

func (g generator) pick(texts []string) string {
	return texts[g.Intn(len(texts))]
}

// integer is near a power of two, where the limits of types are, or small.
func (g generator) integer() uint64 {
	if g.Intn(3) == 0 {
		return uint64(g.Intn(100))
	}
	n := uint64(1)<<g.Intn(64) + uint64(g.Intn(5)) - 2
	if g.Intn(2) == 0 {
		return -n
	}
	return n
}

func (g generator) float(narrow bool) float64 {
	switch g.Intn(4) {
	case 0:
		return float64(g.Intn(2000)-1000) / 8
	case 1:
		return math.Pow(10, float64(g.Intn(60)-30)) * float64(g.Intn(1000))
	}
	if narrow {
		return float64(math.Float32frombits(g.Uint32()))
	}
	return math.Float64frombits(g.Uint64())
}

// str is valid UTF-8, as every string of the Rust side is.
func (g generator) str() string {
	var text strings.Builder
	for n := g.Intn(7); n > 0; n-- {
		switch g.Intn(4) {
		case 0:
			text.WriteRune(rune(g.Intn(0x80)))
		case 1:
			text.WriteString(g.pick(oddRunes))
		default:
			text.WriteByte(byte('a' + g.Intn(26)))
		}
	}
	return text.String()
}

func (g generator) bytes() []byte {
	content := make([]byte, g.Intn(6))
	g.Read(content)
	return content
}

// rawText is a JSON text, sometimes an invalid one, without the escapes that the versions of Go
// write differently.
func (g generator) rawText() string {
	if g.Intn(8) == 0 {
		return g.pick(fragments)
	}
	text, err := json.Marshal(g.anything(2))
	if err != nil || disputed("raw", text) {
		return "null"
	}
	return string(g.spread(tokens(text)))
}
