package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/urpc"
)

// maxFiles is this build's limit, which the package does not export.
const maxFiles = 128

// Peer is the service from which the vectors were recorded. The Rust tests have the same service.
type Peer struct{}

// Files is an argument or a result with only files.
type Files struct {
	urpc.FilePayload
}

// FuncArg is what Func takes.
type FuncArg struct {
	StringArg string
	IntArg    int
}

// FuncResult is what Func gives.
type FuncResult struct {
	StringResult string
	IntResult    int
}

// Echo returns the text of its argument.
func (*Peer) Echo(arg *json.RawMessage, result *json.RawMessage) error {
	*result = *arg
	return nil
}

// Func has a typed argument and a typed result.
func (*Peer) Func(arg *FuncArg, result *FuncResult) error {
	*result = FuncResult{StringResult: arg.StringArg, IntResult: arg.IntArg}
	return nil
}

// Err always fails.
func (*Peer) Err(*json.RawMessage, *struct{}) error {
	return errors.New("test error")
}

// ErrEmpty fails without a text.
func (*Peer) ErrEmpty(*json.RawMessage, *struct{}) error {
	return errors.New("")
}

// ErrFiles fails with files in its result, which nobody may receive.
func (*Peer) ErrFiles(arg *Files, result *Files) error {
	result.Files = arg.Files
	return errors.New("test error")
}

// CountResult is what CountFiles gives.
type CountResult struct {
	Count int
}

// CountFiles counts the received files.
func (*Peer) CountFiles(arg *Files, result *CountResult) error {
	result.Count = len(arg.Files)
	return nil
}

// CatResult is what CatFiles gives.
type CatResult struct {
	Contents []string
}

// CatFiles reads every file to its end.
func (*Peer) CatFiles(arg *Files, result *CatResult) error {
	for _, f := range arg.Files {
		content, err := io.ReadAll(f)
		if err != nil {
			return err
		}
		result.Contents = append(result.Contents, string(content))
	}
	return nil
}

// MakeArg is what MakeFiles takes.
type MakeArg struct {
	Count   int
	Content string
}

// MakeFiles gives Count files, each of which holds Content and its own index.
func (*Peer) MakeFiles(arg *MakeArg, result *Files) (err error) {
	result.Files, err = makeFiles(arg.Count, arg.Content)
	return err
}

// TooManyFiles returns one file more than the limit.
func (*Peer) TooManyFiles(_ *json.RawMessage, result *Files) (err error) {
	result.Files, err = makeFiles(maxFiles+1, "")
	return err
}

// EmptyFiles returns an empty list of files, which is not the same as nil in Go.
func (*Peer) EmptyFiles(_ *json.RawMessage, result *Files) error {
	result.Files = []*os.File{}
	return nil
}

// InfoResult is what FdInfo gives.
type InfoResult struct {
	Cloexec  []bool
	Nonblock []bool
	IsNil    bool
}

// FdInfo reports the flags of the received files.
func (*Peer) FdInfo(arg *Files, result *InfoResult) error {
	result.IsNil = arg.Files == nil
	for _, f := range arg.Files {
		descriptor, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
		if err != nil {
			return err
		}
		status, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
		if err != nil {
			return err
		}
		result.Cloexec = append(result.Cloexec, descriptor&unix.FD_CLOEXEC != 0)
		result.Nonblock = append(result.Nonblock, status&unix.O_NONBLOCK != 0)
	}
	return nil
}

// NaNResult is a result that JSON cannot carry.
type NaNResult struct {
	F float64
}

// NaN returns a result that cannot be encoded.
func (*Peer) NaN(_ *json.RawMessage, result *NaNResult) error {
	result.F = math.NaN()
	return nil
}

// Panic ends the process: urpc does not catch it.
func (*Peer) Panic(*json.RawMessage, *struct{}) error {
	panic("Peer.Panic was called")
}

// SleepArg is what Sleep takes.
type SleepArg struct {
	Ms int
}

// Sleep sleeps.
func (*Peer) Sleep(arg *SleepArg, _ *struct{}) error {
	time.Sleep(time.Duration(arg.Ms) * time.Millisecond)
	return nil
}

// BigArg is what Big takes.
type BigArg struct {
	N int
}

// BigResult is what Big gives.
type BigResult struct {
	Data string
}

// Big gives a string of N bytes.
func (*Peer) Big(arg *BigArg, result *BigResult) error {
	result.Data = strings.Repeat("x", arg.N)
	return nil
}

// Types returns its argument, a value with a member of every type.
func (*Peer) Types(arg *Types, result *Types) error {
	*result = *arg
	return nil
}

// Types has a member of every type that the two sides must agree on.
type Types struct {
	Embedded
	I8   int8
	I16  int16
	I32  int32
	I64  int64
	I    int
	U8   uint8
	U16  uint16
	U32  uint32
	U64  uint64
	U    uint
	F32  float32
	F64  float64
	Bool bool
	Str  string
	Byt  []byte
	Arr  [3]int
	Sl   []int
	MS   map[string]int
	MI   map[int]string
	Ptr  *int
	PIn  *PeerInner
	In   PeerInner
	Any  any
	Raw  json.RawMessage `json:",omitempty"`
	Num  json.Number     `json:",omitempty"`
	OmI  int             `json:"om_i,omitempty"`
	OmS  string          `json:",omitempty"`
	OmP  *PeerInner      `json:",omitempty"`
	Dash int             `json:"-,"`
	QI   int64           `json:",string"`
	QB   bool            `json:"q_b,string"`
	QF   float64         `json:",string"`
	QS   string          `json:",string"`
	Dur  time.Duration
	Time time.Time
}

// Embedded has members that count as members of Types.
type Embedded struct {
	EmbInt int
	EmbStr string `json:"emb_str,omitempty"`
}

// PeerInner is a record inside Types.
type PeerInner struct {
	A   int
	Bee string `json:"bee"`
}

// makeFiles gives count files at their start, each of which holds content and its own index.
func makeFiles(count int, content string) ([]*os.File, error) {
	var files []*os.File
	for index := 0; index < count; index++ {
		f, err := makeFile(fmt.Sprintf("%s%d", content, index))
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func makeFile(content string) (*os.File, error) {
	fd, err := unix.MemfdCreate("peer", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "peer")
	if _, err := f.WriteString(content); err != nil {
		return nil, err
	}
	_, err = f.Seek(0, io.SeekStart)
	return f, err
}
