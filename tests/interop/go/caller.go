package main

import (
	"encoding/json"
	"errors"
	"os"
	"strconv"

	"gvisor.dev/gvisor/pkg/urpc"
)

// called is one line of the caller's output.
type called struct {
	Outcome string `json:"outcome"`
	Text    string `json:"text"`
	Files   int    `json:"files"`
}

// callAll makes the calls of a case of the program conform: PATH METHOD TYPE FILES ARG... It prints
// a line for each.
func callAll(words []string) error {
	path, method, kind, args := words[0], words[1], words[2], words[4:]
	files, err := strconv.Atoi(words[3])
	if err != nil {
		return err
	}
	client, err := connect(path)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	for _, arg := range args {
		o := order{Method: method, Arg: json.RawMessage(arg), Files: files}
		if kind == "int" {
			err = out.Encode(callForInt(client, o))
		} else {
			err = out.Encode(callForAny(client, o))
		}
		if err != nil {
			return err
		}
	}
	return client.Close()
}

func callForInt(client *urpc.Client, o order) called {
	var result int64
	if err := client.Call(o.Method, &o.Arg, &result); err != nil {
		return failed(err)
	}
	return called{Outcome: "result", Text: strconv.FormatInt(result, 10)}
}

func callForAny(client *urpc.Client, o order) called {
	files, err := makeFiles(o.Files, o.Content)
	if err != nil {
		return failed(err)
	}
	defer closeAll(files)
	arg := carrier{text: o.Arg}
	arg.Files = files
	var result carrier
	err = client.Call(o.Method, &arg, &result)
	defer closeAll(result.Files)
	if err != nil {
		return failed(err)
	}
	return called{Outcome: "result", Text: string(result.text), Files: len(result.Files)}
}

func failed(err error) called {
	var remote urpc.RemoteError
	if errors.As(err, &remote) {
		return called{Outcome: "remote", Text: remote.Message}
	}
	return called{Outcome: "failed", Text: err.Error()}
}
