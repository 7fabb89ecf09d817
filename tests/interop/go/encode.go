package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
)

// encodeCase encodes a random value.
func (g generator) encodeCase(name string, zero any) *line {
	pointer := fresh(zero)
	g.fill(pointer.Elem(), 0)
	c := &line{Kind: "encode", Cat: "value", Type: name, Value: tree(pointer.Elem())}
	out, err := json.Marshal(pointer.Elem().Interface())
	if err != nil {
		c.answer = answer{Err: err.Error()}
		return c
	}
	text := hex.EncodeToString(out)
	c.answer = answer{OK: true, Out: &text}
	c.newest(string(out))
	if c.Newest != nil {
		text := hex.EncodeToString([]byte(*c.Newest.Out))
		c.Newest.Out = &text
	}
	return c
}

type node map[string]any

// tree describes the value in objects of one member, whose name is the kind.
func tree(v reflect.Value) any {
	if v.CanInterface() {
		switch x := v.Interface().(type) {
		case json.Number:
			return node{"num": string(x)}
		case json.RawMessage:
			return node{"raw": hexOrNil(x)}
		case []byte:
			return node{"bytes": hexOrNil(x)}
		}
	}
	switch v.Kind() {
	case reflect.Bool:
		return node{"bool": v.Bool()}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return node{"int": strconv.FormatInt(v.Int(), 10)}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return node{"uint": strconv.FormatUint(v.Uint(), 10)}
	case reflect.Float32:
		return node{"f32": fmt.Sprintf("%08x", math.Float32bits(float32(v.Float())))}
	case reflect.Float64:
		return node{"f64": fmt.Sprintf("%016x", math.Float64bits(v.Float()))}
	case reflect.String:
		return node{"str": hex.EncodeToString([]byte(v.String()))}
	case reflect.Slice, reflect.Array, reflect.Map, reflect.Struct:
		return treeOfMany(v)
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return node{"ptr": tree(v.Elem())}
	case reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return tree(v.Elem())
	}
	panic("no tree for " + v.Type().String())
}

func treeOfMany(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Map:
		if v.IsNil() {
			return node{"map": nil}
		}
		entries := []any{}
		for _, key := range v.MapKeys() {
			entries = append(entries, []any{tree(key), tree(v.MapIndex(key))})
		}
		return node{"map": entries}
	case reflect.Struct:
		fields := []any{}
		for i := 0; i < v.NumField(); i++ {
			fields = append(fields, []any{v.Type().Field(i).Name, tree(v.Field(i))})
		}
		return node{"struct": v.Type().Name(), "fields": fields}
	}
	if v.Kind() == reflect.Slice && v.IsNil() {
		return node{"list": nil}
	}
	items := []any{}
	for i := 0; i < v.Len(); i++ {
		items = append(items, tree(v.Index(i)))
	}
	return node{"list": items}
}

func hexOrNil(content []byte) any {
	if content == nil {
		return nil
	}
	return hex.EncodeToString(content)
}
