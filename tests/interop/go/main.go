// The Go side of the interoperability tests: gVisor's own urpc as a server and as a client, and a
// generator of JSON cases answered by encoding/json. Each command is one program of the tests:
//
//	peer server PATH            serves Peer on a Unix socket until standard input ends
//	peer client PATH            makes the calls that standard input names, one JSON line each
//	peer caller PATH METHOD TYPE FILES ARG...
//	                            makes the calls of a case of the program conform
//	peer jsongen SEED COUNT     prints COUNT cases, one JSON line each
//	peer version                prints the version of Go
package main

import (
	"fmt"
	"os"
	"runtime"

	"gvisor.dev/gvisor/pkg/log"
)

func main() {
	// The tests check what a broken connection looks like. The package would also log it.
	log.SetTarget(&log.MultiEmitter{})
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "server":
		return serve(args[1])
	case len(args) == 2 && args[0] == "client":
		return drive(args[1])
	case len(args) >= 5 && args[0] == "caller":
		return callAll(args[1:])
	case len(args) == 3 && args[0] == "jsongen":
		return generate(args[1], args[2])
	case len(args) == 1 && args[0] == "version":
		fmt.Println(runtime.Version())
		return nil
	}
	return fmt.Errorf("usage: peer server PATH | peer client PATH | peer jsongen SEED COUNT")
}
