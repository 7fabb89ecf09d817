package main

import (
	"encoding/json"
	"os"
	"reflect"
	"time"
)

// The types of the JSON cases, with the names that the Rust tests use.

type Empty struct{}

type Basic struct {
	A int    `json:"a"`
	B string `json:"b"`
	C bool   `json:"c"`
}

type Untagged struct {
	Name  string
	Count int
	Flag  bool
}

type Fold struct {
	Kind  string `json:"kind"`
	Pass  int    `json:"pass"`
	Under int    `json:"a_b-1"`
	Plain int    `json:"bond"`
}

type FoldPair struct {
	Lower int `json:"name"`
	Upper int `json:"NAME"`
}

type FoldUni struct {
	E int `json:"É"`
	S int `json:"straße"`
	G int `json:"Σ"`
	D int `json:"ǆ"`
	M int `json:"µm"`
}

type Opts struct {
	B  bool              `json:"b,omitempty"`
	I  int               `json:"i,omitempty"`
	U  uint8             `json:"u,omitempty"`
	F  float64           `json:"f,omitempty"`
	S  string            `json:"s,omitempty"`
	L  []int             `json:"l,omitempty"`
	M  map[string]int    `json:"m,omitempty"`
	P  *int              `json:"p,omitempty"`
	A  [0]int            `json:"a,omitempty"`
	A2 [2]int            `json:"a2,omitempty"`
	X  any               `json:"x,omitempty"`
	T  Basic             `json:"t,omitempty"`
	R  json.RawMessage   `json:"r,omitempty"`
	N  json.Number       `json:"n,omitempty"`
	D  time.Duration     `json:"d,omitempty"`
	Y  []byte            `json:"y,omitempty"`
	Mp map[string]string `json:",omitempty"`
}

type Quoted struct {
	I   int         `json:"i,string"`
	I8  int8        `json:"i8,string"`
	U   uint64      `json:"u,string"`
	F   float64     `json:"f,string"`
	F32 float32     `json:"f32,string"`
	B   bool        `json:"b,string"`
	S   string      `json:"s,string"`
	P   *int        `json:"p,string"`
	N   json.Number `json:"n,string"`
	L   []int       `json:"l,string"`
	O   int         `json:"o,string,omitempty"`
}

type Dash struct {
	Hyphen int `json:"-,"`
	Shown  int `json:"shown"`
	Hidden int `json:"-"`
}

type Inner struct {
	X int    `json:"x"`
	Y string `json:"y"`
}

type Nested struct {
	Name string           `json:"name"`
	In   Inner            `json:"in"`
	Ptr  *Inner           `json:"ptr"`
	List []Inner          `json:"list"`
	Arr  [2]Inner         `json:"arr"`
	Map  map[string]Inner `json:"map"`
	PP   **int            `json:"pp"`
}

type Left struct {
	X    int `json:"x"`
	Both int `json:"both"`
	Tag  int `json:"tag"`
}

type Right struct {
	Z    int `json:"z"`
	Both int `json:"both"`
	Tag  int
}

type Embed struct {
	Left
	*Right
	X   int   `json:"x"`
	Sub Inner `json:"sub"`
}

type hidden struct {
	H int `json:"h"`
}

type EmbedHidden struct {
	hidden
	V int `json:"v"`
}

type EmbedHiddenPtr struct {
	*hidden
	V int `json:"v"`
}

type EmbedNamed struct {
	Inner `json:"inner"`
	V     int `json:"v"`
}

type Payload struct {
	Files []*os.File `json:"-"`
}

type WithPayload struct {
	Payload
	Data string   `json:"data"`
	Args []string `json:"args"`
}

type Call struct {
	Method string          `json:"method"`
	Arg    json.RawMessage `json:"arg"`
}

type CallAny struct {
	Method string `json:"method"`
	Arg    any    `json:"arg"`
}

type Result struct {
	Success bool   `json:"success"`
	Err     string `json:"err"`
	Result  any    `json:"result"`
}

type RawBox struct {
	R json.RawMessage  `json:"r"`
	P *json.RawMessage `json:"p"`
}

type NumBox struct {
	N json.Number    `json:"n"`
	P *json.Number   `json:"p"`
	L []json.Number  `json:"l"`
	D time.Duration  `json:"d"`
	Q *time.Duration `json:"q"`
}

type AnyBox struct {
	V any `json:"v"`
}

type BytesBox struct {
	B []byte   `json:"b"`
	L [][]byte `json:"l"`
	A [3]uint8 `json:"a"`
	P *[]byte  `json:"p"`
}

type Exec struct {
	Filename         string   `json:"filename"`
	Argv             []string `json:"argv"`
	Envv             []string `json:"envv"`
	WorkingDirectory string   `json:"wd"`
	KUID             uint32
	KGID             uint32
	ExtraKGIDs       []uint32 `json:"extraKGIDs"`
	StdioIsPty       bool
	Limits           map[string]uint64 `json:"limits,omitempty"`
	Timeout          time.Duration     `json:"timeout"`
	Payload
}

type OddTags struct {
	Space int `json:"a b"`
	Punct int `json:"!#$%&()*+-./:;<=>?@[]^_{|}~"`
	Html  int `json:"x<y&z"`
	Empty int
	Comma int `json:",omitempty"`
	Uni   int `json:"日本"`
	Str   int `json:"n,omitempty,string"`
}

type TreeNode struct {
	V    int         `json:"v"`
	Next *TreeNode   `json:"next,omitempty"`
	Kids []*TreeNode `json:"kids,omitempty"`
}

type (
	text  string
	small int16
	blob  []byte
	table map[string]small
)

