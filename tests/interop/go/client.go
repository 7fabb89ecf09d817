package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"

	"gvisor.dev/gvisor/pkg/unet"
	"gvisor.dev/gvisor/pkg/urpc"
)

// order is one line of standard input: a call to make.
type order struct {
	Method string
	// Arg is the argument's text.
	Arg json.RawMessage
	// Files is the number of files to send, each of which contains Content and its index.
	Files   int
	Content string
	// Connect asks for a new connection before the call.
	Connect bool
}

// outcome is one line of standard output: the outcome of the call.
type outcome struct {
	Error  string
	Remote bool
	// Result is the text of the result, empty if none came.
	Result []byte
	// Contents are the contents of the files that came with the result.
	Contents []string
}

// carrier is an argument or a result of any text, with files.
type carrier struct {
	urpc.FilePayload
	text json.RawMessage
}

// MarshalJSON writes the text that the order brought.
func (c *carrier) MarshalJSON() ([]byte, error) {
	return c.text.MarshalJSON()
}

// UnmarshalJSON keeps the text of the result.
func (c *carrier) UnmarshalJSON(text []byte) error {
	return c.text.UnmarshalJSON(text)
}

// drive makes the calls of standard input and prints the outcome of each.
func drive(path string) error {
	client, err := connect(path)
	if err != nil {
		return err
	}
	orders := json.NewDecoder(bufio.NewReaderSize(os.Stdin, 1<<16))
	out := json.NewEncoder(os.Stdout)
	for {
		var o order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return client.Close()
		} else if err != nil {
			return err
		}
		if o.Connect {
			client.Close()
			if client, err = connect(path); err != nil {
				return err
			}
		}
		result, err := o.carryOut(client)
		if err != nil {
			return err
		}
		if err := out.Encode(result); err != nil {
			return err
		}
	}
}

func connect(path string) (*urpc.Client, error) {
	socket, err := unet.Connect(path, false)
	if err != nil {
		return nil, err
	}
	return urpc.NewClient(socket), nil
}

// carryOut makes one call. Its error is an error of this program. An error of the call is in the
// outcome.
func (o order) carryOut(client *urpc.Client) (outcome, error) {
	files, err := makeFiles(o.Files, o.Content)
	if err != nil {
		return outcome{}, err
	}
	arg := carrier{text: o.Arg}
	arg.Files = files
	var result carrier
	failure := client.Call(o.Method, &arg, &result)
	closeAll(files)
	contents, err := readAll(result.Files)
	if err != nil {
		return outcome{}, err
	}
	done := outcome{Result: result.text, Contents: contents}
	if failure != nil {
		var remote urpc.RemoteError
		done.Remote = errors.As(failure, &remote)
		done.Error = failure.Error()
	}
	return done, nil
}

func readAll(files []*os.File) ([]string, error) {
	defer closeAll(files)
	contents := []string{}
	for _, f := range files {
		content, err := io.ReadAll(f)
		if err != nil {
			return nil, err
		}
		contents = append(contents, string(content))
	}
	return contents, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