type Defined struct {
	S text  `json:"s"`
	I small `json:"i"`
	B blob  `json:"b"`
	M table `json:"m"`
}

// kinds has a zero value of each type, in a fixed order so that a seed means the same every time.
var kinds = []struct {
	name string
	zero any
}{
	{"bool", false}, {"string", ""}, {"bytes", []byte(nil)}, {"number", json.Number("")},
	{"raw", json.RawMessage(nil)}, {"duration", time.Duration(0)}, {"any", nil},
	{"int8", int8(0)}, {"int16", int16(0)}, {"int32", int32(0)}, {"int64", int64(0)}, {"int", 0},
	{"uint8", uint8(0)}, {"uint16", uint16(0)}, {"uint32", uint32(0)}, {"uint64", uint64(0)},
	{"uint", uint(0)}, {"float32", float32(0)}, {"float64", 0.0},
	{"[]int", []int(nil)}, {"[]bool", []bool(nil)}, {"[]string", []string(nil)},
	{"[]any", []any(nil)}, {"[]bytes", [][]byte(nil)}, {"[][]int", [][]int(nil)},
	{"[]*int", []*int(nil)}, {"[]struct:Basic", []Basic(nil)}, {"[]struct:Inner", []Inner(nil)},
	{"[0]int", [0]int{}}, {"[3]int", [3]int{}}, {"[2]string", [2]string{}}, {"[3]uint8", [3]uint8{}},
	{"*int", (*int)(nil)}, {"*bool", (*bool)(nil)}, {"*string", (*string)(nil)},
	{"**int", (**int)(nil)}, {"*[]int", (*[]int)(nil)}, {"*struct:Basic", (*Basic)(nil)},
	{"map[string]int", map[string]int(nil)}, {"map[string]string", map[string]string(nil)},
	{"map[string]any", map[string]any(nil)}, {"map[string]raw", map[string]json.RawMessage(nil)},
	{"map[string]*int", map[string]*int(nil)}, {"map[string][]int", map[string][]int(nil)},
	{"map[string]struct:Inner", map[string]Inner(nil)}, {"map[int]string", map[int]string(nil)},
	{"map[int8]string", map[int8]string(nil)}, {"map[int64]int", map[int64]int(nil)},
	{"map[uint8]string", map[uint8]string(nil)}, {"map[uint64]bool", map[uint64]bool(nil)},
	{"[]float64", []float64(nil)}, {"[]raw", []json.RawMessage(nil)}, {"[]number", []json.Number(nil)},
	{"[]*string", []*string(nil)}, {"[1]any", [1]any{}}, {"[3]float32", [3]float32{}},
	{"*any", (*any)(nil)}, {"*bytes", (*[]byte)(nil)}, {"*duration", (*time.Duration)(nil)},
	{"map[string]bytes", map[string][]byte(nil)}, {"map[string]float64", map[string]float64(nil)},
	{"map[string]bool", map[string]bool(nil)}, {"map[int16]bool", map[int16]bool(nil)},
	{"map[uint]string", map[uint]string(nil)}, {"[2]struct:Inner", [2]Inner{}},
	{"map[string]struct:Basic", map[string]Basic(nil)}, {"[]struct:BytesBox", []BytesBox(nil)},
	{"struct:Result<[]int>", Result{Result: new([]int)}},
	{"struct:Result<struct:Exec>", Result{Result: new(Exec)}}, {"struct:Result<any>", Result{Result: new(any)}},
	{"struct:EmbedHiddenPtr", EmbedHiddenPtr{}}, {"struct:Inner", Inner{}}, {"struct:Right", Right{}},
	{"struct:Empty", Empty{}}, {"struct:Basic", Basic{}}, {"struct:Untagged", Untagged{}},
	{"struct:Fold", Fold{}}, {"struct:FoldPair", FoldPair{}}, {"struct:FoldUni", FoldUni{}},
	{"struct:Opts", Opts{}}, {"struct:Quoted", Quoted{}}, {"struct:Dash", Dash{}},
	{"struct:Nested", Nested{}}, {"struct:Embed", Embed{}}, {"struct:EmbedHidden", EmbedHidden{}},
	{"struct:EmbedNamed", EmbedNamed{}}, {"struct:WithPayload", WithPayload{}},
	{"struct:Call", Call{}}, {"struct:CallAny", CallAny{}}, {"struct:Result", Result{}},
	{"struct:Result<int>", Result{Result: new(int)}},
	{"struct:Result<string>", Result{Result: new(string)}},
	{"struct:Result<[]string>", Result{Result: new([]string)}},
	{"struct:Result<struct:Basic>", Result{Result: new(Basic)}},
	{"struct:RawBox", RawBox{}}, {"struct:NumBox", NumBox{}}, {"struct:AnyBox", AnyBox{}},
	{"struct:BytesBox", BytesBox{}}, {"struct:Exec", Exec{}}, {"struct:OddTags", OddTags{}},
	{"struct:TreeNode", TreeNode{}}, {"struct:Defined", Defined{}},
}

// fresh returns a pointer to a new zero value of the kind, with a new target for Result's member.
func fresh(zero any) reflect.Value {
	if zero == nil {
		return reflect.ValueOf(new(any))
	}
	pointer := reflect.New(reflect.TypeOf(zero))
	pointer.Elem().Set(reflect.ValueOf(zero))
	if r, ok := zero.(Result); ok && r.Result != nil {
		target := reflect.New(reflect.TypeOf(r.Result).Elem())
		pointer.Elem().FieldByName("Result").Set(target)
	}
	return pointer
}
